//! The SQL of orders.

use sqlx::PgPool;
use sqlx::postgres::PgConnection;

use super::{OLD_DAYS, WorkStatus};
use crate::audit;
use crate::ids::SaleId;
use crate::money::Rupiah;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Branches, Viewer};

/// Moves an order one step. `from` is what the one who asks saw: if a colleague was faster, nothing moves and they read where
/// the order is now, instead of pushing it a step further than they meant.
pub async fn advance(pool: &PgPool, viewer: &Viewer, sale: SaleId, from: WorkStatus, to: WorkStatus) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let (now, kekurangan, is_cancelled) = sqlx::query_as::<_, (WorkStatus, Rupiah, bool)>(
        "SELECT status_pengerjaan, kekurangan, dibatalkan_at IS NOT NULL FROM penjualans
         WHERE id = $1 AND ($2::bigint IS NULL OR branch_id = $2)
         FOR NO KEY UPDATE",
    )
    .bind(sale)
    .bind(viewer.branches().one())
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Refusal::NotFound)?;

    if is_cancelled {
        return Err(Refusal::conflict("cancelled", "Penjualan ini sudah dibatalkan, barangnya kembali ke rak."));
    }
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
    /// Sold more than three days ago, and still here.
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

/// The cards of the board, lane by lane: in work the oldest first; of what was taken only today's, the newest first. `cari`: words
/// of the number or of the patient's name.
pub async fn board(pool: &PgPool, viewer: &Viewer, shown: Shown, cari: &str) -> Outcome<Vec<Ticket>> {
    Ok(sqlx::query_as::<_, Ticket>(
        "WITH card AS (
             SELECT p.*, b.name AS cabang, b.timezone,
                    count(*) OVER lane AS in_lane,
                    row_number() OVER (lane ORDER BY p.created_at, p.id) AS place
             FROM penjualans p JOIN branches b ON b.id = p.branch_id JOIN pasiens s ON s.id = p.pasien_id
             WHERE p.status_pengerjaan <> 'Sudah Diambil' AND p.dibatalkan_at IS NULL
               AND NOT EXISTS (SELECT FROM unnest(string_to_array(lower($4), ' ')) AS word
                               WHERE position(word IN lower(p.kode_penjualan || ' ' || s.nama_pasien)) = 0)
               AND ($1::bigint IS NULL OR p.branch_id = $1)
               AND ($2 <> 'unpaid' OR p.kekurangan > 0)
               AND ($2 <> 'old' OR p.created_at < now() - make_interval(days => $5::int))
             WINDOW lane AS (PARTITION BY p.status_pengerjaan)
           UNION ALL
             SELECT p.*, b.name, b.timezone, count(*) OVER (), row_number() OVER (ORDER BY p.diambil_at DESC, p.id DESC)
             FROM penjualans p JOIN branches b ON b.id = p.branch_id JOIN branch_days d ON d.branch_id = p.branch_id
                  JOIN pasiens s ON s.id = p.pasien_id
             WHERE p.status_pengerjaan = 'Sudah Diambil' AND $2 = 'all' AND p.dibatalkan_at IS NULL
               AND NOT EXISTS (SELECT FROM unnest(string_to_array(lower($4), ' ')) AS word
                               WHERE position(word IN lower(p.kode_penjualan || ' ' || s.nama_pasien)) = 0)
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
    .bind(cari.trim())
    .bind(OLD_DAYS - 1)
    .fetch_all(pool)
    .await?)
}

/// A lane of the board in figures.
#[derive(Debug, sqlx::FromRow)]
pub struct LaneSummary {
    pub status_pengerjaan: WorkStatus,
    pub jumlah: i64,
    /// How long ago the oldest was sold.
    pub oldest_minutes: Option<i64>,
    /// Sold more than a week ago.
    pub late: i64,
    pub kekurangan: Rupiah,
}

/// The board in figures, each lane once: what the lanes hold, and of what was taken only today's.
pub async fn summary(connection: &mut PgConnection, branches: Branches) -> sqlx::Result<Vec<LaneSummary>> {
    sqlx::query_as(
        "WITH here AS (
             SELECT status_pengerjaan, created_at, kekurangan FROM penjualans
             WHERE status_pengerjaan <> 'Sudah Diambil' AND dibatalkan_at IS NULL AND ($1::bigint IS NULL OR branch_id = $1)
             UNION ALL
             SELECT p.status_pengerjaan, NULL, 0 FROM branch_days d JOIN penjualans p ON p.branch_id = d.branch_id AND p.diambil_at >= d.starts_at
             WHERE p.status_pengerjaan = 'Sudah Diambil' AND p.dibatalkan_at IS NULL AND ($1::bigint IS NULL OR d.branch_id = $1)
         )
         SELECT lane.status_pengerjaan, count(here.status_pengerjaan) AS jumlah,
                (extract(epoch FROM now() - min(here.created_at)) / 60)::bigint AS oldest_minutes,
                count(*) FILTER (WHERE here.created_at < now() - interval '7 days') AS late,
                coalesce(sum(here.kekurangan), 0)::bigint AS kekurangan
         FROM unnest($2::text[]) WITH ORDINALITY lane (status_pengerjaan, place) LEFT JOIN here USING (status_pengerjaan)
         GROUP BY lane.status_pengerjaan, lane.place
         ORDER BY lane.place",
    )
    .bind(branches.one())
    .bind(WorkStatus::ALL.map(|status| status.to_string()))
    .fetch_all(connection)
    .await
}
