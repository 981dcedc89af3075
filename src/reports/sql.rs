//! The SQL of the reports. It reads the roll-ups through their functions (`migrations/0013_rollups.sql`), never the tables of
//! the roll-ups themselves: the functions alone know which days are not folded yet. `$1` is a branch, or null for all.

use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use time::Date;

use super::{Closing, Period};
use crate::ids::{BranchId, PatientId, ProductId, SaleId, UserId};
use crate::money::Rupiah;
use crate::orders::WorkStatus;
use crate::refusal::{Outcome, Refusal};
use crate::stock::ProductType;

/// The date today in each branch.
pub async fn todays(db: impl PgExecutor<'_>, scope: Option<BranchId>) -> sqlx::Result<Vec<(BranchId, Date)>> {
    sqlx::query_as(
        "SELECT branch_id, tanggal FROM branch_days WHERE $1::bigint IS NULL OR branch_id = $1 ORDER BY branch_id",
    )
    .bind(scope)
    .fetch_all(db)
    .await
}

// ---- branches and kasirs ----

/// A kasir's takings at a branch, in the period and in the one before it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KasirSum {
    pub branch_id: BranchId,
    pub cabang: String,
    pub user_id: UserId,
    pub kasir: String,
    pub jumlah: i64,
    pub total: Rupiah,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub total_before: Rupiah,
}

pub async fn kasirs(db: impl PgExecutor<'_>, scope: Option<BranchId>, period: Period) -> sqlx::Result<Vec<KasirSum>> {
    let before = period.before();
    sqlx::query_as(
        "WITH both_periods AS (
             SELECT branch_id, kunci, jumlah, total, omset_bpjs, omset_umum, 0::bigint AS before FROM sales_rollup('kasir', $1, $2, $3)
             UNION ALL
             SELECT branch_id, kunci, 0, 0, 0, 0, total FROM sales_rollup('kasir', $1, $4, $5)
         ), summed AS (
             SELECT branch_id, kunci, sum(jumlah)::bigint AS jumlah, sum(total)::bigint AS total, sum(omset_bpjs)::bigint AS omset_bpjs,
                    sum(omset_umum)::bigint AS omset_umum, sum(before)::bigint AS total_before
             FROM both_periods GROUP BY branch_id, kunci
         )
         SELECT s.branch_id, b.name AS cabang, s.kunci AS user_id, u.name AS kasir, s.jumlah, s.total, s.omset_bpjs, s.omset_umum, s.total_before
         FROM summed s JOIN branches b ON b.id = s.branch_id JOIN users u ON u.id = s.kunci
         ORDER BY s.total DESC, u.name, s.kunci, s.branch_id",
    )
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .bind(before.since)
    .bind(before.until)
    .fetch_all(db)
    .await
}

// ---- hours ----

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct HourSum {
    /// 1 Monday to 7 Sunday.
    pub hari: i32,
    /// 0 to 23, on the branch's clock.
    pub jam: i32,
    pub jumlah: i64,
    pub total: Rupiah,
}

pub async fn hours(db: impl PgExecutor<'_>, scope: Option<BranchId>, period: Period) -> sqlx::Result<Vec<HourSum>> {
    sqlx::query_as(
        "SELECT extract(isodow FROM tanggal)::int AS hari, kunci::int AS jam, sum(jumlah)::bigint AS jumlah, sum(total)::bigint AS total
         FROM sales_rollup('jam', $1, $2, $3)
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .fetch_all(db)
    .await
}

// ---- who pays ----

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ClassDay {
    pub tanggal: Date,
    /// See [`super::CLASSES`].
    pub kelas: i64,
    pub jumlah: i64,
    pub total: Rupiah,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub naik_kelas: i64,
}

pub async fn classes(db: impl PgExecutor<'_>, scope: Option<BranchId>, period: Period) -> sqlx::Result<Vec<ClassDay>> {
    sqlx::query_as(
        "SELECT tanggal, kunci AS kelas, sum(jumlah)::bigint AS jumlah, sum(total)::bigint AS total, sum(omset_bpjs)::bigint AS omset_bpjs,
                sum(omset_umum)::bigint AS omset_umum, sum(naik_kelas)::bigint AS naik_kelas
         FROM sales_rollup('kelas', $1, $2, $3)
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .fetch_all(db)
    .await
}

// ---- receivables ----

/// What a branch's patients owe, by the age of the sale in days.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DebtSum {
    pub branch_id: BranchId,
    pub cabang: String,
    /// The place in [`AGES`].
    pub umur: i32,
    pub jumlah: i64,
    pub kekurangan: Rupiah,
}

/// By the days since the sale, as the statement has them.
pub const AGES: [&str; 5] = ["0–7 hari", "8–30 hari", "31–60 hari", "61–90 hari", "lebih dari 90 hari"];

pub async fn debts(db: impl PgExecutor<'_>, scope: Option<BranchId>) -> sqlx::Result<Vec<DebtSum>> {
    sqlx::query_as(
        "SELECT b.id AS branch_id, b.name AS cabang, o.umur, o.jumlah, o.kekurangan
         FROM branches b JOIN branch_days d ON d.branch_id = b.id
         CROSS JOIN LATERAL (
             SELECT width_bucket(d.tanggal - (p.created_at AT TIME ZONE b.timezone)::date, ARRAY[8, 31, 61, 91]) AS umur,
                    count(*) AS jumlah, sum(p.kekurangan)::bigint AS kekurangan
             FROM penjualans p WHERE p.branch_id = b.id AND p.kekurangan > 0
             GROUP BY 1) o
         WHERE $1::bigint IS NULL OR b.id = $1
         ORDER BY b.name, o.umur",
    )
    .bind(scope)
    .fetch_all(db)
    .await
}

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Debt {
    pub id: SaleId,
    pub kode_penjualan: String,
    pub tanggal: Date,
    pub hari: i32,
    pub cabang: String,
    pub pasien_id: PatientId,
    pub nama_pasien: String,
    pub status_pengerjaan: WorkStatus,
    pub total: Rupiah,
    pub kekurangan: Rupiah,
}

/// The oldest `most` of them, oldest first.
pub async fn oldest_debts(db: impl PgExecutor<'_>, scope: Option<BranchId>, most: i64) -> sqlx::Result<Vec<Debt>> {
    sqlx::query_as(
        "WITH oldest AS MATERIALIZED (
             SELECT o.id FROM branches b
             CROSS JOIN LATERAL (SELECT p.id, p.created_at FROM penjualans p WHERE p.branch_id = b.id AND p.kekurangan > 0 ORDER BY p.created_at LIMIT $2) o
             WHERE $1::bigint IS NULL OR b.id = $1
             ORDER BY o.created_at, o.id LIMIT $2)
         SELECT p.id, p.kode_penjualan, (p.created_at AT TIME ZONE b.timezone)::date AS tanggal,
                d.tanggal - (p.created_at AT TIME ZONE b.timezone)::date AS hari, b.name AS cabang, p.pasien_id, s.nama_pasien,
                p.status_pengerjaan, p.total, p.kekurangan
         FROM oldest o JOIN penjualans p ON p.id = o.id JOIN branches b ON b.id = p.branch_id JOIN branch_days d ON d.branch_id = b.id JOIN pasiens s ON s.id = p.pasien_id
         ORDER BY p.created_at, p.id",
    )
    .bind(scope)
    .bind(most)
    .fetch_all(db)
    .await
}

// ---- goods ----

/// A product that was sold in the period or lies on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ProductSum {
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub cabang: String,
    pub kode: String,
    pub nama: String,
    pub stok: i32,
    /// What lies on the shelf, at cost.
    pub modal: Rupiah,
    pub jumlah: i64,
    pub subtotal: Rupiah,
    /// In how many sales.
    pub kali: i64,
}

/// The most sold first.
pub async fn products(
    db: impl PgExecutor<'_>,
    scope: Option<BranchId>,
    period: Period,
) -> sqlx::Result<Vec<ProductSum>> {
    sqlx::query_as(
        "WITH sold AS MATERIALIZED (
             SELECT product_type, product_id, sum(jumlah)::bigint AS jumlah, sum(subtotal)::bigint AS subtotal, sum(kali)::bigint AS kali
             FROM product_rollup($1, $2, $3) GROUP BY 1, 2)
         SELECT p.product_type, p.product_id, b.name AS cabang, p.kode, p.nama, p.stok, p.stok * p.harga_beli AS modal,
                coalesce(s.jumlah, 0) AS jumlah, coalesce(s.subtotal, 0) AS subtotal, coalesce(s.kali, 0) AS kali
         FROM product_costs p JOIN branches b ON b.id = p.branch_id
         LEFT JOIN sold s ON s.product_type = p.product_type AND s.product_id = p.product_id
         WHERE ($1::bigint IS NULL OR p.branch_id = $1) AND (s.jumlah > 0 OR p.stok > 0)
         ORDER BY coalesce(s.jumlah, 0) DESC, coalesce(s.subtotal, 0) DESC, p.nama, p.product_type, p.product_id",
    )
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .fetch_all(db)
    .await
}

/// A product on the shelf that nobody buys.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DeadProduct {
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub cabang: String,
    pub kode: String,
    pub nama: String,
    pub stok: i32,
    pub modal: Rupiah,
    /// None: not within the longest period that reports look at.
    pub terakhir: Option<Date>,
}

/// Products with stock that were not sold in their branch for `days` days and are there for as long, the dearest first.
pub async fn dead_stock(
    db: impl PgExecutor<'_>,
    scope: Option<BranchId>,
    today: Date,
    days: i32,
) -> sqlx::Result<Vec<DeadProduct>> {
    sqlx::query_as(
        "WITH sold AS MATERIALIZED (SELECT DISTINCT branch_id, product_type, product_id FROM product_rollup($1, $2::date - $3::int + 1, $2)),
         dirty AS MATERIALIZED (SELECT * FROM rollup_dirty($1, $2::date - $4::int, $2)),
         unfolded AS MATERIALIZED (
             SELECT d.branch_id, p.product_type, p.product_id, max(d.tanggal) AS tanggal
             FROM dirty d CROSS JOIN LATERAL products_of_day(d.branch_id, d.tanggal) p GROUP BY 1, 2, 3),
         dead AS MATERIALIZED (
             SELECT p.* FROM product_costs p
             WHERE ($1::bigint IS NULL OR p.branch_id = $1) AND p.stok > 0 AND NOT p.is_custom_order
               AND p.created_at < now() - make_interval(days => $3::int)
               AND (p.branch_id, p.product_type, p.product_id) NOT IN (SELECT s.branch_id, s.product_type, s.product_id FROM sold s))
         SELECT p.product_type, p.product_id, b.name AS cabang, p.kode, p.nama, p.stok, p.stok * p.harga_beli AS modal,
                greatest(u.tanggal, folded.tanggal) AS terakhir
         FROM dead p JOIN branches b ON b.id = p.branch_id
         LEFT JOIN unfolded u ON (u.branch_id, u.product_type, u.product_id) = (p.branch_id, p.product_type, p.product_id)
         LEFT JOIN LATERAL (
             SELECT r.tanggal FROM rollup_products r
             WHERE r.product_type = p.product_type AND r.product_id = p.product_id AND r.branch_id = p.branch_id AND r.tanggal BETWEEN $2::date - $4::int AND $2
               AND (r.branch_id, r.tanggal) NOT IN (SELECT d.branch_id, d.tanggal FROM dirty d)
             ORDER BY r.tanggal DESC LIMIT 1) folded ON true
         ORDER BY p.stok * p.harga_beli DESC, p.nama, p.product_type, p.product_id",
    )
    .bind(scope)
    .bind(today)
    .bind(days)
    .bind(super::LONGEST_DAYS as i32)
    .fetch_all(db)
    .await
}

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MovementDay {
    pub tanggal: Date,
    pub product_type: ProductType,
    pub reason: String,
    pub masuk: i64,
    pub keluar: i64,
    pub kali: i64,
}

pub async fn movements(
    db: impl PgExecutor<'_>,
    scope: Option<BranchId>,
    period: Period,
) -> sqlx::Result<Vec<MovementDay>> {
    sqlx::query_as(
        "SELECT tanggal, product_type, reason, sum(masuk)::bigint AS masuk, sum(keluar)::bigint AS keluar, sum(kali)::bigint AS kali
         FROM movement_rollup($1, $2, $3)
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .fetch_all(db)
    .await
}

/// How often and how long a product was low in a period, and how soon somebody answered.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LowProduct {
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub cabang: String,
    pub kode: String,
    pub nama: String,
    pub stok: i32,
    /// How many times it became low, or still was when the period began.
    pub kali: i64,
    /// Within the period, whole minutes.
    pub menit_rendah: i64,
    /// How many of these times somebody answered, or the shelf was filled.
    pub ditanggapi: i64,
    /// Minutes from low to answered, all times together.
    pub menit_tanggap: i64,
    pub is_low: bool,
}

/// The longest low first.
pub async fn low_stock(
    db: impl PgExecutor<'_>,
    scope: Option<BranchId>,
    period: Period,
) -> sqlx::Result<Vec<LowProduct>> {
    sqlx::query_as(
        "WITH looked_at AS MATERIALIZED (
             SELECT b.id, b.name, $2::date::timestamp AT TIME ZONE b.timezone AS begins,
                    least(($3::date + 1)::timestamp AT TIME ZONE b.timezone, now()) AS ends
             FROM branches b WHERE $1::bigint IS NULL OR b.id = $1
         ), low AS (
             SELECT a.product_type, a.product_id, a.branch_id, l.name AS cabang, count(*) AS kali,
                    (extract(epoch FROM sum(least(coalesce(a.closed_at, l.ends), l.ends) - greatest(a.opened_at, l.begins))) / 60)::bigint AS menit_rendah,
                    count(a.responded_at) AS ditanggapi,
                    coalesce(extract(epoch FROM sum(a.responded_at - a.opened_at)) / 60, 0)::bigint AS menit_tanggap,
                    bool_or(a.closed_at IS NULL) AS is_low
             FROM looked_at l JOIN stock_alerts a ON a.branch_id = l.id
             WHERE l.begins < l.ends AND a.opened_at < l.ends AND (a.closed_at IS NULL OR a.closed_at > l.begins)
             GROUP BY 1, 2, 3, 4)
         SELECT low.product_type, low.product_id, low.cabang, p.kode, p.nama, p.stok, low.kali, low.menit_rendah, low.ditanggapi,
                low.menit_tanggap, low.is_low
         FROM low JOIN product_costs p ON p.product_type = low.product_type AND p.product_id = low.product_id
         ORDER BY low.menit_rendah DESC, p.nama, low.product_type, low.product_id",
    )
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .fetch_all(db)
    .await
}

// ---- the end of a day ----

/// A line of the list of days.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DaySum {
    pub branch_id: BranchId,
    pub cabang: String,
    pub tanggal: Date,
    pub is_open: bool,
    pub opened_at: String,
    pub closed_at: Option<String>,
    pub closed_by: Option<String>,
    pub jumlah: i64,
    pub total: Rupiah,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
}

/// Days that were opened, the newest first.
pub async fn days(db: impl PgExecutor<'_>, scope: Option<BranchId>, period: Period) -> sqlx::Result<Vec<DaySum>> {
    sqlx::query_as(
        "WITH sold AS MATERIALIZED (
             SELECT branch_id, tanggal, sum(jumlah)::bigint AS jumlah, sum(total)::bigint AS total, sum(omset_bpjs)::bigint AS omset_bpjs,
                    sum(omset_umum)::bigint AS omset_umum
             FROM sales_rollup('kelas', $1, $2, $3) GROUP BY 1, 2)
         SELECT o.branch_id, b.name AS cabang, o.tanggal, o.is_open, to_char(o.opened_at AT TIME ZONE b.timezone, 'HH24:MI') AS opened_at,
                to_char(o.closed_at AT TIME ZONE b.timezone, 'HH24:MI') AS closed_at, u.name AS closed_by, coalesce(s.jumlah, 0) AS jumlah,
                coalesce(s.total, 0) AS total, coalesce(s.omset_bpjs, 0) AS omset_bpjs, coalesce(s.omset_umum, 0) AS omset_umum
         FROM open_days o JOIN branches b ON b.id = o.branch_id
         LEFT JOIN users u ON u.id = o.closed_by
         LEFT JOIN sold s ON s.branch_id = o.branch_id AND s.tanggal = o.tanggal
         WHERE ($1::bigint IS NULL OR o.branch_id = $1) AND o.tanggal BETWEEN $2 AND $3
         ORDER BY o.tanggal DESC, b.name",
    )
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .fetch_all(db)
    .await
}

#[derive(Debug, Clone, FromRow)]
pub struct DayHead {
    pub branch_id: BranchId,
    pub cabang: String,
    pub timezone: String,
    pub tanggal: Date,
    pub is_today: bool,
    pub is_open: bool,
    pub opened_at: String,
    pub opened_by: Option<String>,
    pub closed_at: Option<String>,
    pub closed_by: Option<String>,
    pub closed_by_id: Option<UserId>,
    /// When this was read: `21/11/2026 18:04`, branch time.
    pub dibaca: String,
}

#[derive(Debug, Clone, FromRow)]
pub struct ClassLine {
    pub service_type: String,
    pub jumlah: i64,
    pub total: Rupiah,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub kekurangan: Rupiah,
    pub naik_kelas: i64,
}

/// Whoever sold something or took money.
#[derive(Debug, Clone, FromRow)]
pub struct KasirLine {
    /// None: another program wrote a payment and did not say for whom.
    pub user_id: Option<UserId>,
    pub kasir: String,
    pub jumlah: i64,
    pub total: Rupiah,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MoneyKind {
    OfToday,
    OfOlder,
    PaidBack,
}

#[derive(Debug, Clone, FromRow)]
pub struct MoneyLine {
    pub metode: String,
    pub user_id: Option<UserId>,
    pub kind: MoneyKind,
    pub kali: i64,
    pub jumlah: Rupiah,
}

/// A sale that was taken back on that day, whenever it was sold.
#[derive(Debug, Clone, FromRow)]
pub struct CancelledLine {
    pub kode_penjualan: String,
    pub terjual: Date,
    pub total: Rupiah,
    pub kembali: Rupiah,
    pub oleh: Option<String>,
    pub alasan: String,
}

/// A branch's day, read from the sales and payments themselves: some hundred rows. No `tanggal`: today's.
///
/// # Errors
/// `NotFound`: the day was not opened.
pub async fn closing(pool: &PgPool, branch: BranchId, tanggal: Option<Date>) -> Outcome<Closing> {
    // one snapshot: a sale in between would show sums that do not add up
    let mut tx = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
    let closing = closing_in(&mut tx, branch, tanggal).await?;
    tx.commit().await?;
    Ok(closing)
}

/// The same in the snapshot of a transaction.
///
/// # Errors
/// As above.
pub async fn closing_in(db: &mut PgConnection, branch: BranchId, tanggal: Option<Date>) -> Outcome<Closing> {
    let head = sqlx::query_as::<_, DayHead>(
        "SELECT o.branch_id, b.name AS cabang, b.timezone, o.tanggal, o.tanggal = d.tanggal AS is_today, o.is_open,
                to_char(o.opened_at AT TIME ZONE b.timezone, 'HH24:MI') AS opened_at, opener.name AS opened_by,
                to_char(o.closed_at AT TIME ZONE b.timezone, 'HH24:MI') AS closed_at, closer.name AS closed_by, o.closed_by AS closed_by_id,
                to_char(now() AT TIME ZONE b.timezone, 'DD/MM/YYYY HH24:MI') AS dibaca
         FROM branches b JOIN branch_days d ON d.branch_id = b.id
         JOIN open_days o ON o.branch_id = b.id AND o.tanggal = coalesce($2, d.tanggal)
         LEFT JOIN users opener ON opener.id = o.opened_by
         LEFT JOIN users closer ON closer.id = o.closed_by
         WHERE b.id = $1",
    )
    .bind(branch)
    .bind(tanggal)
    .fetch_optional(&mut *db)
    .await?
    .ok_or(Refusal::NotFound)?;
    let classes = sqlx::query_as::<_, ClassLine>(
        "SELECT p.service_type, count(*) AS jumlah, sum(p.total)::bigint AS total, sum(p.omset_bpjs)::bigint AS omset_bpjs,
                sum(p.omset_umum)::bigint AS omset_umum, sum(p.kekurangan)::bigint AS kekurangan,
                count(*) FILTER (WHERE p.transaction_status = 'Naik Kelas') AS naik_kelas
         FROM penjualans p
         WHERE p.branch_id = $1 AND p.created_at >= $2::date::timestamp AT TIME ZONE $3 AND p.created_at < ($2::date + 1)::timestamp AT TIME ZONE $3
           AND p.dibatalkan_at IS NULL
         GROUP BY 1 ORDER BY array_position(ARRAY['UMUM', 'BPJS I', 'BPJS II', 'BPJS III'], p.service_type)",
    )
    .bind(branch)
    .bind(head.tanggal)
    .bind(&head.timezone)
    .fetch_all(&mut *db)
    .await?;
    let money = sqlx::query_as::<_, MoneyLine>(
        "SELECT m.metode, m.user_id, m.kind, count(*) AS kali, sum(m.jumlah)::bigint AS jumlah
         FROM (SELECT x.metode, x.user_id, x.jumlah,
                      CASE WHEN x.jumlah < 0 THEN 'paid_back'
                           WHEN (p.created_at AT TIME ZONE $3)::date = $2::date THEN 'of_today'
                           ELSE 'of_older' END AS kind
               FROM pembayarans x JOIN penjualans p ON p.id = x.penjualan_id
               WHERE x.created_at >= $2::date::timestamp AT TIME ZONE $3 AND x.created_at < ($2::date + 1)::timestamp AT TIME ZONE $3
                 AND p.branch_id = $1) m
         GROUP BY 1, 2, 3",
    )
    .bind(branch)
    .bind(head.tanggal)
    .bind(&head.timezone)
    .fetch_all(&mut *db)
    .await?;
    let kasirs = sqlx::query_as::<_, KasirLine>(
        "WITH sold AS (
             SELECT p.user_id, count(*) AS jumlah, sum(p.total)::bigint AS total
             FROM penjualans p
             WHERE p.branch_id = $1 AND p.created_at >= $2::date::timestamp AT TIME ZONE $3 AND p.created_at < ($2::date + 1)::timestamp AT TIME ZONE $3
               AND p.dibatalkan_at IS NULL
             GROUP BY 1
         ), people AS (
             SELECT user_id FROM sold
             UNION
             SELECT x.user_id FROM pembayarans x JOIN penjualans p ON p.id = x.penjualan_id
             WHERE x.created_at >= $2::date::timestamp AT TIME ZONE $3 AND x.created_at < ($2::date + 1)::timestamp AT TIME ZONE $3
               AND p.branch_id = $1)
         SELECT people.user_id, coalesce(u.name, 'Program lain') AS kasir, coalesce(s.jumlah, 0) AS jumlah, coalesce(s.total, 0) AS total
         FROM people LEFT JOIN users u ON u.id = people.user_id LEFT JOIN sold s ON s.user_id = people.user_id
         ORDER BY 4 DESC, 2",
    )
    .bind(branch)
    .bind(head.tanggal)
    .bind(&head.timezone)
    .fetch_all(&mut *db)
    .await?;
    let cancelled = sqlx::query_as::<_, CancelledLine>(
        "SELECT p.kode_penjualan, (p.created_at AT TIME ZONE $3)::date AS terjual, p.total,
                coalesce((SELECT -sum(x.jumlah) FROM pembayarans x WHERE x.penjualan_id = p.id AND x.jumlah < 0), 0)::bigint AS kembali,
                u.name AS oleh, p.alasan_batal AS alasan
         FROM penjualans p LEFT JOIN users u ON u.id = p.dibatalkan_oleh
         WHERE p.branch_id = $1 AND p.dibatalkan_at >= $2::date::timestamp AT TIME ZONE $3 AND p.dibatalkan_at < ($2::date + 1)::timestamp AT TIME ZONE $3
         ORDER BY p.dibatalkan_at, p.id",
    )
    .bind(branch)
    .bind(head.tanggal)
    .bind(&head.timezone)
    .fetch_all(&mut *db)
    .await?;
    Ok(Closing { head, classes, kasirs, money, cancelled })
}

// ---- keeping ----

/// Folds the marks of some days, unless another process is at it. How many marks; 0: none is left, or not for us.
pub async fn fold_if_free(pool: &PgPool, days: i32) -> sqlx::Result<i64> {
    let mut tx = pool.begin().await?;
    // an import of years is summed up in one piece; nobody waits for it
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    let free: bool = sqlx::query_scalar("SELECT rollup_try_lock()").fetch_one(&mut *tx).await?;
    if !free {
        return Ok(0);
    }
    let folded = sqlx::query_scalar("SELECT rollup_fold($1)").bind(days).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(folded)
}

/// The same, waiting for whoever is at it.
pub async fn fold(pool: &PgPool, days: i32) -> sqlx::Result<i64> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    sqlx::query("SET LOCAL lock_timeout = 0").execute(&mut *tx).await?;
    let folded = sqlx::query_scalar("SELECT rollup_fold($1)").bind(days).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(folded)
}

/// Whether a day has passed since everything was compared, and an hour since a process began to: one that fails, or dies in the
/// middle, is followed by another. True for one process only.
pub async fn is_time_to_check(pool: &PgPool) -> sqlx::Result<bool> {
    let taken = sqlx::query(
        "UPDATE rollup_meta SET tried_at = now()
         WHERE checked_at < now() - interval '1 day' AND tried_at < now() - interval '1 hour'",
    )
    .execute(pool)
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// Everything was compared.
pub async fn was_checked(pool: &PgPool, wrong_days: i32) -> sqlx::Result<()> {
    sqlx::query("UPDATE rollup_meta SET checked_at = now(), wrong_days = $1").bind(wrong_days).execute(pool).await?;
    Ok(())
}

/// How the roll-ups are kept.
#[derive(Debug, Clone, FromRow)]
pub struct Keeping {
    pub marks: i64,
    /// Since the oldest mark was made; 0 without any.
    pub oldest_mark_seconds: f64,
    pub checked_at: time::OffsetDateTime,
    pub checked_seconds: f64,
    /// Days that the last comparison found wrong, and mended.
    pub wrong_days: i32,
    /// Triggers without which a report may be wrong: `penjualans.zz_rollup_written disabled`.
    pub faults: Vec<String>,
}

pub async fn keeping(db: impl PgExecutor<'_>) -> sqlx::Result<Keeping> {
    sqlx::query_as(
        "SELECT m.marks, m.oldest_mark_seconds, r.checked_at, extract(epoch FROM now() - r.checked_at)::float8 AS checked_seconds, r.wrong_days,
                ARRAY(SELECT tbl || '.' || part || ' ' || problem FROM rollup_parts WHERE problem IS NOT NULL ORDER BY tbl, part) AS faults
         FROM rollup_meta r,
              (SELECT count(*) AS marks, greatest(coalesce(extract(epoch FROM now() - min(began)), 0), 0)::float8 AS oldest_mark_seconds FROM rollup_marks) m",
    )
    .fetch_one(db)
    .await
}

/// Every month of every branch that has something to sum up, or has sums.
pub async fn months_to_check(pool: &PgPool) -> sqlx::Result<Vec<(BranchId, Date, Date)>> {
    sqlx::query_as(
        "SELECT b.id, m::date, (m + interval '1 month' - interval '1 day')::date
         FROM branches b
         CROSS JOIN LATERAL (
             SELECT least((SELECT min(created_at) FROM penjualans WHERE branch_id = b.id), (SELECT min(created_at) FROM stock_movements WHERE branch_id = b.id),
                          (SELECT min(tanggal)::timestamptz FROM rollup_sales WHERE branch_id = b.id), (SELECT min(tanggal)::timestamptz FROM rollup_products WHERE branch_id = b.id)) AS first,
                    greatest((SELECT max(created_at) FROM penjualans WHERE branch_id = b.id), (SELECT max(created_at) FROM stock_movements WHERE branch_id = b.id),
                             (SELECT max(tanggal)::timestamptz FROM rollup_sales WHERE branch_id = b.id), (SELECT max(tanggal)::timestamptz FROM rollup_products WHERE branch_id = b.id)) AS last) span
         -- a day to spare on both sides: the zones
         CROSS JOIN LATERAL generate_series(date_trunc('month', span.first - interval '1 day'), span.last + interval '1 day', interval '1 month') m
         ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await
}

/// The days that were not what their sales say. They are marked.
pub async fn check(pool: &PgPool, branch: BranchId, since: Date, until: Date) -> sqlx::Result<Vec<Date>> {
    sqlx::query_scalar("SELECT rollup_check($1, $2, $3)").bind(branch).bind(since).bind(until).fetch_all(pool).await
}

pub async fn mark_everything(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO rollup_marks (what, id) SELECT 'branch', id FROM branches").execute(pool).await?;
    Ok(())
}
