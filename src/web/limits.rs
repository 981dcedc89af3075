//! What one request may take of us: so many bytes, in so much time; and all of them together. (The head's limits are the
//! accept loop's.)

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::Body as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower_sessions::Session;

use super::Error;
use crate::App;
use crate::refusal::Refusal;
use crate::scope::Role;

/// From whoever it is: signing in takes some hundred.
const STRANGERS_BODY_BYTES: u64 = 16 * 1024;

/// The largest form or JSON that anyone who is signed in sends us is a sale of some hundred lines.
const LARGEST_BODY_BYTES: u64 = 256 * 1024;

/// But for sheets of products (stock/sheet), from those who manage them: 5 000 of them are half a megabyte. As much as axum
/// takes for a form with a file.
const LARGEST_SHEET_BYTES: u64 = 2 * 1024 * 1024;
const SHEETS: &str = "/stok/impor";

/// From the end of the head to the end of the body: a form takes milliseconds, also over a bad phone connection seconds.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bodies that are in memory at the same moment. When it is full, others are told to come back; what they have sent is let go.
const ALL_BODIES_BYTES: usize = 32 * 1024 * 1024;
const COME_BACK_SECONDS: u32 = 2;

/// The room for bodies of this process.
#[derive(Clone)]
pub(super) struct Bodies {
    app: App,
    bytes_left: Arc<Semaphore>,
}

impl Bodies {
    pub fn new(app: App) -> Self {
        Self { app, bytes_left: Arc::new(Semaphore::new(ALL_BODIES_BYTES)) }
    }
}

/// Reads the body before anything else is done for the request: whoever sends slowly holds a connection for a while, and
/// nothing behind it. Counting bytes alone would let one byte a second through for three days.
pub(super) async fn read_body(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match tokio::time::timeout(BODY_TIMEOUT, bodies.read(request)).await {
        // the place is kept until the answer: the body is in memory as long
        Ok(Ok((request, _place))) => next.run(request).await,
        Ok(Err(refused)) => refused,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

impl Bodies {
    async fn read(&self, request: Request) -> Result<(Request, Option<SemaphorePermit<'_>>), Response> {
        let (parts, mut body) = request.into_parts();
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let largest = if parts.uri.path() == SHEETS { LARGEST_SHEET_BYTES } else { LARGEST_BODY_BYTES };
        let too_large = || StatusCode::PAYLOAD_TOO_LARGE.into_response();
        let largest = match announced {
            Some(length) if length <= STRANGERS_BODY_BYTES => STRANGERS_BODY_BYTES,
            // who does not say how much it will be is asked who they are, too
            _ => {
                let session = parts.extensions.get::<Session>().expect("the sessions layer lies around this one");
                self.allowed(session, largest).await.map_err(IntoResponse::into_response)?
            }
        };
        if announced.is_some_and(|length: u64| length > largest) {
            return Err(too_large());
        }
        let (mut read, mut place) = (Vec::new(), None::<SemaphorePermit<'_>>);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            // cut off: then nobody reads this
            let Ok(piece) = frame.map_err(|_| StatusCode::BAD_REQUEST.into_response())?.into_data() else { continue };
            if (read.len() + piece.len()) as u64 > largest {
                return Err(too_large());
            }
            let more = u32::try_from(piece.len()).ok().and_then(|bytes| self.bytes_left.try_acquire_many(bytes).ok());
            let more =
                more.ok_or_else(|| Error::Draining { retry_after_seconds: COME_BACK_SECONDS }.into_response())?;
            match &mut place {
                Some(place) => place.merge(more),
                None => place = Some(more),
            }
            read.extend_from_slice(&piece);
        }
        Ok((Request::from_parts(parts, Body::from(read)), place))
    }

    /// How much they may send who ask for more than a stranger may: nobody who is not in, and sheets only managers.
    async fn allowed(&self, session: &Session, wanted: u64) -> Result<u64, Error> {
        let Some(id) = session.id() else { return Ok(STRANGERS_BODY_BYTES) };
        let viewer = match self.app.sign_ins.of(&id.to_string()).await? {
            Some(person) if person.is_active && !person.must_change_password => person.viewer(),
            _ => return Ok(STRANGERS_BODY_BYTES),
        };
        if wanted > LARGEST_BODY_BYTES && viewer.role == Role::Kasir {
            return Err(Refusal::Forbidden.into());
        }
        Ok(wanted)
    }
}
