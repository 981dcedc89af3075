//! Before the database is there: whoever restarts processes hears that this one lives, whoever sends people that it is not ready,
//! and a person is asked for patience.

use std::time::Duration;

use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Error, accept, error};

const ASK_AGAIN_SECONDS: u32 = 2;

/// Answers on `listener` while `work` is done; it goes on listening after that.
///
/// # Errors
/// The listener cannot be shared.
pub async fn meanwhile<T>(listener: &std::net::TcpListener, work: impl Future<Output = T>) -> std::io::Result<T> {
    let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
    let done = CancellationToken::new();
    let serving = accept::serve(listener, routes(), accept::room_for(), done.clone(), Duration::from_secs(1));
    let work = async {
        let outcome = work.await;
        done.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(work, serving);
    Ok(outcome)
}

fn routes() -> Router {
    let not_ready = json!({ "ready": false, "healthy": false, "checks": { "database": { "ok": false } } });
    Router::new()
        .route("/health/live", get(async || Json(json!({ "live": true }))))
        .route("/health/ready", get(async || (StatusCode::SERVICE_UNAVAILABLE, Json(not_ready))))
        .fallback(async || Error::Draining { retry_after_seconds: ASK_AGAIN_SECONDS })
        .layer(from_fn(error::dress))
}
