//! What the numbers say, and the health, when something goes wrong; who is connected, and how a stream is cut off.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::app::{PATIENCE, Person, TestApp, shop};
use common::db;
use common::proxy::{Proxy, Upstream};
use melati::config::{Config, MetricsListen};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// An app whose numbers are told, and where.
struct Told {
    app: TestApp,
    metrics: String,
}

impl Told {
    async fn start(config: Config) -> Self {
        let db = shop().await;
        Self::start_on(db.clone(), db, config).await
    }

    async fn start_on(db: sqlx::PgPool, server_db: sqlx::PgPool, config: Config) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let config = Config { metrics_listen: MetricsListen(Some(address)), ..config };
        let told = Self { app: TestApp::start_on(db, server_db, config).await, metrics: format!("http://{address}") };
        // it listens when its turn comes
        until(|| async { reqwest::get(told.url("/health/live")).await.ok() }).await;
        told
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.metrics)
    }

    async fn numbers(&self) -> Numbers {
        let answer = reqwest::get(self.url("/metrics")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Numbers::read(&answer.text().await.unwrap())
    }

    /// Asks again until the numbers fit.
    async fn numbers_until(&self, fits: impl Fn(&Numbers) -> bool) -> Numbers {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let numbers = self.numbers().await;
            if fits(&numbers) {
                return numbers;
            }
            assert!(Instant::now() < give_up, "{numbers:#?}");
            tokio::task::yield_now().await;
        }
    }

    async fn ready(&self) -> (u16, Value) {
        let answer = reqwest::get(self.url("/health/ready")).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

async fn until<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < give_up, "waited in vain");
        tokio::task::yield_now().await;
    }
}

/// `name{labels}` and its value, as the text has them.
#[derive(Debug)]
struct Numbers {
    values: BTreeMap<String, f64>,
    kinds: BTreeMap<String, String>,
}

impl Numbers {
    fn read(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "{text}");
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let values = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
        Self {
            kinds: kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect(),
            values: values.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect(),
        }
    }

    /// 0 where there is none.
    fn of(&self, series: &str) -> f64 {
        self.values.get(series).copied().unwrap_or_default()
    }

    fn has(&self, series: &str) -> bool {
        self.values.contains_key(series)
    }

    /// Without labels.
    fn names(&self) -> BTreeSet<&str> {
        self.values.keys().map(|series| series.split('{').next().unwrap()).collect()
    }
}

/// An operator reads the numbers of a morning: who listens, who came back and how, who could not sign in, what was asked for.
#[tokio::test]
async fn the_numbers_tell_what_happened() {
    let told = Told::start(Config::default()).await;
    let kasir = told.app.sign_in("kasir1").await;
    let admin = told.app.sign_in("admin1").await;
    let mut screen = kasir.open("/realtime/stream?topics=stock-updates,notifications&tabs=3").await;
    screen.opened().await;
    let cursor = screen.cursor.clone().unwrap();
    let mut own = admin.open("/realtime/orders").await;
    own.opened().await;

    told.app.sql("UPDATE frames SET stok = 12 WHERE id = 1").await;
    screen.until(|event, _| event.event == "stock-updates").await;
    let numbers = told.numbers().await;
    assert_eq!(numbers.of("melati_streams_open"), 2.0);
    assert_eq!(numbers.of(r#"melati_stream_subscriptions{topic="stock-updates",role="kasir"}"#), 1.0);
    assert_eq!(numbers.of(r#"melati_stream_subscriptions{topic="orders",role="admin"}"#), 1.0);
    assert_eq!(numbers.of(r#"melati_streams_opened_total{start="fresh"}"#), 2.0);
    let delivered = numbers.of("melati_stream_deliveries_total");
    assert!(delivered >= 1.0, "{numbers:#?}");
    assert!(numbers.of("melati_feed_rows_total") >= 1.0);
    assert!(numbers.of("melati_feed_change_delay_seconds_count") >= 1.0);
    assert!(numbers.of("melati_feed_newest_change_age_seconds") < 60.0);
    assert!(numbers.of(r#"melati_feed_ticks_total{found="told"}"#) > 0.0);
    assert!(numbers.of("melati_feed_tick_seconds_count") > 0.0);
    assert_eq!(numbers.of("melati_sessions"), 2.0);
    assert_eq!(numbers.of(r#"melati_sign_ins_total{outcome="welcome"}"#), 2.0);
    assert!(numbers.of("process_resident_memory_bytes") > 1e6 && numbers.of("process_open_fds") > 3.0);
    assert!(numbers.of("process_cpu_seconds_total") > 0.0 && numbers.of("process_start_time_seconds") > 1.7e9);
    let pool = ["idle", "used"].map(|state| numbers.of(&format!("melati_pool_connections{{state=\"{state}\"}}")));
    assert!(pool.into_iter().sum::<f64>() >= 1.0, "a connection that is given back may still be on its way: {pool:?}");
    assert_eq!((numbers.of("melati_ready"), numbers.of("melati_healthy")), (1.0, 1.0));

    // they go, and come back: with nothing missed, with something missed, with a cursor that is none
    drop(screen);
    told.numbers_until(|numbers| numbers.of(r#"melati_streams_closed_total{reason="left"}"#) == 1.0).await;
    let mut other = admin.open("/realtime/stock-updates").await;
    other.opened().await;
    told.app.sql("UPDATE frames SET stok = 11 WHERE id = 1").await;
    other.until(|_, update| update["updates"][0]["new_stock"] == 11).await;
    kasir.open_from("/realtime/stock-updates", Some(&cursor)).await.opened().await;
    let mut current = kasir.open("/realtime/orders").await;
    current.opened().await;
    kasir.open_from("/realtime/orders", current.cursor.as_deref()).await.opened().await;
    kasir.open_from("/realtime/orders", Some("nonsense")).await.opened().await;
    let form = [("email", "kasir1@melati.test"), ("password", "salah-salah-salah")];
    kasir.post("/login").header("accept", "application/json").form(&form).send().await.unwrap();
    kasir.get("/stok/frame/1").send().await.unwrap();
    kasir.get("/stok/frame/3").send().await.unwrap();
    kasir.get("/tidak/ada").send().await.unwrap();
    let numbers = told.numbers_until(|numbers| numbers.of("melati_streams_open") == 3.0).await;
    for (start, count) in [("fresh", 4.0), ("caught_up", 1.0), ("current", 1.0), ("reset", 1.0)] {
        assert_eq!(numbers.of(&format!("melati_streams_opened_total{{start=\"{start}\"}}")), count, "{start}");
    }
    assert_eq!(numbers.of(r#"melati_stream_resets_total{reason="unreadable"}"#), 1.0);
    assert_eq!(numbers.of(r#"melati_sign_ins_total{outcome="refused"}"#), 1.0);
    let asked = |route, status| {
        numbers.of(&format!(r#"melati_http_requests_total{{method="GET",route="{route}",status="{status}"}}"#))
    };
    assert_eq!(
        (asked("/stok/{jenis}/{id}", 200), asked("/stok/{jenis}/{id}", 404), asked("none", 404)),
        (1.0, 1.0, 1.0)
    );
    let route = r#"melati_http_request_duration_seconds_count{method="GET",route="/stok/{jenis}/{id}"}"#;
    assert_eq!(numbers.of(route), 2.0);
    assert!(numbers.of("melati_stream_deliveries_total") >= delivered, "a counter does not fall when its streams end");
    assert!(!told.app.nobody().get("/metrics").send().await.unwrap().status().is_success(), "not among the pages");
}

/// A stream ends, and the numbers say why: as each of the ways in which it can.
#[tokio::test]
async fn streams_are_closed_by_reason() {
    let told = Told::start(Config { integrity_check_seconds: 1, ..Config::default() }).await;
    let pusat = told.app.sign_in("pusat").await;
    let closed = |reason: &str| format!("melati_streams_closed_total{{reason=\"{reason}\"}}");
    let open = async |email: &str| {
        let person = told.app.sign_in(email).await;
        let mut screen = person.open("/realtime/orders").await;
        screen.opened().await;
        screen
    };

    let screen = open("kasir1").await;
    let all = report(&pusat).await;
    let (_, id) = listeners(&all).into_iter().find(|(name, _)| *name == "Rina").unwrap();
    let cut = pusat.post("/pantauan/putus").header("accept", "application/json").form(&[("stream", id)]);
    assert_eq!(cut.send().await.unwrap().status(), StatusCode::OK);
    screen.rest().await;
    told.numbers_until(|numbers| numbers.of(&closed("cut")) == 1.0).await;

    let screen = open("kasir1").await;
    told.app.sql("UPDATE users SET is_active = false WHERE email = 'kasir1@melati.test'").await;
    screen.rest().await;
    told.numbers_until(|numbers| numbers.of(&closed("rights")) == 1.0).await;

    let screen = open("admin1").await;
    told.app.sql("ALTER TABLE frames DISABLE TRIGGER zz_feed_stamp").await;
    screen.rest().await;
    told.numbers_until(|numbers| numbers.of(&closed("restart")) == 1.0).await;
    assert_eq!(told.numbers().await.of(&closed("lifetime")), 0.0);

    let short = Config { heartbeat_seconds: 1, stream_lifetime_seconds: 1, ..Config::default() };
    let told = Told::start(short).await;
    let mut screen = told.app.sign_in("kasir1").await.open("/realtime/orders").await;
    screen.opened().await;
    screen.rest().await;
    told.numbers_until(|numbers| numbers.of(&closed("lifetime")) == 1.0).await;
}

/// Names as the Prometheus documentation asks for them: a prefix, base units, `_total` for what only rises.
#[tokio::test]
async fn names_follow_the_conventions() {
    let told = Told::start(Config::default()).await;
    told.app.sign_in("kasir1").await;
    let numbers = told.numbers().await;
    for (name, kind) in &numbers.kinds {
        assert!(name.starts_with("melati_") || name.starts_with("process_"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert!(!name.contains("_ms") && !name.contains("milli") && !name.ends_with("_total"), "{name}: base units");
        if kind == "histogram" {
            assert!(name.ends_with("_seconds") || name.ends_with("_rows"), "{name} names its unit");
        }
    }
    for name in numbers.names() {
        let counter = name.strip_suffix("_total").is_some_and(|name| numbers.kinds[name] == "counter");
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let known = counter
            || numbers.kinds.contains_key(name)
            || part.is_some_and(|name| numbers.kinds[name] == "histogram")
            || name.strip_suffix("_info").is_some_and(|name| numbers.kinds[name] == "info");
        assert!(known, "{name} has no type");
    }
}

/// The database goes away and comes back: red, and the numbers say why, without keeping whoever asks waiting.
#[tokio::test]
async fn a_database_that_is_away() {
    let db = shop().await;
    let way = Proxy::to(Upstream::Unix(db::socket())).await;
    let name = db.connect_options().get_database().unwrap().to_owned();
    let through = melati::postgres::connect(&format!("postgres://melati@{}/{name}", way.address)).await.unwrap();
    let told = Told::start_on(db, through, Config::default()).await;
    told.numbers_until(|numbers| numbers.of("melati_ready") == 1.0).await;

    way.silence();
    let numbers = told.numbers_until(|numbers| numbers.of("melati_feed_fresh") == 0.0).await;
    assert_eq!((numbers.of("melati_ready"), numbers.of("melati_healthy")), (0.0, 0.0));
    assert_eq!(numbers.of(r#"melati_check_ok{check="database"}"#), 0.0);
    assert_eq!(numbers.of(r#"melati_check_ok{check="feed"}"#), 0.0);
    assert_eq!(numbers.of(r#"melati_check_ok{check="draining"}"#), 1.0);
    assert!(!numbers.has("melati_sessions"), "what cannot be known is not told");
    told.numbers_until(|numbers| numbers.of("melati_feed_lag_seconds") > 1.0).await;
    let (status, said) = told.ready().await;
    assert_eq!(
        (status, &said["checks"]["database"]["ok"], &said["checks"]["feed"]["ok"]),
        (503, &json!(false), &json!(false))
    );
    let live = reqwest::get(told.url("/health/live")).await.unwrap();
    assert_eq!(live.status(), StatusCode::OK, "a restart would not bring the database back");

    way.restore();
    way.cut();
    let is_back = |numbers: &Numbers| numbers.of("melati_ready") == 1.0 && numbers.of("melati_feed_lag_seconds") == 0.0;
    let numbers = told.numbers_until(is_back).await;
    assert!(numbers.of("melati_feed_errors_total") >= 1.0);
}

/// A trigger is switched off: ready all the same, but not healthy, and the numbers say so until it is back.
#[tokio::test]
async fn triggers_that_are_off() {
    let told = Told::start(Config { integrity_check_seconds: 1, ..Config::default() }).await;
    told.app.sql("ALTER TABLE frames DISABLE TRIGGER zz_feed_stamp").await;
    // the next look may come between two lines of one answer
    let is_noticed =
        |numbers: &Numbers| numbers.of("melati_trigger_faults") > 0.0 && numbers.of("melati_healthy") == 0.0;
    let numbers = told.numbers_until(is_noticed).await;
    assert_eq!(numbers.of("melati_ready"), 1.0);
    assert_eq!(numbers.of(r#"melati_check_ok{check="triggers"}"#), 0.0);
    assert_eq!(told.ready().await.0, 200);
    told.app.sql("ALTER TABLE frames ENABLE ALWAYS TRIGGER zz_feed_stamp").await;
    told.numbers_until(|numbers| numbers.of("melati_healthy") == 1.0).await;
    assert_eq!(told.numbers().await.of("melati_trigger_faults"), 0.0);
}

/// A trigger of the reports is off: nobody is sent elsewhere for it, but it is seen; so is a comparison that found something.
#[tokio::test]
async fn roll_ups_that_cannot_be_trusted() {
    let told = Told::start(Config::default()).await;
    let numbers = told.numbers_until(|numbers| numbers.of("melati_healthy") == 1.0).await;
    assert_eq!(numbers.of(r#"melati_check_ok{check="rollups"}"#), 1.0);
    assert!(numbers.of("melati_rollup_marks") > 0.0, "the shop's goods are not folded yet: {numbers:#?}");

    for (off, on) in [
        (
            "ALTER TABLE penjualans DISABLE TRIGGER zz_rollup_written",
            "ALTER TABLE penjualans ENABLE ALWAYS TRIGGER zz_rollup_written",
        ),
        ("ALTER TABLE penjualans ENABLE TRIGGER sale_class", "ALTER TABLE penjualans ENABLE ALWAYS TRIGGER sale_class"),
    ] {
        told.app.sql(off).await;
        let numbers = told.numbers().await;
        assert_eq!((numbers.of("melati_ready"), numbers.of("melati_healthy")), (1.0, 0.0), "{off}");
        assert_eq!(numbers.of("melati_rollup_trigger_faults"), 1.0, "{off}");
        assert_eq!(told.ready().await.1["checks"]["rollups"]["ok"], false, "{off}");
        told.app.sql(on).await;
        assert_eq!(told.numbers().await.of("melati_healthy"), 1.0, "{on}");
    }

    melati::reports::rollups::fold(&told.app.db).await.unwrap();
    let numbers = told.numbers().await;
    assert_eq!((numbers.of("melati_rollup_marks"), numbers.of("melati_rollup_oldest_mark_age_seconds")), (0.0, 0.0));
    told.app.sql("UPDATE rollup_movements SET kali = kali + 1 WHERE branch_id = 1").await;
    melati::reports::rollups::check(&told.app.db).await.unwrap();
    assert!(told.numbers().await.of("melati_rollup_wrong_days") >= 1.0);
    told.app.sql("UPDATE rollup_meta SET checked_at = now() - interval '3 days'").await;
    let numbers = told.numbers().await;
    assert_eq!(numbers.of(r#"melati_check_ok{check="rollups"}"#), 0.0, "nobody compares");
    assert!(numbers.of("melati_rollup_check_age_seconds") > 200_000.0);
}

/// A database that is not of this version: red.
#[tokio::test]
async fn migrations_that_are_missing() {
    let told = Told::start(Config::default()).await;
    told.numbers_until(|numbers| numbers.of("melati_ready") == 1.0).await;
    told.app.sql("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let (status, said) = told.ready().await;
    assert_eq!((status, &said["checks"]["migrations"]["ok"]), (503, &json!(false)), "{said}");
    let numbers = told.numbers().await;
    assert_eq!((numbers.of("melati_ready"), numbers.of(r#"melati_check_ok{check="migrations"}"#)), (0.0, 0.0));
}

/// A deploy: whoever asks is told first that this process goes; streams and pages go on meanwhile, and end then.
#[tokio::test]
async fn a_drain_is_red_before_it_refuses() {
    let mut told = Told::start(Config { drain_notice_seconds: 2, ..Config::default() }).await;
    let kasir = told.app.sign_in("kasir1").await;
    let mut screen = kasir.open("/realtime/stock-updates").await;
    screen.opened().await;
    let (ready, page) = (told.app.url("/health/ready"), told.app.url("/login"));
    let (metrics, numbers) = (told.url("/health/ready"), told.url("/metrics"));
    let watch = async {
        // on the address of the pages, where a proxy looks
        let red = until(|| async {
            let answer = reqwest::get(&ready).await.unwrap();
            (answer.status() == 503).then_some(answer)
        });
        let said: Value = red.await.json().await.unwrap();
        assert_eq!(said["checks"]["draining"]["ok"], false);
        assert_eq!(reqwest::get(&page).await.unwrap().status(), 200, "who comes all the same is served");
        assert_eq!(reqwest::get(&metrics).await.unwrap().status(), 503);
        let numbers = Numbers::read(&reqwest::get(&numbers).await.unwrap().text().await.unwrap());
        assert_eq!((numbers.of("melati_draining"), numbers.of("melati_ready")), (1.0, 0.0));
        assert_eq!(numbers.of(r#"melati_check_ok{check="draining"}"#), 0.0);
        // and then it is over
        until(|| async { reqwest::get(&page).await.is_err().then_some(()) }).await;
        screen.rest().await;
    };
    tokio::join!(told.app.go_down(), watch);
}

/// Somebody listens to how the process is.
async fn report(person: &Person) -> Value {
    let mut tap = person.open("/realtime/monitoring").await;
    tap.next_json().await
}

fn listeners(report: &Value) -> Vec<(&str, &str)> {
    let lines = report["listeners"].as_array().unwrap().iter();
    lines.map(|line| (line["name"].as_str().unwrap(), line["id"].as_str().unwrap())).collect()
}

/// The head office sees everybody, an admin their branch, a kasir nothing; and names what it sees.
#[tokio::test]
async fn who_is_connected_is_seen_by_those_it_concerns() {
    let app = TestApp::start().await;
    let (pusat, admin, kasir, elsewhere) =
        tokio::join!(app.sign_in("pusat"), app.sign_in("admin1"), app.sign_in("kasir1"), app.sign_in("kasir2"));
    let mut here = kasir.open("/realtime/stream?topics=dashboard,stock-updates&tabs=4").await;
    here.opened().await;
    let mut there = elsewhere.open("/realtime/orders").await;
    there.opened().await;

    let all = report(&pusat).await;
    let names: BTreeSet<&str> = listeners(&all).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, BTreeSet::from(["Made", "Pusat", "Rina"]));
    let rina = all["listeners"].as_array().unwrap().iter().find(|line| line["name"] == "Rina").unwrap();
    assert_eq!(
        (&rina["streams"], &rina["tabs"], &rina["state"]),
        (&json!("dashboard, stock-updates"), &json!(4), &json!("Lancar"))
    );
    assert_eq!(rina["place"], "Kasir, Kemang");
    assert!(all["machine"]["pool_most"].as_u64().unwrap() > 0);
    let kemang = all["branches"].as_array().unwrap().iter().find(|line| line["name"] == "Kemang").unwrap();
    assert_eq!((&kemang["streams"], &kemang["people"]), (&json!(1), &json!(1)));

    let own = report(&admin).await;
    let names: BTreeSet<&str> = listeners(&own).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, BTreeSet::from(["Hendra", "Rina"]), "of the branch alone");
    assert_eq!((own["machine"].clone(), own["holders"].as_array().unwrap().len()), (Value::Null, 0));
    assert_eq!(own["branches"].as_array().unwrap().len(), 1);
    assert!(admin.page("/pantauan").await.text().await.unwrap().contains("Rina"));
    assert!(!admin.page("/pantauan").await.text().await.unwrap().contains("Made"));
    assert_eq!(kasir.get("/realtime/stream?topics=monitoring").send().await.unwrap().status(), 403);
}

/// One stream is cut off: its own, no other, within five seconds; by an admin only in their branch; and it is in the log.
#[tokio::test]
async fn a_stream_is_cut_off() {
    let app = TestApp::start().await;
    let (pusat, admin, kasir) = tokio::join!(app.sign_in("pusat"), app.sign_in("admin1"), app.sign_in("kasir1"));
    let elsewhere = app.sign_in("kasir2").await;
    let mut here = kasir.open("/realtime/orders").await;
    here.opened().await;
    let mut beside = kasir.open("/realtime/stock-updates").await;
    beside.opened().await;
    let mut there = elsewhere.open("/realtime/orders").await;
    there.opened().await;
    let all = report(&pusat).await;
    let lines = all["listeners"].as_array().unwrap();
    let id = |name: &str, streams: &str| {
        let line = lines.iter().find(|line| line["name"] == name && line["streams"] == streams).unwrap();
        line["id"].as_str().unwrap().to_owned()
    };
    let cut = async |person: &Person, stream: &str| {
        let answer =
            person.post("/pantauan/putus").header("accept", "application/json").form(&[("stream", stream)]).send();
        answer.await.unwrap().status().as_u16()
    };

    assert_eq!(cut(&kasir, &id("Rina", "orders")).await, 403);
    assert_eq!(cut(&admin, &id("Made", "orders")).await, 404, "another branch's");
    assert_eq!(cut(&admin, "0").await, 404);
    let asked_at = Instant::now();
    assert_eq!(cut(&admin, &id("Rina", "orders")).await, 200);
    here.rest().await;
    assert!(asked_at.elapsed() < Duration::from_secs(5), "{:?}", asked_at.elapsed());
    assert_eq!(cut(&admin, &id("Rina", "orders")).await, 404, "it is gone");

    // the others go on, on their first connection
    app.sql("UPDATE frames SET stok = 9 WHERE id = 1").await;
    beside.next().await;
    // one of another process is asked for by way of the database; who may not, is not heard there
    assert_eq!(cut(&admin, "1").await, 200);
    app.sql("INSERT INTO feed_gone (tbl, row_id, branch_id, updated_at) SELECT 'streams', row_id, 2, now() FROM feed_gone WHERE tbl = 'streams'").await;
    assert_eq!(cut(&pusat, &id("Made", "orders")).await, 200);
    there.rest().await;

    let logged: Vec<(Option<i64>, Option<i64>, String)> =
        sqlx::query_as("SELECT actor_id, branch_id, subject FROM audit_log WHERE action = 'stream_cut' ORDER BY id")
            .fetch_all(&app.db)
            .await
            .unwrap();
    assert_eq!(
        logged,
        [
            (Some(2), Some(1), "kasir1@melati.test".to_owned()),
            (Some(2), Some(1), "stream 1".to_owned()),
            (Some(1), Some(2), "kasir2@melati.test".to_owned()),
        ]
    );
    assert!(pusat.page("/audit?jenis=putus").await.text().await.unwrap().contains("Sambungan diputus"));
}

/// An admin of one branch cannot reach a stream of another by way of the database either.
#[tokio::test]
async fn a_wish_of_one_branch_does_not_end_a_stream_of_another() {
    let app = TestApp::start().await;
    let (pusat, kasir) = tokio::join!(app.sign_in("pusat"), app.sign_in("kasir2"));
    let mut there = kasir.open("/realtime/stock-updates").await;
    there.opened().await;
    let all = report(&pusat).await;
    let (_, id) = listeners(&all).into_iter().find(|(name, _)| *name == "Made").unwrap();
    let id: i64 = id.parse().unwrap();
    let wish =
        "INSERT INTO feed_gone (tbl, row_id, branch_id, updated_at) VALUES ('streams', $1, $2, clock_timestamp())";
    sqlx::query(wish).bind(id).bind(1_i64).execute(&app.db).await.unwrap();
    app.sql("UPDATE frames SET stok = 9 WHERE id = 3").await;
    there.until(|_, update| update["updates"][0]["new_stock"] == 9).await;
    sqlx::query(wish).bind(id).bind(2_i64).execute(&app.db).await.unwrap();
    there.rest().await;
}

/// Transactions are left open, here, in another database and prepared, one that only reads, and a replication slot that nobody
/// reads: the page names each, says what it holds up, and the statement that it gives ends it.
#[tokio::test]
async fn whoever_holds_the_horizon_is_named() {
    let told = Told::start(Config::default()).await;
    let pusat = told.app.sign_in("pusat").await;
    let db = &told.app.db;
    let own = db.connect_options().get_database().unwrap().to_owned();
    let somebody = async |name: &str, database: &str, statements: &str| {
        let options = db.connect_options().as_ref().clone().application_name(name).database(database);
        let mut held = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut held).await.unwrap();
        held
    };
    // the feed's number is held from elsewhere alone, for now
    let mut elsewhere = somebody("gudang", "postgres", "BEGIN; SELECT pg_current_xact_id()").await;
    told.app.sql("UPDATE frames SET stok = 12 WHERE id = 1").await;
    let numbers = told.numbers_until(|numbers| numbers.of("melati_feed_snapshot_age_seconds") > 5.0).await;
    assert!(numbers.of("melati_feed_snapshot_transactions") >= 1.0);
    assert_eq!(numbers.of("melati_feed_lag_seconds"), 0.0, "the others' commits are told all the same");

    let idle = "BEGIN; UPDATE pasiens SET nama_pasien = nama_pasien WHERE id = 1";
    let mut idle = somebody("rekap-lama", &own, idle).await;
    let reading = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pasiens";
    let mut reading = somebody("laporan-lama", &own, reading).await;
    let prepared =
        "BEGIN; UPDATE pasiens SET nama_pasien = nama_pasien WHERE id = 2; PREPARE TRANSACTION 'kiriman-lama'";
    let mut other = somebody("pindah", &own, prepared).await;
    told.app.sql("SELECT pg_create_physical_replication_slot('cadangan_lama', true)").await;

    let mut tap = pusat.open("/realtime/monitoring").await;
    let wanted = ["gudang", "rekap-lama", "laporan-lama", "kiriman-lama", "cadangan_lama"];
    let find = |said: &Value, name: &str| {
        let mut holders = said["holders"].as_array().unwrap().iter();
        let is_it = |holder: &&Value| holder["application"] == name || holder["title"].as_str().unwrap().contains(name);
        holders.find(is_it).cloned()
    };
    let said = tap.until(|_, said| wanted.iter().all(|name| find(said, name).is_some())).await;
    let holder = |name: &str| find(&said, name).unwrap();
    assert!(holder("rekap-lama")["query"].as_str().unwrap().contains("UPDATE pasiens"), "{said}");
    assert!(holder("gudang")["title"].as_str().unwrap().ends_with("basis data postgres"), "{said}");
    for (name, state, writes) in [
        ("gudang", "idle in transaction", true),
        ("rekap-lama", "idle in transaction", true),
        ("laporan-lama", "idle in transaction", false),
        ("kiriman-lama", "prepared", true),
        ("cadangan_lama", "tidak dipakai", false),
    ] {
        let holder = holder(name);
        assert_eq!(holder["state"], state, "{holder}");
        assert_eq!(holder["holds"].as_str().unwrap().contains("perubahan"), writes, "{holder}");
    }
    assert!(holder("cadangan_lama")["query"].as_str().unwrap().starts_with("menyimpan log "), "{said}");
    assert!(find(&said, "pengguna basis data lain").is_none(), "who writes is seen");

    for name in wanted {
        let fix = holder(name)["fix"].as_str().unwrap().to_owned();
        sqlx::raw_sql(sqlx::AssertSqlSafe(fix)).execute(db).await.unwrap();
        tap.until(|_, said| find(said, name).is_none()).await;
    }
    told.numbers_until(|numbers| numbers.of("melati_feed_snapshot_age_seconds") == 0.0).await;
    for ended in [&mut elsewhere, &mut idle, &mut reading] {
        assert!(sqlx::query("SELECT 1").execute(ended).await.is_err(), "the statement ended its transaction");
    }
    sqlx::query("SELECT 1").execute(&mut other).await.unwrap();
}

/// A browser tells how long its changes took to be painted: counted by branch, bounded, and not too often.
#[tokio::test]
async fn screens_measure_themselves() {
    let told = Told::start(Config::default()).await;
    let (pusat, kasir) = tokio::join!(told.app.sign_in("pusat"), told.app.sign_in("kasir1"));
    let mut screen = kasir.open("/realtime/orders").await;
    screen.opened().await;
    let say = async |person: &Person, body: Value| {
        let answer = person.post("/api/layar").header("accept", "application/json").json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, said) = say(&kasir, json!({ "delays_ms": [], "tabs": 1 })).await;
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert_eq!(status, 200);
    assert!((said["now_ms"].as_i64().unwrap() - clock).abs() < 5_000, "the server's clock: {said}");
    for nonsense in [
        json!({ "delays_ms": vec![1; 17] }),
        json!({ "delays_ms": [600_001] }),
        json!({ "delays_ms": ["x"] }),
        json!([1]),
    ] {
        assert_eq!(say(&kasir, nonsense).await.0, 422);
    }
    let counted = async |person: &Person, body: Value| match say(person, body).await {
        (200, said) => said["counted"].as_bool().unwrap(),
        refused => panic!("{refused:?}"),
    };
    assert!(counted(&kasir, json!({ "delays_ms": [40, 60, 3000], "tabs": 2, "branch": 2 })).await);
    assert!(!counted(&kasir, json!({ "delays_ms": [40], "tabs": 2 })).await, "again at once: heard, and left out");
    assert!(counted(&pusat, json!({ "delays_ms": [2000], "tabs": 1 })).await);

    let numbers = told.numbers().await;
    assert_eq!(numbers.of(r#"melati_screen_delay_seconds_count{branch="1"}"#), 3.0);
    assert_eq!(numbers.of(r#"melati_screen_delay_seconds_bucket{le="0.05",branch="1"}"#), 1.0);
    assert_eq!(numbers.of(r#"melati_screen_delay_seconds_count{branch="0"}"#), 1.0);
    assert!(!numbers.has(r#"melati_screen_delay_seconds_count{branch="2"}"#), "whose branch it is, the server knows");
    let said = report(&pusat).await;
    let kemang = said["branches"].as_array().unwrap().iter().find(|line| line["name"] == "Kemang").unwrap();
    assert_eq!((&kemang["measured"], &kemang["lagging"]), (&json!(3), &json!(0)));
    let rina = said["listeners"].as_array().unwrap().iter().find(|line| line["name"] == "Rina").unwrap();
    assert_eq!((&rina["tabs"], &rina["state"]), (&json!(2), &json!("Lancar")));
    let own = said["listeners"].as_array().unwrap().iter().find(|line| line["name"] == "Pusat");
    assert!(own.is_none_or(|line| line["state"] == "Lancar"), "it connected after it had spoken");
}

/// One account on two tablets, of which one is slow: that one is named, by its stream and by what it is.
#[tokio::test]
async fn of_two_devices_the_one_that_lags_is_named() {
    let app = TestApp::start().await;
    let agents = ["Mozilla/5.0 (Linux; Android 14) Chrome/129.0", "Mozilla/5.0 (iPad; CPU OS 17_0) Safari/604.1"];
    let sign_in = async |agent: &str| {
        let person = Person::at(&app.url(""));
        let form = [("email", "admin1@melati.test"), ("password", common::app::PASSWORD)];
        let answer = person.post("/login").header("user-agent", agent).header("accept", "application/json").form(&form);
        assert_eq!(answer.send().await.unwrap().status(), StatusCode::OK);
        person
    };
    let (android, ipad) = (sign_in(agents[0]).await, sign_in(agents[1]).await);
    let pusat = app.sign_in("pusat").await;
    let mut of_android = android.open("/realtime/orders").await;
    of_android.opened().await;
    let mut of_ipad = ipad.open("/realtime/stock-updates").await;
    of_ipad.opened().await;
    for (person, delay) in [(&android, 4_000), (&ipad, 30)] {
        let body = json!({ "delays_ms": [delay], "tabs": 1 });
        let answer = person.post("/api/layar").header("accept", "application/json").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "the other device does not use up its turn");
    }
    let said = report(&pusat).await;
    let line = |streams: &str| {
        let line = said["listeners"].as_array().unwrap().iter().find(|line| line["streams"] == streams).unwrap();
        (line["browser"].as_str().unwrap(), line["state"].as_str().unwrap())
    };
    assert_eq!(line("orders"), ("Chrome · Android", "Lambat"));
    assert_eq!(line("stock-updates"), ("Safari · iPad", "Lancar"));
    assert_eq!(said["lagging"], 1);
    assert!(!said.to_string().contains("Mozilla"), "no more of it than two words");
}

/// The last hour by branch, for those that it concerns; and what went wrong, for the head office.
#[tokio::test]
async fn the_last_hour_is_told_by_branch() {
    let app = TestApp::start().await;
    let (pusat, admin, kasir) = tokio::join!(app.sign_in("pusat"), app.sign_in("admin1"), app.sign_in("kasir1"));
    let history = async |person: &Person| {
        let answer = person.get("/api/pantauan/riwayat").header("accept", "application/json").send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let names = |said: &Value| {
        let lines = said["branches"].as_array().unwrap().iter();
        lines.map(|line| line["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let all = history(&pusat).await;
    assert_eq!(names(&all), ["Kemang", "Pusat", "Ubud"].map(String::from).into());
    assert_eq!(all["failed"].as_array().unwrap().len(), all["unix"].as_array().unwrap().len());
    let own = history(&admin).await;
    assert_eq!(names(&own), ["Kemang".to_owned()].into());
    assert_eq!(own["failed"], Value::Null, "requests are not counted by branch");

    // something breaks: the head office sees that it did
    let mut tap = pusat.open("/realtime/monitoring").await;
    let before = tap.next_json().await["machine"]["failed"].as_u64().unwrap();
    app.sql("ALTER TABLE pasiens RENAME TO hilang").await;
    assert_eq!(kasir.get("/api/pasien?cari=a").send().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    tap.until(|_, said| said["machine"]["failed"].as_u64().unwrap() == before + 1).await;
}

/// The machine starts, and Postgres a little later: Melati lives, is not ready, asks for patience, and goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_later() {
    let db = shop().await;
    let name = db.connect_options().get_database().unwrap().to_owned();
    // addresses on which nobody listens yet
    let free = [(), (), ()].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [pages, database, metrics] = free.map(|listener| listener.local_addr().unwrap());
    let data = common::process::data_dir();
    let mut command = common::process::melati("serve", data.path());
    let url = format!("postgres://melati@{database}/{name}");
    let addresses = ["--listen", &pages.to_string(), "--metrics-listen", &metrics.to_string()].map(String::from);
    command.env("DATABASE_URL", url).args(addresses).stdout(std::process::Stdio::null());
    let mut process = command.spawn().unwrap();
    let base = format!("http://{pages}");

    let live = until(|| async { reqwest::get(format!("{base}/health/live")).await.ok() }).await;
    assert_eq!(live.status(), 200);
    let ready = reqwest::get(format!("{base}/health/ready")).await.unwrap();
    assert_eq!(ready.status(), 503);
    let said = ready.json::<Value>().await.unwrap();
    assert_eq!(said["checks"]["database"], json!({ "ok": false, "waiting": true }), "and why");
    // Prometheus hears that it waits, and not that it is gone
    let numbers = move || async move {
        let answer = reqwest::get(format!("http://{metrics}/metrics")).await.ok()?;
        Some(Numbers::read(&answer.text().await.ok()?))
    };
    let early = until(numbers).await;
    assert_eq!((early.of("melati_ready"), early.has("melati_ready"), early.of("melati_draining")), (0.0, true, 0.0));
    assert_eq!(early.values.get(r#"melati_check_ok{check="database"}"#), Some(&0.0));
    let page = reqwest::Client::new().get(format!("{base}/login")).header("accept", "text/html").send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["retry-after"].to_str().unwrap()), (503, "2"));
    assert!(page.text().await.unwrap().contains("menyambung kembali"));

    let _way = Proxy::at(database, Upstream::Unix(db::socket())).await;
    until(|| async { reqwest::get(format!("{base}/health/ready")).await.ok().filter(|answer| answer.status() == 200) })
        .await;
    assert_eq!(reqwest::get(format!("{base}/login")).await.unwrap().status(), 200);
    until(move || async move { numbers().await.filter(|numbers| numbers.of("melati_ready") == 1.0) }).await;
    rustix::process::kill_process(rustix::process::Pid::from_child(&process), rustix::process::Signal::TERM).unwrap();
    assert!(tokio::task::block_in_place(|| process.wait()).unwrap().success());
}
