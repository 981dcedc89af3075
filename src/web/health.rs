//! `/health/live`: the process answers. `/health/ready`: whether it should be sent people, and which check is red. Neither needs
//! a session. What exactly is wrong (names of triggers, how to mend them) is told to super admins, and inside: on the address of
//! `/metrics`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::realtime::rfc3339;
use crate::reports::sql::Keeping;
use crate::scope::Viewer;
use crate::web::Error;
use crate::{App, postgres, reports};

pub fn routes() -> Router<App> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

/// On an address that is nobody's business outside.
pub fn inside() -> Router<App> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready_in_full))
}

async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// A database that takes longer is away, as far as a proxy is concerned.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// After so many periods without a look nothing can be said of the triggers any more.
const LOOKS_MISSED: u32 = 3;

/// Ready (200, or 503) is what another process might do better: the proxy looks elsewhere. Healthy is what a person should
/// look at. A trigger that is off concerns all processes alike: it makes none of them unready, or there would be no screens
/// at all instead of screens that are up to one look behind.
async fn ready(State(app): State<App>, viewer: Result<Viewer, Error>) -> Response {
    match viewer {
        Ok(viewer) if viewer.may_manage_chain() => ready_in_full(State(app)).await,
        _ => told(checks(&app).await, |check| json!({ "ok": check.ok })),
    }
}

async fn ready_in_full(State(app): State<App>) -> Response {
    told(checks(&app).await, Check::into_json)
}

fn told(checks: [(&'static str, Check); 6], tell: impl Fn(Check) -> Value) -> Response {
    let (ready, healthy) = (is_ready(&checks), is_healthy(&checks));
    let checks: serde_json::Map<String, Value> =
        checks.into_iter().map(|(name, check)| (name.to_owned(), tell(check))).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "healthy": healthy, "checks": checks }))).into_response()
}

pub(super) fn is_ready(checks: &[(&'static str, Check)]) -> bool {
    checks.iter().all(|(_, check)| check.ok || !check.required)
}

pub(super) fn is_healthy(checks: &[(&'static str, Check)]) -> bool {
    checks.iter().all(|(_, check)| check.ok)
}

/// By name; what `/metrics` tells of them, too.
pub(super) async fn checks(app: &App) -> [(&'static str, Check); 6] {
    let (schema, rollups) = tokio::join!(
        tokio::time::timeout(DATABASE_ANSWERS_WITHIN, postgres::schema(&app.pool)),
        tokio::time::timeout(DATABASE_ANSWERS_WITHIN, reports::sql::keeping(&app.pool)),
    );
    let schema = schema.ok().and_then(Result::ok);
    [
        ("database", Check::required(schema.is_some(), json!({}))),
        (
            "migrations",
            Check::required(
                schema.is_some_and(postgres::Schema::is_current),
                json!({ "applied": schema.map(|schema| schema.applied), "known": postgres::newest_migration() }),
            ),
        ),
        (
            "feed",
            Check::required(
                app.live.is_fresh(),
                json!({ "fresh": app.live.is_fresh(), "as_of": rfc3339(app.live.as_of()) }),
            ),
        ),
        ("draining", Check::required(!app.live.is_leaving(), json!({ "draining": app.live.is_leaving() }))),
        ("triggers", triggers(app)),
        ("rollups", rollups_check(rollups.ok().and_then(Result::ok))),
    ]
}

pub(super) struct Check {
    pub(super) ok: bool,
    /// Not ready without it.
    required: bool,
    details: Value,
}

impl Check {
    fn required(ok: bool, details: Value) -> Self {
        Self { ok, required: true, details }
    }

    fn into_json(self) -> Value {
        let mut json = self.details;
        json["ok"] = self.ok.into();
        json
    }
}

/// Marks are folded twice a minute, and compared with the sales once a day: later than this, nobody does it.
const FOLDED_WITHIN_SECONDS: f64 = 900.0;
const COMPARED_WITHIN_SECONDS: f64 = 2.0 * 86_400.0;

/// Reports of a day with a mark are read from its sales: old marks make them slow, not wrong. A trigger that is off may make
/// them wrong.
fn rollups_check(keeping: Option<Keeping>) -> Check {
    let Some(of) = keeping else {
        return Check { ok: false, required: false, details: json!({ "checked_at": null, "faults": [] }) };
    };
    Check {
        ok: of.faults.is_empty()
            && of.oldest_mark_seconds < FOLDED_WITHIN_SECONDS
            && of.checked_seconds < COMPARED_WITHIN_SECONDS,
        required: false,
        details: json!({
            "checked_at": rfc3339(of.checked_at), "wrong_days": of.wrong_days, "marks": of.marks,
            "oldest_mark_seconds": of.oldest_mark_seconds.round(), "faults": of.faults,
        }),
    }
}

fn triggers(app: &App) -> Check {
    let Some(report) = app.integrity.report() else {
        return Check { ok: false, required: false, details: json!({ "looked_at": null, "faults": [] }) };
    };
    let in_time = OffsetDateTime::now_utc() - report.looked_at
        < LOOKS_MISSED * Duration::from_secs(app.config.integrity_check_seconds) + DATABASE_ANSWERS_WITHIN;
    let faults: Vec<Value> = report
        .faults
        .iter()
        .map(|fault| json!({ "table": fault.table, "part": fault.part, "problem": fault.problem, "fix": fault.fix() }))
        .collect();
    Check {
        ok: faults.is_empty() && in_time,
        required: false,
        details: json!({ "looked_at": rfc3339(report.looked_at), "faults": faults, "reread": report.reread }),
    }
}
