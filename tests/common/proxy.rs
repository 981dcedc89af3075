//! A way between two ends that a test can cut, silence and count.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Clone)]
pub enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Of all connections, the open ones and those to come; a connection of an older generation than `lost` or `cut` is gone.
#[derive(Clone, Copy, Default)]
struct Way {
    silent: bool,
    generation: u64,
    lost: u64,
    cut: u64,
}

pub struct Proxy {
    pub address: SocketAddr,
    way: watch::Sender<Way>,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub async fn to(upstream: Upstream) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), upstream).await
    }

    pub async fn at(address: SocketAddr, upstream: Upstream) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = watch::Sender::new(Way::default());
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let (count, ways) = (accepted.clone(), way.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(connection(client, upstream.clone(), ways.subscribe()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, way, accepted, _tasks: tasks }
    }

    /// A cable pulled out: nothing comes through and nobody is told. Put back, what was under way arrives late.
    pub fn silence(&self) {
        self.way.send_modify(|way| way.silent = true);
    }

    pub fn restore(&self) {
        self.way.send_modify(|way| way.silent = false);
    }

    /// A router that has forgotten its connections: those that are open never say anything again, new ones work.
    pub fn forget_the_open(&self) {
        self.way.send_modify(|way| {
            way.generation += 1;
            way.lost = way.generation;
        });
    }

    /// Both ends of every open connection see it closed.
    pub fn cut(&self) {
        self.way.send_modify(|way| {
            way.generation += 1;
            way.cut = way.generation;
        });
    }

    /// How many connections have been made.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn connection(client: TcpStream, upstream: Upstream, mut way: watch::Receiver<Way>) {
    let born = way.borrow().generation;
    let mut ways = way.clone();
    let carried = async move {
        let open = |way: &Way| !way.silent && way.lost <= born;
        let _ = ways.wait_for(open).await;
        match upstream {
            Upstream::Tcp(address) => {
                let Ok(server) = TcpStream::connect(address).await else { return };
                carry(client, server, ways, born).await;
            }
            Upstream::Unix(path) => {
                let Ok(server) = UnixStream::connect(path).await else { return };
                carry(client, server, ways, born).await;
            }
        }
    };
    tokio::select! {
        () = carried => {}
        _ = way.wait_for(|way| way.cut > born) => {}
    }
}

async fn carry(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: impl AsyncRead + AsyncWrite + Unpin,
    ways: watch::Receiver<Way>,
    born: u64,
) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::select! {
        _ = forward(from_client, to_server, ways.clone(), born) => {}
        _ = forward(from_server, to_client, ways, born) => {}
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut ways: watch::Receiver<Way>,
    born: u64,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await;
        // also an end does not come through
        let _ = ways.wait_for(|way| !way.silent && way.lost <= born).await;
        match read? {
            0 => return Ok(()),
            n => to.write_all(&buffer[..n]).await?,
        }
    }
}
