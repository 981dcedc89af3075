//! The SQL of sales. [`sell`] and [`pay`] are the only ways money comes in, [`cancel`] the only one by which it goes back.

use sqlx::{PgConnection, PgPool};
use time::Date;

use super::{
    Cancellation, Coverage, Item, Metode, NewSale, Payment, PaymentStatus, Product, Quote, Sold, Standing,
    TransactionStatus, merge, settle,
};
use crate::audit;
use crate::ids::{BranchId, PatientId, ProductId, SaleId, UserId};
use crate::money::Rupiah;
use crate::orders::{self, WorkStatus};
use crate::patients::sql::containing;
use crate::patients::{Resep, ServiceType};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock::{Level, ProductRef, ProductType};

/// A transaction that lost a deadlock or a race for a unique value succeeds when it is tried again; more often than this it
/// is no accident.
const ATTEMPTS: u32 = 3;

/// Sells a cart in one transaction, or writes nothing.
///
/// # Errors
/// `Conflict` with code `stock` (fields name the products), `price_changed`, `day_closed`, `rate`, `client_ref` (another sale has it); `Invalid` for a cart or payment that cannot
/// be; `NotFound` for a branch that is not the viewer's.
pub async fn sell(pool: &PgPool, viewer: &Viewer, sale: NewSale) -> Outcome<Sold> {
    if !viewer.may_see(sale.branch) {
        return Err(Refusal::NotFound);
    }
    let items = merge(&sale.items)?;
    let mut attempt = 1;
    loop {
        match try_to_sell(pool, viewer, &sale, &items).await {
            Err(Refusal::Database(error)) if attempt < ATTEMPTS && passes_when_repeated(&error) => attempt += 1,
            outcome => return outcome,
        }
    }
}

fn passes_when_repeated(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    // deadlock, serialization failure; or another program wrote this client_ref between our look and our insert
    matches!(error.code().as_deref(), Some("40P01" | "40001"))
        || error.constraint() == Some("penjualans_client_ref_key")
}

async fn try_to_sell(pool: &PgPool, viewer: &Viewer, sale: &NewSale, items: &[Item]) -> Outcome<Sold> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    if let Some(sold) = sold_before(&mut tx, viewer, sale, items).await? {
        return Ok(sold);
    }
    let day = open_day(&mut tx, sale.branch).await?;
    lock_products(&mut tx, sale.branch, items).await?;
    let quote = quote(&mut tx, sale.branch, Some(sale.pasien_id), items).await?;
    quote.in_stock()?;
    quote.as_agreed(sale.agreed)?;
    let payment = settle(sale.payment, quote.omset_umum)?;

    let kode_penjualan = next_number(&mut tx, sale.branch, day).await?;
    take_from_shelf(&mut tx, &kode_penjualan, &quote).await?;
    let id = write_sale(&mut tx, viewer.id, sale, &kode_penjualan, &quote, payment).await?;
    write_lines(&mut tx, id, &quote).await?;
    if let Some(payment) = payment {
        write_payment(&mut tx, id, viewer.id, payment).await?;
    }
    tx.commit().await?;
    Ok(Sold { id, kode_penjualan, repeated: false })
}

/// The lock makes the second of two equal requests wait until the first has sold, so that it finds that sale and does not
/// read of an empty shelf that it emptied itself. Other programs do not take it; the unique constraint holds them.
///
/// Only the same cart for the same patient is a repeat. Another one that comes under the same reference would otherwise be
/// answered with the old sale, and never be written.
async fn sold_before(db: &mut PgConnection, viewer: &Viewer, sale: &NewSale, items: &[Item]) -> Outcome<Option<Sold>> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))")
        .bind(sale.client_ref)
        .execute(&mut *db)
        .await?;
    let found = sqlx::query_as::<_, (SaleId, String, BranchId, UserId, bool)>(
        "SELECT id, kode_penjualan, branch_id, user_id,
                pasien_id = $2
                AND NOT EXISTS (
                    SELECT FROM unnest($3::text[], $4::bigint[], $5::int[]) AS asked (product_type, product_id, quantity)
                                FULL JOIN (SELECT product_type, product_id, sum(quantity) AS quantity FROM penjualan_details
                                           WHERE penjualan_id = p.id GROUP BY 1, 2) AS sold USING (product_type, product_id)
                    WHERE asked.quantity IS DISTINCT FROM sold.quantity)
         FROM penjualans p WHERE client_ref = $1",
    )
    .bind(sale.client_ref)
    .bind(sale.pasien_id)
    .bind(items.iter().map(|item| item.product.product_type.to_string()).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.product.product_id).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.quantity).collect::<Vec<_>>())
    .fetch_optional(&mut *db)
    .await?;
    match found {
        None => Ok(None),
        Some((id, kode_penjualan, branch, user, is_same)) if (branch, user) == (sale.branch, viewer.id) => {
            if is_same {
                return Ok(Some(Sold { id, kode_penjualan, repeated: true }));
            }
            Err(Refusal::conflict(
                "client_ref",
                format!(
                    "Sudah tersimpan sebagai {kode_penjualan}, dengan isi lain. Periksa penjualan itu dulu; simpan lagi hanya kalau keranjang ini penjualan lain."
                ),
            ))
        }
        Some(_) => Err(Refusal::conflict("client_ref", "Penjualan ini sudah dipakai orang lain. Muat ulang halaman.")),
    }
}

struct Day {
    kode_cabang: String,
    tanggal: Date,
}

/// Today, if it is open; and it stays open until we are done, because closing it waits for this lock.
async fn open_day(db: &mut PgConnection, branch: BranchId) -> Outcome<Day> {
    let (kode_cabang, tanggal) = sqlx::query_as::<_, (String, Date)>(
        "SELECT b.kode, o.tanggal
         FROM open_days o JOIN branch_days d USING (branch_id, tanggal) JOIN branches b ON b.id = o.branch_id
         WHERE o.branch_id = $1 AND o.is_open
         FOR SHARE OF o",
    )
    .bind(branch)
    .fetch_optional(&mut *db)
    .await?
    .ok_or_else(|| Refusal::conflict("day_closed", "Hari belum dibuka. Buka hari dulu, lalu simpan lagi."))?;
    Ok(Day { kode_cabang, tanggal })
}

fn ids_of(items: &[Item], product_type: ProductType) -> Vec<ProductId> {
    items.iter().map(|item| item.product).filter(|p| p.product_type == product_type).map(|p| p.product_id).collect()
}

/// Every sale locks in the same order, table by table and by id, so that two carts with the same products cannot wait for
/// each other. `NO KEY`: enough to hold the stock and the price, and no foreign key check waits.
async fn lock_products(db: &mut PgConnection, branch: BranchId, items: &[Item]) -> Outcome<()> {
    for (product_type, lock) in [
        (ProductType::Frame, "SELECT FROM frames WHERE branch_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE"),
        (ProductType::Lensa, "SELECT FROM lensas WHERE branch_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE"),
        (
            ProductType::Aksesoris,
            "SELECT FROM aksesoris WHERE branch_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE",
        ),
    ] {
        let ids = ids_of(items, product_type);
        if !ids.is_empty() {
            sqlx::query(lock).bind(branch).bind(ids).execute(&mut *db).await?;
        }
    }
    Ok(())
}

/// What a cart costs at this branch now. No patient yet: as for one who pays alone.
pub async fn quote(
    db: &mut PgConnection,
    branch: BranchId,
    pasien: Option<PatientId>,
    items: &[Item],
) -> Outcome<Quote> {
    let coverage = match pasien {
        Some(pasien) => coverage(&mut *db, branch, pasien).await?,
        None => None,
    };
    let products = sqlx::query_as::<_, Product>(
        "SELECT product_type, product_id, product_name, price, stok, is_custom_order, upper(service_type) AS service_type
         FROM unnest($2::text[], $3::bigint[]) AS wanted (product_type, product_id)
              JOIN products USING (product_type, product_id)
         WHERE branch_id = $1",
    )
    .bind(branch)
    .bind(items.iter().map(|item| item.product.product_type.to_string()).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.product.product_id).collect::<Vec<_>>())
    .fetch_all(&mut *db)
    .await?;
    super::quote(items, &products, coverage)
}

/// The rate in force: the newest one that has begun by the branch's own date.
async fn coverage(db: &mut PgConnection, branch: BranchId, pasien: PatientId) -> Outcome<Option<Coverage>> {
    let (class, price) = sqlx::query_as::<_, (ServiceType, Option<Rupiah>)>(
        "SELECT p.service_type,
                (SELECT r.price FROM bpjs_rates r
                 WHERE r.service_type = p.service_type AND r.effective_from <= d.tanggal
                 ORDER BY r.effective_from DESC LIMIT 1)
         FROM pasiens p JOIN branch_days d USING (branch_id)
         WHERE p.id = $1 AND p.branch_id = $2",
    )
    .bind(pasien)
    .bind(branch)
    .fetch_optional(&mut *db)
    .await?
    .ok_or_else(|| Refusal::invalid("pasien_id", "Pasien ini tidak terdaftar di cabang ini."))?;
    match (class, price) {
        (ServiceType::Umum, _) => Ok(None),
        (class, Some(price)) => Ok(Some(Coverage { class, price })),
        (class, None) => Err(Refusal::conflict("rate", format!("Tarif {class} belum diisi. Hubungi pusat."))),
    }
}

/// `KMG-261121-031`: branch, its date, and the number of the sale on that day. The row is locked until the sale is written,
/// so the numbers have no holes.
async fn next_number(db: &mut PgConnection, branch: BranchId, day: Day) -> Outcome<String> {
    let number = sqlx::query_scalar::<_, i32>(
        "INSERT INTO sale_numbers AS n (branch_id, tanggal, last) VALUES ($1, $2, 1)
         ON CONFLICT (branch_id, tanggal) DO UPDATE SET last = n.last + 1
         RETURNING last",
    )
    .bind(branch)
    .bind(day.tanggal)
    .fetch_one(&mut *db)
    .await?;
    let (kode, date) = (day.kode_cabang, day.tanggal);
    Ok(format!("{kode}-{:02}{:02}{:02}-{number:03}", date.year() % 100, u8::from(date.month()), date.day()))
}

/// The stock's own trigger writes the ledger; it learns why, for which sale and by whom (who signed) from the transaction's settings.
async fn take_from_shelf(db: &mut PgConnection, kode_penjualan: &str, quote: &Quote) -> Outcome<()> {
    sqlx::query("SELECT set_config('melati.reason', 'penjualan', true), set_config('melati.catatan', $1, true)")
        .bind(kode_penjualan)
        .execute(&mut *db)
        .await?;
    for (product_type, take) in [
        (
            ProductType::Frame,
            "UPDATE frames p SET stok = p.stok - sold.quantity
             FROM unnest($1::bigint[], $2::int[]) AS sold (id, quantity) WHERE p.id = sold.id",
        ),
        (
            ProductType::Lensa,
            "UPDATE lensas p SET stok = p.stok - sold.quantity
             FROM unnest($1::bigint[], $2::int[]) AS sold (id, quantity) WHERE p.id = sold.id",
        ),
        (
            ProductType::Aksesoris,
            "UPDATE aksesoris p SET stok = p.stok - sold.quantity
             FROM unnest($1::bigint[], $2::int[]) AS sold (id, quantity) WHERE p.id = sold.id",
        ),
    ] {
        let (ids, quantities): (Vec<ProductId>, Vec<i32>) = quote
            .lines
            .iter()
            .filter(|line| line.product.product_type == product_type && line.stok.is_some())
            .map(|line| (line.product.product_id, line.quantity))
            .unzip();
        if !ids.is_empty() {
            sqlx::query(take).bind(ids).bind(quantities).execute(&mut *db).await?;
        }
    }
    Ok(())
}

async fn write_sale(
    db: &mut PgConnection,
    user: UserId,
    sale: &NewSale,
    kode_penjualan: &str,
    quote: &Quote,
    payment: Option<Payment>,
) -> Outcome<SaleId> {
    let bayar = payment.map_or(Rupiah::ZERO, |payment| payment.jumlah);
    let kekurangan = quote.omset_umum - bayar;
    let id = sqlx::query_scalar::<_, SaleId>(
        "INSERT INTO penjualans (kode_penjualan, client_ref, pasien_id, user_id, branch_id, total, omset_bpjs, omset_umum,
                                 bayar, kekurangan, status, transaction_status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         RETURNING id",
    )
    .bind(kode_penjualan)
    .bind(sale.client_ref)
    .bind(sale.pasien_id)
    .bind(user)
    .bind(sale.branch)
    .bind(quote.total)
    .bind(quote.omset_bpjs)
    .bind(quote.omset_umum)
    .bind(bayar)
    .bind(kekurangan)
    .bind(PaymentStatus::of_debt(kekurangan))
    .bind(quote.transaction_status)
    .fetch_one(&mut *db)
    .await?;
    Ok(id)
}

async fn write_lines(db: &mut PgConnection, sale: SaleId, quote: &Quote) -> Outcome<()> {
    let lines = &quote.lines;
    sqlx::query(
        "INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, price_bpjs, subtotal, naik_kelas)
         SELECT $1, product_type, product_id, nama, quantity, price, price_bpjs, price * quantity, naik_kelas
         FROM unnest($2::text[], $3::bigint[], $4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::boolean[])
              WITH ORDINALITY AS line (product_type, product_id, nama, quantity, price, price_bpjs, naik_kelas, place)
         ORDER BY place",
    )
    .bind(sale)
    .bind(lines.iter().map(|line| line.product.product_type.to_string()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.product.product_id).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.nama.clone()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.price).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.price_bpjs).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.naik_kelas).collect::<Vec<_>>())
    .execute(&mut *db)
    .await?;
    Ok(())
}

async fn write_payment(db: &mut PgConnection, sale: SaleId, user: UserId, payment: Payment) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(sale)
    .bind(payment.metode)
    .bind(payment.jumlah)
    .bind(payment.diterima)
    .bind(user)
    .execute(&mut *db)
    .await?;
    Ok(())
}

/// Takes a later payment. `owed` is the debt that the payer was told: a form sent twice, or two cashiers at once, would
/// otherwise take the same money again.
///
/// # Errors
/// `Conflict` when the debt is no longer `owed`, or is less than what is paid.
pub async fn pay(pool: &PgPool, viewer: &Viewer, sale: SaleId, owed: Rupiah, payment: Payment) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let (kekurangan, is_cancelled) = sqlx::query_as::<_, (Rupiah, bool)>(
        "SELECT kekurangan, dibatalkan_at IS NOT NULL FROM penjualans
         WHERE id = $1 AND ($2::bigint IS NULL OR branch_id = $2) FOR NO KEY UPDATE",
    )
    .bind(sale)
    .bind(viewer.branches().one())
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Refusal::NotFound)?;

    if is_cancelled {
        return Err(already_cancelled());
    }
    if kekurangan == Rupiah::ZERO {
        return Err(Refusal::conflict("paid", "Penjualan ini sudah lunas."));
    }
    if kekurangan != owed {
        return Err(Refusal::conflict(
            "debt_changed",
            format!("Baru saja ada pembayaran lain. Sekarang kurang {kekurangan}."),
        ));
    }
    if payment.jumlah > kekurangan {
        return Err(Refusal::conflict("too_much", format!("Pasien cukup membayar {kekurangan}.")));
    }
    let payment = settle(Some(payment), kekurangan)?.ok_or_else(|| Refusal::invalid("jumlah", "Isi jumlah bayar."))?;
    write_payment(&mut tx, sale, viewer.id, payment).await?;
    sqlx::query("UPDATE penjualans SET bayar = bayar + $2, kekurangan = kekurangan - $2, status = $3 WHERE id = $1")
        .bind(sale)
        .bind(payment.jumlah)
        .bind(PaymentStatus::of_debt(kekurangan - payment.jumlah))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

fn already_cancelled() -> Refusal {
    Refusal::conflict("cancelled", "Penjualan ini sudah dibatalkan.")
}

/// Letters of a reason: enough to mean something, few enough for a line of the log.
const REASON_LETTERS: std::ops::RangeInclusive<usize> = 3..=200;

/// Takes a whole sale back, once: the goods return to the shelf, what was paid returns to the patient, nothing is owed, and
/// the sale counts in no takings any more. Its row, its lines and its first payments stay. Notification and log: triggers.
///
/// # Errors
/// `Forbidden` for a kasir; `Conflict` with code `cancelled` the second time, `payment_changed` when more or less was paid
/// than the page showed.
pub async fn cancel(pool: &PgPool, viewer: &Viewer, sale: SaleId, cancellation: &Cancellation) -> Outcome<()> {
    if viewer.role == Role::Kasir {
        return Err(Refusal::Forbidden);
    }
    let alasan = cancellation.alasan.split_whitespace().collect::<Vec<_>>().join(" ");
    if !REASON_LETTERS.contains(&alasan.chars().count()) {
        return Err(Refusal::invalid("alasan", "Tulis alasannya, 3 sampai 200 huruf."));
    }
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let (branch, kode_penjualan, bayar, is_cancelled) = sqlx::query_as::<_, (BranchId, String, Rupiah, bool)>(
        "SELECT branch_id, kode_penjualan, bayar, dibatalkan_at IS NOT NULL FROM penjualans
         WHERE id = $1 AND ($2::bigint IS NULL OR branch_id = $2) FOR NO KEY UPDATE",
    )
    .bind(sale)
    .bind(viewer.branches().one())
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Refusal::NotFound)?;

    if is_cancelled {
        return Err(already_cancelled());
    }
    if bayar != cancellation.bayar {
        return Err(Refusal::conflict(
            "payment_changed",
            format!("Baru saja ada pembayaran lain. Yang sudah dibayar sekarang {bayar}. Periksa lagi, lalu batalkan."),
        ));
    }
    put_back_on_shelf(&mut tx, branch, sale, &kode_penjualan).await?;
    if bayar > Rupiah::ZERO {
        let back = Payment { metode: cancellation.metode, jumlah: -bayar, diterima: -bayar };
        write_payment(&mut tx, sale, viewer.id, back).await?;
    }
    sqlx::query(
        "UPDATE penjualans SET dibatalkan_at = clock_timestamp(), dibatalkan_oleh = $2, alasan_batal = $3, bayar = 0, kekurangan = 0,
                               status = 'Lunas'
         WHERE id = $1",
    )
    .bind(sale)
    .bind(viewer.id)
    .bind(alasan)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The way back of [`take_from_shelf`]. A product that is no longer this branch's takes nothing back: there is no shelf for it.
async fn put_back_on_shelf(db: &mut PgConnection, branch: BranchId, sale: SaleId, kode_penjualan: &str) -> Outcome<()> {
    let sold = sqlx::query_as::<_, (ProductType, ProductId, i32)>(
        "SELECT product_type, product_id, sum(quantity)::int FROM penjualan_details WHERE penjualan_id = $1 GROUP BY 1, 2",
    )
    .bind(sale)
    .fetch_all(&mut *db)
    .await?;
    let items: Vec<Item> = sold
        .into_iter()
        .map(|(product_type, product_id, quantity)| Item { product: ProductRef { product_type, product_id }, quantity })
        .collect();
    lock_products(&mut *db, branch, &items).await?;
    sqlx::query("SELECT set_config('melati.reason', 'retur', true), set_config('melati.catatan', $1, true)")
        .bind(kode_penjualan)
        .execute(&mut *db)
        .await?;
    for (product_type, put_back) in [
        (
            ProductType::Frame,
            "UPDATE frames p SET stok = p.stok + sold.quantity
             FROM unnest($1::bigint[], $2::int[]) AS sold (id, quantity) WHERE p.id = sold.id AND p.branch_id = $3",
        ),
        (
            ProductType::Lensa,
            // made to order: it never lay on the shelf
            "UPDATE lensas p SET stok = p.stok + sold.quantity
             FROM unnest($1::bigint[], $2::int[]) AS sold (id, quantity)
             WHERE p.id = sold.id AND p.branch_id = $3 AND NOT p.is_custom_order",
        ),
        (
            ProductType::Aksesoris,
            "UPDATE aksesoris p SET stok = p.stok + sold.quantity
             FROM unnest($1::bigint[], $2::int[]) AS sold (id, quantity) WHERE p.id = sold.id AND p.branch_id = $3",
        ),
    ] {
        let (ids, quantities): (Vec<ProductId>, Vec<i32>) = items
            .iter()
            .filter(|item| item.product.product_type == product_type)
            .map(|item| (item.product.product_id, item.quantity))
            .unzip();
        if !ids.is_empty() {
            sqlx::query(put_back).bind(ids).bind(quantities).bind(branch).execute(&mut *db).await?;
        }
    }
    Ok(())
}

/// What the picker of the sales page shows of a product: a row of the view `products`.
#[derive(Debug, serde::Serialize, sqlx::FromRow)]
pub struct Pick {
    #[serde(flatten)]
    #[sqlx(flatten)]
    pub product: ProductRef,
    pub kode: String,
    pub product_name: String,
    pub price: Rupiah,
    pub stok: i32,
    pub alert_level: Level,
    pub is_custom_order: bool,
    pub service_type: Option<String>,
}

/// Products of a branch whose name or code contains `cari`; the one with exactly this code first (a scanned label).
pub async fn search_products(
    pool: &PgPool,
    branch: BranchId,
    cari: &str,
    jenis: Option<ProductType>,
) -> Outcome<Vec<Pick>> {
    Ok(sqlx::query_as::<_, Pick>(
        "SELECT product_type, product_id, kode, product_name, price, stok, alert_level, is_custom_order, service_type
         FROM products
         WHERE branch_id = $1 AND (kode ILIKE $3 OR product_name ILIKE $3) AND ($4::text IS NULL OR product_type = $4)
         ORDER BY lower(kode) = lower($2) DESC, product_name, product_type, product_id
         LIMIT 50",
    )
    .bind(branch)
    .bind(cari.trim())
    .bind(containing(cari))
    .bind(jenis)
    .fetch_all(pool)
    .await?)
}

/// Which sales a list shows; everything empty is all of them.
#[derive(Debug, Default)]
pub struct Filter {
    /// Part of the number or of the patient's name.
    pub cari: String,
    pub status: Option<Standing>,
    pub pengerjaan: Option<WorkStatus>,
    /// Dates of the branch's own calendar, the first and the last.
    pub dari: Option<Date>,
    pub sampai: Option<Date>,
    pub kasir: Option<UserId>,
    /// Only sales older than this one: where the page before ended.
    pub before: Option<SaleId>,
}

/// Sales on one page of the list.
pub const PAGE: usize = 50;
/// Sales in one export: a busy branch's year.
pub const EXPORT: usize = 50_000;

#[derive(Debug, sqlx::FromRow)]
pub struct Row {
    pub id: SaleId,
    pub kode_penjualan: String,
    /// `21/11/2026` and `14:03` on the branch's clock.
    pub tanggal: String,
    pub jam: String,
    pub nama_pasien: String,
    pub service_type: ServiceType,
    pub kasir: String,
    pub cabang: String,
    pub total: Rupiah,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub bayar: Rupiah,
    pub kekurangan: Rupiah,
    pub standing: Standing,
    pub transaction_status: TransactionStatus,
    pub status_pengerjaan: WorkStatus,
    pub alasan_batal: Option<String>,
}

/// Newest first, at most [`PAGE`], and where the next page begins if there is one.
pub async fn list(pool: &PgPool, viewer: &Viewer, filter: &Filter) -> Outcome<(Vec<Row>, Option<SaleId>)> {
    let mut rows = find(pool, viewer, filter, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    Ok((rows, next))
}

/// Newest first, at most so many.
pub async fn find(pool: &PgPool, viewer: &Viewer, filter: &Filter, limit: usize) -> Outcome<Vec<Row>> {
    Ok(sqlx::query_as::<_, Row>(
        "SELECT p.id, p.kode_penjualan, to_char(p.created_at AT TIME ZONE b.timezone, 'DD/MM/YYYY') AS tanggal,
                to_char(p.created_at AT TIME ZONE b.timezone, 'HH24:MI') AS jam, pasien.nama_pasien, p.service_type,
                kasir.name AS kasir, b.name AS cabang, p.total, p.omset_bpjs, p.omset_umum, p.bayar, p.kekurangan,
                CASE WHEN p.dibatalkan_at IS NULL THEN p.status ELSE 'Dibatalkan' END AS standing,
                p.transaction_status, p.status_pengerjaan, p.alasan_batal
         FROM penjualans p
              JOIN branches b ON b.id = p.branch_id
              JOIN pasiens pasien ON pasien.id = p.pasien_id
              JOIN users kasir ON kasir.id = p.user_id
         WHERE ($1::bigint IS NULL OR p.branch_id = $1)
           AND ($2 = '' OR p.kode_penjualan ILIKE $3 OR pasien.nama_pasien ILIKE $3)
           AND ($4::text IS NULL OR CASE WHEN p.dibatalkan_at IS NULL THEN p.status ELSE 'Dibatalkan' END = $4)
           AND ($5::text IS NULL OR p.status_pengerjaan = $5 AND p.dibatalkan_at IS NULL)
           -- each end also in UTC, with a day to spare: for the index
           AND ($6::date IS NULL OR (p.created_at AT TIME ZONE b.timezone)::date >= $6 AND p.created_at >= $6::date - 1)
           AND ($7::date IS NULL OR (p.created_at AT TIME ZONE b.timezone)::date <= $7 AND p.created_at < $7::date + 2)
           AND ($8::bigint IS NULL OR p.user_id = $8)
           AND ($9::bigint IS NULL OR (p.created_at, p.id) < 
                (SELECT created_at, id FROM penjualans WHERE id = $9 AND ($1::bigint IS NULL OR branch_id = $1)))
         ORDER BY p.created_at DESC, p.id DESC
         LIMIT $10",
    )
    .bind(viewer.branches().one())
    .bind(filter.cari.trim())
    .bind(containing(&filter.cari))
    .bind(filter.status)
    .bind(filter.pengerjaan)
    .bind(filter.dari)
    .bind(filter.sampai)
    .bind(filter.kasir)
    .bind(filter.before)
    .bind(limit as i64)
    .fetch_all(pool)
    .await?)
}

/// Who has sold something here, by name: the choices of the list's filter.
pub async fn sellers(pool: &PgPool, viewer: &Viewer) -> Outcome<Vec<(UserId, String)>> {
    Ok(sqlx::query_as(
        "SELECT u.id, u.name FROM users u
         WHERE EXISTS (SELECT FROM penjualans p WHERE p.user_id = u.id AND ($1::bigint IS NULL OR p.branch_id = $1))
         ORDER BY lower(u.name), u.id",
    )
    .bind(viewer.branches().one())
    .fetch_all(pool)
    .await?)
}

/// A sale with all that its page and its receipt say.
#[derive(Debug)]
pub struct Sale {
    pub head: Head,
    pub lines: Vec<SoldLine>,
    pub payments: Vec<Paid>,
}

#[derive(Debug, sqlx::FromRow)]
pub struct Head {
    pub id: SaleId,
    pub kode_penjualan: String,
    /// `21/11/2026 14:03` on the branch's clock.
    pub waktu: String,
    pub branch_id: BranchId,
    pub cabang: String,
    pub alamat: String,
    pub telepon: String,
    pub timezone: String,
    pub kasir: String,
    pub pasien_id: PatientId,
    pub nama_pasien: String,
    /// Of the sale: the patient's own may be another by now, and so may the prescription.
    pub service_type: ServiceType,
    #[sqlx(json)]
    pub resep: Resep,
    pub total: Rupiah,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub bayar: Rupiah,
    pub kekurangan: Rupiah,
    pub status: PaymentStatus,
    pub transaction_status: TransactionStatus,
    pub status_pengerjaan: WorkStatus,
    /// When it should be ready at the latest, `28/11/2026`.
    pub janji: String,
    /// Taken back: when (`21/11/2026 16:40`), by whom, why.
    pub dibatalkan: Option<String>,
    pub dibatalkan_oleh: Option<String>,
    pub alasan_batal: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
pub struct SoldLine {
    #[sqlx(flatten)]
    pub product: ProductRef,
    pub nama: String,
    pub quantity: i32,
    pub price: Rupiah,
    pub price_bpjs: Rupiah,
    pub subtotal: Rupiah,
    pub naik_kelas: bool,
}

#[derive(Debug, sqlx::FromRow)]
pub struct Paid {
    pub waktu: String,
    pub metode: Metode,
    pub jumlah: Rupiah,
    pub diterima: Rupiah,
    pub kasir: Option<String>,
}

/// A sale of a branch that the viewer sees.
pub async fn get(pool: &PgPool, viewer: &Viewer, id: SaleId) -> Outcome<Sale> {
    // one snapshot: a payment that comes in between would show sums that do not add up
    let mut tx = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
    let head = sqlx::query_as::<_, Head>(
        "SELECT p.id, p.kode_penjualan, to_char(p.created_at AT TIME ZONE b.timezone, 'DD/MM/YYYY HH24:MI') AS waktu,
                p.branch_id, b.name AS cabang, b.alamat, b.telepon, b.timezone, kasir.name AS kasir, p.pasien_id, pasien.nama_pasien, p.service_type, p.resep,
                p.total, p.omset_bpjs, p.omset_umum, p.bayar, p.kekurangan, p.status, p.transaction_status, p.status_pengerjaan,
                to_char((p.created_at AT TIME ZONE b.timezone)::date + $3::int, 'DD/MM/YYYY') AS janji,
                to_char(p.dibatalkan_at AT TIME ZONE b.timezone, 'DD/MM/YYYY HH24:MI') AS dibatalkan, pembatal.name AS dibatalkan_oleh,
                p.alasan_batal
         FROM penjualans p
              JOIN branches b ON b.id = p.branch_id
              JOIN pasiens pasien ON pasien.id = p.pasien_id
              JOIN users kasir ON kasir.id = p.user_id
              LEFT JOIN users pembatal ON pembatal.id = p.dibatalkan_oleh
         WHERE p.id = $1 AND ($2::bigint IS NULL OR p.branch_id = $2)",
    )
    .bind(id)
    .bind(viewer.branches().one())
    .bind(orders::PROMISED_DAYS)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Refusal::NotFound)?;
    let lines = sqlx::query_as::<_, SoldLine>(
        "SELECT product_type, product_id, nama, quantity, price, price_bpjs, subtotal, naik_kelas
         FROM penjualan_details WHERE penjualan_id = $1 ORDER BY id",
    )
    .bind(id)
    .fetch_all(&mut *tx)
    .await?;
    let payments = sqlx::query_as::<_, Paid>(
        "SELECT to_char(b.created_at AT TIME ZONE $2, 'DD/MM/YYYY HH24:MI') AS waktu, b.metode, b.jumlah, b.diterima, u.name AS kasir
         FROM pembayarans b LEFT JOIN users u ON u.id = b.user_id
         WHERE b.penjualan_id = $1 ORDER BY b.id",
    )
    .bind(id)
    .bind(&head.timezone)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Sale { head, lines, payments })
}
