//! Taking the socket of a stream out of hyper. hyper and axum answer the request with all their layers; but hyper keeps two
//! buffers of 8 KiB for the life of a connection, ten times what a quiet stream needs. So once the head is known, the
//! socket goes to a small writer over the hub's frames. Without this file everything works the same, at 12 KiB a connection.
//!
//! Left to hyper: HTTP/1.0 (it knows no chunks), HEAD, a request whose body is still to be read, and a connection on which
//! hyper has not yet written out an earlier answer (a client that pipelines and does not read).

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, Bytes};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use hyper::rt::{Read, ReadBufCursor, Write as HyperWrite};
use hyper::{Method, Request, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::realtime::frames::{Frames, Ticket};

/// A stream that has left hyper: its head, and what follows.
pub struct Left {
    head: Bytes,
    frames: Frames,
}

/// Where the service of a connection puts a stream for the connection to find.
#[derive(Clone, Default)]
pub struct Exit {
    left: Arc<Mutex<Option<Left>>>,
    /// hyper holds bytes of an earlier answer that the socket did not take.
    blocked: Arc<AtomicBool>,
}

impl Exit {
    /// Whether this request's answer may leave.
    pub fn fits(request: &Request<Incoming>) -> bool {
        request.method() == Method::GET && request.version() == Version::HTTP_11 && request.body().is_end_stream()
    }

    /// Gives back an ordinary answer. A stream does not come back: its connection is about to be taken from hyper.
    pub async fn unless_stream(&self, response: Response) -> Result<Response<Body>, Infallible> {
        let Some(ticket) = response.extensions().get::<Ticket>().filter(|_| !self.blocked.load(Ordering::Relaxed))
        else {
            return Ok(response);
        };
        let Some(frames) = ticket.take() else { return Ok(response) };
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(Left { head: head_of(&response), frames });
        drop(response);
        std::future::pending().await
    }

    pub fn take(&self) -> Option<Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// `first`: what has been read of the socket already.
    pub fn watch(&self, socket: TcpStream, first: Vec<u8>) -> Watched {
        Watched { first: first.into(), socket: TokioIo::new(socket), blocked: self.blocked.clone() }
    }
}

/// hyper frames and dates its answers; what leaves it is framed and dated here.
fn head_of(response: &Response) -> Bytes {
    let mut head = Vec::with_capacity(1024);
    let _ = write!(head, "HTTP/1.1 {}\r\n", response.status());
    for (name, value) in response.headers() {
        if ![CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING, DATE].contains(name) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
    }
    let _ = write!(head, "date: {}\r\ntransfer-encoding: chunked\r\n\r\n", httpdate::fmt_http_date(SystemTime::now()));
    head.into()
}

/// The socket as hyper sees it, and whether it holds hyper up.
pub struct Watched {
    first: Bytes,
    socket: TokioIo<TcpStream>,
    blocked: Arc<AtomicBool>,
}

impl Watched {
    pub fn into_socket(self) -> TcpStream {
        self.socket.into_inner()
    }
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let fits = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first.split_to(fits));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl HyperWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.blocked.store(!matches!(written, Poll::Ready(Ok(n)) if n == buf.len()), Ordering::Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The end of a chunked body.
const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// After so many frames in a row the thread is given back: a long backlog must not hold up the others.
const FRAMES_IN_A_ROW: u32 = 16;

/// Writes the frames of one stream. By hand, and not an `async fn`, because there are ten thousand of these.
pub struct Streaming {
    socket: TcpStream,
    /// `None` once the last frame is in `unsent`.
    frames: Option<Frames>,
    unsent: Bytes,
}

impl Streaming {
    pub fn new(socket: TcpStream, Left { head, frames }: Left) -> Self {
        Self { socket, frames: Some(frames), unsent: head }
    }

    /// Writes what is unsent. An error, or a reader who cannot be waited for, is the end.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while !self.unsent.is_empty() {
            match self.socket.try_write(&self.unsent) {
                Ok(written) => self.unsent.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // the hub's wakes let us look here also while the socket is full
                    if self.frames.as_mut().is_none_or(|frames| frames.is_lost(cx)) {
                        return Poll::Ready(Err(()));
                    }
                    if ready!(self.socket.poll_write_ready(cx)).is_err() {
                        return Poll::Ready(Err(()));
                    }
                }
                Err(_) => return Poll::Ready(Err(())),
            }
        }
        // an empty slice would keep its whole frame in memory
        self.unsent = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Whatever a client still sends is of no interest; that it has gone is.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ignored = [0; 512];
        loop {
            match self.socket.try_read(&mut ignored) {
                Ok(0) => return Poll::Ready(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if ready!(self.socket.poll_read_ready(cx)).is_err() {
                        return Poll::Ready(());
                    }
                }
                Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl Future for Streaming {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..FRAMES_IN_A_ROW {
            if ready!(this.poll_unsent(cx)).is_err() {
                return Poll::Ready(());
            }
            let Some(frames) = &mut this.frames else { return Poll::Ready(()) };
            match frames.poll_next(cx) {
                Poll::Ready(Some(chunk)) => this.unsent = chunk.into_framed(),
                Poll::Ready(None) => {
                    this.frames = None;
                    this.unsent = LAST_CHUNK;
                }
                Poll::Pending => return this.poll_gone(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
