//! The whole product in this process: real listener, real HTTP, real Postgres; and people who use it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use eventsource_stream::{Event, EventStream, Eventsource};
use futures_util::{Stream, StreamExt};
use melati::config::{Config, MetricsListen};
use reqwest::cookie::{CookieStore, Jar};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::db::fresh_database;
use super::watcher::Unheard;

pub const PASSWORD: &str = "melati-tester";

/// Far longer than anything here takes: a test that waits for it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct TestApp {
    /// Straight to the database.
    pub db: PgPool,
    /// What the server is given: the same, or one that leads through a proxy.
    pub server_db: PgPool,
    pub address: SocketAddr,
    config: Config,
    stop: CancellationToken,
    server: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Two branches in two time zones, both open; people of each role; a few products and patients.
const SHOP: &str = "
    INSERT INTO branches (id, name, kode, timezone) VALUES (1, 'Kemang', 'KMG', 'Asia/Jakarta'), (2, 'Ubud', 'UBD', 'Asia/Makassar');
    INSERT INTO users (id, name, email, password, role, branch_id) VALUES
        (1, 'Pusat', 'pusat@melati.test', $$HASH$$, 'super_admin', NULL),
        (2, 'Hendra', 'admin1@melati.test', $$HASH$$, 'admin', 1), (3, 'Rina', 'kasir1@melati.test', $$HASH$$, 'kasir', 1),
        (4, 'Agus', 'kasir1b@melati.test', $$HASH$$, 'kasir', 1),
        (5, 'Putu', 'admin2@melati.test', $$HASH$$, 'admin', 2), (6, 'Made', 'kasir2@melati.test', $$HASH$$, 'kasir', 2);
    INSERT INTO pasiens (id, branch_id, nama_pasien, service_type) VALUES
        (1, 1, 'Siti Rahmawati', 'BPJS II'), (2, 1, 'Budi Santoso', 'UMUM'), (3, 2, 'Wayan Sudarma', 'UMUM');
    INSERT INTO frames (id, branch_id, kode_frame, merk_frame, jenis_frame, harga_jual_frame, stok) VALUES
        (1, 1, 'FR000001', 'Sendja Oval', 'Umum', 685000, 20), (2, 1, 'FR000002', 'Arunika', 'BPJS II', 220000, 3),
        (3, 2, 'FR000001', 'Sendja Oval', 'Umum', 685000, 20);
    INSERT INTO lensas (id, branch_id, kode_lensa, merk_lensa, type, harga_jual_lensa, stok) VALUES
        (1, 1, 'LS000001', 'Lentera', 'Single Vision', 190000, 8), (2, 2, 'LS000001', 'Lentera', 'Single Vision', 190000, 30);
    INSERT INTO aksesoris (id, branch_id, nama_produk, harga_jual, stok) VALUES (1, 1, 'Kain lap', 15000, 40), (2, 2, 'Kain lap', 15000, 40);
    INSERT INTO open_days (branch_id, tanggal, opened_by) SELECT branch_id, tanggal, CASE branch_id WHEN 1 THEN 2 ELSE 5 END FROM branch_days;
    SELECT setval(pg_get_serial_sequence(t, 'id'), 1000)
    FROM unnest(ARRAY['branches', 'users', 'pasiens', 'frames', 'lensas', 'aksesoris']) t;";

/// A fresh database with that shop in it.
pub async fn shop() -> PgPool {
    let db = fresh_database().await;
    fill(&db).await;
    db
}

pub async fn fill(db: &PgPool) {
    // the hash is the same for all: making it is slow on purpose
    static HASH: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let hash = HASH.get_or_init(|| melati::people::password::hash(PASSWORD.into())).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(SHOP.replace("$$HASH$$", &format!("'{hash}'")))).execute(db).await.unwrap();
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    pub async fn start_with(config: Config) -> Self {
        let db = shop().await;
        Self::start_on(db.clone(), db, config).await
    }

    /// On a database that is filled already, which the server reaches in its own way.
    pub async fn start_on(db: PgPool, server_db: PgPool, mut config: Config) -> Self {
        // the default is one address for all who run here
        if config.metrics_listen == Config::default().metrics_listen {
            config.metrics_listen = MetricsListen(None);
        }
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut app = Self { db, server_db, address, config, stop: CancellationToken::new(), server: None };
        app.come_up().await;
        app
    }

    /// Starts (again) on the same database and, the second time, the same address.
    pub async fn come_up(&mut self) {
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                // connections of the process before it may linger
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.address = listener.local_addr().unwrap();
        self.stop = CancellationToken::new();
        let run = melati::run(listener, Arc::new(self.config.clone()), self.server_db.clone(), self.stop.clone());
        self.server = Some(tokio::spawn(run));
    }

    /// As SIGTERM does.
    pub async fn go_down(&mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            tokio::time::timeout(PATIENCE, server).await.expect("ends within its drain").unwrap().unwrap();
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn nobody(&self) -> Person {
        Person::at(&self.url(""))
    }

    pub async fn sign_in(&self, email: &str) -> Person {
        Person::sign_in(&self.url(""), email).await
    }

    pub async fn sql(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.db).await.unwrap();
    }

    /// The one text that a query finds.
    pub async fn sql_text(&self, query: &'static str) -> String {
        sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap()
    }
}

#[derive(Clone)]
pub struct Person {
    client: Client,
    cookies: Arc<Jar>,
    base: String,
}

impl Person {
    pub fn at(base: &str) -> Self {
        let cookies = Arc::new(Jar::default());
        let client = Client::builder()
            .cookie_provider(cookies.clone())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::MAX)
            .build()
            .unwrap();
        Self { client, cookies, base: base.to_owned() }
    }

    pub async fn sign_in(base: &str, email: &str) -> Self {
        let person = Self::at(base);
        let form = [("email", format!("{email}@melati.test")), ("password", PASSWORD.into())];
        let answer = person.post("/login").header("accept", "application/json").form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{email} signs in");
        person
    }

    /// The same person with the same cookie, by another way.
    pub fn by_way_of(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// What a `Cookie:` header says.
    pub fn cookie(&self) -> String {
        let header = self.cookies.cookies(&self.base.parse().unwrap()).expect("signed in");
        header.to_str().unwrap().to_owned()
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.base)).header("accept", "application/json")
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    pub async fn page(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).header("accept", "text/html").send().await.unwrap()
    }

    /// With a cookie that is not of this browser's own.
    pub async fn page_with(&self, path: &str, cookie: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).header("accept", "text/html");
        request.header("cookie", cookie).send().await.unwrap()
    }

    pub async fn open(&self, path: &str) -> Tap {
        self.open_from(path, None).await
    }

    pub async fn open_from(&self, path: &str, cursor: Option<&str>) -> Tap {
        let mut request = self.get(path);
        if let Some(cursor) = cursor {
            request = request.header("last-event-id", cursor);
        }
        let answer = request.send().await.unwrap();
        if answer.status() != StatusCode::OK {
            panic!("{path} does not open: {} {}", answer.status(), answer.text().await.unwrap_or_default());
        }
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-cache, no-transform");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        Tap::of(answer)
    }
}

type Bytes = Pin<Box<dyn Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>;

/// An open stream and what came out of it. Heartbeats are looked at, not handed on.
pub struct Tap {
    events: EventStream<Bytes>,
    /// The id of the last event, as a browser would send it back.
    pub cursor: Option<String>,
    pub heartbeats: usize,
}

impl Tap {
    pub fn of(answer: Response) -> Self {
        let bytes: Bytes = Box::pin(answer.bytes_stream());
        Self { events: bytes.eventsource(), cursor: None, heartbeats: 0 }
    }

    /// The next event, and the difference between a stream that was ended and one that broke.
    pub async fn heard(&mut self, silence: Duration) -> Result<Option<Event>, Unheard> {
        match tokio::time::timeout(silence, self.events.next()).await {
            Ok(Some(Ok(event))) => {
                if !event.id.is_empty() {
                    self.cursor = Some(event.id.clone());
                }
                Ok(Some(event))
            }
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Unheard::Broken),
            Err(_) => Err(Unheard::Silent),
        }
    }

    /// The next event, heartbeats included; `None` when the stream has ended.
    pub async fn next_event(&mut self) -> Option<Event> {
        let event = tokio::time::timeout(PATIENCE, self.events.next()).await.expect("an event in time")?.ok()?;
        if !event.id.is_empty() {
            self.cursor = Some(event.id.clone());
        }
        if event.event == "heartbeat" {
            self.heartbeats += 1;
        }
        Some(event)
    }

    /// The next message that is no heartbeat.
    pub async fn next(&mut self) -> Event {
        loop {
            match self.next_event().await {
                Some(event) if event.event == "heartbeat" => {}
                Some(event) => return event,
                None => panic!("the stream ended"),
            }
        }
    }

    pub async fn next_json(&mut self) -> Value {
        serde_json::from_str(&self.next().await.data).unwrap()
    }

    /// Waits for the first sign of life: what was open before is then behind us.
    pub async fn opened(&mut self) {
        while self.heartbeats == 0 {
            self.next_event().await.expect("a heartbeat ends the backlog");
        }
    }

    /// Reads on until a message fits.
    pub async fn until(&mut self, mut fits: impl FnMut(&Event, &Value) -> bool) -> Value {
        loop {
            let event = self.next().await;
            let json = serde_json::from_str(&event.data).unwrap();
            if fits(&event, &json) {
                return json;
            }
        }
    }

    /// Everything up to the end of the stream, which must come: heartbeats alone are no end.
    pub async fn rest(mut self) -> Vec<Event> {
        let reading = async {
            let mut events = Vec::new();
            while let Some(event) = self.next_event().await {
                events.push(event);
            }
            events
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the end of the stream")
    }
}
