//! `/health/live`: the process answers. `/health/ready`: whether it should be sent people, and what is wrong. Neither needs a
//! session, and neither tells what is inside.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::realtime::rfc3339;
use crate::{App, postgres};

pub fn routes() -> Router<App> {
    Router::new().route("/health/live", get(async || Json(json!({ "live": true })))).route("/health/ready", get(ready))
}

/// A database that takes longer is away, as far as a proxy is concerned.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// After so many periods without a look nothing can be said of the triggers any more.
const LOOKS_MISSED: u32 = 3;

/// Ready (200, or 503) is what another process might do better: the proxy looks elsewhere. Healthy is what a person should
/// look at. A trigger that is off concerns all processes alike: it makes none of them unready, or there would be no screens
/// at all instead of screens that are up to one look behind.
async fn ready(State(app): State<App>) -> Response {
    let schema = tokio::time::timeout(DATABASE_ANSWERS_WITHIN, postgres::schema(&app.pool)).await;
    let schema = schema.ok().and_then(Result::ok);
    let checks = [
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
        (
            "draining",
            Check::required(!app.live.hub().is_draining(), json!({ "draining": app.live.hub().is_draining() })),
        ),
        ("triggers", triggers(&app)),
    ];
    let ready = checks.iter().all(|(_, check)| check.ok || !check.required);
    let healthy = checks.iter().all(|(_, check)| check.ok);
    let checks: serde_json::Map<String, Value> =
        checks.into_iter().map(|(name, check)| (name.to_owned(), check.into_json())).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "healthy": healthy, "checks": checks }))).into_response()
}

struct Check {
    ok: bool,
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
