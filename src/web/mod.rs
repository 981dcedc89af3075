//! HTTP: the routes as a table of contents, and the layers every answer passes through.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::trace::TraceLayer;

use self::harden::{Transport, harden};
use crate::App;

pub mod accept;
pub mod assets;
pub mod client;
pub mod early;
pub mod error;
pub mod handoff;
pub mod harden;
mod health;
mod home;
mod idle;
mod limits;
pub mod menu;
pub mod page;
pub mod session;
pub mod telemetry;

pub use error::Error;

/// Everything there is to ask for. Each noun lists its own pages.
pub fn routes(app: App) -> Router {
    let sessions = session::layer(&app);
    let transport = Transport::of(app.config.secure_cookies);
    Router::new()
        .merge(home::routes())
        .merge(crate::stock::pages::routes())
        .merge(crate::people::pages::routes())
        .merge(crate::audit::pages::routes())
        .merge(crate::reports::pages::routes())
        .merge(crate::branches::pages::routes())
        .merge(crate::sales::pages::routes())
        .merge(crate::orders::pages::routes())
        .merge(crate::patients::pages::routes())
        .merge(crate::rates::pages::routes())
        .merge(crate::alerts::pages::routes())
        .merge(crate::notifications::pages::routes())
        .merge(crate::monitoring::pages::routes())
        .merge(crate::realtime::endpoint::routes())
        .merge(assets::routes())
        .merge(health::routes())
        .fallback(async || Error::not_found())
        .with_state(app.clone())
        // From the inside out. `error::dress` lies outside everything that refuses, so that every refusal looks the same;
        // compression leaves text/event-stream alone as long as nobody gives it a predicate of its own.
        .layer(from_fn_with_state(limits::Bodies::new(app.clone()), limits::read_body))
        .layer(sessions)
        .layer(CsrfLayer::new())
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn(patience))
        .layer(from_fn(error::dress))
        .layer(CompressionLayer::new())
        .layer(map_response(move |response| async move { harden(response, transport) }))
        .layer(from_fn_with_state(app.clone(), client::identify))
        .layer(from_fn_with_state(app, telemetry::count))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(()))
        .layer(from_fn(number_request))
}

/// Until an answer begins. Statements and waits for a connection have shorter limits of their own, and Postgres keeps them;
/// this one holds when the way to Postgres is cut in the middle of a statement, which no one else notices.
const PATIENCE: Duration = Duration::from_secs(20);

async fn patience(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::Draining { retry_after_seconds: 2 }.into_response(),
    }
}

async fn number_request(mut request: Request, next: Next) -> Response {
    let id = error::RequestId(page::short_code());
    let header = HeaderValue::from_str(&id.0).expect("letters, digits and a dash");
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-request-id", header);
    response
}

/// The path without its query: a search may hold a patient's name.
fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<error::RequestId>().map(|id| id.0.as_str()).unwrap_or_default();
    let connection = request.extensions().get::<accept::ConnectionNumber>().map_or(0, |number| number.0);
    tracing::info_span!("request", id, connection, method = %request.method(), path = request.uri().path())
}
