//! What one request may take of us: so many bytes, in so much time. (The head's limits are the accept loop's.)

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The largest form or JSON anyone sends us is a sale of some hundred lines.
const LARGEST_BODY_BYTES: usize = 256 * 1024;

/// From the end of the head to the end of the body: a form takes milliseconds, also over a bad phone connection seconds.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body before anything else is done for the request: whoever sends slowly holds a connection for a while, and
/// nothing behind it. Counting bytes alone would let one byte a second through for three days.
pub(super) async fn read_body(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > LARGEST_BODY_BYTES as u64) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, LARGEST_BODY_BYTES)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        // longer than allowed, or cut off: then nobody reads this
        Ok(Err(_)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}
