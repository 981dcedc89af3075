//! The demo chain: what is promised of it, and the books that must balance in it, before and after the simulator.

#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use std::time::Instant;

use common::db::fresh_database;
use melati::demo::{self, Event, Simulator};
use melati::people;
use sqlx::PgPool;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio_util::sync::CancellationToken;

const SEED: u64 = 1;

async fn count(db: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(db).await.unwrap()
}

/// Each of these counts what must not be.
async fn the_books_balance(db: &PgPool) {
    for (what, query) in [
        (
            "stock that the ledger does not explain",
            "SELECT count(*) FROM products p
             LEFT JOIN (SELECT product_type, product_id, sum(delta) AS sum FROM stock_movements GROUP BY 1, 2) m
                  USING (product_type, product_id)
             WHERE p.stok <> coalesce(m.sum, 0)",
        ),
        (
            "movements that do not follow from the one before",
            "SELECT count(*) FROM (
                 SELECT stok_after, delta,
                        lag(stok_after, 1, 0) OVER (PARTITION BY product_type, product_id ORDER BY id) AS before
                 FROM stock_movements) m
             WHERE stok_after <> before + delta OR stok_after < 0",
        ),
        (
            "movements out of the order of time",
            "SELECT count(*) FROM (
                 SELECT created_at, lag(created_at) OVER (PARTITION BY product_type, product_id ORDER BY id) AS before
                 FROM stock_movements) m
             WHERE created_at < before",
        ),
        (
            "sales whose lines do not add up",
            "SELECT count(*) FROM penjualans s
             LEFT JOIN (SELECT penjualan_id, sum(subtotal) AS total, sum(price_bpjs * quantity) AS bpjs
                        FROM penjualan_details GROUP BY 1) l ON l.penjualan_id = s.id
             WHERE (s.total, s.omset_bpjs) IS DISTINCT FROM (l.total, l.bpjs) OR s.omset_bpjs + s.omset_umum <> s.total",
        ),
        (
            "sales whose payments do not add up",
            "SELECT count(*) FROM penjualans s
             LEFT JOIN (SELECT penjualan_id, sum(jumlah) AS paid FROM pembayarans GROUP BY 1) p ON p.penjualan_id = s.id
             WHERE s.bayar <> coalesce(p.paid, 0) OR s.bayar + s.kekurangan <> s.omset_umum",
        ),
        (
            "insured frames priced against the rules",
            "SELECT count(*) FROM penjualan_details l
             JOIN penjualans s ON s.id = l.penjualan_id JOIN pasiens p ON p.id = s.pasien_id
             JOIN frames f ON f.id = l.product_id JOIN bpjs_rates r ON r.service_type = p.service_type
             WHERE l.product_type = 'Frame'
               AND (l.price_bpjs <> r.price OR l.naik_kelas <> (f.jenis_frame <> p.service_type)
                    OR l.price <> CASE WHEN f.jenis_frame = p.service_type THEN r.price
                                       ELSE greatest(f.harga_jual_frame, r.price) END)",
        ),
        (
            "sales numbered past their day's last number, or twice",
            "SELECT count(*) - count(DISTINCT kode_penjualan) + count(*) FILTER (WHERE split_part(kode_penjualan, '-', 3)::int > n.last)
             FROM penjualans s JOIN branches b ON b.id = s.branch_id
             LEFT JOIN sale_numbers n ON n.branch_id = s.branch_id AND n.tanggal = (s.created_at AT TIME ZONE b.timezone)::date",
        ),
        (
            "sales on a day that nobody opened, or before it was",
            "SELECT count(*) FROM penjualans s JOIN branches b ON b.id = s.branch_id
             LEFT JOIN open_days o ON o.branch_id = s.branch_id AND o.tanggal = (s.created_at AT TIME ZONE b.timezone)::date
             WHERE o.id IS NULL OR s.created_at < o.opened_at OR s.created_at > o.closed_at",
        ),
        (
            "people of one branch in the sales of another",
            "SELECT count(*) FROM penjualans s JOIN users u ON u.id = s.user_id JOIN pasiens p ON p.id = s.pasien_id
             WHERE u.branch_id <> s.branch_id OR p.branch_id <> s.branch_id",
        ),
        ("sales of the future", "SELECT count(*) FROM penjualans WHERE created_at > clock_timestamp()"),
    ] {
        assert_eq!(count(db, query).await, 0, "{what}");
    }
}

#[tokio::test]
async fn the_chain_is_as_large_and_as_busy_as_promised() {
    let db = fresh_database().await;
    let begun = Instant::now();
    demo::fill(&db, SEED).await.unwrap();
    println!("generated in {:?}", begun.elapsed());
    the_books_balance(&db).await;
    everyone_on_the_list_can_sign_in(&db).await;

    assert_eq!(count(&db, "SELECT count(*) FROM branches").await, 8);
    assert_eq!(count(&db, "SELECT count(DISTINCT timezone) FROM branches").await, 3);
    assert!(count(&db, "SELECT count(*) FROM frames").await >= 1_500);
    assert!(count(&db, "SELECT count(*) FROM lensas").await >= 2_500);
    assert!(count(&db, "SELECT count(*) FROM aksesoris").await >= 400);
    assert!(count(&db, "SELECT count(*) FROM pasiens").await >= 3_000);
    assert!(count(&db, "SELECT count(*) FROM penjualans").await >= 20_000);
    assert!(count(&db, "SELECT count(*) FROM notifications WHERE type = 'announcement'").await > 0);

    // Most shelves are full; some are not, in every branch.
    let low = count(&db, "SELECT count(*) FROM products WHERE alert_level = 'low'").await;
    let medium = count(&db, "SELECT count(*) FROM products WHERE alert_level = 'medium'").await;
    assert!((20..200).contains(&low) && (60..500).contains(&medium), "low {low}, medium {medium}");
    assert!(count(&db, "SELECT count(*) FROM lensas WHERE is_custom_order").await > 50);

    // Ninety days behind every branch, all closed; today open everywhere but in the idle branch.
    assert_eq!(
        count(
            &db,
            "SELECT count(*) FROM open_days o JOIN branch_days d USING (branch_id)
             WHERE o.tanggal < d.tanggal AND NOT o.is_open AND o.closed_at > o.opened_at"
        )
        .await,
        8 * 90
    );
    let open = "SELECT count(*) FROM open_days o JOIN branch_days d USING (branch_id, tanggal) WHERE o.is_open";
    assert_eq!(count(&db, open).await, 7);

    let waiting = "SELECT max(n) FROM (SELECT count(*) AS n FROM penjualans
                   WHERE status_pengerjaan = 'Menunggu Pengerjaan' GROUP BY branch_id) w";
    assert!(count(&db, waiting).await <= 60);

    // The rush hour is after work, and nobody sells at night.
    let rush = "SELECT (array_agg(hour ORDER BY n DESC))[1]::bigint FROM (
                    SELECT extract(hour FROM s.created_at AT TIME ZONE b.timezone) AS hour, count(*) AS n
                    FROM penjualans s JOIN branches b ON b.id = s.branch_id GROUP BY 1) h";
    assert!((16..19).contains(&count(&db, rush).await));
    let at_night = "SELECT count(*) FROM penjualans s JOIN branches b ON b.id = s.branch_id
                    JOIN branch_days d ON d.branch_id = b.id
                    WHERE s.created_at < d.starts_at
                      AND extract(hour FROM s.created_at AT TIME ZONE b.timezone) NOT BETWEEN 8 AND 19";
    assert_eq!(count(&db, at_night).await, 0);
}

async fn everyone_on_the_list_can_sign_in(db: &PgPool) {
    let accounts = demo::accounts();
    assert_eq!(accounts.len(), 17);
    for (email, _) in accounts {
        let (_, hash) = people::sql::credentials(db, &email).await.unwrap().unwrap_or_else(|| panic!("{email}"));
        // One hash for all: verifying one is enough.
        if email.starts_with("kasir1@") {
            assert!(people::password::verify(demo::PASSWORD.to_owned(), Some(hash)).await.unwrap());
        }
    }
    let number_is_not_branch = "SELECT count(*) FROM users
                                WHERE role <> 'super_admin' AND substring(email FROM '\\d+')::bigint <> branch_id";
    assert_eq!(count(db, number_is_not_branch).await, 0);
}

/// Everything the seed decides, in one number.
async fn checksum(db: &PgPool) -> String {
    sqlx::query_scalar(
        "SELECT md5(string_agg(rows, '' ORDER BY place)) FROM (
             SELECT 1 AS place, string_agg(product_type || product_id || branch_id || kode || product_name || price || stok || is_custom_order,
                                           ',' ORDER BY product_type, product_id) AS rows FROM products
             UNION ALL SELECT 2, string_agg(id || nama_pasien || no_telepon || service_type || no_bpjs || coalesce(od_sph, 0), ',' ORDER BY id) FROM pasiens
             UNION ALL SELECT 3, string_agg(id || kode_penjualan || client_ref || pasien_id || user_id || total || omset_bpjs || bayar || status_pengerjaan,
                                            ',' ORDER BY id) FROM penjualans
             UNION ALL SELECT 4, string_agg(penjualan_id || product_type || product_id || quantity || price, ',' ORDER BY id) FROM penjualan_details
             UNION ALL SELECT 5, string_agg(product_type || product_id || delta || stok_after || reason || catatan, ',' ORDER BY id) FROM stock_movements
             UNION ALL SELECT 6, string_agg(type || message || coalesce(branch_id, 0), ',' ORDER BY id) FROM notifications
         ) everything",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

async fn filled(seed: u64, now: OffsetDateTime) -> PgPool {
    let db = fresh_database().await;
    demo::fill_as_of(&db, seed, now).await.unwrap();
    db
}

#[tokio::test]
async fn a_seed_is_a_chain_and_a_second_fill_changes_nothing() {
    let noon = datetime!(2026-11-20 05:00 UTC);
    let (one, same, other) = tokio::join!(filled(7, noon), filled(7, noon), filled(8, noon));
    assert_eq!(checksum(&one).await, checksum(&same).await);
    assert_ne!(checksum(&one).await, checksum(&other).await);

    demo::fill(&same, 8).await.unwrap();
    assert_eq!(checksum(&one).await, checksum(&same).await);
}

/// At any hour somebody may start the demo, also before the shops open and in the minute after midnight.
#[tokio::test]
async fn the_chain_grows_at_any_hour() {
    for now in [
        datetime!(2026-03-01 17:00:00 UTC), // midnight in Jakarta
        datetime!(2026-03-01 17:00:40 UTC),
        datetime!(2026-03-01 20:30 UTC),    // 03:30
        datetime!(2026-03-02 01:02:30 UTC), // a branch has just opened
        datetime!(2026-03-02 15:30 UTC),    // 22:30 in Jakarta, tomorrow in Jayapura
    ] {
        let db = filled(SEED, now).await;
        the_books_balance(&db).await;
        let future = sqlx::query_scalar::<_, i64>(
            "SELECT (SELECT count(*) FROM penjualans WHERE created_at > $1) + (SELECT count(*) FROM pembayarans WHERE created_at > $1)
                  + (SELECT count(*) FROM open_days WHERE opened_at > $1) + (SELECT count(*) FROM stock_movements WHERE created_at > $1)
                  + (SELECT count(*) FROM notifications WHERE created_at > $1)",
        )
        .bind(now)
        .fetch_one(&db)
        .await
        .unwrap();
        assert_eq!(future, 0, "rows of the future as of {now}");
        assert_eq!(count(&db, "SELECT count(*) FROM open_days WHERE is_open").await, 7, "open as of {now}");
    }
}

#[tokio::test]
async fn a_real_shop_is_left_alone() {
    let real = fresh_database().await;
    sqlx::query(
        "INSERT INTO users (name, email, password, role) VALUES ('Ibu Sri', 'sri@optikmelati.id', '-', 'super_admin')",
    )
    .execute(&real)
    .await
    .unwrap();
    let refusal = demo::fill(&real, SEED).await.unwrap_err();
    assert!(refusal.to_string().contains("real shop"), "{refusal}");
    assert_eq!(count(&real, "SELECT count(*) FROM branches").await, 0);
}

#[tokio::test]
async fn the_simulator_lives_by_the_shops_rules() {
    let db = fresh_database().await;
    demo::fill(&db, SEED).await.unwrap();
    let idle = "SELECT count(*) FROM penjualans s JOIN branches b ON b.id = s.branch_id WHERE b.kode = 'JYP'";
    let (sales_before, idle_before) = (count(&db, "SELECT count(*) FROM penjualans").await, count(&db, idle).await);
    // Somebody empties a shelf and closes a day: the simulator must cope with both.
    sqlx::raw_sql(
        "UPDATE aksesoris SET stok = 0 WHERE branch_id IN (1, 2);
         UPDATE open_days o SET is_open = false, closed_at = now() FROM branch_days d
         WHERE o.branch_id = d.branch_id AND o.tanggal = d.tanggal AND o.branch_id = 3;
         UPDATE open_days o SET tanggal = o.tanggal - 400 FROM branch_days d
         WHERE o.branch_id = d.branch_id AND o.tanggal = d.tanggal AND o.branch_id = 4;
         DELETE FROM penjualans s USING branch_days d WHERE d.branch_id = 4 AND s.branch_id = 4 AND s.created_at >= d.starts_at",
    )
    .execute(&db)
    .await
    .unwrap();

    let mut simulator = Simulator::new(db.clone(), SEED).await.unwrap();
    let mut events = Vec::new();
    for _ in 0..600 {
        events.push(simulator.step().await.unwrap());
    }
    let happened = |what: fn(&Event) -> bool| events.iter().filter(|event| what(event)).count();
    println!(
        "sold {}, refused {}, moved {}, paid {}, restocked {}, quiet {}",
        happened(|e| matches!(e, Event::Sold(_))),
        happened(|e| matches!(e, Event::Refused(_))),
        happened(|e| matches!(e, Event::Moved(..))),
        happened(|e| matches!(e, Event::Paid(_))),
        happened(|e| matches!(e, Event::Restocked(_))),
        happened(|e| matches!(e, Event::Quiet)),
    );
    assert!(happened(|e| matches!(e, Event::Sold(_))) > 50);
    assert!(happened(|e| matches!(e, Event::Moved(..))) > 50);
    assert!(happened(|e| matches!(e, Event::Paid(_))) > 0);
    assert!(happened(|e| matches!(e, Event::Refused("stock"))) > 0);
    assert!(happened(|e| matches!(e, Event::Refused("day_closed"))) > 0, "a day that somebody closed stays closed");
    assert!(happened(|e| matches!(e, Event::Restocked(_))) > 0);
    assert!(
        events.iter().all(|e| !matches!(e, Event::Refused(code) if !["stock", "day_closed"].contains(code))),
        "{events:?}"
    );
    the_books_balance(&db).await;

    assert!(count(&db, "SELECT count(*) FROM penjualans").await > sales_before);
    assert_eq!(count(&db, idle).await, idle_before, "an idle branch stays idle");
    let open = "SELECT count(*) FROM open_days o JOIN branch_days d USING (branch_id, tanggal) WHERE o.is_open";
    assert_eq!(count(&db, open).await, 6, "4 was opened; 3 stays closed; 8 is idle");
    let forgotten = "SELECT count(*) FROM open_days o JOIN branch_days d USING (branch_id) WHERE o.is_open AND o.tanggal < d.tanggal";
    assert_eq!(count(&db, forgotten).await, 0);
}

/// A restart with the same seed must not repeat the sales of the first run: each is a new one.
#[tokio::test]
async fn a_restarted_simulator_sells_again_and_stops_when_told() {
    let db = fresh_database().await;
    demo::fill(&db, SEED).await.unwrap();
    let mut sold = 0;
    let before = count(&db, "SELECT count(*) FROM penjualans").await;
    for _ in 0..2 {
        let mut simulator = Simulator::new(db.clone(), SEED).await.unwrap();
        for _ in 0..40 {
            sold += i64::from(matches!(simulator.step().await.unwrap(), Event::Sold(_)));
        }
    }
    assert!(sold > 2);
    assert_eq!(count(&db, "SELECT count(*) FROM penjualans").await, before + sold);

    demo::simulate(db.clone(), 0, SEED, CancellationToken::new()).await; // 0 is off: it returns by itself
    let before = count(&db, "SELECT count(*) FROM penjualans").await;
    let stop = CancellationToken::new();
    let simulator = tokio::spawn(demo::simulate(db.clone(), 6_000, SEED, stop.clone()));
    while count(&db, "SELECT count(*) FROM penjualans").await == before {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    simulator.await.unwrap();
    the_books_balance(&db).await;

    // Without a database it waits, and still hears the token.
    db.close().await;
    let stop = CancellationToken::new();
    let simulator = tokio::spawn(demo::simulate(db, 6_000, SEED, stop.clone()));
    tokio::task::yield_now().await;
    stop.cancel();
    simulator.await.unwrap();
}
