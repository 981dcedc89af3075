//! Products that need attention: low or medium now.

use serde_json::value::RawValue;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{Level, ProductType};
use crate::ids::{BranchId, ProductId};
use crate::money::Rupiah;
use crate::scope::Branches;

#[derive(Debug, Clone, sqlx::FromRow)]
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
    /// The open alert as the stream says it: who answers it, until when it is put off ([`crate::alerts`]).
    pub alert: Option<Json<Box<RawValue>>>,
}

/// The worst first. `branch` none: of all branches.
pub async fn alerts(connection: &mut PgConnection, branch: Option<BranchId>) -> sqlx::Result<Vec<AlertRow>> {
    alerts_of(connection, branch.as_ref().map(std::slice::from_ref)).await
}

/// Of several branches at once.
pub async fn alerts_of(connection: &mut PgConnection, branches: Option<&[BranchId]>) -> sqlx::Result<Vec<AlertRow>> {
    sqlx::query_as(
        "SELECT product_type, product_id, branch_id, kode, product_name, price, stok, alert_level, updated_at,
                CASE alert_level WHEN 'low' THEN open_alert(product_type, product_id) END AS alert
         FROM products WHERE alert_level <> 'normal' AND ($1::bigint[] IS NULL OR branch_id = ANY($1))
         ORDER BY alert_level = 'medium', stok, product_type, product_id",
    )
    .bind(branches)
    .fetch_all(connection)
    .await
}

/// One of the products that need attention most.
#[derive(Debug, sqlx::FromRow)]
pub struct WorstRow {
    pub product_type: ProductType,
    pub product_id: ProductId,
    /// Where several branches are looked at; else empty.
    pub branch_name: String,
    pub kode: String,
    pub product_name: String,
    pub stok: i32,
    pub alert_level: Level,
}

/// The first of [`alerts`]: what the navbar and the dashboards show.
pub async fn worst(connection: &mut PgConnection, branches: Branches, limit: i64) -> sqlx::Result<Vec<WorstRow>> {
    sqlx::query_as(
        "SELECT product_type, product_id, CASE WHEN $1 IS NULL THEN b.name ELSE '' END AS branch_name, worst.kode, product_name, stok, alert_level
         FROM (SELECT * FROM products
               WHERE alert_level <> 'normal' AND ($1::bigint IS NULL OR branch_id = $1)
                 AND branch_id NOT IN (SELECT id FROM branches WHERE retired_at IS NOT NULL)
               ORDER BY alert_level = 'medium', stok, product_type, product_id
               LIMIT $2) worst
         JOIN branches b ON b.id = worst.branch_id
         ORDER BY alert_level = 'medium', stok, product_type, product_id",
    )
    .bind(branches.one())
    .bind(limit)
    .fetch_all(connection)
    .await
}
