//! The accept loop. Ours, because `axum::serve` hides what a server of many idle connections lives by: buffer sizes, the
//! time a request's head may take, socket options, and an end that does not wait for streams.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::handoff::{Exit, Left, Streaming, Watched};
use super::idle::Requests;

/// A head that takes longer is a slow or hostile client; also how long an idle kept-alive connection is held.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// hyper's smallest buffer is 8 KiB. Larger heads are answered 431; a reader that does not read holds this much at most.
const LARGEST_BUFFER: usize = 16 << 10;

/// What the kernel keeps unsent for one connection, so that a stopped reader costs kilobytes and not megabytes.
const UNSENT: u32 = 16 << 10;

/// A peer that vanished without a word is given up after this; heartbeats make sure that there is something unacknowledged.
const GONE: Duration = Duration::from_secs(30);

/// A connection that is silent for so long is asked whether it is still there: one that waits between two pages, too.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// Streams and pages at once on one connection of HTTP/2. A proxy opens another connection for more.
const STREAMS_A_CONNECTION: u32 = 250;

/// Open files that are not connections of clients: the pool, the feed, the listener, refusals, and some to spare.
const OTHER_FILES: usize = 200;

/// So many are told at once that there is no room; beyond that the door is shut without a word.
const REFUSED_AT_ONCE: usize = 32;

/// How long somebody is listened to whom we only tell that there is no room.
const REFUSING: Duration = Duration::from_secs(2);

const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\ncontent-type: text/plain; charset=utf-8\r\n\
x-content-type-options: nosniff\r\ncache-control: no-store\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'\r\n\
referrer-policy: same-origin\r\npermissions-policy: camera=(), microphone=(), geolocation=(), payment=()\r\n\
content-length: 67\r\nconnection: close\r\n\r\nPeladen sedang penuh. Coba lagi beberapa detik lagi; data Anda aman";

/// How long to wait when no more files can be opened: those connected go on meanwhile.
const BREATH: Duration = Duration::from_millis(50);

/// Which connection of this process a request came by, for the log.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionNumber(pub u64);

/// So many may wait to be accepted. After a restart all browsers come back within a second or two, and one that finds no place
/// here asks again only after one, three and seven.
const QUEUE: i32 = 4096;

/// A listener that does not block, for any runtime.
///
/// # Errors
/// The address is taken, or is not ours.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // as std does: what the last process left in TIME_WAIT keeps no address
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// As many connections as there are open files for.
pub fn room_for() -> usize {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    files.map_or(usize::MAX, |files| files.saturating_sub(OTHER_FILES).max(1))
}

/// Serves at most `most` connections at once until `stop`, then lets running requests finish for at most `drain`. Streams must
/// end by themselves on stop (the hub sees to it); what is left after `drain` is cut.
pub async fn serve(listener: TcpListener, router: Router, most: usize, stop: CancellationToken, drain: Duration) {
    let served = Served {
        router,
        stop: stop.clone(),
        connections: TaskTracker::new(),
        requests: TaskTracker::new(),
        cut: CancellationToken::new(),
    };
    let refusing = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
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
        if served.connections.len() < most {
            served.spawn(&served.connections, connection(socket, served.clone()));
        } else if let Ok(place) = refusing.clone().try_acquire_owned() {
            served.spawn(&served.connections, async move {
                // gone, or too slow to be told: then it was not
                let _ = tokio::time::timeout(REFUSING, refuse(socket)).await;
                drop(place);
            });
        }
    }
    drop(listener);
    let Served { connections, requests, cut, .. } = served;
    connections.close();
    requests.close();
    let served = async { tokio::join!(connections.wait(), requests.wait()) };
    if tokio::time::timeout(drain, served).await.is_err() {
        tracing::warn!(left = connections.len(), "connections were cut at the end of the drain");
        cut.cancel();
        tokio::join!(connections.wait(), requests.wait());
    }
}

/// What every connection is served with, and where its tasks belong.
#[derive(Clone)]
struct Served {
    router: Router,
    stop: CancellationToken,
    /// One task a socket: this many files are open.
    connections: TaskTracker,
    /// One task a request of HTTP/2: many share a socket.
    requests: TaskTracker,
    cut: CancellationToken,
}

impl Served {
    fn spawn(&self, tasks: &TaskTracker, task: impl Future<Output = ()> + Send + 'static) {
        tasks.spawn(self.cut.clone().run_until_cancelled_owned(task));
    }
}

/// For the requests of HTTP/2.
impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Served {
    fn execute(&self, request: F) {
        self.spawn(&self.requests, request);
    }
}

/// Says that there is no room. What was asked is read first: closing on unread bytes would take the answer back.
async fn refuse(mut socket: TcpStream) -> io::Result<()> {
    let mut asked = [0; 4096];
    let _ = socket.read(&mut asked).await?;
    socket.write_all(NO_ROOM).await?;
    socket.shutdown().await
}

/// What a client that speaks HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as much as it takes to know which HTTP this is. hyper's own builder for both would cost every connection more.
async fn first_bytes(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        let mut more = socket.take((PREFACE.len() - first.len()) as u64);
        if more.read_buf(&mut first).await? == 0 {
            break;
        }
    }
    Ok(first)
}

async fn connection(mut socket: TcpStream, served: Served) {
    if let Err(error) = tune(&socket) {
        tracing::debug!(%error, "a connection went before it was served");
        return;
    }
    let Ok(peer) = socket.peer_addr() else { return };
    let first = tokio::select! {
        () = served.stop.cancelled() => return,
        first = tokio::time::timeout(HEAD_TIMEOUT, first_bytes(&mut socket)) => first,
    };
    let Ok(Ok(first)) = first else { return };
    static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
    let number = ConnectionNumber(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
    let exit = Exit::default();
    let is_http_2 = first == PREFACE;
    let requests = is_http_2.then(Requests::none);
    let socket = exit.watch(socket, first);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let (router, exit) = (served.router.clone(), exit.clone());
        let may_leave = Exit::fits(&request);
        let open = requests.as_ref().map(Requests::open);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(number);
        async move {
            let mut response = router.oneshot(request.map(Body::new)).await?;
            if let Some(open) = open {
                response = open.during(response);
            }
            if may_leave { exit.unless_stream(response).await } else { Ok::<_, Infallible>(response) }
        }
    });
    if let Some(requests) = &requests {
        let mut http = http2::Builder::new(served.clone());
        http.timer(TokioTimer::new())
            .keep_alive_interval(PROBE_AFTER)
            .keep_alive_timeout(GONE)
            .max_concurrent_streams(STREAMS_A_CONNECTION)
            .max_header_list_size(LARGEST_BUFFER as u32)
            .max_send_buf_size(LARGEST_BUFFER);
        let mut serving = Box::pin(http.serve_connection(socket, service));
        // A connection that carries nothing is told to go as at the end, and then cut: what comes in the last moment is answered.
        let ended = served.stop.child_token();
        let idle = async {
            requests.none_for(HEAD_TIMEOUT).await;
            ended.cancel();
            requests.none_for(REFUSING).await;
        };
        tokio::select! {
            _ = until_served(number, &ended, &mut serving, |serving| serving.as_mut().graceful_shutdown(), || None) => {}
            () = idle => tracing::debug!(connection = number.0, "a connection carried nothing"),
        }
        return;
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(LARGEST_BUFFER).writev(false);
    let mut serving = http.serve_connection(socket, service);
    let shut = |serving: &mut http1::Connection<Watched, _>| Pin::new(serving).graceful_shutdown();
    if let Some(left) = until_served(number, &served.stop, &mut serving, shut, || exit.take()).await {
        let socket = serving.into_parts().io.into_socket();
        // A task of its own: the memory of this one, with hyper's buffers, is free at once. It ends when the hub drains.
        served.connections.spawn(Streaming::new(socket, left));
    }
}

/// Until a connection has ended, or a stream has left it. On `stop` it takes no more requests.
async fn until_served<C>(
    number: ConnectionNumber,
    stop: &CancellationToken,
    serving: &mut C,
    shut: impl Fn(&mut C),
    taken: impl Fn() -> Option<Left>,
) -> Option<Left>
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    let mut stopped = pin!(stop.cancelled());
    let mut told = false;
    poll_fn(|cx| {
        if !told && stopped.as_mut().poll(cx).is_ready() {
            told = true;
            shut(serving);
        }
        match Pin::new(&mut *serving).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(None),
            Poll::Ready(Err(error)) => {
                tracing::debug!(connection = number.0, %error, "a connection ended early");
                Poll::Ready(None)
            }
            Poll::Pending => taken().map_or(Poll::Pending, |left| Poll::Ready(Some(left))),
        }
    })
    .await
}

fn tune(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = socket2::SockRef::from(socket);
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(GONE / 3))?;
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_user_timeout(Some(GONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_connection_is_quick_bounded_and_given_up_when_its_peer_is_gone() {
        let listener = TcpListener::from_std(listen(([127, 0, 0, 1], 0).into()).unwrap()).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        tune(&socket).unwrap();
        let socket = socket2::SockRef::from(&socket);
        assert!(socket.tcp_nodelay().unwrap(), "a small event waits for no other");
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), PROBE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), GONE / 3);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(GONE));
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT);
    }
}
