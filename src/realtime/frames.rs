//! The frames of one connection leave by an ordinary response body; or, where the accept loop can take the socket out of hyper, by
//! `web/handoff.rs`, which finds them through the [`Ticket`] in the response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;

use crate::hub::Subscription;

/// The frames of one connection, backlog first.
pub type Frames = Subscription;

pub(super) fn into_body(frames: Frames) -> (Body, Ticket) {
    let shared = Arc::new(Mutex::new(Some(frames)));
    (Body::new(FramesBody(shared.clone())), Ticket(shared))
}

/// In a response's extensions: takes the frames out of its body. The body is over then.
#[derive(Clone)]
pub struct Ticket(Arc<Mutex<Option<Frames>>>);

impl Ticket {
    /// `None` if they were taken before.
    pub fn take(&self) -> Option<Frames> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct FramesBody(Arc<Mutex<Option<Frames>>>);

impl http_body::Body for FramesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(frames) => frames.poll_next(cx).map(|chunk| Some(Ok(Frame::data(chunk?.into_payload())))),
            None => Poll::Ready(None),
        }
    }
}
