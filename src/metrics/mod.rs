//! What is counted, and under which name it is told. One [`Metrics`] a process; cheap to clone. `web/telemetry.rs` adds what is
//! not counted but looked up (the pool, the process) and serves it all as `/metrics`.
//!
//! Nothing here is on the way of a delivery: a connection counts its own frames ([`crate::realtime::presence`]), and the sums are
//! made when somebody asks, and when it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub mod process;
mod window;

pub use window::Window;

/// From a tick that found nothing (some 0.1 ms) to one that is given up (15 s).
const TICK_SECONDS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 15.0];
const DELAY_SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
const REQUEST_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];
const ROWS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 1_000.0, 10_000.0];

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// How a stream began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Without a cursor.
    Fresh,
    /// From a cursor after which nothing had happened.
    Current,
    /// From a cursor, with what was missed.
    CaughtUp,
    /// From a cursor that could not be resumed; the reason as the client is told it.
    Reset(&'static str),
}

impl Start {
    fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Current => "current",
            Self::CaughtUp => "caught_up",
            Self::Reset(_) => "reset",
        }
    }
}

/// How an attempt to sign in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    Welcome,
    /// Unknown address, wrong password, or an account that is switched off.
    Refused,
    /// Not even looked at: too many tries.
    Limited,
}

#[derive(Debug, Clone, Default)]
pub struct Metrics {
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    streams_opened: Family<Labels<1>, Counter>,
    streams_closed: Family<Labels<1>, Counter>,
    stream_resets: Family<Labels<1>, Counter>,
    ring_overruns: Counter,
    ticks: Family<Labels<1>, Counter>,
    tick_seconds: Histogram,
    tick_rows: Histogram,
    rows: Counter,
    change_delay_seconds: Histogram,
    feed_errors: Counter,
    requests: Family<Request, Counter>,
    request_seconds: Histograms<Route>,
    sign_ins: Family<Labels<1>, Counter>,
    paint_seconds: Histograms<[(&'static str, i64); 1]>,
    /// The same ticks, for the eyes: the last minutes only.
    recent_ticks: Mutex<Window>,
    served: Mutex<Served>,
}

/// Answers since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    pub requests: u64,
    /// Those with a status of 500 or above.
    pub failures: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, prometheus_client::encoding::EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, prometheus_client::encoding::EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            streams_opened: Family::default(),
            streams_closed: Family::default(),
            stream_resets: Family::default(),
            ring_overruns: Counter::default(),
            ticks: Family::default(),
            tick_seconds: Histogram::new(TICK_SECONDS),
            tick_rows: Histogram::new(ROWS),
            rows: Counter::default(),
            change_delay_seconds: Histogram::new(DELAY_SECONDS),
            feed_errors: Counter::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            sign_ins: Family::default(),
            paint_seconds: Family::new_with_constructor(|| Histogram::new(DELAY_SECONDS)),
            recent_ticks: Mutex::default(),
            served: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    pub fn stream_opened(&self, start: Start) {
        self.counts.streams_opened.get_or_create(&[("start", start.name())]).inc();
        if let Start::Reset(reason) = start {
            self.counts.stream_resets.get_or_create(&[("reason", reason)]).inc();
        }
    }

    pub fn stream_closed(&self, reason: &'static str) {
        self.counts.streams_closed.get_or_create(&[("reason", reason)]).inc();
    }

    pub fn ring_overrun(&self) {
        self.counts.ring_overruns.inc();
    }

    /// One look at the database that found no commit.
    pub fn idle_tick(&self, took: Duration) {
        self.tick("idle", took);
    }

    /// One tick that found commits: `rows` of them ours.
    pub fn told_tick(&self, took: Duration, rows: usize) {
        self.tick("told", took);
        self.counts.tick_rows.observe(rows as f64);
        self.counts.rows.inc_by(rows as u64);
    }

    fn tick(&self, found: &'static str, took: Duration) {
        self.counts.ticks.get_or_create(&[("found", found)]).inc();
        self.counts.tick_seconds.observe(took.as_secs_f64());
        lock(&self.counts.recent_ticks).observe(took.as_secs_f64());
    }

    /// From the stamp of the newest row of a tick to its frames being in the hub. (The stamp is made when the row is written, so
    /// the rest of its transaction counts, too; and it is the clock of the database's machine.)
    pub fn change_told_after(&self, delay: Duration) {
        self.counts.change_delay_seconds.observe(delay.as_secs_f64());
    }

    pub fn feed_failed(&self) {
        self.counts.feed_errors.inc();
    }

    /// `route` as the router has it (`/stok/{jenis}/{id}`): what people type would make a series each.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let known = ["GET", "HEAD", "POST", "OPTIONS"];
        let method = known.into_iter().find(|known| *known == method).unwrap_or("other");
        let route = route.to_owned();
        let request = Request { method, route: route.clone(), status };
        self.counts.requests.get_or_create(&request).inc();
        self.counts.request_seconds.get_or_create(&Route { method, route }).observe(took.as_secs_f64());
        let mut served = lock(&self.counts.served);
        served.requests += 1;
        served.failures += u64::from(status >= 500);
    }

    pub fn sign_in(&self, outcome: SignIn) {
        let outcome = match outcome {
            SignIn::Welcome => "welcome",
            SignIn::Refused => "refused",
            SignIn::Limited => "limited",
        };
        self.counts.sign_ins.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A screen of `branch` (0: the head office) showed a change so long after it was stamped.
    pub fn painted(&self, branch: i64, delay: Duration) {
        self.counts.paint_seconds.get_or_create(&[("branch", branch)]).observe(delay.as_secs_f64());
    }

    /// Ticks of the last minutes.
    pub fn recent_ticks(&self) -> Window {
        lock(&self.counts.recent_ticks).clone()
    }

    pub fn served(&self) -> Served {
        *lock(&self.counts.served)
    }

    /// Under the names that dashboards and alert rules use (a test compares them). A registry for each asking: what is looked
    /// up joins it.
    pub fn register(&self, to: &mut Registry) {
        let counts = &self.counts;
        to.register("melati_streams_opened", "Streams opened, by how they began", counts.streams_opened.clone());
        to.register("melati_streams_closed", "Streams ended, by why", counts.streams_closed.clone());
        to.register("melati_stream_resets", "Cursors that could not be resumed, by why", counts.stream_resets.clone());
        to.register(
            "melati_ring_overruns",
            "Streams ended because their reader was left behind",
            counts.ring_overruns.clone(),
        );
        to.register("melati_feed_ticks", "Looks at the change feed", counts.ticks.clone());
        to.register(
            "melati_feed_tick_seconds",
            "One look at the change feed, telling included",
            counts.tick_seconds.clone(),
        );
        to.register("melati_feed_tick_rows", "Rows told by a tick that found commits", counts.tick_rows.clone());
        to.register("melati_feed_rows", "Changed rows told", counts.rows.clone());
        to.register(
            "melati_feed_change_delay_seconds",
            "From a row's stamp to its frames being ready for the streams",
            counts.change_delay_seconds.clone(),
        );
        to.register("melati_feed_errors", "Times that the feed lost its database", counts.feed_errors.clone());
        to.register("melati_http_requests", "Answers, by route and status", counts.requests.clone());
        to.register(
            "melati_http_request_duration_seconds",
            "From a request's head to its answer's head",
            counts.request_seconds.clone(),
        );
        to.register("melati_sign_ins", "Attempts to sign in, by how they ended", counts.sign_ins.clone());
        to.register(
            "melati_screen_delay_seconds",
            "From a row's stamp to the painted screen, as a sample of browsers measures it; branch 0 is the head office",
            counts.paint_seconds.clone(),
        );
    }
}
