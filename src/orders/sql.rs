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

/// Which orders the board shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    All,
    /// The patient still owes something.
    Unpaid,
    /// Sold more than three days ago and not ready yet, or not fetched.
    Old,
}

/// Cards in one lane: more than a screen holds, few enough to read.
pub const LANE: i64 = 50;

#[derive(Debug, sqlx::FromRow)]
pub struct Ticket {
    pub id: SaleId,
    pub kode_penjualan: String,
    pub nama_pasien: String,
    pub status_pengerjaan: WorkStatus,
    pub kekurangan: Rupiah,
    pub cabang: String,
    /// What was bought, in a few words.
    pub isi: String,
    pub minutes_old: i64,
    /// When it was taken, `14:03` on the branch's clock.
    pub diambil: Option<String>,
    /// Orders in its lane, shown or not.
    pub in_lane: i64,
}

/// The cards of the board, lane by lane: in work the oldest first; of what was taken only today's, the newest first.
pub async fn board(pool: &PgPool, viewer: &Viewer, shown: Shown) -> Outcome<Vec<Ticket>> {
    Ok(sqlx::query_as::<_, Ticket>(
        "WITH card AS (
             SELECT p.*, b.name AS cabang, b.timezone,
                    count(*) OVER lane AS in_lane,
                    row_number() OVER (lane ORDER BY p.created_at, p.id) AS place
             FROM penjualans p JOIN branches b ON b.id = p.branch_id
             WHERE p.status_pengerjaan <> 'Sudah Diambil'
               AND ($1::bigint IS NULL OR p.branch_id = $1)
               AND ($2 <> 'unpaid' OR p.kekurangan > 0)
               AND ($2 <> 'old' OR p.created_at < now() - interval '3 days')
             WINDOW lane AS (PARTITION BY p.status_pengerjaan)
           UNION ALL
             SELECT p.*, b.name, b.timezone, count(*) OVER (), row_number() OVER (ORDER BY p.diambil_at DESC, p.id DESC)
             FROM penjualans p JOIN branches b ON b.id = p.branch_id JOIN branch_days d ON d.branch_id = p.branch_id
             WHERE p.status_pengerjaan = 'Sudah Diambil' AND $2 = 'all'
               AND ($1::bigint IS NULL OR p.branch_id = $1)
               AND p.diambil_at >= d.starts_at
         )
         SELECT card.id, kode_penjualan, pasien.nama_pasien, status_pengerjaan, kekurangan, cabang,
                coalesce((SELECT string_agg(nama, ', ' ORDER BY subtotal DESC, id)
                          FROM penjualan_details WHERE penjualan_id = card.id), '') AS isi,
                (extract(epoch FROM now() - card.created_at) / 60)::bigint AS minutes_old,
                to_char(card.diambil_at AT TIME ZONE timezone, 'HH24:MI') AS diambil, in_lane
         FROM card JOIN pasiens pasien ON pasien.id = card.pasien_id
         WHERE place <= $3
         ORDER BY place",
    )
    .bind(viewer.branches().one())
    .bind(match shown {
        Shown::All => "all",
        Shown::Unpaid => "unpaid",
        Shown::Old => "old",
    })
    .bind(LANE)
    .fetch_all(pool)
    .await?)
}
