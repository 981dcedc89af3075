//! What a super admin, and an admin for their branch, see of the connections; and what browsers say of themselves.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tower_sessions::Session;

use super::sql;
use crate::App;
use crate::realtime::monitoring::{History, Painted, Report};
use crate::realtime::presence::is_of;
use crate::refusal::Refusal;
use crate::scope::{Role, Viewer};
use crate::web::Error;
use crate::web::page::{ASKED_ANEW, Asked, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/pantauan", get(page))
        .route("/pantauan/putus", post(cut))
        .route("/pantauan/jalur", get(line_page))
        .route("/api/pantauan/riwayat", get(history))
        .route("/api/layar", post(painted))
        .route("/realtime/uji", get(probe))
}

fn manager(viewer: &Viewer) -> Result<(), Refusal> {
    if viewer.role == Role::Kasir { Err(Refusal::Forbidden) } else { Ok(()) }
}

#[derive(Template)]
#[template(path = "monitoring/page.html")]
struct MonitoringPage {
    shell: Shell,
    report: Report,
    /// Somebody was just cut off.
    is_cut: bool,
}

#[derive(Deserialize)]
struct Came {
    #[serde(default)]
    putus: String,
}

async fn page(State(app): State<App>, viewer: Viewer, Query(came): Query<Came>) -> Result<Page<MonitoringPage>, Error> {
    manager(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::Monitoring, "Pantauan").await?;
    let report = app.live.report(&app.pool, viewer.branches()).await;
    Ok(Page(MonitoringPage { shell, report, is_cut: came.putus == "ya" }))
}

#[derive(Deserialize)]
struct Cut {
    stream: i64,
}

/// Asks for the end of a stream, of whichever process: the wish goes through the database, as all that processes tell each other.
async fn cut(State(app): State<App>, viewer: Viewer, asked: Asked, Form(form): Form<Cut>) -> Result<Response, Error> {
    manager(&viewer)?;
    let branches = viewer.branches();
    let open = app.live.roll().look().into_iter().find(|seen| seen.id == form.stream);
    let is_here = app.live.roll().is_ours(form.stream);
    let user = match &open {
        Some(seen) if is_of(seen.who.branches, branches) => Some(seen.who.user),
        // of another process: that one looks whether it is of this branch
        None if !is_here && form.stream > 0 => None,
        _ => return Err(Refusal::NotFound.into()),
    };
    sql::cut(&app.pool, form.stream, branches.one(), user, &viewer).await?;
    Ok(asked.go("/pantauan?putus=ya#aliran"))
}

async fn history(State(app): State<App>, viewer: Viewer) -> Result<Json<History>, Error> {
    manager(&viewer)?;
    Ok(Json(app.live.history_of(viewer.branches())))
}

/// What a browser measured; the answer is the server's clock, by which it measures.
#[derive(Deserialize)]
struct Beacon {
    /// From a row's stamp to the painted screen.
    #[serde(default)]
    delays_ms: Vec<u32>,
    #[serde(default)]
    tabs: u8,
}

/// As many as a browser sends; more is nonsense.
const MOST_DELAYS: usize = 16;
/// Beyond this a tablet slept, or its clock was set.
const LONGEST_DELAY_MS: u32 = 600_000;

async fn painted(
    State(app): State<App>,
    viewer: Viewer,
    session: Session,
    Json(beacon): Json<Beacon>,
) -> Result<Response, Error> {
    if beacon.delays_ms.len() > MOST_DELAYS || beacon.delays_ms.iter().any(|ms| *ms > LONGEST_DELAY_MS) {
        return Err(Refusal::invalid("delays_ms", "Ukuran ini tidak masuk akal.").into());
    }
    // Each tab of a browser sends its own, when it is put away, too: one more within a few seconds is no fault of theirs, and left out.
    let mut counted = false;
    if !beacon.delays_ms.is_empty() {
        let delays = beacon.delays_ms.into_iter().map(|ms| Duration::from_millis(ms.into())).collect();
        let browser = session.id().map_or(0, |id| app.live.roll().browser(&id.to_string()));
        let painted = Painted { browser, delays, tabs: beacon.tabs };
        // of the branch that is worked in, not of the one that is looked at
        counted = app.live.monitoring().hear(&app.live, viewer.id, viewer.home, painted);
    }
    let now_ms = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    Ok((ASKED_ANEW, Json(serde_json::json!({ "now_ms": now_ms, "counted": counted }))).into_response())
}

#[derive(Template)]
#[template(path = "monitoring/line.html")]
struct LinePage {
    shell: Shell,
}

async fn line_page(State(app): State<App>, viewer: Viewer) -> Result<Page<LinePage>, Error> {
    manager(&viewer)?;
    Ok(Page(LinePage { shell: Shell::load(&app, &viewer, Nav::Monitoring, "Uji jalur").await? }))
}

#[derive(Deserialize)]
struct Probe {
    /// `potongan`: pieces at a steady pace. `diam`: one, a silence as long as that between two heartbeats, and another.
    #[serde(default)]
    uji: String,
}

/// Pieces and the time between them: two seconds in all.
const PIECES: u32 = 20;
const PIECE_EVERY: Duration = Duration::from_millis(100);
/// So often a silent probe looks whether the process goes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many may probe at once: each holds a connection.
static PROBES: Semaphore = Semaphore::const_new(8);

/// A stream like any other, with nothing in it: under the same path and with the same headers, so that what a proxy does to it
/// it does to all.
async fn probe(State(app): State<App>, viewer: Viewer, Query(asked): Query<Probe>) -> Result<Response, Error> {
    manager(&viewer)?;
    let permit = PROBES.try_acquire().map_err(|_| Error::TooMany { retry_after_seconds: 5 })?;
    let (pieces, pause) = match asked.uji.as_str() {
        "potongan" => (PIECES, PIECE_EVERY),
        "diam" => (2, Duration::from_secs(app.config.heartbeat_seconds)),
        _ => return Err(Refusal::invalid("uji", "Pilih potongan atau diam.").into()),
    };
    let pieces = tokio_stream::iter(0..pieces).then(move |piece| {
        // held until the last piece is gone, or its reader
        let _permit = &permit;
        let app = app.clone();
        async move {
            if piece > 0 {
                quiet(&app, pause).await;
            }
            let text = format!("data: {{\"piece\":{piece},\"of\":{pieces},\"pause_ms\":{}}}\n\n", pause.as_millis());
            Ok::<_, Infallible>(Bytes::from(text))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Waits, unless the process goes.
async fn quiet(app: &App, pause: Duration) {
    let until = Instant::now() + pause;
    while Instant::now() < until && !app.live.hub().is_draining() {
        tokio::time::sleep_until(until.min(Instant::now() + LOOK_EVERY)).await;
    }
}
