//! What goes wrong in a shop's night: processes killed, cables pulled, disks full, readers that do not read. Each story injects
//! one fault, waits for what must be seen of it, and compares what was told with what the tables say. The long variants
//! run under `make soak`.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

mod common;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::app::{PATIENCE, Person, Tap, TestApp, fill, shop};
use common::db::{self, psql};
use common::process::{Melati, data_dir, eventually, has_ended, postgres_of, url};
use common::proxy::{Proxy, Upstream};
use common::watcher::{STREAM, Shown, Watcher, newest_notification, say_the_last_word};
use futures_util::future::join_all;
use melati::config::{Config, Database};
use melati::postgres::embedded::Embedded;
use rand::Rng;
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet, block_in_place};
use uuid::Uuid;

/// So many under `make test`, and so many in a soak.
fn times(short: usize, long: usize) -> usize {
    if std::env::var_os("MELATI_SOAK_SECONDS").is_some() { long } else { short }
}

/// A server process on the address of the one before it.
fn serve(data: &Path, database_url: &str, listen: &str, args: &[&str]) -> Melati {
    block_in_place(|| {
        Melati::serve_with(data, |command| {
            command.env("DATABASE_URL", database_url).args(["--listen", listen]).args(args)
        })
    })
}

fn end(melati: &mut Melati) -> Option<i32> {
    block_in_place(|| melati.end().code())
}

fn listen_address(melati: &Melati) -> String {
    melati.base.strip_prefix("http://").unwrap().to_owned()
}

async fn watch_all(base: &str, db: &PgPool, names: &[&str]) -> Vec<Watcher> {
    join_all(names.iter().map(|name| Watcher::open(base, name, db))).await
}

async fn all_have_everything(watchers: &mut [Watcher], db: &PgPool) {
    say_the_last_word(db).await;
    let mut truth = psql(db).await;
    for watcher in watchers {
        watcher.has_everything(&mut truth).await;
    }
}

fn counts(watchers: &[Watcher], of: fn(&Shown) -> usize) -> Vec<usize> {
    watchers.iter().map(|watcher| of(&watcher.look())).collect()
}

async fn all_beyond(watchers: &mut [Watcher], what: &str, before: &[usize], of: fn(&Shown) -> usize) {
    for (watcher, before) in watchers.iter_mut().zip(before) {
        watcher.until(what, |shown| of(shown) > *before).await;
    }
}

/// A writer that is none of ours: each commit is a sale's worth of stock and a notification. It writes as much as it is told,
/// in the background, whatever happens meanwhile.
struct Scribe {
    written: watch::Receiver<u64>,
    allowed: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Scribe {
    async fn start(db: &PgPool) -> Self {
        let (count, written) = watch::channel(0);
        let allowed = Arc::new(Semaphore::new(0));
        let permits = allowed.clone();
        let mut connection = psql(db).await;
        let task = tokio::spawn(async move {
            for n in 1_i64.. {
                // closed when it is to end, after what it was told before
                let Ok(permit) = permits.acquire().await else { return };
                permit.forget();
                // its own pace, in Postgres: a bench is another program
                sqlx::raw_sql(AssertSqlSafe(format!(
                    "BEGIN; UPDATE frames SET stok = {} WHERE id = {};
                     INSERT INTO notifications (branch_id, type, title, message) VALUES (nullif({}, 0), 'announcement', 'A', '{n}');
                     SELECT pg_sleep(0.004); COMMIT",
                    15 + n % 20,
                    1 + n % 3,
                    n % 3,
                )))
                .execute(&mut connection)
                .await
                .unwrap();
                count.send_modify(|count| *count += 1);
            }
        });
        Self { written, allowed, task }
    }

    /// Goes on writing so many more.
    fn starts(&mut self, more: usize) {
        self.allowed.add_permits(more);
    }

    /// Waits until it has written so many more.
    async fn writes(&mut self, more: usize) {
        let goal = *self.written.borrow() + more as u64;
        self.starts(more);
        tokio::time::timeout(PATIENCE, self.written.wait_for(|count| *count >= goal))
            .await
            .expect("it writes")
            .unwrap();
    }

    async fn ends(self) -> u64 {
        while self.allowed.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        self.allowed.close();
        self.task.await.unwrap();
        *self.written.borrow()
    }
}

// ---- processes that are killed ----

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_told_nobody_too_much_or_too_little() {
    let (db, dir) = (shop().await, data_dir());
    let mut melati = serve(dir.path(), &db::url(&db), "127.0.0.1:0", &[]);
    let address = listen_address(&melati);
    let mut watchers = watch_all(&melati.base, &db, &["admin1", "admin2", "pusat", "kasir1", "kasir2"]).await;
    let mut scribe = Scribe::start(&db).await;
    let rounds = times(3, 20);
    for _ in 0..rounds {
        scribe.starts(15);
        scribe.writes(20).await;
        let opened = counts(&watchers, |shown| shown.opened);
        melati.signal(Signal::KILL);
        end(&mut melati);
        // nobody serves, and the shop goes on
        scribe.writes(20).await;
        melati = serve(dir.path(), &db::url(&db), &address, &[]);
        all_beyond(&mut watchers, "it is back", &opened, |shown| shown.opened).await;
    }
    let commits = scribe.ends().await;
    all_have_everything(&mut watchers, &db).await;
    for watcher in &watchers {
        let shown = watcher.look();
        assert_eq!(shown.resets, Vec::<String>::new(), "{}: every cursor was good", watcher.name);
        assert!(shown.interruptions() >= rounds, "{} was cut", watcher.name);
    }
    println!("injected: {rounds} kill -9 of the server during {commits} commits; checked: 5 screens");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_ends_no_stream() {
    let dir = data_dir();
    let args = ["--heartbeat-seconds", "1", "--pg-set", "max_prepared_transactions=5"];
    let melati = serve(dir.path(), "", "127.0.0.1:0", &args);
    let db = PgPool::connect(&url(dir.path())).await.unwrap();
    fill(&db).await;
    let mut watchers = watch_all(&melati.base, &db, &["admin1", "pusat", "kasir2"]).await;
    let rounds = times(2, 8);
    for round in 1..=rounds {
        let stok = 20 + i32::try_from(round).unwrap();
        let mut writer = psql(&db).await;
        // prepared before, committed after; and one that was committed when it died
        let before = format!(
            "BEGIN; UPDATE aksesoris SET stok = {stok}; PREPARE TRANSACTION 'malam{round}'; UPDATE frames SET stok = {stok}"
        );
        for statement in before.split("; ") {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut writer).await.unwrap();
        }
        let died = postgres_of(dir.path());
        kill_process(died, Signal::KILL).unwrap();
        for watcher in &mut watchers {
            watcher.until("it says stale", |shown| shown.freshness.len() >= 2 * round).await;
        }
        for watcher in &mut watchers {
            watcher.until("it says fresh", |shown| shown.freshness.len() > 2 * round).await;
        }
        let back = block_in_place(|| {
            eventually("Postgres is back", || Some(postgres_of(dir.path())).filter(|pid| *pid != died))
        });
        assert!(!has_ended(back));
        let mut writer = PgConnection::connect(&url(dir.path())).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("COMMIT PREPARED 'malam{round}'"))).execute(&mut writer).await.unwrap();
        sqlx::query("UPDATE lensas SET stok = $1").bind(stok).execute(&mut writer).await.unwrap();
        for watcher in &mut watchers {
            let n = if watcher.branch == Some(2) { 2 } else { 1 };
            for product in [("Frame", if n == 1 { 1 } else { 3 }), ("Aksesoris", n), ("Lensa", n)] {
                watcher.until_stock(product, stok.into()).await;
            }
        }
    }
    let db = PgPool::connect(&url(dir.path())).await.unwrap();
    all_have_everything(&mut watchers, &db).await;
    for watcher in &watchers {
        let shown = watcher.look();
        assert_eq!((shown.opened, shown.interruptions()), (1, 0), "{}: the stream stayed up", watcher.name);
        assert_eq!(shown.resets, Vec::<String>::new(), "{}", watcher.name);
        assert_eq!(shown.stale_as_of.len(), rounds, "{}: while it is stale, `as_of` stands still", watcher.name);
    }
    println!("injected: {rounds} kill -9 of Postgres, each with a prepared transaction; checked: 3 screens");
}

// ---- Postgres away ----

/// A Postgres of the test's own, stopped like a machine that hangs: it says nothing and closes nothing.
struct Frozen(Vec<Pid>);

impl Frozen {
    fn freeze(postmaster: Pid) -> Self {
        let of_postmaster = |entry: fs::DirEntry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
            (parent == postmaster.as_raw_nonzero().to_string()).then(|| Pid::from_raw(pid))?
        };
        // first, so that it makes no more of them
        kill_process(postmaster, Signal::STOP).unwrap();
        let mut frozen = Self(vec![postmaster]);
        for child in fs::read_dir("/proc").unwrap().flatten().filter_map(of_postmaster) {
            let _ = kill_process(child, Signal::STOP);
            frozen.0.push(child);
        }
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in self.0.iter().rev() {
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_hangs_streams_say_so_and_pages_ask_for_patience() {
    let dir = data_dir();
    let settings = Database { data_dir: dir.path().to_owned(), ..Database::default() };
    let postgres = block_in_place(|| Embedded::start(&settings).unwrap());
    let proxy = Proxy::to(Upstream::Unix(dir.path().join("run/.s.PGSQL.5432"))).await;
    let database_url = format!("postgres://melati@{}/melati", proxy.address);
    let own = data_dir();
    let args = ["--heartbeat-seconds", "1", "--stream-lifetime-seconds", "5"];
    let mut melati = serve(own.path(), &database_url, "127.0.0.1:0", &args);
    let db = PgPool::connect(&postgres.url()).await.unwrap();
    fill(&db).await;
    let person = Person::sign_in(&melati.base, "admin1").await;
    let mut watchers = watch_all(&melati.base, &db, &["admin1", "pusat", "kasir2"]).await;

    let frozen = Frozen::freeze(postgres_of(dir.path()));
    let since = Instant::now();
    let connections = proxy.accepted();
    for watcher in &mut watchers {
        watcher.until("it says stale", |shown| !shown.fresh()).await;
    }
    assert!(since.elapsed() < Duration::from_secs(6), "said at once: {:?}", since.elapsed());
    let before: Vec<(usize, usize)> =
        watchers.iter().map(|watcher| (watcher.look().interruptions(), watcher.look().heartbeats)).collect();
    for beginning in ["<!", "{"] {
        let asked = Instant::now();
        let answer =
            if beginning == "{" { person.get("/stok").send().await.unwrap() } else { person.page("/stok").await };
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
        assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
        assert!(answer.text().await.unwrap().trim_start().to_lowercase().starts_with(beginning));
    }
    // longer than a stream lives
    let beats = times(5, 30);
    for (watcher, (_, heartbeats)) in watchers.iter_mut().zip(&before) {
        watcher.until("it goes on", |shown| shown.heartbeats >= heartbeats + beats).await;
    }
    let away = since.elapsed();
    for (watcher, (interruptions, _)) in watchers.iter().zip(&before) {
        assert_eq!(watcher.look().interruptions(), *interruptions, "{}: no stream ended", watcher.name);
    }
    let tried = proxy.accepted() - connections;
    assert!(tried <= 6 + beats / 5, "{tried} connections tried in {away:?}: no storm");
    drop(frozen);
    for watcher in &mut watchers {
        watcher.until("it says fresh", |shown| shown.fresh()).await;
    }
    assert_eq!(person.get("/stok").send().await.unwrap().status(), StatusCode::OK);
    all_have_everything(&mut watchers, &db).await;
    assert!(watchers.iter().all(|watcher| watcher.look().resets.is_empty()));
    println!("injected: Postgres hung for {away:?}; {tried} connections tried; checked: 3 screens, 2 pages");
    melati.signal(Signal::TERM);
    assert_eq!(end(&mut melati), Some(0));
    block_in_place(|| postgres.stop());
}

// ---- cables ----

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_cuts_and_falls_silent_costs_a_client_nothing() {
    let app = TestApp::start_with(Config { heartbeat_seconds: 1, ..Config::default() }).await;
    let proxy = Proxy::to(Upstream::Tcp(app.address)).await;
    let base = format!("http://{}", proxy.address);
    let mut watchers = Vec::new();
    for name in ["admin1", "pusat", "kasir1", "kasir2"] {
        let person = app.sign_in(name).await.by_way_of(&base);
        // as the pages do: two heartbeats and a half
        watchers.push(Watcher::of(person, name, &app.db, Duration::from_millis(2500)).await);
    }
    let mut scribe = Scribe::start(&app.db).await;
    let rounds = times(2, 15);
    for _ in 0..rounds {
        scribe.starts(30);
        let opened = counts(&watchers, |shown| shown.opened);
        proxy.cut();
        all_beyond(&mut watchers, "it is back", &opened, |shown| shown.opened).await;
        scribe.starts(30);
        let (opened, silences) = (counts(&watchers, |shown| shown.opened), counts(&watchers, |shown| shown.silences));
        proxy.silence();
        all_beyond(&mut watchers, "it notices the silence", &silences, |shown| shown.silences).await;
        scribe.writes(20).await;
        proxy.restore();
        all_beyond(&mut watchers, "it is back", &opened, |shown| shown.opened).await;
        scribe.starts(30);
        let (opened, silences) = (counts(&watchers, |shown| shown.opened), counts(&watchers, |shown| shown.silences));
        proxy.forget_the_open();
        all_beyond(&mut watchers, "it notices the silence", &silences, |shown| shown.silences).await;
        all_beyond(&mut watchers, "it is back", &opened, |shown| shown.opened).await;
    }
    let commits = scribe.ends().await;
    all_have_everything(&mut watchers, &app.db).await;
    for watcher in &watchers {
        let shown = watcher.look();
        assert!(shown.broken + shown.refused >= rounds, "{}: {shown:?}", watcher.name);
        assert_eq!(shown.resets, Vec::<String>::new(), "{}", watcher.name);
    }
    println!(
        "injected: {rounds} cuts, {rounds} silences, {rounds} lost connections during {commits} commits; checked: 4 screens"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_way_to_postgres_is_noticed_and_walked_again() {
    let db = shop().await;
    let proxy = Proxy::to(Upstream::Unix(db::socket())).await;
    let name = db.connect_options().get_database().unwrap().to_owned();
    let server_db = melati::postgres::connect(&format!("postgres://melati@{}/{name}", proxy.address)).await.unwrap();
    let app = TestApp::start_on(db, server_db, Config { heartbeat_seconds: 1, ..Config::default() }).await;
    let mut watchers = watch_all(&app.url(""), &app.db, &["admin1", "pusat", "kasir2"]).await;
    let person = app.sign_in("admin1").await;
    let mut scribe = Scribe::start(&app.db).await;
    let mut stale = 0;
    for fault in ["cut", "silence", "forget"] {
        scribe.starts(10);
        scribe.writes(20).await;
        let told: Vec<usize> = watchers.iter().map(|watcher| watcher.look().notices.len()).collect();
        match fault {
            "cut" => proxy.cut(),
            "silence" => proxy.silence(),
            // neither side ever hears of it: only the deadline of a tick helps
            _ => proxy.forget_the_open(),
        }
        // a page that comes meanwhile gets an answer: itself, or a plea for patience
        let page = person.get("/stok").send();
        if fault != "cut" {
            stale += 1;
            for watcher in &mut watchers {
                watcher.until("it says stale", |shown| shown.freshness.len() >= 2 * stale).await;
            }
        }
        proxy.restore();
        let answer = page.await.unwrap();
        let status = answer.status();
        assert!(status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE, "{fault}: {status}");
        scribe.writes(20).await;
        for (watcher, told) in watchers.iter_mut().zip(told) {
            watcher.until("it says fresh, and goes on", |shown| shown.fresh() && shown.notices.len() > told + 15).await;
        }
    }
    scribe.ends().await;
    all_have_everything(&mut watchers, &app.db).await;
    for watcher in &watchers {
        let shown = watcher.look();
        assert_eq!((shown.opened, shown.interruptions()), (1, 0), "{}: {:?}", watcher.name, shown.freshness);
        // what was missed was told before it was called fresh
        let told: Vec<usize> = shown.freshness.iter().map(|(_, told)| *told).collect();
        for pair in shown.freshness.windows(2).filter(|pair| pair[1].0) {
            assert!(pair[1].1 > pair[0].1, "{}: fresh before the news: {told:?}", watcher.name);
        }
    }
    println!("injected: the way to Postgres cut, silent, and lost; checked: 3 screens, 3 pages");
}

// ---- what Postgres lacks ----

fn cart(client_ref: Uuid) -> Value {
    json!({ "client_ref": client_ref, "pasien_id": 2, "items": [{ "product_type": "Aksesoris", "product_id": 1, "quantity": 1 }],
            "metode": "tunai", "jumlah": 15_000, "diterima": 20_000 })
}

async fn sell(kasir: &Person, client_ref: Uuid) -> (StatusCode, bool) {
    let answer =
        kasir.post("/penjualan").header("accept", "application/json").json(&cart(client_ref)).send().await.unwrap();
    (answer.status(), answer.headers().contains_key("retry-after"))
}

const TRY_AGAIN: (StatusCode, bool) = (StatusCode::SERVICE_UNAVAILABLE, true);
const SOLD: (StatusCode, bool) = (StatusCode::CREATED, false);

/// All of a sale or nothing of it: the sale, its line, its payment, the shelf and its ledger.
async fn sold_whole(db: &PgPool, shelf: i64) -> i64 {
    let (sales, lines, paid, gone, moved): (i64, i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM penjualans), (SELECT count(*) FROM penjualan_details),
                (SELECT count(*) FROM pembayarans), (SELECT $1 - stok FROM aksesoris WHERE id = 1),
                (SELECT -coalesce(sum(delta), 0)::bigint FROM stock_movements WHERE product_type = 'Aksesoris' AND product_id = 1 AND reason = 'penjualan')",
    )
    .bind(shelf)
    .fetch_one(db)
    .await
    .unwrap();
    assert_eq!([lines, paid, gone, moved], [sales; 4], "nothing half-written");
    sales
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_pool_asks_for_patience_and_leaves_the_streams_alone() {
    let db = shop().await;
    let server_db = melati::postgres::connect(&db::url(&db)).await.unwrap();
    let app = TestApp::start_on(db, server_db, Config::default()).await;
    let mut watcher = Watcher::open(&app.url(""), "kasir1", &app.db).await;
    let kasir = app.sign_in("kasir1").await;
    let mut holder = psql(&app.db).await;
    sqlx::raw_sql("BEGIN; UPDATE aksesoris SET stok = stok WHERE id = 1").execute(&mut holder).await.unwrap();

    let asked = Instant::now();
    let forms: Vec<Uuid> = (0..40).map(|_| Uuid::new_v4()).collect();
    let mut sales = JoinSet::new();
    for form in &forms {
        let (kasir, form) = (kasir.clone(), *form);
        sales.spawn(async move { sell(&kasir, form).await });
    }
    // the pool holds 16, and all of them wait for the lock
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.db).await.unwrap() < 16 {
        assert!(Instant::now() < deadline, "the pool is never exhausted");
        tokio::task::yield_now().await;
    }
    app.sql("UPDATE frames SET stok = 17 WHERE id = 1").await;
    watcher.until_stock(("Frame", 1), 17).await;
    assert!(!sales.is_empty() && sales.try_join_next().is_none(), "the stream went on while every form waited");
    for outcome in sales.join_all().await {
        assert_eq!(outcome, TRY_AGAIN);
    }
    // waited for a connection, for another, and for the lock: five seconds each
    assert!(asked.elapsed() < Duration::from_secs(24), "{:?}", asked.elapsed());
    assert_eq!(sold_whole(&app.db, 40).await, 0);

    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(sell(&kasir, forms[0]).await, SOLD, "what was refused can be sent again");
    watcher.until_stock(("Aksesoris", 1), 39).await;
    let shown = watcher.look();
    assert_eq!((shown.opened, shown.interruptions(), shown.freshness.len()), (1, 0, 1), "and was never stale");
    println!("injected: 40 forms on a locked row; checked: 503 each, nothing written, a stream untouched");
}

/// A small file system of its own; gone with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Moves a directory onto one with some room left. `None` where mounting is not permitted.
    fn under(dir: &Path, room: u64) -> Option<Self> {
        let aside = dir.with_extension("aside");
        let owner = fs::metadata(dir).unwrap();
        let used = Command::new("du").args(["-sk", "--apparent-size"]).arg(dir).output().ok()?;
        let used: u64 = String::from_utf8(used.stdout).ok()?.split_whitespace().next()?.parse().ok()?;
        let options = format!("size={}k,uid={},gid={},mode=700", used + room / 1024, owner.uid(), owner.gid());
        fs::rename(dir, &aside).unwrap();
        fs::create_dir(dir).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(dir).output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            return None;
        }
        let disk = Self(dir.to_owned());
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(dir).status().unwrap();
        assert!(copied.success());
        Some(disk)
    }

    /// Takes what is left of it.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let filled =
            Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", filler.display())).output();
        assert!(!filled.unwrap().status.success(), "dd goes on until nothing is left");
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_sales_whole_and_takes_them_again_when_there_is_room() {
    let dir = data_dir();
    let mut melati = serve(dir.path(), "", "127.0.0.1:0", &[]);
    melati.signal(Signal::TERM);
    assert_eq!(end(&mut melati), Some(0));
    let Some(disk) = SmallDisk::under(&dir.path().join("pg/base"), 24 << 20) else {
        println!("skipped: this user may not mount a small tmpfs");
        return;
    };
    let mut melati = serve(dir.path(), "", "127.0.0.1:0", &[]);
    let db = PgPool::connect(&url(dir.path())).await.unwrap();
    fill(&db).await;
    sqlx::query("UPDATE aksesoris SET stok = 100000 WHERE id = 1").execute(&db).await.unwrap();
    let kasir = Person::sign_in(&melati.base, "kasir1").await;
    let mut watcher = Watcher::open(&melati.base, "kasir1", &db).await;
    assert_eq!(sell(&kasir, Uuid::new_v4()).await, SOLD);

    let filler = disk.fill();
    let (mut sold, mut refused) = (1, Vec::new());
    while refused.len() < 5 {
        let sale = Uuid::new_v4();
        match sell(&kasir, sale).await {
            SOLD => sold += 1,
            outcome => {
                assert_eq!(outcome, TRY_AGAIN);
                refused.push(sale);
            }
        }
        assert!(sold < 5_000, "the disk is never full");
    }
    assert_eq!(sold_whole(&db, 100_000).await, sold);
    assert_eq!(kasir.page("/penjualan").await.status(), StatusCode::OK, "what only reads goes on");

    fs::remove_file(filler).unwrap();
    for sale in &refused {
        assert_eq!(sell(&kasir, *sale).await, SOLD);
    }
    let sold = sold + 5;
    assert_eq!(sold_whole(&db, 100_000).await, sold);
    watcher.until_stock(("Aksesoris", 1), 100_000 - sold).await;
    assert_eq!((watcher.look().opened, watcher.look().interruptions()), (1, 0));
    println!("injected: a full disk after {sold} sales; checked: 503, all or nothing, the same sales afterwards");
    melati.signal(Signal::TERM);
    assert_eq!(end(&mut melati), Some(0));
}

// ---- readers who do not read ----

/// Opens a stream and never reads: not even what the kernel would take for it.
async fn stopped_reader(app_base: &str, person: &Person) -> Tap {
    let mut tap = person.by_way_of(app_base).open(STREAM).await;
    tap.opened().await;
    tap
}

fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_readers_cost_little_and_delay_nobody() {
    let (db, dir) = (shop().await, data_dir());
    sqlx::raw_sql(
        "INSERT INTO aksesoris (branch_id, nama_produk, harga_jual, stok) SELECT 1, 'Barang ' || n, 1000, 50 FROM generate_series(1, 10000) n",
    )
    .execute(&db)
    .await
    .unwrap();
    let mut melati = serve(dir.path(), &db::url(&db), "127.0.0.1:0", &["--max-streams-per-user", "100"]);
    let mut watchers = watch_all(&melati.base, &db, &["admin1", "pusat", "kasir1"]).await;
    let admin = Person::sign_in(&melati.base, "admin1").await;
    let last: i64 = sqlx::query_scalar("SELECT max(id) FROM aksesoris").fetch_one(&db).await.unwrap();

    let mut writer = psql(&db).await;
    sqlx::raw_sql("SELECT set_config('melati.import', 'on', false)").execute(&mut writer).await.unwrap();
    let mut stok = 100;
    let mut change_all = async |watchers: &mut [Watcher]| {
        stok += 1;
        sqlx::query("UPDATE aksesoris SET stok = $1 WHERE id > 1000").bind(stok).execute(&mut writer).await.unwrap();
        let written = Instant::now();
        for watcher in watchers {
            watcher.until_stock(("Aksesoris", last), stok.into()).await;
        }
        written.elapsed()
    };
    // what such changes cost without them
    let mut alone = Duration::ZERO;
    for _ in 0..2 {
        alone = alone.max(change_all(&mut watchers).await);
    }
    let before = resident_bytes(melati.id());
    let mut stopped = Vec::new();
    for _ in 0..40 {
        stopped.push(stopped_reader(&melati.base, &admin).await);
    }
    let rounds = times(10, 60);
    let (mut slowest, mut most) = (Duration::ZERO, 0);
    for _ in 0..rounds {
        slowest = slowest.max(change_all(&mut watchers).await);
        most = most.max(resident_bytes(melati.id()));
    }
    // 3 MB of news a round for each of three topics: kept for them, it would be a hundred and more
    let cost = most.saturating_sub(before);
    println!(
        "injected: 40 stopped readers, {rounds} changes of 10 000 rows; slowest {slowest:?} (alone {alone:?}), {cost} bytes more"
    );
    assert!(cost < 64 << 20, "{cost} bytes for 40 stopped readers");
    assert!(slowest < alone * 4 + Duration::from_secs(2), "{slowest:?} instead of {alone:?}");

    // and when they read again: what they were sent, an end, and by their cursor the rest
    let mut late = stopped.pop().unwrap();
    drop(stopped);
    let reading = async { while let Ok(Some(_)) = late.heard(PATIENCE).await {} };
    tokio::time::timeout(PATIENCE, reading).await.expect("it was given up");
    let since = newest_notification(&db).await;
    let mut late = Watcher::from(late.cursor.as_deref(), since, admin, "admin1", &db, PATIENCE).await;
    late.until_stock(("Aksesoris", last), stok.into()).await;
    watchers.push(late);
    all_have_everything(&mut watchers, &db).await;
    melati.signal(Signal::TERM);
    assert_eq!(end(&mut melati), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whom_the_ring_leaves_behind_resumes_exactly() {
    let app = TestApp::start().await;
    let person = app.sign_in("admin1").await;
    let mut behind = stopped_reader(&app.url(""), &person).await;
    let mut watcher = Watcher::open(&app.url(""), "kasir1", &app.db).await;
    let since = newest_notification(&app.db).await;
    // 12 MB, in commits of their own; the ring holds four
    for n in 1..=20 {
        app.sql(
            "INSERT INTO notifications (type, title, message, data)
             VALUES ('announcement', 'Besar', '-', jsonb_build_object('isi', repeat('x', 600000)))",
        )
        .await;
        watcher.until("each as it comes", |shown| shown.notices.len() == n).await;
    }
    say_the_last_word(&app.db).await;
    let mut told = Vec::new();
    let mut connections = 0;
    // the stream ends by itself, wherever it had come to
    loop {
        connections += 1;
        while let Ok(Some(event)) = behind.heard(Duration::from_secs(3)).await {
            assert_ne!(event.event, "reset");
            if event.event == "notifications" {
                told.push(serde_json::from_str::<Value>(&event.data).unwrap()["id"].as_i64().unwrap());
            }
        }
        if told.len() > 20 {
            break;
        }
        behind = person.open_from(STREAM, behind.cursor.as_deref()).await;
    }
    assert!(connections > 1, "the ring left it behind");
    let all: Vec<i64> = sqlx::query_scalar("SELECT id FROM notifications WHERE id > $1 ORDER BY id")
        .bind(since)
        .fetch_all(&app.db)
        .await
        .unwrap();
    assert_eq!(told, all, "over all its connections: each once, in order");
}

// ---- going away and coming back ----

/// The last words of a stream that was ended well.
fn last_retry(text: &str) -> u64 {
    let last = text.strip_suffix("\n\n").and_then(|text| text.lines().last()).unwrap_or_default();
    last.strip_prefix("retry: ").unwrap_or_else(|| panic!("not the last word: {last:?}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_ends_two_hundred_streams_well_and_waits_for_no_stuck_reader() {
    let (db, dir) = (shop().await, data_dir());
    let args = ["--max-streams-per-user", "300", "--drain-seconds", "3"];
    let mut melati = serve(dir.path(), &db::url(&db), "127.0.0.1:0", &args);
    let (base, address) = (melati.base.clone(), listen_address(&melati));
    let mut watchers = watch_all(&base, &db, &["admin1", "pusat", "kasir2"]).await;
    let admin = Person::sign_in(&base, "admin1").await;
    let stuck = stopped_reader(&base, &Person::sign_in(&base, "admin2").await).await;
    #[allow(clippy::async_yields_async)] // each is open; its end is still to come
    let ends = join_all((0..200).map(async |_| {
        let mut answer = admin.get(STREAM).send().await.unwrap();
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains("heartbeat") {
            text.extend(answer.chunk().await.unwrap().unwrap());
        }
        tokio::spawn(async move {
            while let Some(more) = answer.chunk().await.expect("an end, not a cut") {
                text.extend(more);
            }
            String::from_utf8(text).unwrap()
        })
    }))
    .await;
    let mut scribe = Scribe::start(&db).await;
    scribe.writes(5).await;
    // what the stuck reader does not take
    for _ in 0..12 {
        let told = counts(&watchers, |shown| shown.notices.len())[1];
        sqlx::query("INSERT INTO notifications (branch_id, audience, type, title, message, data) VALUES (2, 'admin', 'announcement', 'B', '-', jsonb_build_object('isi', repeat('x', 500000)))")
            .execute(&db)
            .await
            .unwrap();
        watchers[1].until("big ones", |shown| shown.notices.len() > told).await;
    }

    let told = Instant::now();
    melati.signal(Signal::TERM);
    let mut retries = Vec::new();
    for end in ends {
        retries.push(last_retry(&tokio::time::timeout(PATIENCE, end).await.unwrap().unwrap()));
    }
    assert_eq!(end(&mut melati), Some(0));
    assert!(told.elapsed() < Duration::from_secs(3 + 3), "ended after {:?}", told.elapsed());
    drop(stuck);
    let different: HashSet<_> = retries.iter().collect();
    let (soonest, latest) = (retries.iter().min().unwrap(), retries.iter().max().unwrap());
    assert!(
        different.len() > 100 && latest - soonest > 2_000,
        "spread: {soonest}..{latest}, {} values",
        different.len()
    );
    assert!(admin.get(STREAM).send().await.is_err(), "nobody is let in any more");

    scribe.writes(20).await;
    let _next = serve(dir.path(), &db::url(&db), &address, &args);
    scribe.writes(20).await;
    scribe.ends().await;
    all_have_everything(&mut watchers, &db).await;
    for watcher in &watchers {
        assert_eq!(watcher.look().resets, Vec::<String>::new());
        assert_eq!((watcher.look().ends, watcher.look().broken), (1, 0), "{} was ended well", watcher.name);
    }
    println!("injected: SIGTERM under 203 streams and a stuck one; retries {soonest}..{latest} ms; checked: 3 screens");
}

#[tokio::test(flavor = "multi_thread")]
async fn hearts_beat_in_time_and_a_life_ends_without_a_loss() {
    let app = TestApp::start_with(Config { heartbeat_seconds: 1, ..Config::default() }).await;
    let mut tap = app.sign_in("admin1").await.open("/realtime/dashboard").await;
    // the first is said at once, the second at its shard's moment; from there on it is a period
    let mut beats = Vec::new();
    while beats.len() < 5 {
        if tap.next_event().await.expect("it lives").event == "heartbeat" {
            beats.push(Instant::now());
        }
    }
    let three = beats[4] - beats[1];
    assert!(three.as_secs_f64() > 2.5, "three periods of a second took {three:?}");
    // a busy machine delays some, not each of them
    let quickest = beats.windows(2).skip(1).map(|pair| pair[1] - pair[0]).min().expect("three");
    assert!(quickest < Duration::from_millis(1_700), "a period of a second took {quickest:?} at best");

    let short = Config { heartbeat_seconds: 1, stream_lifetime_seconds: 1, ..Config::default() };
    let app = TestApp::start_with(short).await;
    let person = app.sign_in("admin1").await;
    let text =
        tokio::spawn(async move { person.get(STREAM).send().await.unwrap().text().await.expect("an end, not a cut") });
    let mut watchers = watch_all(&app.url(""), &app.db, &["admin1", "pusat", "kasir2"]).await;
    let mut scribe = Scribe::start(&app.db).await;
    let lives = times(3, 20);
    scribe.starts(lives * 60);
    for life in 1..=lives {
        for watcher in &mut watchers {
            watcher.until("its life ends", |shown| shown.ends >= life).await;
        }
    }
    scribe.writes(10).await;
    scribe.ends().await;
    all_have_everything(&mut watchers, &app.db).await;
    for watcher in &watchers {
        let shown = watcher.look();
        assert_eq!(
            (shown.broken, shown.refused, shown.repeated),
            (0, 0, 0),
            "{}: none lost, none doubled",
            watcher.name
        );
        assert_eq!(shown.resets, Vec::<String>::new());
    }
    assert!(last_retry(&text.await.unwrap()) <= 1_000);
}

// ---- clocks and other pasts ----

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_lies_hides_nothing() {
    // no look at the triggers meanwhile: it would have everybody start afresh
    let app = TestApp::start_with(Config { integrity_check_seconds: 3_600, ..Config::default() }).await;
    let mut watcher = Watcher::open(&app.url(""), "admin1", &app.db).await;
    let cursor = watcher.look().cursor.clone().unwrap();
    let since = newest_notification(&app.db).await;
    // by hand nobody sets a stamp
    app.sql("UPDATE frames SET stok = 30, updated_at = '2099-01-01', updated_xid = '7' WHERE id = 1").await;
    watcher.until_stock(("Frame", 1), 30).await;
    let wrong: bool = sqlx::query_scalar("SELECT updated_at > now() + interval '1 minute' FROM frames WHERE id = 1")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(!wrong, "the trigger stamps, whatever was said");
    // rows of a clock that was wrong: the stamp has to be switched off for it
    app.sql(
        "BEGIN; ALTER TABLE frames DISABLE TRIGGER zz_feed_stamp;
         INSERT INTO frames (id, branch_id, kode_frame, merk_frame, harga_jual_frame, stok, updated_at)
             VALUES (900, 1, 'MASA', 'Depan', 1, 50, '2099-01-01'), (901, 1, 'LALU', 'Lalu', 1, 50, '1999-01-01');
         ALTER TABLE frames ENABLE ALWAYS TRIGGER zz_feed_stamp; COMMIT",
    )
    .await;
    let mut versions = Vec::new();
    for stok in [50, 51, 52, 53] {
        if stok > 50 {
            sqlx::query("UPDATE frames SET stok = $1 WHERE id IN (900, 901)")
                .bind(stok)
                .execute(&app.db)
                .await
                .unwrap();
        }
        for id in [900, 901] {
            watcher.until_stock(("Frame", id), stok.into()).await;
        }
        versions.push(watcher.look().products[&("Frame".to_owned(), 900, 1)].0.clone());
    }
    assert!(versions.is_sorted() && BTreeSet::from_iter(&versions).len() == 4, "strictly rising: {versions:?}");
    assert!(versions[3].starts_with("2099-01-01"));
    app.sql("DELETE FROM frames WHERE id = 900").await;
    watcher.until("it is gone", |shown| shown.products[&("Frame".to_owned(), 900, 1)].1.is_none()).await;
    // and from a cursor of before
    let person = app.sign_in("admin1").await;
    let mut again = Watcher::from(Some(&cursor), since, person, "admin1", &app.db, PATIENCE).await;
    again.until_stock(("Frame", 901), 53).await;
    again.until_stock(("Frame", 1), 30).await;
    all_have_everything(&mut [watcher, again], &app.db).await;
}

/// A melati on its own Postgres, stopped cleanly: then its files may be copied.
async fn cursor_after(melati: &Melati, data: &Path, statement: &'static str) -> String {
    let db = PgPool::connect(&url(data)).await.unwrap();
    let mut tap = Person::sign_in(&melati.base, "admin1").await.open(STREAM).await;
    tap.opened().await;
    sqlx::raw_sql(statement).execute(&db).await.unwrap();
    let told = tap.until(|event, _| event.event == "stock-updates");
    tokio::time::timeout(PATIENCE, told).await.expect("told");
    db.close().await;
    tap.cursor.unwrap()
}

/// What a client is told first that comes with this cursor, and what it shows then of the first frame.
async fn first_told(melati: &Melati, cursor: &str) -> (String, Value) {
    let mut tap = Person::sign_in(&melati.base, "admin1").await.open_from(STREAM, Some(cursor)).await;
    let event = tap.next_event().await.unwrap();
    let json = serde_json::from_str(&event.data).unwrap();
    (event.event, json)
}

fn reset(reason: &str) -> (String, Value) {
    ("reset".to_owned(), json!({ "reason": reason }))
}

fn stop(mut melati: Melati) {
    melati.signal(Signal::TERM);
    assert_eq!(end(&mut melati), Some(0));
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

const SOME_COMMITS: &str = "UPDATE frames SET stok = 21 WHERE id = 1; UPDATE frames SET stok = 22 WHERE id = 2";

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_a_future_that_was_undone_gives_a_reset() {
    let dir = data_dir();
    let (cluster, backup) = (dir.path().join("pg"), dir.path().join("backup"));
    let melati = serve(dir.path(), "", "127.0.0.1:0", &[]);
    fill(&PgPool::connect(&url(dir.path())).await.unwrap()).await;
    let before = cursor_after(&melati, dir.path(), SOME_COMMITS).await;
    stop(melati);
    copy(&cluster, &backup);

    let melati = serve(dir.path(), "", "127.0.0.1:0", &[]);
    assert_ne!(first_told(&melati, &before).await.0, "reset", "a restart alone undoes nothing");
    let lost = cursor_after(&melati, dir.path(), "UPDATE frames SET stok = 9 WHERE id = 1").await;
    stop(melati);

    copy(&backup, &cluster);
    let melati = serve(dir.path(), "", "127.0.0.1:0", &[]);
    assert_eq!(first_told(&melati, &lost).await, reset("undone"));
    assert_ne!(first_told(&melati, &before).await.0, "reset", "what the backup has is still good");
    // also when this future has gone further than that one had
    for _ in 0..3 {
        cursor_after(&melati, dir.path(), SOME_COMMITS).await;
    }
    assert_eq!(first_told(&melati, &lost).await, reset("undone"));
    stop(melati);
}

/// A program of the Postgres that made the cluster, run as the cluster's owner.
fn tool(cluster: &Path, name: &str) -> Option<Command> {
    let version = fs::read_to_string(cluster.join("PG_VERSION")).unwrap();
    let program = Path::new("/usr/lib/postgresql").join(version.trim()).join("bin").join(name);
    let owner = fs::metadata(cluster).unwrap();
    let mut command = Command::new(&program);
    if rustix::process::geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.current_dir("/");
    program.exists().then_some(command)
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = block_in_place(|| command.output().unwrap());
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_cluster_or_of_before_a_failover_gives_a_reset() {
    let dir = data_dir();
    let cluster = dir.path().join("pg");
    let melati = serve(dir.path(), "", "127.0.0.1:0", &[]);
    let db = PgPool::connect(&url(dir.path())).await.unwrap();
    fill(&db).await;
    let cursor = cursor_after(&melati, dir.path(), SOME_COMMITS).await;
    let Some(mut dump) = tool(&cluster, "pg_dump") else {
        println!("skipped: no pg_dump beside the server's binaries");
        return;
    };

    // dumped, and restored into a new cluster
    let socket_dir = dir.path().join("run");
    let script = run(dump.arg("-h").arg(&socket_dir).args(["-U", "melati", "melati"]));
    let other = data_dir();
    let settings = Database { data_dir: other.path().to_owned(), ..Database::default() };
    let postgres = block_in_place(|| Embedded::start(&settings).unwrap());
    let file = other.path().join("dump.sql");
    fs::write(&file, script).unwrap();
    run(tool(&other.path().join("pg"), "psql")
        .expect("it is where pg_dump is")
        .args(["-v", "ON_ERROR_STOP=1", "-U", "melati", "-d", "melati", "-q", "-h"])
        .arg(other.path().join("run"))
        .arg("-f")
        .arg(&file));
    block_in_place(|| postgres.stop());
    let restored = serve(other.path(), "", "127.0.0.1:0", &[]);
    assert_eq!(first_told(&restored, &cursor).await, reset("foreign"));
    stop(restored);

    // a standby that is promoted: same system, same history, another timeline
    let standby = data_dir();
    let copy = standby.path().join("pg");
    let owner = fs::metadata(&cluster).unwrap();
    fs::create_dir(&copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
    chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
    run(tool(&cluster, "pg_basebackup")
        .expect("it is where pg_dump is")
        .arg("-h")
        .arg(&socket_dir)
        .args(["-U", "melati", "-R", "-X", "stream", "-c", "fast", "-D"])
        .arg(&copy));
    let lost = cursor_after(&melati, dir.path(), "UPDATE frames SET stok = 9 WHERE id = 1").await;
    let settings = format!("-c listen_addresses= -c unix_socket_directories={}", copy.display());
    let control = || tool(&copy, "pg_ctl").expect("it is where pg_dump is");
    let log = copy.join("log");
    let started = block_in_place(|| {
        control().arg("-D").arg(&copy).arg("-l").arg(&log).args(["-w", "-o", &settings, "start"]).status().unwrap()
    });
    assert!(started.success(), "{}", fs::read_to_string(log).unwrap());
    run(control().arg("-D").arg(&copy).args(["-w", "promote"]));
    run(control().arg("-D").arg(&copy).args(["-w", "-m", "fast", "stop"]));
    let promoted = serve(standby.path(), "", "127.0.0.1:0", &[]);
    for cursor in [&cursor, &lost] {
        assert_eq!(first_told(&promoted, cursor).await, reset("foreign"));
    }
    stop(promoted);
    stop(melati);
}

// ---- arriving while things change ----

#[tokio::test(flavor = "multi_thread")]
async fn whoever_arrives_while_things_change_misses_nothing_and_hears_nothing_twice() {
    let config = Config { max_streams_per_user: 200, ..Config::default() };
    let app = TestApp::start_with(config).await;
    let mut first = Watcher::open(&app.url(""), "pusat", &app.db).await;
    let (cursor, since) = (first.look().cursor.clone().unwrap(), newest_notification(&app.db).await);
    let mut people = Vec::new();
    for name in ["admin1", "admin2", "pusat", "kasir1", "kasir2"] {
        people.push((name, app.sign_in(name).await));
    }
    let mut scribe = Scribe::start(&app.db).await;
    scribe.starts(200);
    // and one whose commits overlap the other's: in progress in some snapshots, and finished a moment later
    let mut other = psql(&app.db).await;
    let other = tokio::spawn(async move {
        for n in 0..times(60, 400) {
            let stok = 20 + n % 10;
            sqlx::raw_sql(AssertSqlSafe(format!(
                "BEGIN; UPDATE lensas SET stok = {stok}; UPDATE aksesoris SET stok = {stok}; SELECT pg_sleep(0.02); COMMIT"
            )))
            .execute(&mut other)
            .await
            .unwrap();
        }
    });
    let mut arriving = JoinSet::new();
    for _ in 0..times(60, 400) {
        // each at a moment of its own between two commits
        if rand::rng().random_ratio(1, 3) {
            scribe.writes(1).await;
        }
        let (name, person) = people[rand::rng().random_range(0..people.len())].clone();
        let (db, cursor) = (app.db.clone(), cursor.clone());
        arriving.spawn(async move { Watcher::from(Some(&cursor), since, person, name, &db, PATIENCE).await });
    }
    let mut watchers = arriving.join_all().await;
    other.await.unwrap();
    scribe.writes(10).await;
    scribe.ends().await;
    all_have_everything(&mut watchers, &app.db).await;
    first.has_everything(&mut psql(&app.db).await).await;
    for watcher in &watchers {
        let shown = watcher.look();
        assert_eq!((shown.opened, shown.interruptions(), shown.repeated), (1, 0, 0), "{}", watcher.name);
    }
}
