//! The SQL of stock: what is on the shelf, and the ways it changes. The ledger (stock_movements) and the alerts are written
//! by triggers; a writer only says why.

use sqlx::postgres::PgConnection;
use sqlx::{FromRow, PgPool};

use super::catalog::{HIGHEST_PRICE, MOST};
use super::{Level, ProductRef, ProductType, Search};
use crate::audit;
use crate::ids::{BranchId, ProductId, SaleId};
use crate::money::Rupiah;
use crate::omset::StockTotals;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Branches, Role, Viewer};

/// For the navbar's badge. The products at a level have partial indexes of their own; the rest is never read.
pub async fn totals(pool: &PgPool, scope: Branches) -> sqlx::Result<StockTotals> {
    let (low, medium) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE alert_level = 'low'), count(*) FILTER (WHERE alert_level = 'medium')
         FROM (SELECT branch_id, alert_level FROM frames WHERE alert_level <> 'normal'
               UNION ALL SELECT branch_id, alert_level FROM lensas WHERE alert_level <> 'normal'
               UNION ALL SELECT branch_id, alert_level FROM aksesoris WHERE alert_level <> 'normal') alerts
         WHERE ($1::bigint IS NULL OR branch_id = $1) AND branch_id NOT IN (SELECT id FROM branches WHERE retired_at IS NOT NULL)",
    )
    .bind(scope.one())
    .fetch_one(pool)
    .await?;
    Ok(StockTotals { low, medium })
}

/// One shape for the three tables, as people read them: the name and what it is are apart here, unlike in the view
/// `products`. `$1` the type, `$2` the one branch or null.
macro_rules! shelf {
    () => {
        "shelf AS (
             SELECT 'Frame' AS product_type, id, branch_id, kode_frame AS kode, merk_frame AS nama, jenis_frame AS jenis,
                    harga_jual_frame AS price, stok, stok_minimum, alert_level, false AS is_custom_order FROM frames
             UNION ALL
             SELECT 'Lensa', id, branch_id, kode_lensa, merk_lensa, concat_ws(' · ', type, nullif(index, ''), nullif(coating, '')),
                    harga_jual_lensa, stok, stok_minimum, alert_level, is_custom_order FROM lensas
             UNION ALL
             SELECT 'Aksesoris', id, branch_id, kode, nama_produk, '',
                    harga_jual, stok, stok_minimum, alert_level, false FROM aksesoris
         ), here AS (
             SELECT s.*, b.name AS branch_name, b.timezone FROM shelf s JOIN branches b ON b.id = s.branch_id
             WHERE s.product_type = $1 AND ($2::bigint IS NULL OR s.branch_id = $2)
         )"
    };
}

/// Every word of `$3` stands somewhere in the name, the code or the kind.
macro_rules! found {
    () => {
        "NOT EXISTS (SELECT FROM unnest(string_to_array(lower($3), ' ')) AS word
                     WHERE position(word IN lower(concat_ws(' ', nama, kode, jenis))) = 0)"
    };
}

/// By `$5`, a name of [`super::Sort`]; equals by name.
macro_rules! ordered {
    () => {
        " ORDER BY CASE $5 WHEN 'stok' THEN stok WHEN '-stok' THEN -stok WHEN 'batas' THEN stok_minimum WHEN '-batas' THEN -stok_minimum END,
                   CASE $5 WHEN 'gerak' THEN last_movement END NULLS FIRST, CASE $5 WHEN '-gerak' THEN last_movement END DESC NULLS LAST,
                   CASE $5 WHEN 'harga' THEN price WHEN '-harga' THEN -price END,
                   CASE $5 WHEN 'jenis' THEN jenis END, CASE $5 WHEN '-jenis' THEN jenis END DESC, CASE $5 WHEN '-nama' THEN nama END DESC,
                   nama, kode, id"
    };
}

/// The last movement of each row, with the reader's word for when.
macro_rules! with_last_movement {
    () => {
        "LEFT JOIN LATERAL (
             SELECT CASE (now() AT TIME ZONE r.timezone)::date - (m.created_at AT TIME ZONE r.timezone)::date
                         WHEN 0 THEN to_char(m.created_at AT TIME ZONE r.timezone, 'HH24:MI') WHEN 1 THEN 'Kemarin'
                         ELSE to_char(m.created_at AT TIME ZONE r.timezone, 'DD/MM') END AS moved_at, u.name AS moved_by
             FROM stock_movements m LEFT JOIN users u ON u.id = m.user_id
             WHERE m.product_type = r.product_type AND m.product_id = r.id ORDER BY m.id DESC LIMIT 1) last ON true"
    };
}

/// A product as a row of the stock pages.
#[derive(Debug, Clone, FromRow)]
pub struct Item {
    pub product_type: ProductType,
    pub id: ProductId,
    pub branch_id: BranchId,
    pub branch_name: String,
    pub kode: String,
    pub nama: String,
    /// What it is: the BPJS class of a frame, the make of a lens; empty for accessories.
    pub jenis: String,
    pub price: Rupiah,
    pub stok: i32,
    pub stok_minimum: i32,
    pub alert_level: Level,
    pub is_custom_order: bool,
    /// When it last moved, on the branch's clock, and by whom.
    pub moved_at: Option<String>,
    pub moved_by: Option<String>,
}

impl Item {
    pub fn product(&self) -> ProductRef {
        ProductRef { product_type: self.product_type, product_id: self.id }
    }
}

pub async fn list(pool: &PgPool, scope: Branches, search: &Search, limit: i64) -> sqlx::Result<Vec<Item>> {
    sqlx::query_as(concat!(
        "WITH ",
        shelf!(),
        ", r AS (
             SELECT * FROM (
                 SELECT here.*, CASE WHEN $5 IN ('gerak', '-gerak') THEN (  -- of each product, but only where it is asked for
                            SELECT max(m.id) FROM stock_movements m
                            WHERE m.product_type = here.product_type AND m.product_id = here.id) END AS last_movement
                 FROM here WHERE ",
        found!(),
        " AND ($4::text IS NULL OR alert_level = $4)) wanted ",
        ordered!(),
        " LIMIT $6 OFFSET $7)
         SELECT r.*, last.moved_at, last.moved_by FROM r ",
        with_last_movement!(),
        ordered!()
    ))
    .bind(search.jenis)
    .bind(scope.one())
    .bind(&search.cari)
    .bind(search.level)
    .bind(search.urut.name())
    .bind(limit)
    .bind((search.hal - 1) * limit)
    .fetch_all(pool)
    .await
}

/// How many products a search finds at each level.
#[derive(Debug, Clone, Copy, FromRow, serde::Serialize)]
pub struct Counts {
    pub low: i64,
    pub medium: i64,
    pub normal: i64,
}

pub async fn counts(pool: &PgPool, scope: Branches, search: &Search) -> sqlx::Result<Counts> {
    sqlx::query_as(concat!(
        "WITH ",
        shelf!(),
        " SELECT count(*) FILTER (WHERE alert_level = 'low') AS low, count(*) FILTER (WHERE alert_level = 'medium') AS medium,
                 count(*) FILTER (WHERE alert_level = 'normal') AS normal
          FROM here WHERE ",
        found!()
    ))
    .bind(search.jenis)
    .bind(scope.one())
    .bind(&search.cari)
    .fetch_one(pool)
    .await
}

pub async fn find(pool: &PgPool, scope: Branches, product: ProductRef) -> sqlx::Result<Option<Item>> {
    sqlx::query_as(concat!(
        "WITH ",
        shelf!(),
        ", r AS (SELECT * FROM here WHERE id = $3) SELECT r.*, last.moved_at, last.moved_by FROM r ",
        with_last_movement!()
    ))
    .bind(product.product_type)
    .bind(scope.one())
    .bind(product.product_id)
    .fetch_optional(pool)
    .await
}

/// A line of the ledger.
#[derive(Debug, Clone, FromRow)]
pub struct Movement {
    pub id: i64,
    pub waktu: String,
    pub delta: i32,
    pub stok_after: i32,
    pub reason: String,
    pub catatan: String,
    pub by: Option<String>,
    /// The sale it belongs to, by the code that stands in its note.
    pub sale: Option<SaleId>,
}

/// Newest first, on the clock of the product's branch; `reason` none: all.
pub async fn movements(
    pool: &PgPool,
    item: &Item,
    reason: Option<&str>,
    limit: i64,
    offset: i64,
) -> sqlx::Result<Vec<Movement>> {
    sqlx::query_as(
        "SELECT m.id, to_char(m.created_at AT TIME ZONE b.timezone, 'DD/MM/YYYY HH24:MI') AS waktu, m.delta, m.stok_after, m.reason,
                m.catatan, u.name AS by, p.id AS sale
         FROM stock_movements m
         JOIN branches b ON b.id = $3
         LEFT JOIN users u ON u.id = m.user_id
         LEFT JOIN penjualans p ON p.kode_penjualan = m.catatan AND p.branch_id = m.branch_id AND m.reason IN ('penjualan', 'retur')
         WHERE m.product_type = $1 AND m.product_id = $2 AND ($4::text IS NULL OR m.reason = $4)
         ORDER BY m.id DESC LIMIT $5 OFFSET $6",
    )
    .bind(item.product_type)
    .bind(item.id)
    .bind(item.branch_id)
    .bind(reason)
    .bind(limit)
    .bind(offset)
    .fetch_all(pool)
    .await
}

/// How many lines of its ledger there are for each reason.
pub async fn movement_counts(pool: &PgPool, item: &Item) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "SELECT reason, count(*) FROM stock_movements WHERE product_type = $1 AND product_id = $2 GROUP BY reason ORDER BY reason",
    )
    .bind(item.product_type)
    .bind(item.id)
    .fetch_all(pool)
    .await
}

/// A product held against other writers, by somebody who may change it.
pub(super) struct Held {
    pub branch: BranchId,
    pub stok: i32,
    pub price: Rupiah,
}

/// Locks the product's row until the transaction ends.
pub(super) async fn hold(db: &mut PgConnection, viewer: &Viewer, product: ProductRef) -> Outcome<Held> {
    // before the product is looked up: a role that may not do it anywhere learns nothing
    if viewer.role == Role::Kasir {
        return Err(Refusal::Forbidden);
    }
    audit::sql::sign(&mut *db, viewer).await?;
    let row: Option<(BranchId, i32, Rupiah)> = sqlx::query_as(match product.product_type {
        ProductType::Frame => "SELECT branch_id, stok, harga_jual_frame FROM frames WHERE id = $1 FOR UPDATE",
        ProductType::Lensa => "SELECT branch_id, stok, harga_jual_lensa FROM lensas WHERE id = $1 FOR UPDATE",
        ProductType::Aksesoris => "SELECT branch_id, stok, harga_jual FROM aksesoris WHERE id = $1 FOR UPDATE",
    })
    .bind(product.product_id)
    .fetch_optional(db)
    .await?;
    match row {
        Some((branch, stok, price)) if viewer.may_manage(branch) => Ok(Held { branch, stok, price }),
        _ => Err(Refusal::NotFound),
    }
}

/// What the trigger writes into the ledger for this transaction; who it was, [`hold`] has said.
pub(super) async fn give_reason(db: &mut PgConnection, reason: &str, catatan: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('melati.reason', $1, true), set_config('melati.catatan', $2, true)")
        .bind(reason)
        .bind(catatan)
        .execute(db)
        .await?;
    Ok(())
}

async fn write_stok(db: &mut PgConnection, product: ProductRef, stok: i32) -> sqlx::Result<()> {
    sqlx::query(match product.product_type {
        ProductType::Frame => "UPDATE frames SET stok = $2 WHERE id = $1",
        ProductType::Lensa => "UPDATE lensas SET stok = $2 WHERE id = $1",
        ProductType::Aksesoris => "UPDATE aksesoris SET stok = $2 WHERE id = $1",
    })
    .bind(product.product_id)
    .bind(stok)
    .execute(db)
    .await?;
    Ok(())
}

/// Adds what came in. Returns the new stock.
pub async fn restock(
    pool: &PgPool,
    viewer: &Viewer,
    product: ProductRef,
    quantity: i32,
    catatan: &str,
) -> Outcome<i32> {
    let mut transaction = pool.begin().await?;
    let held = hold(&mut transaction, viewer, product).await?;
    if !(1..=MOST).contains(&quantity) || held.stok + quantity > MOST {
        return Err(Refusal::invalid("quantity", "Isi jumlah yang masuk, paling sedikit 1."));
    }
    give_reason(&mut transaction, "restok", catatan).await?;
    write_stok(&mut transaction, product, held.stok + quantity).await?;
    transaction.commit().await?;
    Ok(held.stok + quantity)
}

/// Puts down what was counted on the shelf. `seen` is the stock on the screen while counting: if something was sold
/// meanwhile, the count no longer says what is there.
pub async fn correct(
    pool: &PgPool,
    viewer: &Viewer,
    product: ProductRef,
    counted: i32,
    seen: i32,
    catatan: &str,
) -> Outcome<()> {
    let mut transaction = pool.begin().await?;
    let held = hold(&mut transaction, viewer, product).await?;
    if !(0..=MOST).contains(&counted) {
        return Err(Refusal::invalid("counted", "Isi hasil hitungan, 0 atau lebih."));
    }
    if held.stok != seen {
        let message =
            format!("Stok berubah dari {seen} menjadi {} selagi dihitung. Periksa lagi, lalu simpan.", held.stok);
        return Err(Refusal::conflict("stock_changed", message));
    }
    give_reason(&mut transaction, "koreksi", catatan).await?;
    write_stok(&mut transaction, product, counted).await?;
    Ok(transaction.commit().await?)
}

/// Changes the selling price and tells everyone in the branch. `seen` is the price on the screen: two people who change it at
/// once should know of one another.
pub async fn set_price(
    pool: &PgPool,
    viewer: &Viewer,
    product: ProductRef,
    price: Rupiah,
    seen: Rupiah,
) -> Outcome<()> {
    let mut transaction = pool.begin().await?;
    let held = hold(&mut transaction, viewer, product).await?;
    if !(Rupiah(1)..=HIGHEST_PRICE).contains(&price) {
        return Err(Refusal::invalid("price", "Isi harga dalam rupiah, contoh: 685.000."));
    }
    if held.price != seen {
        return Err(Refusal::conflict(
            "price_changed",
            format!("Harga baru saja diubah menjadi {}. Periksa lagi, lalu simpan.", held.price),
        ));
    }
    if price == held.price {
        return Ok(());
    }
    sqlx::query(match product.product_type {
        ProductType::Frame => "UPDATE frames SET harga_jual_frame = $2 WHERE id = $1",
        ProductType::Lensa => "UPDATE lensas SET harga_jual_lensa = $2 WHERE id = $1",
        ProductType::Aksesoris => "UPDATE aksesoris SET harga_jual = $2 WHERE id = $1",
    })
    .bind(product.product_id)
    .bind(price)
    .execute(&mut *transaction)
    .await?;
    tell_price(&mut transaction, held.branch, product, held.price, price).await?;
    Ok(transaction.commit().await?)
}

/// Everyone in the branch sells at the new price from now on, and should know.
pub(super) async fn tell_price(
    db: &mut PgConnection,
    branch: BranchId,
    product: ProductRef,
    before: Rupiah,
    now: Rupiah,
) -> sqlx::Result<()> {
    sqlx::query(
        "SELECT notify_people($1, NULL, 'price_updated', 'Harga Diubah', product_name || ' · ' || rupiah($4) || ' menjadi ' || rupiah($5),
                    jsonb_build_object('product_type', product_type, 'product_id', product_id, 'kode', kode, 'price', $5))
         FROM products WHERE product_type = $2 AND product_id = $3",
    )
    .bind(branch)
    .bind(product.product_type)
    .bind(product.product_id)
    .bind(before)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}
