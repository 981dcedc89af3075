//! The SQL of the catalogue. Prices, names and minimums are logged by triggers; stock moves through the ledger's.

use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};

use super::{Details, Shelved};
use crate::audit;
use crate::ids::{BranchId, ProductId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;
use crate::stock::sql::{give_reason, hold, tell_price};
use crate::stock::{ProductRef, ProductType};

macro_rules! frames {
    () => {
        "SELECT id, kode_frame AS kode, merk_frame AS nama, jenis_frame AS jenis, '' AS tipe, '' AS indeks, '' AS coating,
                harga_beli_frame AS harga_beli, harga_jual_frame AS harga_jual, stok_minimum, false AS is_custom_order, stok
         FROM frames "
    };
}

macro_rules! lensas {
    () => {
        "SELECT id, kode_lensa AS kode, merk_lensa AS nama, '' AS jenis, type AS tipe, index AS indeks, coating,
                harga_beli_lensa AS harga_beli, harga_jual_lensa AS harga_jual, stok_minimum, is_custom_order, stok
         FROM lensas "
    };
}

macro_rules! aksesoris {
    () => {
        "SELECT id, kode, nama_produk AS nama, '' AS jenis, '' AS tipe, '' AS indeks, '' AS coating,
                harga_beli, harga_jual, stok_minimum, false AS is_custom_order, stok
         FROM aksesoris "
    };
}

/// A whole inventory of a branch.
pub async fn shelf(pool: &PgPool, branch: BranchId, product_type: ProductType) -> sqlx::Result<Vec<Shelved>> {
    sqlx::query_as(match product_type {
        ProductType::Frame => concat!(frames!(), "WHERE branch_id = $1 ORDER BY kode_frame, id"),
        ProductType::Lensa => concat!(lensas!(), "WHERE branch_id = $1 ORDER BY kode_lensa, id"),
        ProductType::Aksesoris => concat!(aksesoris!(), "WHERE branch_id = $1 ORDER BY id"),
    })
    .bind(branch)
    .fetch_all(pool)
    .await
}

/// The same, held against other writers, in the order in which sales hold products.
pub async fn hold_shelf(
    db: &mut PgConnection,
    branch: BranchId,
    product_type: ProductType,
) -> sqlx::Result<Vec<Shelved>> {
    sqlx::query_as(match product_type {
        ProductType::Frame => concat!(frames!(), "WHERE branch_id = $1 ORDER BY id FOR NO KEY UPDATE"),
        ProductType::Lensa => concat!(lensas!(), "WHERE branch_id = $1 ORDER BY id FOR NO KEY UPDATE"),
        ProductType::Aksesoris => concat!(aksesoris!(), "WHERE branch_id = $1 ORDER BY id FOR NO KEY UPDATE"),
    })
    .bind(branch)
    .fetch_all(db)
    .await
}

/// One product, for somebody who may change it.
pub async fn find(db: &mut PgConnection, product: ProductRef) -> sqlx::Result<Option<Shelved>> {
    sqlx::query_as(match product.product_type {
        ProductType::Frame => concat!(frames!(), "WHERE id = $1"),
        ProductType::Lensa => concat!(lensas!(), "WHERE id = $1"),
        ProductType::Aksesoris => concat!(aksesoris!(), "WHERE id = $1"),
    })
    .bind(product.product_id)
    .fetch_optional(db)
    .await
}

/// A row to write: what it is to be, and how its stock moves.
#[derive(Serialize)]
pub struct Written<'a> {
    /// None: a new product.
    pub id: Option<ProductId>,
    #[serde(flatten)]
    pub details: &'a Details,
    pub delta: i32,
}

/// Changes products of `branch`, all of them or none.
pub async fn change(
    db: &mut PgConnection,
    branch: BranchId,
    product_type: ProductType,
    rows: &[Written<'_>],
) -> Outcome<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let changed = sqlx::query(match product_type {
        ProductType::Frame => {
            "UPDATE frames p SET kode_frame = u.kode, merk_frame = u.nama, jenis_frame = u.jenis, harga_beli_frame = u.harga_beli,
                    harga_jual_frame = u.harga_jual, stok_minimum = u.stok_minimum, stok = p.stok + u.delta
             FROM jsonb_to_recordset($2::jsonb) AS u (id bigint, kode text, nama text, jenis text, harga_beli bigint, harga_jual bigint,
                                                      stok_minimum int, delta int)
             WHERE p.id = u.id AND p.branch_id = $1"
        }
        ProductType::Lensa => {
            "UPDATE lensas p SET kode_lensa = u.kode, merk_lensa = u.nama, type = u.tipe, index = u.indeks, coating = u.coating,
                    harga_beli_lensa = u.harga_beli, harga_jual_lensa = u.harga_jual, stok_minimum = u.stok_minimum,
                    is_custom_order = u.is_custom_order, stok = p.stok + u.delta
             FROM jsonb_to_recordset($2::jsonb) AS u (id bigint, kode text, nama text, tipe text, indeks text, coating text,
                                                      harga_beli bigint, harga_jual bigint, stok_minimum int,
                                                      is_custom_order boolean, delta int)
             WHERE p.id = u.id AND p.branch_id = $1"
        }
        ProductType::Aksesoris => {
            "UPDATE aksesoris p SET nama_produk = u.nama, harga_beli = u.harga_beli, harga_jual = u.harga_jual,
                    stok_minimum = u.stok_minimum, stok = p.stok + u.delta
             FROM jsonb_to_recordset($2::jsonb) AS u (id bigint, nama text, harga_beli bigint, harga_jual bigint, stok_minimum int,
                                                      delta int)
             WHERE p.id = u.id AND p.branch_id = $1"
        }
    })
    .bind(branch)
    .bind(Json(rows))
    .execute(db)
    .await
    .map_err(code_taken)?;
    if changed.rows_affected() != rows.len() as u64 {
        return Err(Refusal::NotFound);
    }
    Ok(())
}

/// Puts new products on the shelf of `branch`; answers with their ids, in no order.
pub async fn add(
    db: &mut PgConnection,
    branch: BranchId,
    product_type: ProductType,
    rows: &[Written<'_>],
) -> Outcome<Vec<ProductId>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(match product_type {
        ProductType::Frame => {
            "INSERT INTO frames (branch_id, kode_frame, merk_frame, jenis_frame, harga_beli_frame, harga_jual_frame, stok_minimum, stok)
             SELECT $1, kode, nama, jenis, harga_beli, harga_jual, stok_minimum, delta
             FROM jsonb_to_recordset($2::jsonb) AS u (kode text, nama text, jenis text, harga_beli bigint, harga_jual bigint,
                                                      stok_minimum int, delta int)
             RETURNING id"
        }
        ProductType::Lensa => {
            "INSERT INTO lensas (branch_id, kode_lensa, merk_lensa, type, index, coating, harga_beli_lensa, harga_jual_lensa,
                                 stok_minimum, is_custom_order, stok)
             SELECT $1, kode, nama, tipe, indeks, coating, harga_beli, harga_jual, stok_minimum, is_custom_order, delta
             FROM jsonb_to_recordset($2::jsonb) AS u (kode text, nama text, tipe text, indeks text, coating text, harga_beli bigint,
                                                      harga_jual bigint, stok_minimum int, is_custom_order boolean, delta int)
             RETURNING id"
        }
        ProductType::Aksesoris => {
            "INSERT INTO aksesoris (branch_id, nama_produk, harga_beli, harga_jual, stok_minimum, stok)
             SELECT $1, nama, harga_beli, harga_jual, stok_minimum, delta
             FROM jsonb_to_recordset($2::jsonb) AS u (nama text, harga_beli bigint, harga_jual bigint, stok_minimum int, delta int)
             RETURNING id"
        }
    })
    .bind(branch)
    .bind(Json(rows))
    .fetch_all(db)
    .await
    .map_err(code_taken)
}

fn code_taken(error: sqlx::Error) -> Refusal {
    match &error {
        sqlx::Error::Database(inner) if inner.is_unique_violation() => {
            Refusal::invalid("kode", "Kode ini sudah dipakai produk lain di cabang ini. Pakai kode lain.")
        }
        _ => error.into(),
    }
}

/// A new product, with what stands on the shelf of it already.
pub async fn create(
    pool: &PgPool,
    viewer: &Viewer,
    branch: BranchId,
    product_type: ProductType,
    details: &Details,
    stok: i32,
) -> Outcome<ProductId> {
    if !viewer.may_manage(branch) {
        return Err(Refusal::Forbidden);
    }
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    give_reason(&mut tx, "restok", "Stok awal").await?;
    let added = add(&mut tx, branch, product_type, &[Written { id: None, details, delta: stok }]).await?;
    tx.commit().await?;
    added.first().copied().ok_or(Refusal::NotFound)
}

/// Changes what is written of a product. `read` makes the new of the old; `seen` is the mark of what the form showed, so that
/// two people who edit at once know of one another.
pub async fn edit(
    pool: &PgPool,
    viewer: &Viewer,
    product: ProductRef,
    seen: &str,
    read: impl FnOnce(&Details) -> Outcome<Details>,
) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let held = hold(&mut tx, viewer, product).await?;
    let was = find(&mut tx, product).await?.ok_or(Refusal::NotFound)?.details;
    if mark(&was) != seen {
        return Err(Refusal::conflict(
            "product_changed",
            "Produk ini baru saja diubah orang lain. Muat ulang, lalu ubah lagi.",
        ));
    }
    let now = read(&was)?;
    if now == was {
        return Ok(());
    }
    let row = Written { id: Some(product.product_id), details: &now, delta: 0 };
    change(&mut tx, held.branch, product.product_type, &[row]).await?;
    if now.harga_jual != was.harga_jual {
        tell_price(&mut tx, held.branch, product, was.harga_jual, now.harga_jual).await?;
    }
    Ok(tx.commit().await?)
}

/// What two equal versions of a product have in common.
pub fn mark(details: &Details) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    details.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

#[derive(FromRow)]
struct Uses {
    is_sold: bool,
    is_on_its_way: bool,
}

/// Takes a product away that was entered by mistake: nothing on the shelf, never sold. Its ledger stays.
pub async fn remove(pool: &PgPool, viewer: &Viewer, product: ProductRef) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let held = hold(&mut tx, viewer, product).await?;
    let uses: Uses = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM penjualan_details WHERE product_type = $1 AND product_id = $2) AS is_sold,
                EXISTS (SELECT FROM stock_transfer_lines l JOIN stock_transfers t ON t.id = l.transfer_id
                        WHERE l.product_type = $1 AND l.product_id = $2 AND t.status IN ('draf', 'dikirim')) AS is_on_its_way",
    )
    .bind(product.product_type)
    .bind(product.product_id)
    .fetch_one(&mut *tx)
    .await?;
    if uses.is_sold {
        let message = "Produk ini pernah terjual, jadi riwayatnya harus tetap ada. Biarkan stoknya 0.";
        return Err(Refusal::conflict("sold_before", message));
    }
    if uses.is_on_its_way {
        return Err(Refusal::conflict(
            "on_its_way",
            "Produk ini ada di kiriman antar cabang. Selesaikan kirimannya dulu.",
        ));
    }
    if held.stok != 0 {
        return Err(Refusal::conflict("in_stock", format!("Masih ada {} di stok. Koreksi dulu menjadi 0.", held.stok)));
    }
    sqlx::query(match product.product_type {
        ProductType::Frame => "DELETE FROM frames WHERE id = $1",
        ProductType::Lensa => "DELETE FROM lensas WHERE id = $1",
        ProductType::Aksesoris => "DELETE FROM aksesoris WHERE id = $1",
    })
    .bind(product.product_id)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
