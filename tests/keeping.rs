//! What keeps the feed true over months: writes that go past its triggers are noticed and made good, old rows go without
//! anybody missing anything, and the health endpoint says how things stand.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use common::app::{PATIENCE, Person, Tap, TestApp};
use common::db::{fresh_database, psql};
use common::writers::stock_up;
use melati::App;
use melati::config::Config;
use melati::feed::housekeeping::{self, Deleted, Keep};
use melati::feed::{Change, Cursor, Feed, MOST_MISSED, Missed, Op, Snapshot, Unusable};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const ALL: &str = "/realtime/stream?topics=dashboard,notifications,stock-updates";
const WATCHED: [&str; 9] =
    ["branches", "users", "pasiens", "frames", "lensas", "aksesoris", "open_days", "penjualans", "notifications"];

/// Looks at the triggers every second.
async fn watchful() -> TestApp {
    TestApp::start_with(Config { integrity_check_seconds: 1, ..Config::default() }).await
}

async fn health(person: &Person) -> (u16, Value) {
    let answer = person.get("/health/ready").send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Asks again until the answer fits.
async fn health_until(person: &Person, fits: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let (_, said) = health(person).await;
        if fits(&said) {
            return said;
        }
        assert!(Instant::now() < give_up, "{said:#}");
        tokio::task::yield_now().await;
    }
}

/// An open stream past its beginning, and the cursor of that moment.
async fn watching(person: &Person) -> (Tap, String) {
    let mut tap = person.open(ALL).await;
    tap.opened().await;
    let cursor = tap.cursor.clone().unwrap();
    (tap, cursor)
}

/// Waits for the end of a stream, through its heartbeats.
async fn ended(tap: Tap) {
    tokio::time::timeout(PATIENCE, tap.rest()).await.expect("the stream ends");
}

/// What a client gets that comes back with this cursor, up to the heartbeat.
async fn backlog(person: &Person, cursor: &str) -> Vec<(String, Value)> {
    let mut tap = person.open_from(ALL, Some(cursor)).await;
    let mut events = Vec::new();
    while let Some(event) = tap.next_event().await.filter(|event| event.event != "heartbeat") {
        events.push((event.event, serde_json::from_str(&event.data).unwrap()));
    }
    events
}

fn is_reset(events: &[(String, Value)]) -> bool {
    events.first().is_some_and(|(event, _)| event == "reset")
}

#[tokio::test]
async fn truncate_is_refused_whoever_asks() {
    let db = fresh_database().await;
    for role in ["origin", "replica"] {
        let mut psql = psql(&db).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET session_replication_role = {role}")))
            .execute(&mut psql)
            .await
            .unwrap();
        for table in WATCHED.iter().chain(&["sessions", "feed_gone"]) {
            let truncate = format!("TRUNCATE {table} CASCADE");
            let error = sqlx::raw_sql(sqlx::AssertSqlSafe(truncate)).execute(&mut psql).await.expect_err(table);
            assert!(error.to_string().contains("use DELETE"), "{table} as {role}: {error}");
        }
    }
}

#[tokio::test]
async fn a_trigger_that_is_off_is_named_and_nothing_stays_untold() {
    let app = watchful().await;
    let admin = app.sign_in("admin1").await;
    // who may know the inside
    let pusat = app.sign_in("pusat").await;
    health_until(&pusat, |said| said["healthy"] == true).await;
    let (tap, before) = watching(&admin).await;

    app.sql("ALTER TABLE frames DISABLE TRIGGER zz_feed_stamp").await;
    let said = health_until(&pusat, |said| said["healthy"] == false).await;
    assert_eq!(
        said["checks"]["triggers"]["faults"],
        json!([{ "table": "frames", "part": "zz_feed_stamp", "problem": "disabled",
                 "fix": "as its owner: ALTER TABLE frames ENABLE ALWAYS TRIGGER zz_feed_stamp;" }])
    );
    assert_eq!(said["ready"], true, "screens that are a look behind are better than none");
    ended(tap).await;
    assert!(is_reset(&backlog(&admin, &before).await), "it may have been off for a while before it was noticed");

    // while it is off: told by reading anew
    let (tap, meanwhile) = watching(&admin).await;
    app.sql("UPDATE frames SET stok = 2 WHERE id = 1").await;
    ended(tap).await;
    let events = backlog(&admin, &meanwhile).await;
    assert!(is_reset(&events), "{events:?}");
    assert!(shows_low_frame(&events), "{events:?}");

    // back on, in the same breath with a last write past it
    let (tap, meanwhile) = watching(&admin).await;
    app.sql("BEGIN; DELETE FROM frames WHERE id = 2; UPDATE frames SET stok = 1 WHERE id = 1; ALTER TABLE frames ENABLE TRIGGER zz_feed_stamp; COMMIT").await;
    ended(tap).await;
    assert!(is_reset(&backlog(&admin, &meanwhile).await));
    let said = health_until(&pusat, |said| said["healthy"] == true).await;
    assert!(said["checks"]["triggers"]["reread"]["reason"].is_string(), "it is remembered for a while: {said}");

    // and then all is as ever
    let cursor = health_and_cursor(&admin).await;
    app.sql("UPDATE frames SET stok = 4 WHERE id = 1").await;
    let events = backlog(&admin, &cursor).await;
    assert!(!is_reset(&events), "{events:?}");
}

/// A cursor of after the last restart.
async fn health_and_cursor(person: &Person) -> String {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let (_, cursor) = watching(person).await;
        if !is_reset(&backlog(person, &cursor).await) {
            return cursor;
        }
        assert!(Instant::now() < give_up, "resets for ever");
    }
}

fn shows_low_frame(events: &[(String, Value)]) -> bool {
    let snapshot = events.iter().find(|(event, json)| event == "stock-updates" && json["snapshot"] == true);
    let updates = snapshot.map(|(_, json)| json["updates"].as_array().unwrap().as_slice()).unwrap_or_default();
    updates
        .iter()
        .any(|update| update["product_id"] == 1 && update["product_type"] == "Frame" && update["new_stock"] == 2)
}

const SALE: &str = "INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES (1, 'A', 1, 3, 1, 1000, 1000, 1000)";

#[tokio::test]
async fn triggers_off_and_on_again_between_two_looks_are_noticed() {
    let app = watchful().await;
    let admin = app.sign_in("admin1").await;
    app.sql(SALE).await;
    for (past, told) in
        [("UPDATE penjualans SET total = 5000, omset_umum = 5000, bayar = 5000", 5_000), ("DELETE FROM penjualans", 0)]
    {
        let (tap, cursor) = watching(&admin).await;
        let mut psql = psql(&app.db).await;
        let dance = format!(
            "BEGIN; ALTER TABLE penjualans DISABLE TRIGGER USER; {past}; ALTER TABLE penjualans ENABLE TRIGGER USER; COMMIT"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(dance)).execute(&mut psql).await.unwrap();
        ended(tap).await;
        let events = backlog(&admin, &cursor).await;
        assert!(is_reset(&events), "{past}: {events:?}");
        let dashboard = admin.open("/realtime/dashboard").await.next_json().await;
        assert_eq!(dashboard["total_omset_hari_ini"], told, "{past}");
        // ENABLE TRIGGER leaves it open to replicas: the feed's are mended without being asked
        health_until(&app.nobody(), |said| said["checks"]["triggers"]["ok"] == true).await;
        let passable: i64 = sqlx::query_scalar("SELECT count(*) FROM feed_parts WHERE problem IS NOT NULL")
            .fetch_one(&app.db)
            .await
            .unwrap();
        assert_eq!(passable, 0);
    }
}

#[tokio::test]
async fn a_writer_as_replica_is_told_like_any_other() {
    let app = watchful().await;
    let admin = app.sign_in("admin1").await;
    let (mut tap, _) = watching(&admin).await;
    app.sql("BEGIN; SET LOCAL session_replication_role = replica; UPDATE frames SET stok = 9 WHERE id = 1; DELETE FROM frames WHERE id = 2; COMMIT").await;
    let told = tap.until(|event, _| event.event == "stock-updates").await;
    let told: Vec<_> =
        told["updates"].as_array().unwrap().iter().map(|u| (&u["product_id"], u["deleted"] == true)).collect();
    assert_eq!(told, [(&json!(1), false), (&json!(2), true)]);

    // where somebody took that away, it is noticed
    let (tap, cursor) = watching(&admin).await;
    app.sql(
        "BEGIN; ALTER TABLE frames ENABLE TRIGGER zz_feed_stamp; SET LOCAL session_replication_role = replica;
         UPDATE frames SET stok = 2 WHERE id = 1; COMMIT",
    )
    .await;
    ended(tap).await;
    let events = backlog(&admin, &cursor).await;
    assert!(is_reset(&events) && shows_low_frame(&events), "{events:?}");
}

#[tokio::test]
async fn what_went_past_while_no_process_ran_is_noticed_by_the_first() {
    let mut app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let (tap, cursor) = watching(&admin).await;
    drop(tap);
    app.go_down().await;
    app.come_up().await;
    assert!(!is_reset(&backlog(&admin, &cursor).await), "a restart alone is nothing");
    app.go_down().await;
    app.sql("BEGIN; ALTER TABLE frames DISABLE TRIGGER USER; UPDATE frames SET stok = 2 WHERE id = 1; ALTER TABLE frames ENABLE TRIGGER USER; COMMIT").await;
    app.come_up().await;
    let events = backlog(&admin, &cursor).await;
    assert!(is_reset(&events) && shows_low_frame(&events), "{events:?}");
}

#[tokio::test]
async fn every_process_hears_of_it_though_one_looks() {
    let app = watchful().await;
    // never looks again, once started
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let config = Config { integrity_check_seconds: 3_600, ..Config::default() };
    let second = tokio::spawn(melati::run(listener, Arc::new(config), app.db.clone(), stop.clone()));
    let admin = app.sign_in("admin1").await;
    let there = format!("http://{address}");
    let (here, _) = watching(&admin).await;
    let (tap, cursor) = watching(&admin.by_way_of(&there)).await;
    app.sql("BEGIN; ALTER TABLE frames DISABLE TRIGGER USER; UPDATE frames SET stok = 2 WHERE id = 1; ALTER TABLE frames ENABLE TRIGGER USER; COMMIT").await;
    ended(tap).await;
    let events = backlog(&admin.by_way_of(&there), &cursor).await;
    assert!(is_reset(&events) && shows_low_frame(&events), "{events:?}");
    ended(here).await;
    assert!(is_reset(&backlog(&admin, &cursor).await), "and so does the first");
    stop.cancel();
    second.await.unwrap().unwrap();
}

/// As after `pg_restore` into another cluster, whose transactions count from 700 again.
#[tokio::test]
async fn stamps_of_another_cluster_are_mended() {
    let mut app = TestApp::start().await;
    app.sql("INSERT INTO notifications (type, title, message) VALUES ('announcement', 'Lama', 'dari server lama'); DELETE FROM frames WHERE id = 3").await;
    app.go_down().await;
    app.sql(
        "ALTER TABLE frames DISABLE TRIGGER USER; ALTER TABLE notifications DISABLE TRIGGER USER;
         UPDATE frames SET updated_xid = '99999999999'; UPDATE notifications SET updated_xid = '99999999999';
         UPDATE feed_gone SET updated_xid = '99999999999'; UPDATE feed_meta SET pruned_below = '99999999998';
         ALTER TABLE frames ENABLE TRIGGER USER; ALTER TABLE notifications ENABLE TRIGGER USER;",
    )
    .await;
    app.come_up().await;
    let admin = app.sign_in("admin1").await;
    health_until(&app.nobody(), |said| said["healthy"] == true).await;
    let (mut tap, cursor) = watching(&admin).await;
    app.sql("UPDATE frames SET stok = 17 WHERE id = 1").await;
    let told = tap.until(|event, _| event.event == "stock-updates").await;
    assert_eq!(told["total_updates"], 1);
    let events = backlog(&admin, &cursor).await;
    assert!(!is_reset(&events), "cursors are good here: {events:?}");
    let (future, gone): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM feed_future()), (SELECT count(*) FROM feed_gone)")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!((future, gone), (0, 0));
    let stays = sqlx::raw_sql("UPDATE notifications SET title = 'x'").execute(&app.db).await;
    assert!(stays.is_err(), "what was switched off for the mending is on again");
}

const KEEP: Keep = Keep { tombstones_days: 7, notifications_days: 90 };

#[tokio::test]
async fn only_what_is_old_is_deleted() {
    let db = fresh_database().await;
    sqlx::raw_sql(
        "INSERT INTO branches (id, name, kode) VALUES (1, 'Kemang', 'KMG');
         INSERT INTO users (id, name, email, password, role) VALUES (1, 'Pusat', 'p@x', '-', 'super_admin');
         INSERT INTO aksesoris (branch_id, nama_produk, harga_jual) SELECT 1, 'Barang ' || n, 1 FROM generate_series(1, 2510) n;
         DELETE FROM aksesoris;
         UPDATE feed_gone SET updated_at = updated_at - interval '8 days' WHERE row_id <= 2500;
         UPDATE feed_gone SET updated_at = updated_at - interval '6 days' WHERE row_id > 2500;
         INSERT INTO notifications (type, title, message, created_at)
             SELECT 'announcement', 'A', '', now() - make_interval(days => n) FROM generate_series(86, 95) n;
         INSERT INTO notification_reads (user_id, notification_id) SELECT 1, id FROM notifications;
         INSERT INTO sessions (id, data, expires_at) SELECT n, '{}', now() + make_interval(mins => n - 3) FROM generate_series(1, 5) n;
         INSERT INTO feed_epochs (epoch, postmaster_started_at, system_identifier, first_xid)
             SELECT n, now() + make_interval(secs => n), 1, '3' FROM generate_series(1, 1003) n;",
    )
    .execute(&db)
    .await
    .unwrap();
    // open transactions of other tests on this server hold the horizon for a moment
    let mut deleted = Deleted::default();
    let give_up = Instant::now() + PATIENCE;
    while deleted.tombstones < 2_500 {
        let round = housekeeping::round(&db, KEEP).await.unwrap();
        deleted.tombstones += round.tombstones;
        deleted.notifications += round.notifications;
        deleted.sessions += round.sessions;
        deleted.epochs += round.epochs;
        assert!(Instant::now() < give_up, "{deleted:?}");
    }
    assert_eq!(deleted, Deleted { tombstones: 2_500, notifications: 6, sessions: 3, epochs: 3 });
    let left: Vec<i64> = sqlx::query_scalar(
        "SELECT count(*) FROM feed_gone WHERE tbl = 'aksesoris' UNION ALL SELECT count(*) FROM notifications
         UNION ALL SELECT count(*) FROM notification_reads UNION ALL SELECT count(*) FROM sessions
         UNION ALL SELECT min(epoch) FROM feed_epochs",
    )
    .fetch_all(&db)
    .await
    .unwrap();
    assert_eq!(left, [10, 4, 4, 2, 4]);
    assert_eq!(housekeeping::round(&db, KEEP).await.unwrap(), Deleted::default());
}

#[tokio::test]
async fn a_cursor_from_before_the_pruned_is_too_old_and_a_later_one_misses_nothing() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let (mut tap, old) = watching(&admin).await;
    app.sql("DELETE FROM frames WHERE id = 2").await;
    // Later by every transaction that was open then: also those of the other tests, which share the server.
    let gone: i64 =
        sqlx::query_scalar("SELECT max(updated_xid::text::bigint) FROM feed_gone").fetch_one(&app.db).await.unwrap();
    let between = loop {
        tap.until(|event, _| event.event == "stock-updates").await;
        let cursor = tap.cursor.clone().unwrap();
        if cursor.parse::<Cursor>().unwrap().snapshot.xmin as i64 > gone {
            break cursor;
        }
        app.sql("UPDATE frames SET stok = stok WHERE id = 1").await;
    };
    app.sql("DELETE FROM lensas WHERE id = 1; UPDATE feed_gone SET updated_at = updated_at - interval '8 days' WHERE tbl = 'frames'").await;
    let give_up = Instant::now() + PATIENCE;
    while housekeeping::round(&app.db, KEEP).await.unwrap().tombstones == 0 {
        assert!(Instant::now() < give_up);
    }
    app.sql("UPDATE frames SET stok = 9 WHERE id = 1").await;
    tap.until(|event, json| event.event == "stock-updates" && json.to_string().contains("\"new_stock\":9")).await;
    assert_eq!(backlog(&admin, &old).await[0], ("reset".to_owned(), json!({ "reason": "too-old" })));
    let events = backlog(&admin, &between).await;
    let (_, stock) = events.iter().find(|(event, _)| event == "stock-updates").unwrap();
    let kinds: Vec<_> =
        stock["updates"].as_array().unwrap().iter().map(|u| (&u["product_type"], u["deleted"] == true)).collect();
    assert_eq!(kinds, [(&json!("Lensa"), true), (&json!("Frame"), false)], "{events:?}");
}

type View = BTreeMap<(String, i64), i64>;

fn apply(changes: &[Change], view: &mut View) {
    for change in changes {
        let Some(body) = &change.body else { continue };
        let key = (format!("{:?}", change.table), change.id);
        let body: Value = serde_json::from_str(body).unwrap();
        match (change.op, body["new_stock"].as_i64()) {
            (Op::Upsert, Some(stock)) => drop(view.insert(key, stock)),
            (Op::Gone, _) => drop(view.remove(&key)),
            (Op::Upsert, None) => {}
        }
    }
}

async fn truth(db: &PgPool) -> View {
    let rows: Vec<(String, i64, i32)> =
        sqlx::query_as("SELECT product_type || CASE product_type WHEN 'Aksesoris' THEN '' ELSE 's' END, product_id, stok FROM products")
            .fetch_all(db)
            .await
            .unwrap();
    rows.into_iter().map(|(table, id, stock)| ((table, id), stock.into())).collect()
}

/// A resume is exact or refused, while rows are deleted, tombstones pruned and live ticks read, all at once.
#[tokio::test(flavor = "multi_thread")]
async fn pruning_beside_resuming_loses_nothing() {
    let db = fresh_database().await;
    stock_up(&db, 1_000).await;
    let mut feed = Feed::connect(&db.connect_options()).await.unwrap();
    let mut view = truth(&db).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for branch in 1..=3 {
        tasks.spawn(again_and_again(db.clone(), stop.clone(), format!(
            "DELETE FROM aksesoris WHERE id = (SELECT min(id) FROM aksesoris WHERE branch_id = {branch});
             INSERT INTO aksesoris (branch_id, nama_produk, harga_jual, stok) VALUES ({branch}, 'Baru', 1, 7);
             UPDATE frames SET stok = (stok + 1) % 30 WHERE id = (SELECT id FROM frames WHERE branch_id = {branch} ORDER BY random() LIMIT 1)"
        )));
    }
    // Tombstones become old as soon as the live feed has read them, which is some days sooner than in life.
    let read_below = Arc::new(AtomicU64::new(0));
    let (mut ager, stop_ager, below) = (psql(&db).await, stop.clone(), read_below.clone());
    tasks.spawn(async move {
        while !stop_ager.load(Ordering::Relaxed) {
            let age = "UPDATE feed_gone SET updated_at = updated_at - interval '8 days'
                       WHERE updated_at > now() - interval '1 day' AND updated_xid::text::bigint < $1";
            sqlx::query(age).bind(below.load(Ordering::Relaxed) as i64).execute(&mut ager).await.unwrap();
        }
        0
    });
    for _ in 0..2 {
        let (db, stop) = (db.clone(), stop.clone());
        tasks.spawn(async move {
            let mut pruned = 0;
            while !stop.load(Ordering::Relaxed) {
                pruned += housekeeping::round(&db, KEEP).await.unwrap().tombstones;
                tokio::task::yield_now().await;
            }
            pruned
        });
    }

    let mut past: VecDeque<(Snapshot, View)> = VecDeque::new();
    let (mut exact, mut too_old) = (0, 0);
    let mut reader = psql(&db).await;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        read_below.store(feed.cursor().snapshot.xmin, Ordering::Relaxed);
        past.push_back((feed.cursor().snapshot, view.clone()));
        if past.len() > 60 {
            past.pop_front();
        }
        let (since, mut then) = past[rand::random_range(0..past.len())].clone();
        let until = feed.cursor().snapshot;
        let missed = Missed::since(&mut reader, &since, None, MOST_MISSED).await.unwrap();
        let tick = feed.poll().await.expect("a feed that is awake is never behind the pruning");
        let changes = tick.map(|tick| tick.changes).unwrap_or_default();
        apply(&changes, &mut view);
        match missed.between(&since, &until, None) {
            Ok(missed) => {
                let missed: Vec<Change> = missed.into_iter().cloned().collect();
                apply(&missed, &mut then);
                apply(&changes, &mut then);
                assert_eq!(difference(&then, &view), Vec::<String>::new(), "resumed from {since:?}");
                exact += 1;
            }
            Err(reason) => {
                assert_eq!(reason, Unusable::TooOld);
                too_old += 1;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut pruned = 0;
    while let Some(ended) = tasks.join_next().await {
        pruned += ended.unwrap();
    }
    if let Some(tick) = feed.poll().await.unwrap() {
        apply(&tick.changes, &mut view);
    }
    assert_eq!(difference(&view, &truth(&db).await), Vec::<String>::new());
    println!("{pruned} pruned, {exact} resumed exactly, {too_old} too old");
    assert!(pruned > 0 && exact > 0 && too_old > 0, "all three happened: {pruned} {exact} {too_old}");
}

fn difference(told: &View, truth: &View) -> Vec<String> {
    let wrong = told.iter().chain(truth).map(|(key, _)| key).filter(|key| told.get(*key) != truth.get(*key));
    wrong.map(|key| format!("{key:?}: told {:?}, is {:?}", told.get(key), truth.get(key))).take(5).collect()
}

async fn again_and_again(db: PgPool, stop: Arc<AtomicBool>, statements: String) -> i64 {
    let mut psql = psql(&db).await;
    while !stop.load(Ordering::Relaxed) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.clone())).execute(&mut psql).await.unwrap();
    }
    0
}

#[tokio::test]
async fn health_is_told_without_a_session() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    assert_eq!(nobody.get("/health/live").send().await.unwrap().status(), 200);
    let said = health_until(&nobody, |said| said["ready"] == true).await;
    assert_eq!(said["healthy"], true, "{said:#}");
    for check in ["database", "migrations", "feed", "triggers", "draining"] {
        assert_eq!(said["checks"][check]["ok"], true, "{check}");
    }
    assert_eq!(health(&nobody).await.0, 200);
}

/// Asks a process that does not listen: (status, answer).
async fn ask(app: &App) -> (u16, Value) {
    let request = Request::get("/health/ready").body(Body::empty()).unwrap();
    let answer = melati::web::routes(app.clone()).oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&axum::body::to_bytes(answer.into_body(), 100_000).await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_process_that_drains_or_has_no_database_is_not_ready() {
    let db = fresh_database().await;
    let config = Arc::new(Config::default());
    let stop = CancellationToken::new();
    let (app, _) = App::new(db.clone(), config);
    let (live, integrity) = (app.live.clone(), app.integrity.clone());
    let options = db.connect_options().as_ref().clone();
    let pump = tokio::spawn(melati::realtime::pump(live.clone(), options, Duration::from_millis(25), stop.clone()));
    live.ready().await;
    integrity.look(&db).await;
    // the first look began an epoch, which the feed is just hearing of
    let (status, said) = ask(&app).await;
    assert_eq!((status, &said["ready"]), (200, &json!(true)), "{said:#}");

    let nowhere = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(200))
        .connect_lazy("postgres://nobody@127.0.0.1:1/nothing")
        .unwrap();
    let (status, said) = ask(&App { pool: nowhere, ..app.clone() }).await;
    assert_eq!((status, &said["checks"]["database"]["ok"]), (503, &json!(false)), "{said:#}");
    assert!(!said.to_string().contains("127.0.0.1"), "nothing of the inside: {said}");

    app.live.hub().drain();
    let (status, said) = ask(&app).await;
    assert_eq!((status, &said["checks"]["draining"]["ok"]), (503, &json!(false)), "{said:#}");
    stop.cancel();
    pump.await.unwrap();
}
