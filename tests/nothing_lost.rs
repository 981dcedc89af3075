//! The guarantee under attack: writers of every kind (common/writers.rs) write at random, clients are cut at random, the
//! server and the feed's connection go away and come back; and in the end, as at every step where that can be said,
//! what was told equals what stands in the tables. `MELATI_SEED` repeats a run, `MELATI_SOAK_SECONDS` makes it long.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use common::app::{PATIENCE, Person, Tap, TestApp};
use common::db::{fresh_database, psql};
use common::writers::{Writers, duration, seed, stock_up};
use melati::feed::{Change, Feed, Op, Table};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

/// (type, id) → (branch, stock, price): what a screen shows of a product.
type View = BTreeMap<(String, i64), (i64, i64, i64)>;

/// What the tables say, read naively.
async fn products(db: &mut PgConnection, branch: Option<i64>) -> View {
    let rows: Vec<(String, i64, i64, i32, i64)> = sqlx::query_as(
        "SELECT 'Frame', id, branch_id, stok, harga_jual_frame FROM frames WHERE $1::bigint IS NULL OR branch_id = $1
         UNION ALL SELECT 'Lensa', id, branch_id, stok, harga_jual_lensa FROM lensas WHERE $1::bigint IS NULL OR branch_id = $1
         UNION ALL SELECT 'Aksesoris', id, branch_id, stok, harga_jual FROM aksesoris WHERE $1::bigint IS NULL OR branch_id = $1",
    )
    .bind(branch)
    .fetch_all(db)
    .await
    .unwrap();
    rows.into_iter().map(|(kind, id, branch, stok, price)| ((kind, id), (branch, stok.into(), price))).collect()
}

/// The notifications that an admin of the branch may see, or a super admin of them all.
async fn notices(db: &mut PgConnection, branch: Option<i64>) -> BTreeSet<i64> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM notifications WHERE $1::bigint IS NULL OR branch_id IS NULL OR branch_id = $1",
    )
    .bind(branch)
    .fetch_all(db)
    .await
    .unwrap();
    ids.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_equals_the_tables_at_every_tick() {
    let seed = seed();
    let db = fresh_database().await;
    stock_up(&db, 2_000).await;
    sqlx::raw_sql("INSERT INTO users (name, email, password, role, branch_id) SELECT 'K' || n, 'k' || n || '@x', '-', 'kasir', n FROM generate_series(1, 3) n")
        .execute(&db)
        .await
        .unwrap();
    let options = db.connect_options();
    let mut feed = Feed::connect(&options).await.unwrap();
    let mut view = products(&mut psql(&db).await, None).await;
    let writers = Writers::start(&db, seed, 8);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut versions = HashMap::new();
    let (mut ticks, mut changes, mut resumed) = (0, 0, 0);
    let end = Instant::now() + duration() / 2;
    while Instant::now() < end {
        // one snapshot for the poll and for the naive reading
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(feed.connection()).await.unwrap();
        let tick = feed.poll().await.unwrap();
        let truth = products(feed.connection(), None).await;
        sqlx::raw_sql("COMMIT").execute(feed.connection()).await.unwrap();
        for change in tick.iter().flat_map(|tick| &tick.changes) {
            changes += 1;
            apply(change, &mut view, &mut versions);
        }
        assert_eq!(difference(&view, &truth), Vec::<String>::new(), "tick {ticks}");
        ticks += 1;
        if rng.random_ratio(1, 40) {
            // dropped, and resumed from the text of its cursor alone
            let cursor = feed.cursor().to_string().parse().unwrap();
            feed = Feed::connect(&options).await.unwrap();
            feed.resume_from(&cursor).expect("our own cursor");
            resumed += 1;
        }
    }
    let tally = writers.stop().await;
    println!("{ticks} ticks, {changes} changes, {resumed} times resumed, {tally:?}");
    assert!(changes > 200, "the writers did write");
}

fn apply(change: &Change, view: &mut View, versions: &mut HashMap<(Table, i64), time::OffsetDateTime>) {
    let kind = match change.table {
        Table::Frames => "Frame",
        Table::Lensas => "Lensa",
        Table::Aksesoris => "Aksesoris",
        _ => return,
    };
    let held = versions.entry((change.table, change.id)).or_insert(change.updated_at);
    assert!(change.updated_at >= *held, "{kind} {} goes back", change.id);
    *held = change.updated_at;
    let key = (kind.to_owned(), change.id);
    if change.op == Op::Gone {
        view.remove(&key);
    } else {
        let body: Value = serde_json::from_str(change.body.as_deref().unwrap()).unwrap();
        let number = |name: &str| body[name].as_i64().unwrap();
        view.insert(key, (change.branch.unwrap().0, number("new_stock"), number("price")));
    }
}

fn difference(told: &View, truth: &View) -> Vec<String> {
    let keys: BTreeSet<_> = told.keys().chain(truth.keys()).collect();
    let differing = keys.into_iter().filter(|key| told.get(*key) != truth.get(*key));
    differing.map(|key| format!("{key:?}: told {:?}, is {:?}", told.get(key), truth.get(key))).take(5).collect()
}

/// A page that somebody looks at: what it shows, rebuilt from its streams.
struct Screen {
    name: &'static str,
    branch: Option<i64>,
    person: Person,
    rng: StdRng,
    cursor: Option<String>,
    view: View,
    /// The version held of each product, gone ones too.
    versions: HashMap<(String, i64), String>,
    notices: BTreeSet<i64>,
    dashboard: Value,
    tally: ScreenTally,
    db: PgPool,
}

#[derive(Debug, Default, Clone, Copy)]
struct ScreenTally {
    messages: usize,
    cuts: usize,
    ends: usize,
    refused: usize,
    resets: usize,
    /// Notifications that came again after a cut in the middle of a tick; the screen shows them once.
    repeated: usize,
}

const PATH: &str = "/realtime/stream?topics=dashboard,notifications,stock-updates";
const LAST_WORD: &str = "selesai";

impl Screen {
    async fn open(app: &TestApp, name: &'static str, branch: Option<i64>, seed: u64) -> Self {
        let person = app.sign_in(name).await;
        let rng = StdRng::seed_from_u64(seed);
        let mut screen = Self {
            name,
            branch,
            person,
            rng,
            cursor: None,
            view: View::new(),
            versions: HashMap::new(),
            notices: BTreeSet::new(),
            dashboard: Value::Null,
            tally: ScreenTally::default(),
            db: app.db.clone(),
        };
        let mut tap = screen.person.open(PATH).await;
        tap.opened().await;
        screen.load(tap.cursor).await;
        screen
    }

    /// As a page does: the cursor first, then the data. All at once, for a cut can come in the middle of it: a browser does not
    /// show half a page either, and keeps none of its cursor.
    async fn load(&mut self, cursor: Option<String>) {
        let mut db = psql(&self.db).await;
        let (view, notices) = (products(&mut db, self.branch).await, notices(&mut db, self.branch).await);
        self.cursor = cursor;
        self.versions.clear();
        self.view = view;
        self.notices.extend(notices);
    }

    /// Loads the page anew, as often as it takes: the server may be going away just then.
    async fn start_afresh(&mut self) {
        loop {
            if let Ok(answer) = self.person.get(PATH).send().await
                && answer.status().is_success()
            {
                let mut tap = Tap::of(answer);
                while let Some(event) = tap.next_event().await {
                    if event.event == "heartbeat" {
                        return self.load(tap.cursor).await;
                    }
                }
            }
            self.tally.refused += 1;
            tokio::task::yield_now().await;
        }
    }

    /// A cut, a long look away, or a cursor that was damaged on the way.
    async fn come_to_harm(&mut self) {
        match self.rng.random_range(0..10) {
            0 => self.cursor = Some("1.dimakan.rayap".to_owned()),
            1 | 2 => tokio::time::sleep(Duration::from_millis(self.rng.random_range(500..3_000))).await,
            _ => {}
        }
    }

    /// Looks until the last word is said, through whatever happens to its connection.
    async fn watch(mut self) -> Self {
        let give_up = Instant::now() + duration() + PATIENCE * 2;
        loop {
            assert!(Instant::now() < give_up, "{} never heard the last word: {:?}", self.name, self.tally);
            let mut request = self.person.get(PATH);
            if let Some(cursor) = &self.cursor {
                request = request.header("last-event-id", cursor);
            }
            match request.send().await {
                Ok(answer) if answer.status().is_success() => {
                    // not after a fixed time: cut wherever it happens to be
                    let patience = Duration::from_millis(self.rng.random_range(5..4_000));
                    let heard = tokio::time::timeout(patience, self.listen(Tap::of(answer))).await;
                    match heard {
                        Ok(Heard::LastWord) => return self,
                        Ok(Heard::End) => self.tally.ends += 1,
                        Err(_) => {
                            self.tally.cuts += 1;
                            self.come_to_harm().await;
                        }
                    }
                }
                Ok(answer) => {
                    assert_eq!(answer.status(), 503, "{}: only the database or a restart keeps us out", self.name);
                    self.tally.refused += 1;
                    tokio::task::yield_now().await;
                }
                Err(_) => {
                    self.tally.refused += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn listen(&mut self, mut tap: Tap) -> Heard {
        // versions on this connection alone: here nothing may go back
        let mut here: HashMap<(String, i64), String> = HashMap::new();
        // a state that nobody was told yet comes after what was missed: it has to be waited for, too
        let (mut last_word, mut state) = (false, false);
        while let Some(event) = tap.next_event().await {
            let json: Value = serde_json::from_str(&event.data).unwrap();
            self.tally.messages += 1;
            match event.event.as_str() {
                "stock-updates" => {
                    for update in json["updates"].as_array().unwrap() {
                        self.apply(update, &mut here);
                    }
                }
                "notifications" => {
                    if !self.notices.insert(json["id"].as_i64().unwrap()) && json["snapshot"] != true {
                        self.tally.repeated += 1;
                    }
                    last_word |= json["title"] == LAST_WORD;
                }
                "dashboard" => {
                    let sum = json["omset_bpjs"].as_i64().unwrap() + json["omset_umum"].as_i64().unwrap();
                    assert_eq!(json["total_omset_hari_ini"], sum, "omset adds up in every message");
                    self.dashboard = json;
                    state = true;
                }
                "reset" => {
                    self.tally.resets += 1;
                    // as the page does: everything anew, from a cursor of before
                    drop(tap);
                    self.start_afresh().await;
                    return Heard::End;
                }
                "heartbeat" => {}
                other => panic!("unknown event {other}"),
            }
            // what was applied is what the cursor speaks of: the order in which a browser does it
            self.cursor = tap.cursor.clone();
            if last_word && state {
                return Heard::LastWord;
            }
        }
        Heard::End
    }

    fn apply(&mut self, update: &Value, here: &mut HashMap<(String, i64), String>) {
        let number = |name: &str| update[name].as_i64().unwrap();
        let key = (update["product_type"].as_str().unwrap().to_owned(), number("product_id"));
        let version = update["updated_at"].as_str().unwrap().to_owned();
        if let Some(branch) = self.branch {
            assert_eq!(number("branch_id"), branch, "{} hears of its own branch only", self.name);
        }
        if let Some(held) = here.get(&key) {
            assert!(version >= *held, "{}: {key:?} goes back from {held} to {version}", self.name);
        }
        here.insert(key.clone(), version.clone());
        if self.versions.get(&key).is_some_and(|held| *held > version) {
            return;
        }
        self.versions.insert(key.clone(), version);
        if update["deleted"] == true {
            self.view.remove(&key);
        } else {
            self.view.insert(key, (number("branch_id"), number("new_stock"), number("price")));
        }
    }
}

enum Heard {
    LastWord,
    End,
}

#[tokio::test(flavor = "multi_thread")]
async fn screens_show_what_the_tables_say_whatever_happens() {
    let seed = seed();
    let mut app = TestApp::start().await;
    stock_up(&app.db, 10_000).await;
    app.sql(
        "INSERT INTO users (id, name, email, password, role, branch_id)
             SELECT 100, 'Kasir 3', 'kasir3@melati.test', password, 'kasir', 3 FROM users WHERE id = 3",
    )
    .await;
    let mut screens = tokio::task::JoinSet::new();
    for (n, (name, branch)) in
        [("admin1", Some(1)), ("admin2", Some(2)), ("pusat", None), ("admin1", Some(1)), ("pusat", None)]
            .into_iter()
            .enumerate()
    {
        screens.spawn(Screen::open(&app, name, branch, seed + n as u64).await.watch());
    }
    let writers = Writers::start(&app.db, seed, 6);
    let slow = tokio::spawn(one_long_transaction(app.db.clone()));
    let mut rng = StdRng::seed_from_u64(seed);
    let end = Instant::now() + duration();
    let mut moments = tokio::time::interval(Duration::from_millis(250));
    let (mut restarts, mut cut_feeds, mut pruned) = (0, 0, 0);
    while Instant::now() < end {
        moments.tick().await;
        match rng.random_range(0..20) {
            0 => {
                app.go_down().await;
                app.come_up().await;
                restarts += 1;
            }
            1 | 2 => {
                let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                           WHERE application_name = 'melati feed' AND datname = current_database()";
                sqlx::query(cut).execute(&app.db).await.unwrap();
                cut_feeds += 1;
            }
            3 => {
                app.sql(PRUNE_NOW).await;
                pruned += 1;
            }
            _ => {}
        }
    }
    let tally = writers.stop().await;
    slow.await.unwrap();
    app.sql("INSERT INTO notifications (type, title, message) VALUES ('announcement', 'selesai', 'itu saja')").await;

    let mut truth = psql(&app.db).await;
    println!("injected: {restarts} restarts, {cut_feeds} cuts of the feed, {pruned} prunings, {tally:?}");
    while let Some(screen) = screens.join_next().await {
        let screen = screen.unwrap();
        println!("{}: {:?}", screen.name, screen.tally);
        assert_eq!(
            difference(&screen.view, &products(&mut truth, screen.branch).await),
            Vec::<String>::new(),
            "{}",
            screen.name
        );
        let visible = notices(&mut truth, screen.branch).await;
        let missing: Vec<_> = visible.difference(&screen.notices).collect();
        assert_eq!(missing, Vec::<&i64>::new(), "{} misses notifications", screen.name);
        assert!(screen.notices.is_subset(&visible), "{} sees what is not for it", screen.name);
        assert!(screen.tally.messages > 50, "{} heard something", screen.name);
        let omset: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(total), 0)::bigint FROM penjualans p JOIN branch_days d USING (branch_id)
             JOIN open_days o USING (branch_id, tanggal)
             WHERE p.created_at >= d.starts_at AND ($1::bigint IS NULL OR branch_id = $1)",
        )
        .bind(screen.branch)
        .fetch_one(&mut truth)
        .await
        .unwrap();
        assert_eq!(screen.dashboard["total_omset_hari_ini"], omset, "{}'s takings", screen.name);
    }
    app.go_down().await;
}

/// Tombstones of a moment ago are pruned: some of the cursors in use are then too old, and must be told so.
const PRUNE_NOW: &str = "
    WITH gone AS (DELETE FROM feed_gone WHERE updated_at < now() - interval '0.2 seconds'
                  AND updated_xid < pg_snapshot_xmin(pg_current_snapshot()) RETURNING updated_xid)
    UPDATE feed_meta SET pruned_below = greatest(pruned_below::text::bigint, (SELECT max(updated_xid::text::bigint) + 1 FROM gone))::text::xid8";

/// Open for most of the attack, with a row written at its beginning and one at its end.
async fn one_long_transaction(db: PgPool) {
    let mut connection = psql(&db).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "BEGIN;
         INSERT INTO frames (branch_id, kode_frame, merk_frame, harga_jual_frame, stok) VALUES (1, 'AWAL', 'Awal', 1, 1);
         SELECT pg_sleep({});
         INSERT INTO frames (branch_id, kode_frame, merk_frame, harga_jual_frame, stok) VALUES (2, 'AKHIR', 'Akhir', 1, 1);
         COMMIT",
        duration().min(Duration::from_secs(30)).as_secs_f64() * 0.8
    )))
    .execute(&mut connection)
    .await
    .unwrap();
}
