//! Reports say what the sales say, at every moment, whoever writes: the statements of `src/reports/sql.rs` against sums made
//! here, row by row, of the base tables; and the pages over HTTP.

#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;
#[path = "reports/naive.rs"]
mod naive;

use std::collections::{BTreeMap, BTreeSet};

use common::app::{TestApp, shop};
use common::db::psql;
use melati::ids::BranchId;
use melati::money::Rupiah;
use melati::reports::{Period, rollups, sql};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use time::{Date, Duration};

const KEMANG: BranchId = BranchId(1);

// ---- the naive recomputation ----

#[derive(sqlx::FromRow)]
struct SaleRow {
    id: i64,
    branch_id: i64,
    user_id: i64,
    service_type: String,
    total: i64,
    omset_bpjs: i64,
    omset_umum: i64,
    transaction_status: String,
    cancelled: bool,
    tanggal: Date,
    jam: i32,
}

#[derive(sqlx::FromRow)]
struct LineRow {
    penjualan_id: i64,
    product_type: String,
    product_id: i64,
    quantity: i32,
    subtotal: i64,
}

#[derive(sqlx::FromRow)]
struct MoveRow {
    branch_id: i64,
    product_type: String,
    reason: String,
    delta: i32,
    tanggal: Date,
}

/// Everything that there is, in one snapshot.
struct Truth {
    sales: Vec<SaleRow>,
    lines: Vec<LineRow>,
    moves: Vec<MoveRow>,
}

type Key = (i64, Date, i64);
type SumRow = (i64, Date, i64, i64, i64, i64, i64, i64);
type Sums = BTreeMap<Key, [i64; 5]>;

impl Truth {
    async fn read(db: &mut PgConnection) -> Self {
        let sales = sqlx::query_as(
            "SELECT p.id, p.branch_id, p.user_id, p.service_type, p.total, p.omset_bpjs, p.omset_umum, p.transaction_status,
                    p.dibatalkan_at IS NOT NULL AS cancelled, (p.created_at AT TIME ZONE b.timezone)::date AS tanggal,
                    extract(hour FROM p.created_at AT TIME ZONE b.timezone)::int AS jam
             FROM penjualans p JOIN branches b ON b.id = p.branch_id",
        );
        let lines =
            sqlx::query_as("SELECT penjualan_id, product_type, product_id, quantity, subtotal FROM penjualan_details");
        let moves = sqlx::query_as(
            "SELECT m.branch_id, m.product_type, m.reason, m.delta, (m.created_at AT TIME ZONE b.timezone)::date AS tanggal
             FROM stock_movements m JOIN branches b ON b.id = m.branch_id",
        );
        Self {
            sales: sales.fetch_all(&mut *db).await.unwrap(),
            lines: lines.fetch_all(&mut *db).await.unwrap(),
            moves: moves.fetch_all(&mut *db).await.unwrap(),
        }
    }

    fn standing(&self, scope: Option<i64>, period: Period) -> impl Iterator<Item = &SaleRow> {
        let within = move |sale: &&SaleRow| {
            !sale.cancelled
                && scope.is_none_or(|one| one == sale.branch_id)
                && (period.since..=period.until).contains(&sale.tanggal)
        };
        self.sales.iter().filter(within)
    }

    fn sums(&self, scope: Option<i64>, period: Period, key: impl Fn(&SaleRow) -> i64) -> Sums {
        let mut sums = Sums::new();
        for sale in self.standing(scope, period) {
            let sum = sums.entry((sale.branch_id, sale.tanggal, key(sale))).or_default();
            let upgraded = i64::from(sale.transaction_status == "Naik Kelas");
            for (sum, part) in sum.iter_mut().zip([1, sale.total, sale.omset_bpjs, sale.omset_umum, upgraded]) {
                *sum += part;
            }
        }
        sums
    }

    fn products(&self, scope: Option<i64>, period: Period) -> BTreeMap<(String, i64), [i64; 3]> {
        let sales: BTreeSet<i64> = self.standing(scope, period).map(|sale| sale.id).collect();
        let mut sums = BTreeMap::<_, ([i64; 2], BTreeSet<i64>)>::new();
        for line in self.lines.iter().filter(|line| sales.contains(&line.penjualan_id)) {
            let (sum, seen) = sums.entry((line.product_type.clone(), line.product_id)).or_default();
            sum[0] += i64::from(line.quantity);
            sum[1] += line.subtotal;
            seen.insert(line.penjualan_id);
        }
        sums.into_iter().map(|(key, (sum, seen))| (key, [sum[0], sum[1], seen.len() as i64])).collect()
    }

    fn movements(&self, scope: Option<i64>, period: Period) -> BTreeMap<(Date, String, String), [i64; 3]> {
        let mut sums = BTreeMap::new();
        for m in &self.moves {
            if scope.is_none_or(|one| one == m.branch_id) && (period.since..=period.until).contains(&m.tanggal) {
                let sum: &mut [i64; 3] = sums.entry((m.tanggal, m.product_type.clone(), m.reason.clone())).or_default();
                sum[0] += i64::from(m.delta.max(0));
                sum[1] += i64::from((-m.delta).max(0));
                sum[2] += 1;
            }
        }
        sums
    }
}

fn class(sale: &SaleRow) -> i64 {
    melati::reports::CLASSES.iter().position(|class| *class == sale.service_type).unwrap() as i64
}

/// What the roll-ups say of a dimension, in the same snapshot.
async fn said(db: &mut PgConnection, dimension: &str, scope: Option<i64>, period: Period) -> Sums {
    let rows: Vec<SumRow> = sqlx::query_as(
        "SELECT branch_id, tanggal, kunci, jumlah, total, omset_bpjs, omset_umum, naik_kelas FROM sales_rollup($1, $2, $3, $4)",
    )
    .bind(dimension)
    .bind(scope)
    .bind(period.since)
    .bind(period.until)
    .fetch_all(db)
    .await
    .unwrap();
    let count = rows.len();
    let sums: Sums = rows.into_iter().map(|r| ((r.0, r.1, r.2), [r.3, r.4, r.5, r.6, r.7])).collect();
    assert_eq!(sums.len(), count, "{dimension}: a key is there once");
    sums
}

/// Compares everything in one snapshot, over random periods: each report, and each function that they read day by day. Returns
/// how much there was to compare.
async fn all_is_true(db: &PgPool, rng: &mut StdRng, when: &str) -> [usize; 5] {
    let mut db = psql(db).await;
    let mut tx = db.begin().await.unwrap();
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await.unwrap();
    let truth = Truth::read(&mut tx).await;
    let base = naive::Base::read(&mut tx).await;
    let today: Date = sqlx::query_scalar("SELECT max(tanggal) FROM branch_days").fetch_one(&mut *tx).await.unwrap();
    let everything = Period { since: today - Duration::days(120), until: today + Duration::DAY };
    let mut periods = vec![everything];
    for _ in 0..2 {
        let since = today - Duration::days(rng.random_range(0..100));
        periods.push(Period { since, until: since + Duration::days(rng.random_range(0..70)) });
    }
    for scope in [None, Some(1), Some(2)] {
        base.assert_present(&mut tx, scope.map(BranchId), rng).await;
    }
    for period in periods {
        for scope in [None, Some(1), Some(2)] {
            base.assert_reports(&mut tx, scope.map(BranchId), period).await;
            let what = format!("{when}: {period:?} of {scope:?}");
            let hours = truth.sums(scope, period, |sale| i64::from(sale.jam));
            assert_eq!(said(&mut tx, "jam", scope, period).await, hours, "hours, {what}");
            let kasirs = truth.sums(scope, period, |sale| sale.user_id);
            assert_eq!(said(&mut tx, "kasir", scope, period).await, kasirs, "kasirs, {what}");
            let classes = truth.sums(scope, period, class);
            assert_eq!(said(&mut tx, "kelas", scope, period).await, classes, "classes, {what}");

            let products: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
                "SELECT product_type, product_id, sum(jumlah)::bigint, sum(subtotal)::bigint, sum(kali)::bigint
                 FROM product_rollup($1, $2, $3) GROUP BY 1, 2",
            )
            .bind(scope)
            .bind(period.since)
            .bind(period.until)
            .fetch_all(&mut *tx)
            .await
            .unwrap();
            let products: BTreeMap<_, _> = products.into_iter().map(|p| ((p.0, p.1), [p.2, p.3, p.4])).collect();
            assert_eq!(products, truth.products(scope, period), "products, {what}");

            let movements: Vec<(Date, String, String, i64, i64, i64)> = sqlx::query_as(
                "SELECT tanggal, product_type, reason, sum(masuk)::bigint, sum(keluar)::bigint, sum(kali)::bigint
                 FROM movement_rollup($1, $2, $3) GROUP BY 1, 2, 3",
            )
            .bind(scope)
            .bind(period.since)
            .bind(period.until)
            .fetch_all(&mut *tx)
            .await
            .unwrap();
            let movements: BTreeMap<_, _> = movements.into_iter().map(|m| ((m.0, m.1, m.2), [m.3, m.4, m.5])).collect();
            assert_eq!(movements, truth.movements(scope, period), "movements, {what}");
        }
    }
    base.size()
}

// ---- writers ----

/// Does one thing that changes what some day sums up to: any of those that pages, imports and people at psql do. Refusals of
/// the database (a deadlock with another writer, a cancelled sale that is changed) leave nothing behind.
async fn write_something(db: &mut PgConnection, rng: &mut StdRng) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    let branch = rng.random_range(1..=2_i64);
    let (kasir, pasien) = if branch == 1 { (rng.random_range(3..=4), rng.random_range(1..=2)) } else { (6, 3) };
    let frame = if branch == 1 { 1 } else { 3 };
    let ago = rng.random_range(0..90 * 86_400_i64);
    let paid = if rng.random_bool(0.4) { rng.random_range(0..480_000) } else { 480_000 };
    let (shelf, id) = [("frames", 3), ("lensas", 2), ("aksesoris", 2)][rng.random_range(0..3)];
    let id = rng.random_range(1..=id);
    let some_sale = "(SELECT id FROM penjualans WHERE dibatalkan_at IS NULL ORDER BY random() LIMIT 1)";
    let sell = || {
        format!(
            "WITH sale AS (
                 INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_bpjs, omset_umum, bayar, kekurangan, status, transaction_status, created_at)
                 VALUES (gen_random_uuid()::text, {pasien}, {kasir}, {branch}, 700000, 220000, 480000, {paid}, 480000 - {paid},
                         CASE WHEN {paid} = 480000 THEN 'Lunas' ELSE 'Belum Lunas' END,
                         CASE WHEN random() < 0.3 THEN 'Naik Kelas' ELSE 'Normal' END, now() - interval '{ago} s')
                 RETURNING id)
             INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal)
             SELECT sale.id, 'Frame', {frame}, 'x', 1 + n, 685000, 685000 * (1 + n) FROM sale, generate_series(0, 1) n"
        )
    };
    let statement = match rng.random_range(0..28) {
        0..=7 => sell(),
        8 => format!("UPDATE penjualans SET created_at = now() - interval '{ago} s' WHERE id = {some_sale}"),
        9 => format!(
            "UPDATE penjualans SET total = 500000, omset_bpjs = 0, omset_umum = 500000, bayar = 500000, kekurangan = 0, status = 'Lunas' WHERE id = {some_sale}"
        ),
        10 => format!("UPDATE penjualans SET branch_id = {branch}, user_id = {kasir}, pasien_id = {pasien} WHERE id = {some_sale}"),
        11 | 12 => format!(
            "UPDATE penjualans SET dibatalkan_at = now() - interval '{} s', dibatalkan_oleh = user_id, alasan_batal = 'salah', bayar = 0, kekurangan = 0, status = 'Lunas' WHERE id = {some_sale}",
            rng.random_range(0..3 * 86_400)
        ),
        13 => format!("DELETE FROM penjualans WHERE id = {some_sale}"),
        14 => format!("DELETE FROM penjualan_details WHERE penjualan_id = {some_sale} AND quantity = 1"),
        15 => format!("UPDATE penjualan_details SET penjualan_id = {some_sale} WHERE penjualan_id = {some_sale}"),
        16 => format!(
            "INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal)
             SELECT id, 'Lensa', branch_id, 'x', 2, 1000, 2000 FROM penjualans WHERE id = {some_sale}"
        ),
        17 | 20 | 21 => format!("UPDATE {shelf} SET stok = {} WHERE id = {id}", rng.random_range(0..20)),
        22 => format!("UPDATE {shelf} SET created_at = now() - interval '{ago} s' WHERE id = {id}"),
        // money of any day, in and back
        23 | 24 => format!(
            "INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id, created_at)
             SELECT id, '{}', {back}, {back}, {}, now() - interval '{} s' FROM penjualans WHERE id = {some_sale}",
            ["tunai", "transfer", "qris"][rng.random_range(0..3)],
            if rng.random_bool(0.9) { "user_id" } else { "NULL" },
            rng.random_range(0..5 * 86_400),
            back = rng.random_range(1..300_000) * if rng.random_bool(0.2) { -1 } else { 1 },
        ),
        // low once, answered or not, filled again
        25 => format!(
            "INSERT INTO stock_alerts (product_type, product_id, branch_id, stok, opened_at, acked_at, closed_at)
             SELECT 'Frame', {branch}, {branch}, 1, opened, CASE WHEN random() < 0.5 THEN opened + random() * interval '5 hours' END,
                    opened + interval '5 hours' + random() * interval '9 days'
             FROM (SELECT now() - interval '{ago} s' - interval '10 days' AS opened) a"
        ),
        26 => "UPDATE stock_alerts SET acked_at = now() WHERE id = (SELECT id FROM stock_alerts WHERE closed_at IS NULL ORDER BY random() LIMIT 1)".to_owned(),
        27 => format!(
            "INSERT INTO open_days (branch_id, tanggal, is_open, opened_by, opened_at, closed_by, closed_at)
             SELECT {branch}, (now() - interval '{days} days')::date, false, {kasir}, now() - interval '{days} days', {kasir}, now() - interval '{days} days' + interval '9 hours'
             ON CONFLICT (branch_id, tanggal) DO UPDATE SET is_open = NOT open_days.is_open",
            days = rng.random_range(0..6)
        ),
        18 => format!("UPDATE penjualans SET status_pengerjaan = 'Siap Diambil' WHERE id = {some_sale}"),
        _ => "UPDATE branches SET timezone = CASE timezone WHEN 'Asia/Jakarta' THEN 'Asia/Jayapura' ELSE 'Asia/Jakarta' END WHERE id = 1".to_owned(),
    };
    // an import tool's setting does not go past the marks
    if rng.random_bool(0.2) {
        tx.execute("SET LOCAL session_replication_role = replica").await?;
    }
    if rng.random_bool(0.1) {
        tx.execute("SAVEPOINT s").await?;
        tx.execute(AssertSqlSafe(sell())).await?;
        tx.execute("ROLLBACK TO s").await?;
    }
    tx.execute(AssertSqlSafe(statement)).await?;
    if rng.random_bool(0.1) { tx.rollback().await } else { tx.commit().await }
}

/// What a writer gets who comes too late: a deadlock, a sale that another has deleted or taken back.
const LOST: [&str; 4] = ["40P01", "P0001", "23503", "23514"];

/// Eight writers do whatever they like while somebody folds and somebody compares everything with a sum of the base tables; and
/// once more when all is quiet, before and after the last fold.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_report_is_a_sum_of_the_base_tables_at_every_moment() {
    let seed: u64 = std::env::var("MELATI_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("MELATI_SEED={seed}");
    let db = shop().await;
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut done, mut refused) = (0, 0);
    for round in 0..5_u64 {
        let writers = (0..8_u64).map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut rng = StdRng::seed_from_u64(seed.wrapping_add(100 * round + n));
                let mut psql = psql(&db).await;
                let (mut done, mut refused) = (0, 0);
                for _ in 0..25 {
                    match write_something(&mut psql, &mut rng).await {
                        Ok(()) => done += 1,
                        Err(sqlx::Error::Database(error)) if LOST.contains(&error.code().unwrap().as_ref()) => {
                            refused += 1
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                (done, refused)
            })
        });
        let writers = Vec::from_iter(writers);
        // a few days only, so that there are always some that are folded and some that are not
        sql::fold(&db, 7).await.unwrap();
        all_is_true(&db, &mut rng, "meanwhile").await;
        for writer in writers {
            let (more, others) = writer.await.unwrap();
            (done, refused) = (done + more, refused + others);
        }
    }
    println!("{done} writes, {refused} refused");
    assert!(done > 10 * refused, "most of what a writer does is done");

    let size @ [sales, owing, payments, alerts, days] = all_is_true(&db, &mut rng, "with marks left").await;
    assert!(sales > 50 && owing > 5 && payments > 20 && alerts > 10 && days > 4, "something to sum up: {size:?}");
    rollups::fold(&db).await.unwrap();
    all_is_true(&db, &mut rng, "folded").await;
    assert_eq!(rollups::check(&db).await.unwrap(), [], "the check finds nothing, either");
    rollups::rebuild(&db).await.unwrap();
    all_is_true(&db, &mut rng, "rebuilt").await;
}

/// Two that do not see each other: one adds a line, the other moves its sale to another day and is folded before the first
/// commits.
#[tokio::test]
async fn a_line_that_is_added_while_its_sale_moves_is_counted_where_the_sale_is() {
    let db = shop().await;
    let mut a = psql(&db).await;
    a.execute(
        "INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar)
         VALUES (1, 'A', 2, 3, 1, 1000, 1000, 1000)",
    )
    .await
    .unwrap();
    rollups::fold(&db).await.unwrap();

    let mut adding = a.begin().await.unwrap();
    adding
        .execute(
            "INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal)
             VALUES (1, 'Frame', 1, 'x', 1, 1000, 1000)",
        )
        .await
        .unwrap();
    psql(&db).await.execute("UPDATE penjualans SET created_at = created_at - interval '40 days'").await.unwrap();
    assert!(rollups::fold(&db).await.unwrap() > 0);
    adding.commit().await.unwrap();

    let mut rng = StdRng::seed_from_u64(1);
    all_is_true(&db, &mut rng, "with a mark").await;
    rollups::fold(&db).await.unwrap();
    all_is_true(&db, &mut rng, "folded").await;
}

/// A trigger that was off, and somebody who writes into a roll-up.
#[tokio::test]
async fn what_went_past_the_marks_is_found_and_mended() {
    let db = shop().await;
    let mut someone = psql(&db).await;
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..40 {
        let _refused = write_something(&mut someone, &mut rng).await;
    }
    rollups::fold(&db).await.unwrap();
    assert_eq!(rollups::check(&db).await.unwrap(), []);

    sqlx::raw_sql(
        "UPDATE branches SET timezone = 'Asia/Jakarta' WHERE id = 1;
         ALTER TABLE penjualans DISABLE TRIGGER zz_rollup_written;
         INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, created_at)
         VALUES ('unseen', 3, 6, 2, 1000, 1000, 1000, now() - interval '33 days');
         ALTER TABLE penjualans ENABLE ALWAYS TRIGGER zz_rollup_written;
         UPDATE rollup_product_months SET jumlah = jumlah + 1 WHERE branch_id = 2;",
    )
    .execute(&db)
    .await
    .unwrap();
    let wrong = rollups::check(&db).await.unwrap();
    assert!(!wrong.is_empty() && wrong.iter().all(|wrong| wrong.branch == BranchId(2)), "{wrong:?}");
    all_is_true(&db, &mut rng, "mended").await;
    assert_eq!(rollups::check(&db).await.unwrap(), []);
    for table in ["penjualan_details", "stock_movements", "rollup_marks"] {
        let refused = sqlx::raw_sql(AssertSqlSafe(format!("TRUNCATE {table}"))).execute(&db).await;
        assert!(refused.is_err(), "{table} can be emptied unseen");
    }
}

/// A comparison that fails is made up for, and not a day later; one process at a time tries.
#[tokio::test]
async fn what_could_not_be_compared_is_compared_again() {
    let db = shop().await;
    let age =
        "UPDATE rollup_meta SET checked_at = now() - interval '25 hours', tried_at = now() - interval '61 minutes'";
    assert!(!sql::is_time_to_check(&db).await.unwrap(), "a new database");
    db.execute(age).await.unwrap();
    assert!(sql::is_time_to_check(&db).await.unwrap());
    assert!(!sql::is_time_to_check(&db).await.unwrap(), "another process is at it");
    // it died in the middle: an hour later somebody tries again
    db.execute("UPDATE rollup_meta SET tried_at = now() - interval '61 minutes'").await.unwrap();
    assert!(sql::is_time_to_check(&db).await.unwrap());
    rollups::check(&db).await.unwrap();
    assert!(sql::keeping(&db).await.unwrap().checked_seconds < 60.0);
    db.execute("UPDATE rollup_meta SET tried_at = now() - interval '61 minutes'").await.unwrap();
    assert!(!sql::is_time_to_check(&db).await.unwrap(), "it was compared");
}

// ---- reports that are read as they stand ----

#[tokio::test]
async fn what_is_owed_is_sorted_by_age() {
    let db = shop().await;
    sqlx::raw_sql(
        "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, kekurangan, status, created_at)
         SELECT 'K' || n, 2, 3, 1, 1000 * n, 1000 * n, 1000 * n, 'Belum Lunas', now() - n * interval '1 day'
         FROM unnest(ARRAY[1, 7, 8, 30, 31, 60, 61, 90, 91, 400]) n;",
    )
    .execute(&db)
    .await
    .unwrap();
    let sums = sql::debts(&db, Some(KEMANG)).await.unwrap();
    let sums: Vec<(i32, i64, Rupiah)> = sums.iter().map(|sum| (sum.umur, sum.jumlah, sum.kekurangan)).collect();
    let expected = [(0, 2, 8), (1, 2, 38), (2, 2, 91), (3, 2, 151), (4, 2, 491)];
    assert_eq!(sums, expected.map(|(age, count, owed)| (age, count, Rupiah(1_000 * owed))));
    let oldest = sql::oldest_debts(&db, None, 3).await.unwrap();
    let oldest: Vec<(i32, &str)> = oldest.iter().map(|debt| (debt.hari, debt.kode_penjualan.as_str())).collect();
    assert_eq!(oldest, [(400, "K400"), (91, "K91"), (90, "K90")]);
    assert_eq!(sql::debts(&db, Some(BranchId(2))).await.unwrap(), []);
}

#[tokio::test]
async fn dead_is_what_lies_there_and_is_not_sold() {
    let db = shop().await;
    sqlx::raw_sql(
        "UPDATE frames SET created_at = now() - interval '1 year', harga_beli_frame = 100000;
         UPDATE aksesoris SET created_at = now() - interval '1 year', harga_beli = 5000;
         INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, created_at) VALUES
             (1, 'old', 2, 3, 1, 1000, 1000, 1000, now() - interval '100 days'), (2, 'new', 2, 3, 1, 1000, 1000, 1000, now() - interval '5 days');
         INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal) VALUES
             (1, 'Frame', 1, 'x', 1, 1000, 1000), (2, 'Frame', 2, 'x', 1, 1000, 1000);",
    )
    .execute(&db)
    .await
    .unwrap();
    let today = sql::todays(&db, Some(KEMANG)).await.unwrap()[0].1;
    let dead = async |days| {
        let dead = sql::dead_stock(&db, Some(KEMANG), today, days).await.unwrap();
        let age = |date: Option<Date>| date.map(|date| (today - date).whole_days());
        Vec::from_iter(dead.into_iter().map(|p| (p.kode, p.modal.0, age(p.terakhir))))
    };
    let frame = ("FR000001".to_owned(), 2_000_000, Some(100));
    let cloth = ("AKS-000001".to_owned(), 200_000, None);
    // lensas are new; the second frame was sold five days ago
    for _ in 0..2 {
        assert_eq!(dead(90).await, [frame.clone(), cloth.clone()]);
        assert_eq!(dead(180).await, std::slice::from_ref(&cloth));
        rollups::fold(&db).await.unwrap();
    }
    // the sale five days ago is taken back: that frame was never sold, then
    sqlx::raw_sql("UPDATE penjualans SET dibatalkan_at = now(), alasan_batal = 'salah', bayar = 0 WHERE id = 2")
        .execute(&db)
        .await
        .unwrap();
    assert_eq!(dead(90).await[1], ("FR000002".to_owned(), 300_000, None));
}

#[tokio::test]
async fn low_stock_is_counted_timed_and_answered() {
    let db = shop().await;
    sqlx::raw_sql(
        "DELETE FROM stock_alerts;
         INSERT INTO stock_alerts (product_type, product_id, branch_id, stok, opened_at, acked_at, closed_at) VALUES
             ('Frame', 1, 1, 2, now() - interval '50 hours', now() - interval '49 hours', now() - interval '40 hours'),
             ('Frame', 1, 1, 2, now() - interval '20 hours', NULL, now() - interval '17 hours'),
             ('Frame', 2, 1, 2, now() - interval '30 days', NULL, NULL),
             ('Frame', 3, 2, 2, now() - interval '1 hour', NULL, NULL);",
    )
    .execute(&db)
    .await
    .unwrap();
    let today = sql::todays(&db, Some(KEMANG)).await.unwrap()[0].1;
    let period = Period { since: today - Duration::days(9), until: today };
    let low = sql::low_stock(&db, Some(KEMANG), period).await.unwrap();
    let [always, twice] = &low[..] else { panic!("{low:?}") };
    assert_eq!(
        (twice.kali, twice.menit_rendah, twice.ditanggapi, twice.menit_tanggap, twice.is_low),
        (2, 13 * 60, 2, 4 * 60, false)
    );
    assert_eq!((always.kali, always.ditanggapi, always.is_low), (1, 0, true));
    assert!(
        (9 * 1440..10 * 1440).contains(&always.menit_rendah),
        "only what lies in the period: {}",
        always.menit_rendah
    );
}

// ---- over HTTP ----

/// A morning of selling, an old sale paid off, and one taken back.
const DAY: &str = "
    INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_bpjs, omset_umum, bayar, kekurangan, status, transaction_status) VALUES
        (701, 'KMG-1', 1, 3, 1, 685000, 220000, 465000, 200000, 265000, 'Belum Lunas', 'Naik Kelas'),
        (702, 'KMG-2', 2, 4, 1, 190000, 0, 190000, 190000, 0, 'Lunas', 'Normal');
    INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id) VALUES (701, 'tunai', 200000, 200000, 3), (702, 'qris', 190000, 190000, 4);
    INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, kekurangan, status, created_at) VALUES
        (703, 'KMG-OLD', 2, 3, 1, 500000, 500000, 300000, 200000, 'Belum Lunas', now() - interval '9 days'),
        (704, 'KMG-WRONG', 2, 3, 1, 90000, 90000, 90000, 0, 'Lunas', now() - interval '3 days');
    INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id) VALUES (703, 'tunai', 300000, 300000, 4);
    UPDATE penjualans SET dibatalkan_at = now(), dibatalkan_oleh = 2, alasan_batal = '=SALAH()', bayar = 0 WHERE id = 704;
    INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id) VALUES (704, 'tunai', -90000, -90000, 2);
    INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('UBD-1', 3, 6, 2, 7000000, 7000000, 7000000);";

#[tokio::test]
async fn a_day_is_closed_with_what_must_be_in_the_drawer() {
    let app = TestApp::start().await;
    app.sql(DAY).await;
    let day = sql::closing(&app.db, KEMANG, None).await.unwrap();
    assert_eq!(
        (day.total(), day.bpjs(), day.umum(), day.owed()),
        (Rupiah(875_000), Rupiah(220_000), Rupiah(655_000), Rupiah(265_000))
    );
    assert_eq!(day.by_method("tunai"), [200_000, 300_000, -90_000, 410_000].map(Rupiah));
    assert_eq!(day.received(), [390_000, 300_000, -90_000, 600_000].map(Rupiah));
    assert_eq!(day.cash(), Rupiah(410_000));
    let cash: Vec<(&str, Rupiah)> = day.kasirs.iter().map(|k| (k.kasir.as_str(), day.cash_of(k))).collect();
    assert_eq!(cash, [("Rina", Rupiah(200_000)), ("Agus", Rupiah(300_000)), ("Hendra", Rupiah(-90_000))]);

    // a kasir: their branch's today, and no other day or report
    let rina = app.sign_in("kasir1").await;
    let page = rina.page("/laporan/harian/1/hari-ini").await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    for part in ["Rp\u{a0}410.000", "KMG-WRONG", "BPJS II", "1 Naik Kelas", "Tanda tangan", "masih buka"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("7.000.000"), "nothing of another branch");
    // the same as a file, a line a fact
    let file = rina.page("/laporan/harian/1/hari-ini/csv").await;
    assert!(file.headers()["content-disposition"].to_str().unwrap().contains("melati-harian-1-"));
    let file = file.text().await.unwrap();
    for line in [
        ";Kemang;Penjualan;BPJS II;Omset;1;685000\r\n",
        ";Kemang;Penjualan;BPJS II;Naik Kelas;1;\r\n",
        ";Kemang;Uang;Tunai;Jumlah;;410000\r\n",
        ";Kemang;Uang;Tunai;Dikembalikan;;-90000\r\n",
        ";Kemang;Kasir;Rina;Di antaranya tunai;;200000\r\n",
        ";Kemang;Dibatalkan;KMG-WRONG;\"'=SALAH()\";;90000\r\n",
    ] {
        assert!(file.contains(line), "{line} is not in {file}");
    }
    assert!(!file.contains("7000000"), "nothing of another branch");
    app.sql(
        "INSERT INTO open_days (branch_id, tanggal, is_open, opened_by, closed_by, closed_at)
         SELECT branch_id, tanggal - n, false, 2, 1 + n, now() FROM branch_days, generate_series(1, 2) n WHERE branch_id = 1",
    )
    .await;
    let day = |n| time::OffsetDateTime::now_utc().to_offset(time::macros::offset!(+7)).date() - Duration::days(n);
    let status = async |n| rina.page(&format!("/laporan/harian/1/{}", day(n))).await.status();
    assert_eq!(status(1).await, StatusCode::FORBIDDEN, "closed by the admin");
    let file = rina.page(&format!("/laporan/harian/1/{}/csv", day(1))).await;
    assert_eq!(file.status(), StatusCode::FORBIDDEN, "nor as a file");
    assert_eq!(status(2).await, StatusCode::OK, "closed by herself");
    assert_eq!(status(50).await, StatusCode::NOT_FOUND, "never opened");
}

#[tokio::test]
async fn a_report_has_the_newest_sale_and_its_file_is_safe() {
    let app = TestApp::start().await;
    app.sql("UPDATE users SET name = '=cmd|calc' WHERE id = 3").await;
    app.sql(DAY).await;
    let admin = app.sign_in("admin1").await;
    let page = admin.page("/laporan/perbandingan?periode=hari-ini").await.text().await.unwrap();
    assert!(page.contains("Rp\u{a0}875.000") && !page.contains("Ubud"), "the branch's own figures");
    app.sql(
        "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar)
         VALUES ('KMG-NEW', 2, 3, 1, 125000, 125000, 125000)",
    )
    .await;
    let page = admin.page("/laporan/perbandingan?periode=hari-ini").await.text().await.unwrap();
    assert!(page.contains("Rp\u{a0}1.000.000"), "the sale of a moment ago is in it");

    let file = admin.page("/laporan/perbandingan/csv?periode=hari-ini&tabel=kasir").await;
    assert_eq!(file.headers()["content-type"], "text/csv; charset=utf-8");
    let file = file.text().await.unwrap();
    assert!(file.contains("\"'=cmd|calc\";Kemang;2;220000;590000;810000;405000;\r\n"), "{file}");

    let pusat = app.sign_in("pusat").await;
    let all = pusat.page("/laporan/perbandingan?periode=hari-ini").await.text().await.unwrap();
    assert!(all.contains("Rp\u{a0}8.000.000") && all.contains("Ubud"));
    let one = pusat.page("/laporan/perbandingan?periode=hari-ini&cabang=2").await.text().await.unwrap();
    assert!(one.contains("Rp\u{a0}7.000.000") && !one.contains("Rp\u{a0}8.000.000"));
}

/// Two branches between which there is always another date: "today" is each one's own, in every report and in the file.
#[tokio::test]
async fn today_is_each_branchs_own() {
    let app = TestApp::start().await;
    app.sql("UPDATE branches SET timezone = CASE id WHEN 1 THEN 'Etc/GMT+12' ELSE 'Etc/GMT-14' END").await;
    app.sql(DAY).await;
    app.sql(
        "INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal)
         SELECT id, 'Frame', CASE branch_id WHEN 1 THEN 1 ELSE 3 END, 'x', 7, 1, 7 FROM penjualans WHERE kode_penjualan IN ('KMG-1', 'UBD-1');
         UPDATE frames SET stok = stok - 3 WHERE id IN (1, 3)",
    )
    .await;
    let dates: Vec<(BranchId, Date)> = sql::todays(&app.db, None).await.unwrap();
    assert!(dates[0].1 < dates[1].1, "{dates:?}");
    let pusat = app.sign_in("pusat").await;
    let page = async |slug: &str| pusat.page(&format!("/laporan/{slug}?periode=hari-ini")).await.text().await.unwrap();
    let sales = page("perbandingan").await;
    assert!(sales.contains("Rp\u{a0}875.000") && sales.contains("Rp\u{a0}7.000.000"), "both branches sold today");
    assert!(sales.contains("menurut hari tiap cabang"), "and say that it is not one day");
    assert!(page("bpjs-umum").await.contains("Rp\u{a0}7.655.000"));
    assert!(page("produk").await.contains("14 buah"));
    let moved = page("pergerakan-stok").await;
    assert!(moved.contains("<dd class=\"figure-sm\">6 buah</dd>"), "{moved}");
    let file = pusat.page("/laporan/jam-ramai/csv?periode=hari-ini").await;
    let name = file.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(name.contains(&format!("{}-{}", dates[0].1, dates[1].1)), "{name}");
    let hours = file.text().await.unwrap();
    let count: i64 = hours.lines().skip(1).map(|line| line.split(';').nth(2).unwrap().parse::<i64>().unwrap()).sum();
    assert_eq!(count, 3, "{hours}");
    // each branch alone has the same
    let one = pusat.page("/laporan/perbandingan?periode=hari-ini&cabang=1").await.text().await.unwrap();
    assert!(one.contains("Rp\u{a0}875.000") && !one.contains("menurut hari"));
}

#[tokio::test]
async fn every_report_opens_empty_and_full_and_says_what_is_wrong_with_a_date() {
    let app = TestApp::start().await;
    let pusat = app.sign_in("pusat").await;
    let reports = melati::reports::Report::ALL;
    for round in ["empty", "full"] {
        for report in reports {
            for address in ["", "?periode=12-bulan", "?cabang=1&dari=2026-01-01&sampai=2026-01-31"] {
                let address = format!("/laporan/{}{address}", report.slug());
                assert_eq!(pusat.page(&address).await.status(), StatusCode::OK, "{round}: {address}");
            }
        }
        if round == "empty" {
            app.sql(DAY).await;
        }
    }
    for (dates, sentence) in [
        ("dari=2026-02-30&sampai=2026-03-01", "Tulis tanggalnya"),
        ("dari=2026-03-02&sampai=2026-03-01", "Tukar keduanya"),
        ("dari=2009-01-01&sampai=2026-03-01", "Paling lama tiga tahun"),
        ("dari=9999-01-01&sampai=9999-03-01", "belum tiba"),
    ] {
        let page = pusat.page(&format!("/laporan/jam-ramai?{dates}")).await;
        assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY, "{dates}");
        let page = page.text().await.unwrap();
        let typed = dates.split(['=', '&']).nth(1).unwrap();
        assert!(page.contains(sentence) && page.contains(&format!("value=\"{typed}\"")), "{dates}");
    }
    assert_eq!(pusat.page("/laporan/tidak-ada").await.status(), StatusCode::NOT_FOUND);
}

// ---- how much is read ----

/// Buffers (8 kB each) that a statement touches.
async fn buffers(db: &mut PgConnection, statement: &str) -> i64 {
    let plan: serde_json::Value =
        sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")))
            .fetch_one(db)
            .await
            .unwrap();
    let plan = &plan[0]["Plan"];
    plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap()
}

/// Blocks that this transaction asked for so far, of tables and indexes of ours.
async fn asked_for(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT sum(pg_stat_get_xact_blocks_fetched(oid))::bigint FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

/// Every report of a year, as its page asks for it, touches a part of what its sales are. Blocks, and not times, which are this
/// machine's; `benches/reports.sql` says what they take with a million sales.
#[tokio::test]
async fn every_report_of_a_year_stays_within_its_budget() {
    let db = shop().await;
    let mut psql = psql(&db).await;
    sqlx::raw_sql(
        "SET melati.import = 'on'; SET jit = off;
         INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, kekurangan, status, created_at)
         SELECT 'S' || n, 2 + n % 2, CASE n % 2 WHEN 0 THEN 3 ELSE 6 END, 1 + n % 2, 1000, 1000, CASE n % 50 WHEN 0 THEN 0 ELSE 1000 END,
                CASE n % 50 WHEN 0 THEN 1000 ELSE 0 END, CASE n % 50 WHEN 0 THEN 'Belum Lunas' ELSE 'Lunas' END, now() - n * interval '13 minutes'
         FROM generate_series(0, 40000) n;
         INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal)
         SELECT id, 'Frame', CASE branch_id WHEN 1 THEN 1 + id % 2 ELSE 3 END, 'x', 1, 1000, 1000 FROM penjualans;
         INSERT INTO open_days (branch_id, tanggal, is_open, opened_at, closed_at)
         SELECT b, current_date - n, false, now() - n * interval '1 day', now() - n * interval '1 day' + interval '9 hours'
         FROM generate_series(1, 2) b, generate_series(0, 360) n ON CONFLICT DO NOTHING;",
    )
    .execute(&mut psql)
    .await
    .unwrap();
    rollups::fold(&db).await.unwrap();
    psql.execute("VACUUM ANALYZE").await.unwrap();
    let sales: i64 =
        sqlx::query_scalar("SELECT pg_relation_size('penjualans') / 8192").fetch_one(&mut psql).await.unwrap();
    let today = sql::todays(&db, None).await.unwrap()[0].1;
    let year = Period { since: today - Duration::days(364), until: today };
    // one transaction, or the counts would be handed over at the end of each
    let mut psql = psql.begin().await.unwrap();
    let mut read = Vec::new();
    macro_rules! cost {
        ($name:literal, $report:expr) => {{
            let before = asked_for(&mut psql).await;
            let found = $report(&mut *psql).await.unwrap();
            assert!(!found.is_empty(), "{}: there is something to report", $name);
            read.push(($name, asked_for(&mut psql).await - before));
        }};
    }
    cost!("perbandingan", |db| sql::kasirs(db, None, year));
    cost!("jam-ramai", |db| sql::hours(db, None, year));
    cost!("bpjs-umum", |db| sql::classes(db, None, year));
    cost!("kekurangan", |db| sql::debts(db, None));
    cost!("produk", |db| sql::products(db, None, year));
    cost!("pergerakan-stok", |db| sql::movements(db, None, year));
    cost!("harian", |db| sql::days(db, None, year));
    // these may find nothing here; what they ask for counts
    for (name, asked) in [("stok-mati", 0), ("stok-rendah", 1), ("lembar hari", 2)] {
        let before = asked_for(&mut psql).await;
        match asked {
            0 => drop(sql::dead_stock(&mut *psql, None, today, 90).await.unwrap()),
            1 => drop(sql::low_stock(&mut *psql, None, year).await.unwrap()),
            _ => drop(sql::closing_in(&mut psql, KEMANG, Some(today - Duration::days(30))).await.unwrap()),
        }
        read.push((name, asked_for(&mut psql).await - before));
    }
    println!("{sales} blocks of sales; {read:?}");
    for (name, blocks) in &read {
        assert!(blocks * 2 < sales, "{name} asks for {blocks} blocks, all sales have {sales}");
    }
    // the measure can fail: without an index it asks for all of them
    let before = asked_for(&mut psql).await;
    let scan = "SELECT sum(total), count(status) FROM penjualans WHERE updated_at > '2000-01-01'";
    sqlx::query(scan).execute(&mut *psql).await.unwrap();
    assert!(asked_for(&mut psql).await - before >= sales);
}

/// Not times, which are this machine's: a report of a year reads roll-ups, and a fraction of what the sales would be; and one
/// changed day costs that day.
#[tokio::test]
async fn a_report_of_a_year_does_not_read_the_sales() {
    let db = shop().await;
    let mut psql = psql(&db).await;
    sqlx::raw_sql(
        "SET melati.import = 'on'; SET jit = off;
         INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, created_at)
         SELECT 'S' || n, CASE 1 + n % 2 WHEN 1 THEN 2 ELSE 3 END, CASE 1 + n % 2 WHEN 1 THEN 3 ELSE 6 END, 1 + n % 2, 1000, 1000, 1000, now() - n * interval '13 minutes'
         FROM generate_series(0, 40000) n;
         INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal)
         SELECT id, 'Frame', CASE branch_id WHEN 1 THEN 1 + id % 2 ELSE 3 END, 'x', 1, 1000, 1000 FROM penjualans;",
    )
    .execute(&mut psql)
    .await
    .unwrap();
    rollups::fold(&db).await.unwrap();
    psql.execute("VACUUM ANALYZE").await.unwrap();
    let year = "NULL, current_date - 364, current_date + 1";
    let statements = [
        format!("SELECT kunci, sum(total) FROM sales_rollup('jam', {year}) GROUP BY 1"),
        format!("SELECT kunci, sum(total) FROM sales_rollup('kasir', {year}) GROUP BY 1"),
        format!("SELECT product_id, sum(jumlah) FROM product_rollup({year}) GROUP BY 1"),
        format!("SELECT reason, sum(masuk) FROM movement_rollup({year}) GROUP BY 1"),
    ];
    let sales =
        buffers(&mut psql, "SELECT sum(total), count(user_id) FROM penjualans WHERE updated_at > '2000-01-01'").await;
    assert!(sales > 500, "{sales}");
    for statement in &statements {
        let read = buffers(&mut psql, statement).await;
        assert!(read * 3 < sales, "{statement}: {read} of {sales}");
    }
    // one sale: today of one branch is read from the sales
    psql.execute("UPDATE penjualans SET total = 2000, omset_umum = 2000, bayar = 2000 WHERE kode_penjualan = 'S0'")
        .await
        .unwrap();
    for statement in &statements {
        let read = buffers(&mut psql, statement).await;
        assert!(read * 2 < sales, "{statement}: {read} of {sales}");
    }
}
