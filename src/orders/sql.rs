//! The SQL of orders.

use sqlx::PgPool;

use super::WorkStatus;
use crate::ids::SaleId;
use crate::money::Rupiah;
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;

/// Moves an order one step. `from` is what the one who asks saw: if a colleague was faster, nothing moves and they read where
/// the order is now, instead of pushing it a step further than they meant.
pub async fn advance(pool: &PgPool, viewer: &Viewer, sale: SaleId, from: WorkStatus, to: WorkStatus) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    let (now, kekurangan) = sqlx::query_as::<_, (WorkStatus, Rupiah)>(
        "SELECT status_pengerjaan, kekurangan FROM penjualans
         WHERE id = $1 AND ($2::bigint IS NULL OR branch_id = $2)
         FOR NO KEY UPDATE",
    )
    .bind(sale)
    .bind(viewer.branches().one())
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Refusal::NotFound)?;

    if now != from {
        return Err(Refusal::conflict("status_changed", format!("Sudah dipindahkan rekan lain, sekarang {now}.")));
    }
    if !from.may_become(to) {
        return Err(Refusal::conflict("status_step", format!("Dari {from} tidak bisa langsung ke {to}.")));
    }
    if to == WorkStatus::Taken && kekurangan > Rupiah::ZERO {
        return Err(Refusal::conflict("unpaid", format!("Belum bisa diserahkan, masih kurang {kekurangan}.")));
    }
    sqlx::query("UPDATE penjualans SET status_pengerjaan = $2 WHERE id = $1")
        .bind(sale)
        .bind(to)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}
