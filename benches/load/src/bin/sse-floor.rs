//! sse-floor: the least a server can do. One thread, one epoll, one `send` per
//! socket and event; no timers, no queues, no database. What it achieves with
//! sse-load on a machine is the limit that servers there are compared with.
//!
//!   sse-floor serve PORT     GET /sub/BRANCH streams; POST /pub/BRANCH sends the body to the branch

use sse_load::raise_nofile;
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n";

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", port] => serve(port.parse().expect("a port number")),
        _ => {
            eprintln!("usage: sse-floor serve PORT");
            std::process::exit(2);
        }
    }
}

fn serve(port: u16) -> std::io::Result<()> {
    raise_nofile(100_000);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let listen_fd = listener.as_raw_fd();
    // SAFETY: plain system calls on descriptors this process owns.
    unsafe {
        libc::listen(listen_fd, 4096);
    }
    let epoll = unsafe { libc::epoll_create1(0) };
    watch(epoll, listen_fd);

    let mut branch_of: HashMap<RawFd, u32> = HashMap::new();
    let mut members: HashMap<u32, Vec<RawFd>> = HashMap::new();
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        // SAFETY: `events` outlives the call and its length is passed.
        let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, -1) };
        for event in &events[..ready.max(0) as usize] {
            let fd = event.u64 as RawFd;
            if fd == listen_fd {
                while let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    watch(epoll, socket.into_raw_fd());
                }
                continue;
            }
            // SAFETY: `buffer` is writable for its length.
            let got = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            if got <= 0 {
                if let Some(branch) = branch_of.remove(&fd) {
                    members.entry(branch).or_default().retain(|member| *member != fd);
                }
                // SAFETY: closes a descriptor that came from `accept` and is dropped here.
                drop(unsafe { TcpStream::from_raw_fd(fd) });
                continue;
            }
            // A request of these tools always fits one read.
            let request = &buffer[..got as usize];
            let line = String::from_utf8_lossy(&request[..request.len().min(64)]).into_owned();
            let path = line.split(' ').nth(1).unwrap_or_default();
            let branch = path.rsplit('/').next().and_then(|b| b.parse().ok()).unwrap_or(0);
            if line.starts_with("GET") {
                send(fd, STREAM_HEAD);
                branch_of.insert(fd, branch);
                members.entry(branch).or_default().push(fd);
            } else {
                let body = memchr::memmem::find(request, b"\r\n\r\n").map_or(&[][..], |at| &request[at + 4..]);
                let frame = [b"event: frame\ndata: ", body, b"\n\n"].concat();
                for member in members.get(&branch).into_iter().flatten() {
                    send(*member, &frame);
                }
                send(fd, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
            }
        }
    }
}

fn watch(epoll: RawFd, fd: RawFd) {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
    // SAFETY: `event` is valid during the call.
    unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) };
}

fn send(fd: RawFd, bytes: &[u8]) {
    // SAFETY: `bytes` is readable for its length.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
}
