//! `GET /realtime/…`: from a request to a stream. Subscribe first, then read what was missed up to the tick subscribed
//! at, then go on with the live frames: no gap, no double.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tower_sessions::Session;

use super::frames;
use super::notifications::{self, Kind};
use super::presence::{StreamSet, Who};
use super::{orders, stock};
use crate::App;
use crate::feed::{self, Cursor, Snapshot, Unusable};
use crate::hub::{Chunk, Entry, HEARTBEAT, Message, Naming, Topic, Wanted, jitter};
use crate::ids::BranchId;
use crate::metrics;
use crate::refusal::Refusal;
use crate::scope::{Branches, Role, Viewer};
use crate::web::{Error, session};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/realtime/dashboard", get(|asked| single(asked, Stream::Dashboard)))
        .route("/realtime/omset-kasir", get(|asked| single(asked, Stream::OmsetKasir)))
        .route("/realtime/notifications", get(|asked| single(asked, Stream::Notifications)))
        .route("/realtime/stock-updates", get(|asked| single(asked, Stream::StockUpdates)))
        .route("/realtime/orders", get(|asked| single(asked, Stream::Orders)))
        .route("/realtime/monitoring", get(|asked| single(asked, Stream::Monitoring)))
        .route("/realtime/stream", get(combined))
}

/// In the order in which a tick tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Dashboard,
    OmsetKasir,
    StockUpdates,
    Orders,
    Notifications,
    Monitoring,
}

impl Stream {
    const ALL: [Self; 6] =
        [Self::Dashboard, Self::OmsetKasir, Self::StockUpdates, Self::Orders, Self::Notifications, Self::Monitoring];

    fn name(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::OmsetKasir => "omset-kasir",
            Self::StockUpdates => "stock-updates",
            Self::Orders => "orders",
            Self::Notifications => "notifications",
            Self::Monitoring => "monitoring",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name() == name)
    }

    /// The topic this stream is for this viewer: here the scope is applied, once for the life of the connection.
    fn topic(self, viewer: &Viewer) -> Result<Topic, Refusal> {
        let branches = viewer.branches();
        Ok(match (self, viewer.role, branches) {
            (Self::Dashboard, Role::Kasir, Branches::One(branch)) => Topic::KasirDashboard(viewer.id, branch),
            (Self::Dashboard, _, branches) => Topic::Dashboard(branches),
            (Self::OmsetKasir, Role::Kasir, Branches::One(branch)) => Topic::Omset(viewer.id, branch),
            (Self::OmsetKasir, ..) => return Err(Refusal::Forbidden),
            (Self::StockUpdates, _, branches) => Topic::Stock(branches),
            (Self::Orders, _, branches) => Topic::Orders(branches),
            (Self::Notifications, role, branches) => Topic::Notifications(branches, role),
            (Self::Monitoring, Role::Kasir, _) => return Err(Refusal::Forbidden),
            (Self::Monitoring, _, branches) => Topic::Monitoring(branches),
        })
    }
}

#[derive(Deserialize)]
struct Asked {
    topics: Option<String>,
    /// What a fresh `EventSource` cannot send as a header.
    last_event_id: Option<String>,
    /// The branch a super admin's page was rendered for (`semua`: all of them). A page must go on with the branch it shows,
    /// whatever has since been chosen in another tab. It narrows; from anyone else it is ignored.
    branch: Option<String>,
    /// How many tabs the browser shares the stream among; for those who look at the streams.
    tabs: Option<String>,
}

impl Asked {
    fn narrow(&self, viewer: &mut Viewer) {
        if viewer.role == Role::SuperAdmin {
            match self.branch.as_deref() {
                Some("semua") => viewer.chosen = None,
                // an unknown branch has nothing to show, and a broken one even less
                Some(branch) if !branch.is_empty() => viewer.chosen = Some(branch.parse().unwrap_or(BranchId(0))),
                _ => {}
            }
        }
    }
}

type Request = (State<App>, Viewer, Session, Query<Asked>, HeaderMap);

async fn single(request: Request, stream: Stream) -> Result<Response, Error> {
    open(request, &[stream], Naming::Unnamed).await
}

async fn combined(request: Request) -> Result<Response, Error> {
    let Query(asked) = &request.3;
    let mut streams = Vec::new();
    for name in asked.topics.as_deref().unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
        let stream = Stream::named(name).ok_or_else(|| {
            Refusal::invalid(
                "topics",
                format!("{name:?} bukan nama aliran. Yang ada: dashboard, omset-kasir, stock-updates, orders, notifications, monitoring."),
            )
        })?;
        streams.push(stream);
    }
    streams.sort_unstable();
    streams.dedup();
    if streams.is_empty() {
        return Err(
            Refusal::invalid("topics", "Sebutkan paling sedikit satu aliran: ?topics=dashboard,notifications").into()
        );
    }
    open(request, &streams, Naming::Named).await
}

/// A cursor that no resume accepts: what precedes the last message of a fresh start. Cut there, the client starts afresh.
const NOT_YET: &str = "-";

/// How many notifications a client gets that starts afresh after a `reset`.
const RECENT: i64 = 50;

enum Start {
    /// Without a cursor.
    Fresh,
    Resume(Cursor),
    Reset(Unusable),
}

async fn open(request: Request, streams: &[Stream], naming: Naming) -> Result<Response, Error> {
    let (State(app), signed_in, session, Query(asked), headers) = request;
    let mut viewer = signed_in.clone();
    asked.narrow(&mut viewer);
    let mut topics = streams.iter().map(|stream| stream.topic(&viewer)).collect::<Result<Vec<_>, _>>()?;
    if streams.contains(&Stream::Notifications) {
        topics.push(Topic::Reads(viewer.id));
    }
    let hub = app.live.hub();
    // before anything is done for it
    has_room(&app, &viewer, 1)?;
    let header = headers.get("last-event-id").map(HeaderValue::as_bytes);
    let mut start = match header.or(asked.last_event_id.as_deref().map(str::as_bytes)).filter(|id| !id.is_empty()) {
        None => Start::Fresh,
        Some(id) => judge(&app, id).await,
    };
    let who = Who {
        user: viewer.id,
        role: viewer.role,
        branches: viewer.branches(),
        streams: StreamSet::of(streams.iter().map(|stream| stream.name())),
        tabs: asked.tabs.as_ref().and_then(|tabs| tabs.parse().ok()).unwrap_or(1),
        browser: session.id().map_or(0, |id| app.live.roll().browser(&id.to_string())),
    };
    let wanted = Wanted { who, topics: &topics, naming, lifetime: app.config.stream_lifetime() };
    let (mut live, entry) = hub.subscribe(wanted).ok_or(Error::Draining { retry_after_seconds: 1 })?;
    // and now that it is counted: of many that come at once, all saw the room that was left for one
    has_room(&app, &viewer, 0)?;
    // The feed has not reached the database yet: there is no place to start from.
    let here: Cursor = entry.cursor.parse().map_err(|_| Error::Draining { retry_after_seconds: 2 })?;
    // Between the judgement and the subscription the feed may have restarted: then this is a stream of after it.
    if let Start::Resume(cursor) = &start
        && let Some(Err(reason)) = app.live.history().map(|history| history.accepts(cursor, &here.snapshot))
        && reason != Unusable::Future
    {
        start = Start::Reset(reason);
    }
    let opening = Opening { app: &app, viewer: &viewer, streams, naming };
    // What changed after we subscribed ends the stream. What changed between reading the viewer and that, nobody would tell us.
    let still = session::is_still(&app, &session, &signed_in);
    let (backlog, ()) = tokio::try_join!(opening.backlog(entry, &here.snapshot, start), still)?;
    live.begin_with(backlog);
    let (body, ticket) = frames::into_body(live);
    let mut response = (
        [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-cache, no-transform"),
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ],
        body,
    )
        .into_response();
    response.extensions_mut().insert(ticket);
    Ok(response)
}

/// Whether `more` streams of this user fit beside those that are open.
fn has_room(app: &App, viewer: &Viewer, more: usize) -> Result<(), Error> {
    let (open, own) = app.live.hub().open_streams(viewer.id);
    if own + more > app.config.max_streams_per_user {
        return Err(Error::TooMany { retry_after_seconds: 10 });
    }
    if app.config.max_streams.is_some_and(|most| open + more > most) {
        return Err(Error::Draining { retry_after_seconds: 5 });
    }
    Ok(())
}

/// Whether a cursor can be resumed here.
async fn judge(app: &App, id: &[u8]) -> Start {
    let Some(cursor) = std::str::from_utf8(id).ok().and_then(|id| id.parse::<Cursor>().ok()) else {
        return Start::Reset(Unusable::Unreadable);
    };
    let accepts = || {
        let (history, here) = (app.live.history()?, app.live.cursor().parse::<Cursor>().ok()?);
        Some(history.accepts(&cursor, &here.snapshot))
    };
    let mut verdict = accepts();
    if verdict == Some(Err(Unusable::Future)) {
        // Another process has polled since we have: it is ahead of us by a tick at most.
        let _ = tokio::time::timeout(Duration::from_secs(2), app.live.next_poll()).await;
        verdict = accepts();
    }
    match verdict {
        Some(Err(reason)) => Start::Reset(reason),
        // without a history there is no place to start from either, and the caller says so
        Some(Ok(())) | None => Start::Resume(cursor),
    }
}

struct Opening<'a> {
    app: &'a App,
    viewer: &'a Viewer,
    streams: &'a [Stream],
    naming: Naming,
}

impl Opening<'_> {
    /// Everything to be said before the live frames.
    async fn backlog(&self, entry: Entry, here: &Snapshot, start: Start) -> Result<Vec<Chunk>, Error> {
        let (missed, start) = match start {
            Start::Resume(cursor) => match self.missed(&cursor.snapshot, here).await? {
                Ok(missed) => (missed, Start::Resume(cursor)),
                Err(reason) => (self.afresh(Kind::Snapshot).await?, Start::Reset(reason)),
            },
            Start::Reset(reason) => (self.afresh(Kind::Snapshot).await?, Start::Reset(reason)),
            Start::Fresh => (self.afresh(Kind::News).await?, Start::Fresh),
        };
        self.app.live.metrics().stream_opened(match &start {
            Start::Fresh => metrics::Start::Fresh,
            Start::Resume(_) if missed.is_empty() => metrics::Start::Current,
            Start::Resume(_) => metrics::Start::CaughtUp,
            Start::Reset(reason) => metrics::Start::Reset(reason.name()),
        });
        let Entry { cursor, latest: mut messages } = entry;
        messages.extend(missed);

        let before = match &start {
            Start::Resume(cursor) => cursor.to_string(),
            Start::Fresh | Start::Reset(_) => NOT_YET.to_owned(),
        };
        let mut out = vec![Chunk::retry(jitter(RETRY_LEAST, RETRY_MOST))];
        if let Start::Reset(reason) = &start {
            let json = serde_json::json!({ "reason": reason.name() }).to_string();
            out.push(Chunk::event(Some("reset"), json.as_bytes(), NOT_YET));
        }
        let last = messages.len().saturating_sub(1);
        for (i, Message { event, json }) in messages.iter().enumerate() {
            let event = (self.naming == Naming::Named).then_some(*event);
            out.push(Chunk::event(event, json, if i == last { &cursor } else { &before }));
        }
        // The first sign of life, at once; and the cursor, also where there was nothing else to say.
        out.push(Chunk::event(Some(HEARTBEAT), self.app.live.pulse().as_bytes(), &cursor));
        Ok(out)
    }

    fn wants(&self, stream: Stream) -> bool {
        self.streams.contains(&stream)
    }

    async fn missed(&self, since: &Snapshot, until: &Snapshot) -> Result<Result<Vec<Message>, Unusable>, Error> {
        let rings = [Stream::StockUpdates, Stream::Orders, Stream::Notifications];
        if !rings.iter().any(|stream| self.wants(*stream)) {
            return Ok(Ok(Vec::new()));
        }
        let branches = self.viewer.branches();
        let missed = self.app.catch_up.missed(since, until, branches).await?;
        let changes = match missed.between(since, until, branches.one()) {
            Ok(changes) => changes,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut messages = Vec::new();
        if self.wants(Stream::StockUpdates) {
            messages.extend(stock::missed(&changes, &self.app.live.days().unwrap_or_default(), branches));
        }
        if self.wants(Stream::Orders) {
            messages.extend(orders::missed(changes.iter().copied()));
        }
        if self.wants(Stream::Notifications) {
            messages.extend(notifications::missed(changes, self.viewer.role, Kind::News));
        }
        Ok(Ok(messages))
    }

    /// Without a usable cursor: the products that need attention, and after a reset the newest notifications.
    async fn afresh(&self, notifications: Kind) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::new();
        let branches = self.viewer.branches();
        if self.wants(Stream::StockUpdates) {
            let rows = self.app.catch_up.alerts(branches).await?;
            messages.extend(stock::snapshot(rows, &self.app.live.days().unwrap_or_default(), branches));
        }
        if self.wants(Stream::Notifications) && notifications == Kind::Snapshot {
            let mut connection = self.app.pool.acquire().await?;
            let changes = feed::recent_notifications(&mut connection, branches.one(), self.viewer.role, RECENT).await?;
            messages.extend(notifications::missed(&changes, self.viewer.role, Kind::Snapshot));
        }
        Ok(messages)
    }
}

/// How soon a client comes back after a cut that we did not foresee.
const RETRY_LEAST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(3);
