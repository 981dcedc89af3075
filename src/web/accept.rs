//! The accept loop. Ours, because `axum::serve` hides what a server of many idle connections lives by: buffer sizes, the
//! time a request's head may take, socket options, and an end that does not wait for streams.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::handoff::{Exit, Streaming};

/// A head that takes longer is a slow or hostile client; also how long an idle kept-alive connection is held.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// hyper's smallest buffer is 8 KiB. Larger heads are answered 431; a reader that does not read holds this much at most.
const LARGEST_BUFFER: usize = 16 << 10;

/// What the kernel keeps unsent for one connection, so that a stopped reader costs kilobytes and not megabytes.
const UNSENT: u32 = 16 << 10;

/// A peer that vanished without a word is given up after this; heartbeats make sure that there is something unacknowledged.
const GONE: Duration = Duration::from_secs(30);

/// How long to wait when no more files can be opened: those connected go on meanwhile.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until `stop`, then lets running requests finish for at most `drain`. Streams must end by themselves on stop (the hub
/// sees to it); what is left after `drain` is cut.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, drain: Duration) {
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let socket = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            },
        };
        let connection = connection(socket, router.clone(), stop.clone(), connections.clone());
        connections.spawn(cut.clone().run_until_cancelled_owned(connection));
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(drain, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections were cut at the end of the drain");
        cut.cancel();
        connections.wait().await;
    }
}

async fn connection(socket: TcpStream, router: Router, stop: CancellationToken, connections: TaskTracker) {
    if let Err(error) = tune(&socket) {
        tracing::debug!(%error, "a connection went before it was served");
        return;
    }
    let Ok(peer) = socket.peer_addr() else { return };
    let exit = Exit::default();
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let (router, exit) = (router.clone(), exit.clone());
        let may_leave = Exit::fits(&request);
        request.extensions_mut().insert(ConnectInfo(peer));
        async move {
            let response = router.oneshot(request.map(Body::new)).await?;
            if may_leave { exit.unless_stream(response).await } else { Ok::<_, Infallible>(response) }
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(LARGEST_BUFFER).writev(false);
    let mut serving = http.serve_connection(exit.watch(socket), service);
    let mut stopped = pin!(stop.cancelled());
    let mut told = false;
    let left = poll_fn(|cx| {
        if !told && stopped.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut serving).graceful_shutdown();
        }
        match Pin::new(&mut serving).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(None),
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a connection ended early");
                Poll::Ready(None)
            }
            Poll::Pending => exit.take().map_or(Poll::Pending, |left| Poll::Ready(Some(left))),
        }
    });
    if let Some(left) = left.await {
        let socket = serving.into_parts().io.into_socket();
        // A task of its own: the memory of this one, with hyper's buffers, is free at once. It ends when the hub drains.
        connections.spawn(Streaming::new(socket, left));
    }
}

fn tune(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = socket2::SockRef::from(socket);
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_user_timeout(Some(GONE))
}
