//! The SQL of counting.

use sqlx::postgres::PgConnection;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::{Line, Opname, Status, Totals, Uncounted, View};
use crate::audit;
use crate::ids::{BranchId, ProductId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Branches, Viewer};
use crate::stock::ProductType;
use crate::stock::sql::give_reason;

macro_rules! opnames {
    () => {
        "SELECT o.id, o.kode, o.branch_id, b.name AS branch_name, o.product_type, o.status, s.name AS started_by,
                to_char(o.started_at AT TIME ZONE b.timezone, 'DD/MM/YYYY HH24:MI') AS started_at, e.name AS ended_by,
                to_char(o.ended_at AT TIME ZONE b.timezone, 'DD/MM/YYYY HH24:MI') AS ended_at
         FROM stock_opnames o JOIN branches b ON b.id = o.branch_id LEFT JOIN users s ON s.id = o.started_by
              LEFT JOIN users e ON e.id = o.ended_by "
    };
}

pub async fn list(pool: &PgPool, scope: Branches, limit: i64) -> sqlx::Result<Vec<Opname>> {
    sqlx::query_as(concat!(
        opnames!(),
        "WHERE $1::bigint IS NULL OR o.branch_id = $1 ORDER BY o.status <> 'berjalan', o.id DESC LIMIT $2"
    ))
    .bind(scope.one())
    .bind(limit)
    .fetch_all(pool)
    .await
}

pub async fn find(pool: &PgPool, viewer: &Viewer, id: i64) -> Outcome<Opname> {
    let found: Option<Opname> =
        sqlx::query_as(concat!(opnames!(), "WHERE o.id = $1")).bind(id).fetch_optional(pool).await?;
    found.filter(|opname| viewer.may_see(opname.branch_id)).ok_or(Refusal::NotFound)
}

/// Begins to count an inventory, or finds the count that is running.
pub async fn start(pool: &PgPool, viewer: &Viewer, branch: BranchId, product_type: ProductType) -> Outcome<i64> {
    if !viewer.may_manage(branch) {
        return Err(Refusal::Forbidden);
    }
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    sqlx::query(
        "INSERT INTO stock_opnames (branch_id, product_type, started_by) VALUES ($1, $2, $3)
         ON CONFLICT (branch_id, product_type) WHERE status = 'berjalan' DO NOTHING",
    )
    .bind(branch)
    .bind(product_type)
    .bind(viewer.id)
    .execute(&mut *tx)
    .await?;
    let id = sqlx::query_scalar(
        "SELECT id FROM stock_opnames WHERE branch_id = $1 AND product_type = $2 AND status = 'berjalan'",
    )
    .bind(branch)
    .bind(product_type)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(id)
}

pub async fn totals(pool: &PgPool, opname: &Opname) -> sqlx::Result<Totals> {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM products WHERE product_type = $2 AND branch_id = $3 AND NOT is_custom_order) AS products,
                count(*) AS counted, count(*) FILTER (WHERE counted <> stok) AS differences, count(*) FILTER (WHERE is_moved) AS moved
         FROM stock_opname_counts WHERE opname_id = $1",
    )
    .bind(opname.id)
    .bind(opname.product_type)
    .bind(opname.branch_id)
    .fetch_one(pool)
    .await
}

macro_rules! lines {
    () => {
        "SELECT p.product_type, p.product_id, p.kode, p.product_name AS nama, p.stok, p.alert_level, c.counted, c.stok AS stok_counted,
                coalesce(c.is_moved, false) AS is_moved, u.name AS counted_by
         FROM products p LEFT JOIN stock_opname_counts c ON c.opname_id = $1 AND c.product_id = p.product_id
              LEFT JOIN users u ON u.id = c.counted_by
         WHERE p.product_type = $2 AND p.branch_id = $3 "
    };
}

/// What was counted last comes first; what was not, by name.
pub async fn lines(pool: &PgPool, opname: &Opname, view: View, limit: i64, offset: i64) -> sqlx::Result<Vec<Line>> {
    sqlx::query_as(concat!(
        lines!(),
        "AND CASE $4 WHEN 'belum' THEN c.counted IS NULL AND NOT p.is_custom_order
                     WHEN 'selisih' THEN c.counted <> c.stok OR c.is_moved ELSE c.counted IS NOT NULL END
         ORDER BY c.is_moved DESC NULLS LAST, c.updated_at DESC NULLS LAST, p.product_name, p.product_id LIMIT $5 OFFSET $6"
    ))
    .bind(opname.id)
    .bind(opname.product_type)
    .bind(opname.branch_id)
    .bind(view.name())
    .bind(limit)
    .bind(offset)
    .fetch_all(pool)
    .await
}

/// What was counted since `since` (microseconds of the epoch), the oldest first; and the time of the newest.
pub async fn news(pool: &PgPool, opname: &Opname, since: i64) -> sqlx::Result<(Vec<Line>, i64)> {
    // Times are taken before a commit: what was counted in the five seconds before is said again, rather than lost.
    let now = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 5000000")
        .fetch_one(pool)
        .await?;
    let lines = sqlx::query_as(concat!(
        lines!(),
        "AND c.updated_at > to_timestamp($4::bigint / 1000000.0) ORDER BY c.updated_at LIMIT 500"
    ))
    .bind(opname.id)
    .bind(opname.product_type)
    .bind(opname.branch_id)
    .bind(since)
    .fetch_all(pool)
    .await?;
    Ok((lines, now))
}

#[derive(FromRow)]
struct Running {
    branch_id: BranchId,
    product_type: ProductType,
    status: Status,
    kode: String,
}

impl Running {
    fn still(self) -> Outcome<Self> {
        match self.status {
            Status::Berjalan => Ok(self),
            Status::Selesai | Status::Batal => {
                let message = format!("Opname {} sudah {}.", self.kode, self.status.word().to_lowercase());
                Err(Refusal::conflict("opname_ended", message))
            }
        }
    }
}

/// One scan of `code`: one more of it, or (`amount`) so many in all. `scan` is a number of the scan's own; the same again is the
/// same scan.
pub async fn count(
    pool: &PgPool,
    viewer: &Viewer,
    id: i64,
    code: &str,
    amount: Option<i32>,
    scan: Uuid,
) -> Outcome<Line> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    // shared: many count at once, and finishing waits for them
    let running: Option<Running> =
        sqlx::query_as("SELECT branch_id, product_type, status, kode FROM stock_opnames WHERE id = $1 FOR SHARE")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
    let running = running.filter(|opname| viewer.may_see(opname.branch_id)).ok_or(Refusal::NotFound)?;
    let product = product_of(&mut tx, &running, code).await?;
    // before the status: a scan that is repeated after the end was counted before it
    let is_repeated: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM stock_opname_scans WHERE ref = $1)")
        .bind(scan)
        .fetch_one(&mut *tx)
        .await?;
    let (branch, product_type) = (running.branch_id, running.product_type);
    if !is_repeated {
        running.still()?;
        note(&mut tx, viewer, id, product_type, product, amount, scan).await?;
    }
    let line = sqlx::query_as(concat!(lines!(), "AND p.product_id = $4"))
        .bind(id)
        .bind(product_type)
        .bind(branch)
        .bind(product)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(line)
}

async fn product_of(db: &mut PgConnection, running: &Running, code: &str) -> Outcome<ProductId> {
    let found: Option<(ProductId, ProductType)> = sqlx::query_as(
        "SELECT product_id, product_type FROM products WHERE branch_id = $1 AND upper(kode) = upper($2)
         ORDER BY product_type = $3 DESC, kode = $2 DESC, product_id LIMIT 1",
    )
    .bind(running.branch_id)
    .bind(code)
    .bind(running.product_type)
    .fetch_optional(db)
    .await?;
    match found {
        Some((id, product_type)) if product_type == running.product_type => Ok(id),
        Some((_, other)) => Err(Refusal::invalid(
            "kode",
            format!("{code} adalah {}, bukan {}. Sisihkan dulu.", other.slug(), running.product_type.slug()),
        )),
        None => Err(Refusal::invalid(
            "kode",
            format!("Kode {code} tidak ada di cabang ini. Sisihkan dulu, lalu tanyakan ke admin."),
        )),
    }
}

async fn note(
    db: &mut PgConnection,
    viewer: &Viewer,
    id: i64,
    product_type: ProductType,
    product: ProductId,
    amount: Option<i32>,
    scan: Uuid,
) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO stock_opname_scans (ref, opname_id, product_id, jumlah, user_id) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(scan)
    .bind(id)
    .bind(product)
    .bind(amount)
    .bind(viewer.id)
    .execute(&mut *db)
    .await?;
    // shared: a sale that is just being written is waited for, so that stock and ledger below are of one moment
    let stok: i32 = sqlx::query_scalar(match product_type {
        ProductType::Frame => "SELECT stok FROM frames WHERE id = $1 FOR SHARE",
        ProductType::Lensa => "SELECT stok FROM lensas WHERE id = $1 FOR SHARE",
        ProductType::Aksesoris => "SELECT stok FROM aksesoris WHERE id = $1 FOR SHARE",
    })
    .bind(product)
    .fetch_optional(&mut *db)
    .await?
    .ok_or(Refusal::NotFound)?;
    sqlx::query(
        "INSERT INTO stock_opname_counts AS c (opname_id, product_id, counted, stok, movement_id, counted_by)
         VALUES ($1, $2, coalesce($3, 1), $4,
                 (SELECT coalesce(max(id), 0) FROM stock_movements WHERE product_type = $5 AND product_id = $2), $6)
         ON CONFLICT (opname_id, product_id) DO UPDATE
         SET counted = coalesce($3, least(c.counted + 1, 100000)), stok = excluded.stok, movement_id = excluded.movement_id,
             is_moved = $3 IS NULL AND (c.is_moved OR c.movement_id <> excluded.movement_id),
             counted_by = excluded.counted_by, updated_at = clock_timestamp()",
    )
    .bind(id)
    .bind(product)
    .bind(amount)
    .bind(stok)
    .bind(product_type)
    .bind(viewer.id)
    .execute(db)
    .await?;
    Ok(())
}

/// A running count, held by somebody who may end it.
async fn hold(db: &mut PgConnection, viewer: &Viewer, id: i64) -> Outcome<Running> {
    if viewer.role == crate::scope::Role::Kasir {
        return Err(Refusal::Forbidden);
    }
    audit::sql::sign(&mut *db, viewer).await?;
    let running: Option<Running> =
        sqlx::query_as("SELECT branch_id, product_type, status, kode FROM stock_opnames WHERE id = $1 FOR UPDATE")
            .bind(id)
            .fetch_optional(db)
            .await?;
    running.filter(|opname| viewer.may_manage(opname.branch_id)).ok_or(Refusal::NotFound)?.still()
}

async fn end(db: &mut PgConnection, viewer: &Viewer, id: i64, status: Status) -> sqlx::Result<()> {
    sqlx::query("UPDATE stock_opnames SET status = $2, ended_by = $3, ended_at = clock_timestamp() WHERE id = $1")
        .bind(id)
        .bind(status)
        .bind(viewer.id)
        .execute(db)
        .await?;
    Ok(())
}

pub async fn cancel(pool: &PgPool, viewer: &Viewer, id: i64) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    hold(&mut tx, viewer, id).await?;
    end(&mut tx, viewer, id, Status::Batal).await?;
    Ok(tx.commit().await?)
}

/// Writes what was found into the stock, as corrections. Answers with how many products were corrected.
pub async fn finish(pool: &PgPool, viewer: &Viewer, id: i64, uncounted: Uncounted) -> Outcome<u64> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let running = hold(&mut tx, viewer, id).await?;
    // in the order in which sales hold products
    sqlx::query(match running.product_type {
        ProductType::Frame => "SELECT FROM frames WHERE branch_id = $1 ORDER BY id FOR NO KEY UPDATE",
        ProductType::Lensa => "SELECT FROM lensas WHERE branch_id = $1 ORDER BY id FOR NO KEY UPDATE",
        ProductType::Aksesoris => "SELECT FROM aksesoris WHERE branch_id = $1 ORDER BY id FOR NO KEY UPDATE",
    })
    .bind(running.branch_id)
    .execute(&mut *tx)
    .await?;
    if uncounted == Uncounted::Zero {
        sqlx::query(
            "INSERT INTO stock_opname_counts (opname_id, product_id, counted, stok, movement_id, counted_by)
             SELECT $1, product_id, 0, stok, 0, $4 FROM products
             WHERE product_type = $2 AND branch_id = $3 AND NOT is_custom_order
             ON CONFLICT (opname_id, product_id) DO NOTHING",
        )
        .bind(id)
        .bind(running.product_type)
        .bind(running.branch_id)
        .bind(viewer.id)
        .execute(&mut *tx)
        .await?;
    }
    // sold down to less than what is missing: the count was wrong, or the goods were found again and sold
    let doubtful: Option<String> = sqlx::query_scalar(
        "SELECT string_agg(p.product_name, ', ' ORDER BY p.product_name)
         FROM (SELECT p.product_name FROM stock_opname_counts c
               JOIN products p ON p.product_type = $2 AND p.product_id = c.product_id
               WHERE c.opname_id = $1 AND (c.is_moved OR p.stok + c.counted - c.stok < 0) LIMIT 10) p",
    )
    .bind(id)
    .bind(running.product_type)
    .fetch_one(&mut *tx)
    .await?;
    if let Some(names) = doubtful {
        let message =
            format!("Stoknya bergerak selagi dihitung: {names}. Hitung lagi dan isi jumlahnya, lalu selesaikan.");
        return Err(Refusal::conflict("opname_moved", message));
    }
    give_reason(&mut tx, "koreksi", &format!("Opname {}", running.kode)).await?;
    let corrected = sqlx::query(match running.product_type {
        ProductType::Frame => {
            "UPDATE frames p SET stok = p.stok + c.counted - c.stok FROM stock_opname_counts c
             WHERE c.opname_id = $1 AND p.id = c.product_id AND p.branch_id = $2 AND c.counted <> c.stok"
        }
        ProductType::Lensa => {
            "UPDATE lensas p SET stok = p.stok + c.counted - c.stok FROM stock_opname_counts c
             WHERE c.opname_id = $1 AND p.id = c.product_id AND p.branch_id = $2 AND c.counted <> c.stok"
        }
        ProductType::Aksesoris => {
            "UPDATE aksesoris p SET stok = p.stok + c.counted - c.stok FROM stock_opname_counts c
             WHERE c.opname_id = $1 AND p.id = c.product_id AND p.branch_id = $2 AND c.counted <> c.stok"
        }
    })
    .bind(id)
    .bind(running.branch_id)
    .execute(&mut *tx)
    .await?;
    end(&mut tx, viewer, id, Status::Selesai).await?;
    tx.commit().await?;
    Ok(corrected.rows_affected())
}
