//! A page that somebody looks at for as long as the test lasts: it comes back with its cursor after whatever happens to
//! its connection, as a browser does, and remembers what it was told.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::app::{PATIENCE, Person, Tap};
use super::db::psql;

pub const STREAM: &str = "/realtime/stream?topics=notifications,stock-updates";
const LAST_WORD: &str = "selesai";

/// Kind, id and branch of a product: one that moves is gone from one branch and there in another.
type Product = (String, i64, i64);

#[derive(Debug, Default)]
pub struct Shown {
    /// The version and the stock; none once it is gone.
    pub products: HashMap<Product, (String, Option<i64>)>,
    /// In the order in which they were first told.
    pub notices: Vec<i64>,
    /// Told again, on a later connection: the page shows them once.
    pub repeated: usize,
    pub opened: usize,
    /// Streams that the server ended, that broke, that went silent, and that could not be opened.
    pub ends: usize,
    pub broken: usize,
    pub silences: usize,
    pub refused: usize,
    pub resets: Vec<String>,
    /// What the heartbeats said, when it changed: fresh or not, and how many notices had been told by then.
    pub freshness: Vec<(bool, usize)>,
    /// The distinct `as_of` of stale heartbeats.
    pub stale_as_of: HashSet<String>,
    pub heartbeats: usize,
    pub last_word: bool,
    pub cursor: Option<String>,
    /// Promises that were broken.
    pub wrongs: Vec<String>,
}

impl Shown {
    pub fn fresh(&self) -> bool {
        self.freshness.last().is_some_and(|(fresh, _)| *fresh)
    }

    /// Whatever interrupted it.
    pub fn interruptions(&self) -> usize {
        self.ends + self.broken + self.silences + self.refused
    }
}

pub struct Watcher {
    pub name: String,
    pub branch: Option<i64>,
    role: &'static str,
    /// The newest notification from before.
    since: i64,
    shown: watch::Receiver<Shown>,
    task: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub struct Look {
    person: Person,
    /// No event for so long: the connection is not trusted any more.
    silence: Duration,
    /// To read everything anew after a reset, as the page does.
    db: PgPool,
    branch: Option<i64>,
}

impl Watcher {
    /// Somebody of the test's shop, signed in at `base`; returns when their stream is open.
    pub async fn open(base: &str, name: &str, db: &PgPool) -> Self {
        let person = Person::sign_in(base, name).await;
        Self::of(person, name, db, PATIENCE).await
    }

    pub async fn of(person: Person, name: &str, db: &PgPool, silence: Duration) -> Self {
        let since = newest_notification(db).await;
        Self::from(None, since, person, name, db, silence).await
    }

    /// Somebody whose page was read when the cursor was that of the feed, and `since` the newest notification.
    pub async fn from(
        cursor: Option<&str>,
        since: i64,
        person: Person,
        name: &str,
        db: &PgPool,
        silence: Duration,
    ) -> Self {
        let (role, branch) = match name {
            "pusat" => ("super_admin", None),
            name => (
                if name.starts_with("admin") { "admin" } else { "kasir" },
                Some(if name.contains('2') { 2 } else { 1 }),
            ),
        };
        let (sender, shown) = watch::channel(Shown { cursor: cursor.map(str::to_owned), ..Shown::default() });
        let look = Look { person, silence, db: db.clone(), branch };
        let task = tokio::spawn(async move { look.on(sender).await });
        let mut watcher = Self { name: name.to_owned(), branch, role, since, shown, task };
        watcher.until("the stream is open", |shown| shown.heartbeats > 0).await;
        watcher
    }

    /// Waits for what it is shown; or for what it must never be shown, which fails the test.
    pub async fn until(&mut self, what: &str, mut fits: impl FnMut(&Shown) -> bool) {
        let fits = |shown: &Shown| !shown.wrongs.is_empty() || fits(shown);
        let seen = tokio::time::timeout(PATIENCE, self.shown.wait_for(fits)).await.map(drop);
        let wrongs = self.shown.borrow().wrongs.clone();
        assert_eq!(wrongs, Vec::<String>::new(), "{}", self.name);
        assert!(seen.is_ok(), "{}: never: {what}: {:?}", self.name, self.look());
    }

    pub async fn until_stock(&mut self, product: (&str, i64), stok: i64) {
        self.until(&format!("{product:?} is {stok}"), |shown| {
            shown
                .products
                .iter()
                .any(|((kind, id, _), (_, told))| (kind.as_str(), *id) == product && *told == Some(stok))
        })
        .await;
    }

    pub fn look(&self) -> watch::Ref<'_, Shown> {
        self.shown.borrow()
    }

    /// Waits for the last word, and compares everything that was told with what the tables say.
    pub async fn has_everything(&mut self, db: &mut PgConnection) {
        self.until("the last word", |shown| shown.last_word).await;
        // not held over an await: the watching would wait for us
        let (notices, products) = (self.look().notices.clone(), self.look().products.clone());
        // after a reset the newest of before are told, too
        let notices: Vec<i64> = notices.into_iter().filter(|id| *id > self.since).collect();
        let visible: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM notifications
             WHERE ($1::bigint IS NULL OR branch_id IS NULL OR branch_id = $1)
               AND ($2 = 'super_admin' OR audience IS NULL OR audience = $2)
               AND id > $3
             ORDER BY updated_at, id",
        )
        .bind(self.branch)
        .bind(self.role)
        .bind(self.since)
        .fetch_all(&mut *db)
        .await
        .unwrap();
        assert_eq!(notices, visible, "{}: each notification once, in order", self.name);
        let stocks = stocks(db, self.branch).await;
        for (product, (_, told)) in &products {
            assert_eq!(stocks.get(product).copied(), *told, "{} shows {product:?}", self.name);
        }
    }
}

async fn stocks(db: &mut PgConnection, branch: Option<i64>) -> HashMap<Product, i64> {
    let rows: Vec<(String, i64, i64, i32)> = sqlx::query_as(
        "SELECT product_type, product_id, branch_id, stok FROM products WHERE $1::bigint IS NULL OR branch_id = $1",
    )
    .bind(branch)
    .fetch_all(db)
    .await
    .unwrap();
    rows.into_iter().map(|(kind, id, branch, stok)| ((kind, id, branch), stok.into())).collect()
}

pub async fn newest_notification(db: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM notifications").fetch_one(db).await.unwrap()
}

/// After this nothing is to come.
pub async fn say_the_last_word(db: &PgPool) {
    sqlx::query("INSERT INTO notifications (type, title, message) VALUES ('announcement', $1, 'itu saja')")
        .bind(LAST_WORD)
        .execute(db)
        .await
        .unwrap();
}

impl Look {
    async fn on(self, shown: watch::Sender<Shown>) {
        loop {
            let mut request = self.person.get(STREAM);
            if let Some(cursor) = &shown.borrow().cursor {
                request = request.header("last-event-id", cursor);
            }
            match tokio::time::timeout(self.silence, request.send()).await {
                Ok(Ok(answer)) if answer.status().is_success() => {
                    shown.send_modify(|shown| shown.opened += 1);
                    self.listen(Tap::of(answer), &shown).await
                }
                Ok(Ok(answer)) => {
                    let (status, after) = (answer.status(), answer.headers().get("retry-after").cloned());
                    if status != 503 || after.is_none() {
                        shown.send_modify(|shown| shown.wrongs.push(format!("{status} with Retry-After {after:?}")));
                        return;
                    }
                    shown.send_modify(|shown| shown.refused += 1);
                }
                Ok(Err(_)) | Err(_) => shown.send_modify(|shown| shown.refused += 1),
            }
            // what a browser does: not at once
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn listen(&self, mut tap: Tap, shown: &watch::Sender<Shown>) {
        let mut here = Here::default();
        loop {
            match tap.heard(self.silence).await {
                Ok(Some(event)) if event.event == "reset" => {
                    let reason = serde_json::from_str::<Value>(&event.data).unwrap()["reason"].to_string();
                    let stocks = stocks(&mut psql(&self.db).await, self.branch).await;
                    shown.send_modify(|shown| {
                        shown.resets.push(reason);
                        shown.products.clear();
                        let anew = stocks.into_iter().map(|(product, stok)| (product, (String::new(), Some(stok))));
                        shown.products.extend(anew);
                    });
                }
                Ok(Some(event)) => {
                    let json = serde_json::from_str(&event.data).unwrap();
                    shown.send_modify(|shown| {
                        here.apply(&event.event, &json, shown);
                        shown.cursor.clone_from(&tap.cursor);
                    });
                }
                Ok(None) => {
                    shown.send_modify(|shown| shown.ends += 1);
                    return;
                }
                Err(Unheard::Broken) => {
                    shown.send_modify(|shown| shown.broken += 1);
                    return;
                }
                Err(Unheard::Silent) => {
                    shown.send_modify(|shown| shown.silences += 1);
                    return;
                }
            }
        }
    }
}

/// A test does not wait as long as people do.
const RETRY: Duration = Duration::from_millis(100);

pub enum Unheard {
    Broken,
    Silent,
}

/// What was told on this connection: here nothing may be told twice, or go back.
#[derive(Default)]
struct Here {
    versions: HashMap<Product, String>,
    notices: HashSet<i64>,
}

impl Here {
    fn apply(&mut self, event: &str, json: &Value, shown: &mut Shown) {
        match event {
            "stock-updates" => {
                for update in json["updates"].as_array().unwrap() {
                    self.product(update, json["snapshot"] == true, shown);
                }
            }
            "notifications" => {
                let id = json["id"].as_i64().unwrap();
                if !self.notices.insert(id) {
                    shown.wrongs.push(format!("notification {id} twice on one connection"));
                }
                match shown.notices.contains(&id) {
                    true => shown.repeated += 1,
                    false => shown.notices.push(id),
                }
                shown.last_word |= json["title"] == LAST_WORD;
            }
            "heartbeat" => {
                shown.heartbeats += 1;
                let fresh = json["fresh"] == true;
                if shown.freshness.last().is_none_or(|(was, _)| *was != fresh) {
                    shown.freshness.push((fresh, shown.notices.len()));
                }
                if !fresh {
                    shown.stale_as_of.insert(json["as_of"].as_str().unwrap().to_owned());
                }
            }
            other => shown.wrongs.push(format!("unknown event {other}")),
        }
    }

    fn product(&mut self, update: &Value, snapshot: bool, shown: &mut Shown) {
        let number = |name: &str| update[name].as_i64().unwrap();
        let product = (update["product_type"].as_str().unwrap().to_owned(), number("product_id"), number("branch_id"));
        let version = update["updated_at"].as_str().unwrap().to_owned();
        // a snapshot is the state before the stream's beginning, and may be ahead of it
        if !snapshot && self.versions.get(&product).is_some_and(|held| *held >= version) {
            shown.wrongs.push(format!("{product:?} told again as {version}, after {:?}", self.versions.get(&product)));
        }
        if !snapshot {
            self.versions.insert(product.clone(), version.clone());
        }
        if shown.products.get(&product).is_none_or(|(held, _)| *held <= version) {
            let stok = (update["deleted"] != true).then(|| number("new_stock"));
            shown.products.insert(product, (version, stok));
        }
    }
}
