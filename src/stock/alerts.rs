//! Products that need attention: low or medium now.

use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use super::{Level, ProductType};
use crate::ids::{BranchId, ProductId};
use crate::money::Rupiah;

#[derive(Debug, sqlx::FromRow)]
pub struct AlertRow {
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub branch_id: BranchId,
    pub kode: String,
    pub product_name: String,
    pub price: Rupiah,
    pub stok: i32,
    pub alert_level: Level,
    pub updated_at: OffsetDateTime,
}

/// The worst first. `branch` none: of all branches.
pub async fn alerts(connection: &mut PgConnection, branch: Option<BranchId>) -> sqlx::Result<Vec<AlertRow>> {
    sqlx::query_as(
        "SELECT product_type, product_id, branch_id, kode, product_name, price, stok, alert_level, updated_at
         FROM products WHERE alert_level <> 'normal' AND ($1::bigint IS NULL OR branch_id = $1)
         ORDER BY alert_level = 'medium', stok, product_type, product_id",
    )
    .bind(branch)
    .fetch_all(connection)
    .await
}
