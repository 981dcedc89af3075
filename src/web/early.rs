//! Before the database is there: whoever restarts processes hears that this one lives, whoever sends people that it is not ready,
//! and a person is asked for patience.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, map_response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::harden::{Transport, harden};
use super::{Error, accept, error};

const ASK_AGAIN_SECONDS: u32 = 2;

/// As `/metrics` says it later: a process that waits is up, and not ready. Without it the alert would be that it is gone.
const NUMBERS: &str = "\
# HELP melati_ready Whether to send people here
# TYPE melati_ready gauge
melati_ready 0
# HELP melati_healthy Whether nothing is amiss
# TYPE melati_healthy gauge
melati_healthy 0
# HELP melati_draining Whether this process goes away
# TYPE melati_draining gauge
melati_draining 0
# HELP melati_check_ok What /health/ready looks at
# TYPE melati_check_ok gauge
melati_check_ok{check=\"database\"} 0
# EOF
";

/// Answers on `listener`, and on the address of the numbers, while `work` is done; `listener` goes on listening after that.
///
/// # Errors
/// The listener cannot be shared.
pub async fn meanwhile<T>(
    listener: &std::net::TcpListener,
    transport: Transport,
    metrics: Option<SocketAddr>,
    work: impl Future<Output = T>,
) -> std::io::Result<T> {
    let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
    let done = CancellationToken::new();
    let serving = accept::serve(listener, routes(transport), accept::room_for(), done.clone(), Duration::from_secs(1));
    let telling = async {
        // if the address is taken, `telemetry` will say so
        let Some(address) = metrics else { return };
        if let Ok(listener) = tokio::net::TcpListener::bind(address).await {
            let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            let told = move || async move { ([(header::CONTENT_TYPE, openmetrics)], NUMBERS) };
            let router = Router::new()
                .route("/metrics", get(told))
                .layer(map_response(move |response| async move { harden(response, transport) }))
                .merge(routes(transport));
            accept::serve(listener, router, accept::room_for(), done.clone(), Duration::from_secs(1)).await;
        }
    };
    let work = async {
        let outcome = work.await;
        done.cancel();
        outcome
    };
    let (outcome, (), ()) = tokio::join!(work, serving, telling);
    Ok(outcome)
}

fn routes(transport: Transport) -> Router {
    let not_ready =
        json!({ "ready": false, "healthy": false, "checks": { "database": { "ok": false, "waiting": true } } });
    Router::new()
        .route("/health/live", get(async || Json(json!({ "live": true }))))
        .route("/health/ready", get(async || (StatusCode::SERVICE_UNAVAILABLE, Json(not_ready))))
        .fallback(async || Error::Draining { retry_after_seconds: ASK_AGAIN_SECONDS })
        .layer(from_fn(error::dress))
        .layer(map_response(move |response| async move { harden(response, transport) }))
}
