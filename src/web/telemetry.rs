//! `/metrics`, on an address of its own: it knows no sign-in, and what it tells is nobody's business outside. And the layer that
//! counts the answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::{Next, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::harden::{Transport, harden};
use super::{accept, health};
use crate::App;
use crate::metrics::process::Process;
use crate::postgres::sessions;
use crate::reports;

/// Whoever asks for numbers gets those that can be had within this.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// Counts every answer by the route that gave it. A stream's time ends with its head.
pub(super) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    app.live.metrics().request(method.as_str(), route, response.status().as_u16(), began.elapsed());
    response
}

/// Connections at once: a scraper or two, and somebody with curl.
const SCRAPERS: usize = 64;

/// Serves `/metrics` until `stop`. An address that is taken is no reason to keep the shops waiting: it is said, and goes on without.
pub async fn serve(address: SocketAddr, app: App, stop: CancellationToken) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%address, %error, "/metrics is not told: its address cannot be had (--metrics-listen)");
            return;
        }
    };
    tracing::info!(%address, "/metrics is told");
    // the health, too: it can still be asked here when the pages' address takes nobody any more
    let transport = Transport::of(app.config.secure_cookies);
    let router = Router::new()
        .route("/metrics", get(metrics))
        .merge(health::inside())
        .with_state(app)
        .layer(map_response(move |response| async move { harden(response, transport) }));
    accept::serve(listener, router, SCRAPERS, stop, Duration::from_secs(1)).await;
}

/// OpenMetrics, which Prometheus reads as it reads its own older format.
async fn metrics(State(app): State<App>) -> Response {
    match text(&app).await {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => super::Error::broken(error).into_response(),
    }
}

async fn text(app: &App) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    app.live.metrics().register(&mut registry);
    streams(app, &mut registry);
    feed(app, &mut registry);
    database(app, &mut registry).await;
    process(&mut registry);
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("melati_build", "What runs here", build);
    let mut text = String::with_capacity(64 << 10);
    encode(&mut text, &registry)?;
    Ok(text)
}

fn streams(app: &App, registry: &mut Registry) {
    let open = Family::<[(&'static str, &'static str); 2], Gauge>::default();
    let (mut slow, all) = (0, app.live.roll().look());
    for seen in &all {
        slow += i64::from(seen.blocked_for.is_some());
        for topic in seen.who.streams.names() {
            open.get_or_create(&[("topic", topic), ("role", seen.who.role.name())]).inc();
        }
    }
    let gauge = |number: usize| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
    registry.register("melati_streams_open", "Open streams", gauge(all.len()));
    registry.register(
        "melati_stream_subscriptions",
        "What open streams listen to, by topic and role; one stream may carry several topics",
        open,
    );
    registry.register("melati_streams_blocked", "Open streams whose socket takes nothing", ConstGauge::new(slow));
    registry.register(
        "melati_streams_most",
        "As many streams this process holds open (--max-streams)",
        gauge(app.config.max_streams.or(app.config.max_connections).unwrap_or_else(accept::room_for)),
    );
    let frames = app.live.roll().frames();
    registry.register("melati_stream_deliveries", "Frames handed to connections", ConstCounter::new(frames));
    registry.register("melati_draining", "Whether this process goes away", truth(app.live.is_leaving()));
}

fn feed(app: &App, registry: &mut Registry) {
    let now = OffsetDateTime::now_utc();
    let (pulse, fresh) = (app.live.feed_pulse(), app.live.is_fresh());
    let seconds = |of: f64| ConstGauge::new(of);
    registry.register("melati_feed_fresh", "Whether the last look at the database answered", truth(fresh));
    let behind = if fresh { 0.0 } else { (now - app.live.as_of()).as_seconds_f64().max(0.0) };
    registry.register("melati_feed_lag_seconds", "How far the screens may be behind the database", seconds(behind));
    if let Some(newest) = pulse.newest_change {
        registry.register(
            "melati_feed_newest_change_age_seconds",
            "Since the newest change that was told had been stamped; it rises while nobody writes",
            seconds((now - newest).as_seconds_f64().max(0.0)),
        );
    }
    registry.register(
        "melati_feed_snapshot_age_seconds",
        "For how long the oldest transaction still writing has been seen; 0 while nobody writes",
        seconds(pulse.snapshot_age().as_secs_f64()),
    );
    registry.register(
        "melati_feed_snapshot_transactions",
        "From the oldest transaction in progress to the newest",
        ConstGauge::new(i64::try_from(pulse.span).unwrap_or(i64::MAX)),
    );
}

async fn database(app: &App, registry: &mut Registry) {
    let (checks, sessions, rollups) = tokio::join!(
        health::checks(app),
        tokio::time::timeout(DATABASE_ANSWERS_WITHIN, sessions::count(&app.pool)),
        tokio::time::timeout(DATABASE_ANSWERS_WITHIN, reports::sql::keeping(&app.pool)),
    );
    if let Ok(Ok(rollups)) = rollups {
        let faults = i64::try_from(rollups.faults.len()).unwrap_or(i64::MAX);
        registry.register("melati_rollup_marks", "Changes that are not summed up yet", ConstGauge::new(rollups.marks));
        registry.register(
            "melati_rollup_oldest_mark_age_seconds",
            "Since the oldest change that is not summed up yet; 0 without any",
            ConstGauge::new(rollups.oldest_mark_seconds),
        );
        registry.register(
            "melati_rollup_check_age_seconds",
            "Since all sums were last compared with what they sum",
            ConstGauge::new(rollups.checked_seconds),
        );
        registry.register(
            "melati_rollup_wrong_days",
            "Days that the last comparison found wrong, and mended",
            ConstGauge::new(i64::from(rollups.wrong_days)),
        );
        registry.register(
            "melati_rollup_trigger_faults",
            "Triggers without which a report may be wrong that are not as they must be",
            ConstGauge::new(faults),
        );
    }
    let ok = Family::<[(&'static str, &'static str); 1], Gauge>::default();
    for (name, check) in &checks {
        ok.get_or_create(&[("check", name)]).set(check.ok.into());
    }
    registry.register("melati_check_ok", "What /health/ready looks at", ok);
    registry.register("melati_ready", "Whether to send people here", truth(health::is_ready(&checks)));
    registry.register("melati_healthy", "Whether nothing is amiss", truth(health::is_healthy(&checks)));
    // where it cannot be known, nothing is told: an old number would look like a good one
    if let Ok(Ok(sessions)) = sessions {
        registry.register(
            "melati_sessions",
            "Browsers that are signed in, of all processes",
            ConstGauge::new(sessions),
        );
    }
    if let Some(report) = app.integrity.report() {
        let faults = ConstGauge::new(i64::try_from(report.faults.len()).unwrap_or(i64::MAX));
        registry.register("melati_trigger_faults", "Parts of the feed that are not as they must be", faults);
    }
    let size = i64::from(app.pool.size());
    let idle = i64::try_from(app.pool.num_idle()).unwrap_or(i64::MAX).min(size);
    let pool = Family::<[(&'static str, &'static str); 1], Gauge>::default();
    pool.get_or_create(&[("state", "used")]).set(size - idle);
    pool.get_or_create(&[("state", "idle")]).set(idle);
    registry.register("melati_pool_connections", "Connections of the pages' pool", pool);
    let most = ConstGauge::new(i64::from(app.pool.options().get_max_connections()));
    registry.register("melati_pool_connections_most", "As many there may be", most);
}

/// The names that every client library uses.
fn process(registry: &mut Registry) {
    let Some(process) = Process::now() else { return };
    let gauge = |number: u64| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
    registry.register("process_cpu_seconds", "Processor time, user and system", ConstCounter::new(process.cpu_seconds));
    registry.register("process_resident_memory_bytes", "Memory in use", gauge(process.resident_bytes));
    registry.register("process_virtual_memory_bytes", "Address space", gauge(process.virtual_bytes));
    registry.register("process_threads", "Threads", gauge(process.threads));
    registry.register("process_open_fds", "Open files, connections included", gauge(process.open_files));
    registry.register("process_max_fds", "As many there may be", gauge(process.most_files));
    registry.register(
        "process_start_time_seconds",
        "When it began, Unix time",
        ConstGauge::new(process.started_at_seconds),
    );
}

fn truth(is: bool) -> ConstGauge<i64> {
    ConstGauge::new(is.into())
}
