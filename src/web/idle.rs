//! Connections of HTTP/2 that carry nothing. hyper bounds how long a head takes over HTTP/1.1; over HTTP/2 it waits for ever for
//! a first request, for the next one, and for the rest of a head that was begun.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;

/// How many requests of one connection are open: from their head to the end of their answer.
#[derive(Clone)]
pub(super) struct Requests(watch::Sender<usize>);

impl Requests {
    pub fn none() -> Self {
        Self(watch::Sender::new(0))
    }

    pub fn open(&self) -> Open {
        self.0.send_modify(|open| *open += 1);
        Open(self.0.clone())
    }

    /// Until there has been none for so long.
    pub async fn none_for(&self, patience: Duration) {
        let mut open = self.0.subscribe();
        loop {
            let _ = open.wait_for(|open| *open == 0).await;
            if timeout(patience, open.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// A request that is open until this is dropped.
pub(super) struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Open {
    /// Until the answer was sent, or nobody wants the rest of it.
    pub fn during(self, response: Response) -> Response {
        response.map(|body| Body::new(Answer { body, _open: self }))
    }
}

struct Answer {
    body: Body,
    _open: Open,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
