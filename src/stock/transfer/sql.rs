//! The SQL of transfers. Every step holds the document first, then the products in the order in which sales hold them.

use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{Line, Scanned, Status, Transfer};
use crate::audit;
use crate::ids::{BranchId, ProductId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Branches, Role, Viewer};
use crate::stock::ProductType;
use crate::stock::catalog::MOST;
use crate::stock::sql::give_reason;

macro_rules! transfers {
    () => {
        "SELECT t.id, t.kode, t.from_branch, f.name AS from_name, t.to_branch, r.name AS to_name, t.status, t.catatan, t.alasan,
                to_char(coalesce(t.ended_at, t.sent_at, t.created_at) AT TIME ZONE f.timezone, 'DD/MM/YYYY HH24:MI') AS waktu,
                u.name AS by, (SELECT coalesce(sum(quantity), 0) FROM stock_transfer_lines l WHERE l.transfer_id = t.id) AS pieces
         FROM stock_transfers t JOIN branches f ON f.id = t.from_branch JOIN branches r ON r.id = t.to_branch
              LEFT JOIN users u ON u.id = coalesce(t.ended_by, t.sent_by, t.created_by) "
    };
}

/// Those that concern a branch, what is still to be done first.
pub async fn list(pool: &PgPool, scope: Branches, limit: i64) -> sqlx::Result<Vec<Transfer>> {
    sqlx::query_as(concat!(
        transfers!(),
        "WHERE $1::bigint IS NULL OR t.from_branch = $1 OR (t.to_branch = $1 AND t.status <> 'draf')
         ORDER BY t.status NOT IN ('draf', 'dikirim'), t.id DESC LIMIT $2"
    ))
    .bind(scope.one())
    .bind(limit)
    .fetch_all(pool)
    .await
}

pub async fn find(pool: &PgPool, viewer: &Viewer, id: i64) -> Outcome<Transfer> {
    if viewer.role == Role::Kasir {
        return Err(Refusal::Forbidden);
    }
    let found: Option<Transfer> =
        sqlx::query_as(concat!(transfers!(), "WHERE t.id = $1")).bind(id).fetch_optional(pool).await?;
    found.filter(|transfer| transfer.is_visible_to(viewer)).ok_or(Refusal::NotFound)
}

pub async fn lines(pool: &PgPool, id: i64) -> sqlx::Result<Vec<Line>> {
    sqlx::query_as(
        "SELECT p.product_type, p.product_id, p.kode, p.product_name AS nama, l.quantity, p.stok, p.alert_level
         FROM stock_transfer_lines l JOIN products p USING (product_type, product_id)
         WHERE l.transfer_id = $1 ORDER BY p.product_type, p.product_name, p.product_id",
    )
    .bind(id)
    .fetch_all(pool)
    .await
}

/// A new draft.
pub async fn create(pool: &PgPool, viewer: &Viewer, from: BranchId, to: BranchId, catatan: &str) -> Outcome<i64> {
    if !viewer.may_manage(from) {
        return Err(Refusal::Forbidden);
    }
    if from == to {
        return Err(Refusal::invalid("ke", "Pilih cabang yang lain dari pengirimnya."));
    }
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let made: Option<i64> = sqlx::query_scalar(
        "INSERT INTO stock_transfers (from_branch, to_branch, catatan, created_by)
         SELECT f.id, t.id, $3, $4 FROM branches f, branches t WHERE f.id = $1 AND t.id = $2 AND t.retired_at IS NULL RETURNING id",
    )
    .bind(from)
    .bind(to)
    .bind(catatan)
    .bind(viewer.id)
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    made.ok_or_else(|| Refusal::invalid("ke", "Pilih cabang tujuannya."))
}

/// The document, held until the transaction ends.
async fn hold(db: &mut PgConnection, viewer: &Viewer, id: i64) -> Outcome<Transfer> {
    if viewer.role == Role::Kasir {
        return Err(Refusal::Forbidden);
    }
    audit::sql::sign(&mut *db, viewer).await?;
    let found: Option<Transfer> =
        sqlx::query_as(concat!(transfers!(), "WHERE t.id = $1 FOR UPDATE OF t")).bind(id).fetch_optional(db).await?;
    found.filter(|transfer| transfer.is_visible_to(viewer)).ok_or(Refusal::NotFound)
}

fn not_now(transfer: &Transfer) -> Refusal {
    let message = match transfer.status {
        Status::Draf => format!("{} masih draf. Kirim dulu.", transfer.kode),
        Status::Dikirim => format!("{} sudah dikirim. Cabang penerima yang menerima atau menolaknya.", transfer.kode),
        ended => format!("{} sudah {}.", transfer.kode, ended.word().to_lowercase()),
    };
    Refusal::conflict("transfer_status", message)
}

/// One more of `code`, or so many in all; 0 takes the line away. `scan` is a number of the scan's own; the same again is the
/// same scan.
pub async fn put(
    pool: &PgPool,
    viewer: &Viewer,
    id: i64,
    code: &str,
    amount: Option<i32>,
    scan: Uuid,
) -> Outcome<Scanned> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let transfer = hold(&mut tx, viewer, id).await?;
    // before the status: a scan that is repeated after the goods were sent is among them
    let is_repeated: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM stock_transfer_scans WHERE ref = $1)")
        .bind(scan)
        .fetch_one(&mut *tx)
        .await?;
    if !is_repeated && !transfer.may_edit(viewer) {
        return Err(not_now(&transfer));
    }
    let found: Option<(ProductType, ProductId, i32, String)> = sqlx::query_as(
        "SELECT product_type, product_id, stok, product_name FROM products WHERE branch_id = $1 AND upper(kode) = upper($2)
         ORDER BY kode = $2 DESC, product_type, product_id LIMIT 1",
    )
    .bind(transfer.from_branch)
    .bind(code)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((product_type, product_id, stok, nama)) = found else {
        return Err(Refusal::invalid("kode", format!("Kode {code} tidak ada di {}.", transfer.from_name)));
    };
    let now: Option<i32> = sqlx::query_scalar(
        "SELECT quantity FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = $2 AND product_id = $3",
    )
    .bind(id)
    .bind(product_type)
    .bind(product_id)
    .fetch_optional(&mut *tx)
    .await?;
    if is_repeated {
        return Ok(Scanned { nama, jumlah: now.unwrap_or(0) });
    }
    let quantity = amount.unwrap_or(now.unwrap_or(0) + 1).min(MOST);
    if quantity > stok {
        return Err(Refusal::invalid("kode", format!("Stok {code} di {} tinggal {stok}.", transfer.from_name)));
    }
    if quantity == 0 {
        sqlx::query(
            "DELETE FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = $2 AND product_id = $3",
        )
        .bind(id)
        .bind(product_type)
        .bind(product_id)
        .execute(&mut *tx)
        .await?;
    } else {
        sqlx::query(
            "INSERT INTO stock_transfer_lines (transfer_id, product_type, product_id, quantity) VALUES ($1, $2, $3, $4)
             ON CONFLICT (transfer_id, product_type, product_id) DO UPDATE SET quantity = excluded.quantity",
        )
        .bind(id)
        .bind(product_type)
        .bind(product_id)
        .bind(quantity)
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query("INSERT INTO stock_transfer_scans (ref, transfer_id) VALUES ($1, $2)")
        .bind(scan)
        .bind(id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Scanned { nama, jumlah: quantity })
}

/// Holds the sender's products of a transfer.
async fn hold_products(db: &mut PgConnection, id: i64) -> sqlx::Result<()> {
    for statement in [
        "SELECT FROM frames WHERE id IN (SELECT product_id FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = 'Frame')
         ORDER BY id FOR NO KEY UPDATE",
        "SELECT FROM lensas WHERE id IN (SELECT product_id FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = 'Lensa')
         ORDER BY id FOR NO KEY UPDATE",
        "SELECT FROM aksesoris WHERE id IN (SELECT product_id FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = 'Aksesoris')
         ORDER BY id FOR NO KEY UPDATE",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *db).await?;
    }
    Ok(())
}

async fn step(db: &mut PgConnection, viewer: &Viewer, id: i64, to: Status, alasan: &str) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE stock_transfers SET status = $2, alasan = $4,
                sent_by = CASE WHEN $2 = 'dikirim' THEN $3 ELSE sent_by END,
                sent_at = CASE WHEN $2 = 'dikirim' THEN clock_timestamp() ELSE sent_at END,
                ended_by = CASE WHEN $2 <> 'dikirim' THEN $3 END,
                ended_at = CASE WHEN $2 <> 'dikirim' THEN clock_timestamp() END
         WHERE id = $1",
    )
    .bind(id)
    .bind(to)
    .bind(viewer.id)
    .bind(alasan)
    .execute(db)
    .await?;
    Ok(())
}

/// The goods leave the sender's stock.
pub async fn send(pool: &PgPool, viewer: &Viewer, id: i64) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let transfer = hold(&mut tx, viewer, id).await?;
    if !transfer.may_edit(viewer) {
        return Err(not_now(&transfer));
    }
    if transfer.pieces == 0 {
        return Err(Refusal::conflict("transfer_empty", "Belum ada barang di kiriman ini. Pindai dulu barangnya."));
    }
    hold_products(&mut tx, id).await?;
    let short: Option<String> = sqlx::query_scalar(
        "SELECT string_agg(p.product_name || ' tinggal ' || p.stok, ', ' ORDER BY p.product_name)
         FROM stock_transfer_lines l JOIN products p USING (product_type, product_id)
         WHERE l.transfer_id = $1 AND p.stok < l.quantity",
    )
    .bind(id)
    .fetch_one(&mut *tx)
    .await?;
    if let Some(short) = short {
        return Err(Refusal::conflict("stock", format!("Stok tidak cukup: {short}. Ubah jumlahnya, lalu kirim.")));
    }
    give_reason(&mut tx, "transfer", &format!("{} ke {}", transfer.kode, transfer.to_name)).await?;
    for statement in [
        "UPDATE frames p SET stok = p.stok - l.quantity FROM stock_transfer_lines l
         WHERE l.transfer_id = $1 AND l.product_type = 'Frame' AND p.id = l.product_id",
        "UPDATE lensas p SET stok = p.stok - l.quantity FROM stock_transfer_lines l
         WHERE l.transfer_id = $1 AND l.product_type = 'Lensa' AND p.id = l.product_id",
        "UPDATE aksesoris p SET stok = p.stok - l.quantity FROM stock_transfer_lines l
         WHERE l.transfer_id = $1 AND l.product_type = 'Aksesoris' AND p.id = l.product_id",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *tx).await?;
    }
    step(&mut tx, viewer, id, Status::Dikirim, "").await?;
    Ok(tx.commit().await?)
}

/// The goods enter the receiver's stock: the product of the same code (an accessory, whose code is made of its id: of the same
/// name), or a new one made after the sender's.
pub async fn receive(pool: &PgPool, viewer: &Viewer, id: i64) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let transfer = hold(&mut tx, viewer, id).await?;
    if !transfer.may_receive(viewer) {
        return Err(not_now(&transfer));
    }
    give_reason(&mut tx, "transfer", &format!("{} dari {}", transfer.kode, transfer.from_name)).await?;
    for statement in [
        "INSERT INTO frames (branch_id, kode_frame, merk_frame, jenis_frame, harga_beli_frame, harga_jual_frame, stok_minimum)
         SELECT $2, s.kode_frame, s.merk_frame, s.jenis_frame, s.harga_beli_frame, s.harga_jual_frame, s.stok_minimum
         FROM stock_transfer_lines l JOIN frames s ON s.id = l.product_id WHERE l.transfer_id = $1 AND l.product_type = 'Frame'
         ON CONFLICT (branch_id, kode_frame) DO NOTHING",
        "INSERT INTO lensas (branch_id, kode_lensa, merk_lensa, type, index, coating, harga_beli_lensa, harga_jual_lensa, stok_minimum,
                             is_custom_order)
         SELECT $2, s.kode_lensa, s.merk_lensa, s.type, s.index, s.coating, s.harga_beli_lensa, s.harga_jual_lensa, s.stok_minimum,
                s.is_custom_order
         FROM stock_transfer_lines l JOIN lensas s ON s.id = l.product_id WHERE l.transfer_id = $1 AND l.product_type = 'Lensa'
         ON CONFLICT (branch_id, kode_lensa) DO NOTHING",
        "INSERT INTO aksesoris (branch_id, nama_produk, harga_beli, harga_jual, stok_minimum)
         SELECT DISTINCT ON (lower(s.nama_produk)) $2::bigint, s.nama_produk, s.harga_beli, s.harga_jual, s.stok_minimum
         FROM stock_transfer_lines l JOIN aksesoris s ON s.id = l.product_id WHERE l.transfer_id = $1 AND l.product_type = 'Aksesoris'
              AND NOT EXISTS (SELECT FROM aksesoris r WHERE r.branch_id = $2 AND lower(r.nama_produk) = lower(s.nama_produk))",
        "UPDATE stock_transfer_lines l SET received_id = r.id FROM frames s, frames r
         WHERE l.transfer_id = $1 AND l.product_type = 'Frame' AND s.id = l.product_id AND r.branch_id = $2 AND r.kode_frame = s.kode_frame",
        "UPDATE stock_transfer_lines l SET received_id = r.id FROM lensas s, lensas r
         WHERE l.transfer_id = $1 AND l.product_type = 'Lensa' AND s.id = l.product_id AND r.branch_id = $2 AND r.kode_lensa = s.kode_lensa",
        "UPDATE stock_transfer_lines l
         SET received_id = (SELECT min(r.id) FROM aksesoris r WHERE r.branch_id = $2 AND lower(r.nama_produk) = lower(s.nama_produk))
         FROM aksesoris s WHERE l.transfer_id = $1 AND l.product_type = 'Aksesoris' AND s.id = l.product_id",
        "SELECT FROM frames WHERE branch_id = $2
         AND id IN (SELECT received_id FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = 'Frame') ORDER BY id FOR NO KEY UPDATE",
        "SELECT FROM lensas WHERE branch_id = $2
         AND id IN (SELECT received_id FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = 'Lensa') ORDER BY id FOR NO KEY UPDATE",
        "SELECT FROM aksesoris WHERE branch_id = $2
         AND id IN (SELECT received_id FROM stock_transfer_lines WHERE transfer_id = $1 AND product_type = 'Aksesoris')
         ORDER BY id FOR NO KEY UPDATE",
        "UPDATE frames p SET stok = p.stok + l.quantity
         FROM (SELECT received_id, sum(quantity)::int AS quantity FROM stock_transfer_lines
               WHERE transfer_id = $1 AND product_type = 'Frame' GROUP BY received_id) l
         WHERE p.id = l.received_id AND p.branch_id = $2",
        "UPDATE lensas p SET stok = p.stok + l.quantity
         FROM (SELECT received_id, sum(quantity)::int AS quantity FROM stock_transfer_lines
               WHERE transfer_id = $1 AND product_type = 'Lensa' GROUP BY received_id) l
         WHERE p.id = l.received_id AND p.branch_id = $2",
        "UPDATE aksesoris p SET stok = p.stok + l.quantity
         FROM (SELECT received_id, sum(quantity)::int AS quantity FROM stock_transfer_lines
               WHERE transfer_id = $1 AND product_type = 'Aksesoris' GROUP BY received_id) l
         WHERE p.id = l.received_id AND p.branch_id = $2",
    ] {
        sqlx::query(statement).bind(id).bind(transfer.to_branch).execute(&mut *tx).await?;
    }
    let is_lost: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM stock_transfer_lines WHERE transfer_id = $1 AND received_id IS NULL)",
    )
    .bind(id)
    .fetch_one(&mut *tx)
    .await?;
    if is_lost {
        // only by other programs: ours refuse to delete what is on its way
        return Err(Refusal::conflict(
            "transfer_lost",
            "Ada barang yang datanya sudah dihapus di cabang pengirim. Tolak kiriman ini.",
        ));
    }
    step(&mut tx, viewer, id, Status::Diterima, "").await?;
    Ok(tx.commit().await?)
}

/// The receiver refuses the goods: they go back.
pub async fn refuse(pool: &PgPool, viewer: &Viewer, id: i64, alasan: &str) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let transfer = hold(&mut tx, viewer, id).await?;
    if !transfer.may_receive(viewer) {
        return Err(not_now(&transfer));
    }
    give_back(&mut tx, &transfer, "ditolak").await?;
    step(&mut tx, viewer, id, Status::Ditolak, alasan).await?;
    Ok(tx.commit().await?)
}

/// The sender calls it back before it was received; a draft is simply dropped.
pub async fn call_back(pool: &PgPool, viewer: &Viewer, id: i64, alasan: &str) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let transfer = hold(&mut tx, viewer, id).await?;
    if !transfer.may_call_back(viewer) {
        return Err(not_now(&transfer));
    }
    if transfer.status == Status::Dikirim {
        give_back(&mut tx, &transfer, "dibatalkan").await?;
    }
    step(&mut tx, viewer, id, Status::Batal, alasan).await?;
    Ok(tx.commit().await?)
}

async fn give_back(db: &mut PgConnection, transfer: &Transfer, why: &str) -> Outcome<()> {
    hold_products(&mut *db, transfer.id).await?;
    give_reason(&mut *db, "transfer", &format!("{} {why}, kembali", transfer.kode)).await?;
    for statement in [
        "UPDATE frames p SET stok = p.stok + l.quantity FROM stock_transfer_lines l
         WHERE l.transfer_id = $1 AND l.product_type = 'Frame' AND p.id = l.product_id",
        "UPDATE lensas p SET stok = p.stok + l.quantity FROM stock_transfer_lines l
         WHERE l.transfer_id = $1 AND l.product_type = 'Lensa' AND p.id = l.product_id",
        "UPDATE aksesoris p SET stok = p.stok + l.quantity FROM stock_transfer_lines l
         WHERE l.transfer_id = $1 AND l.product_type = 'Aksesoris' AND p.id = l.product_id",
    ] {
        sqlx::query(statement).bind(transfer.id).execute(&mut *db).await?;
    }
    Ok(())
}
