//! sse-load: opens many SSE connections, holds them, and reports what arrived
//! and what it cost, as one line of JSON on standard output.
//!
//! Standard error gets `ready` (with the number of open connections) when every
//! connection has been opened or has failed and the settle time is over: start
//! the publisher then. Latency counts only changes stamped after that moment.

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use sse_load::procstat::{self, TreeSample};
use sse_load::stamp::FieldPath;
use sse_load::stream::{SseEvent, Stream, StreamError};
use sse_load::{now_us, raise_nofile, summary};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[derive(Parser)]
#[command(version, about = "Load generator for Server-Sent-Events servers")]
struct Args {
    /// Stream URL, http:// only. `{branch}` becomes 1..=BRANCHES in turn, `{i}` the connection's number.
    url: String,
    /// Connections to open.
    #[arg(short = 'n', long, default_value_t = 100)]
    connections: usize,
    /// Seconds to hold the connections after `ready`.
    #[arg(short = 'd', long, default_value_t = 10.0)]
    hold: f64,
    /// Branches that `{branch}` goes round.
    #[arg(long, default_value_t = 1)]
    branches: usize,
    /// File of extra header lines, `Name: value`, one a line; branch B gets line B (then round again),
    /// so that each branch can come with a session of its own.
    #[arg(long)]
    header_file: Option<std::path::PathBuf>,
    /// Connections being opened at once.
    #[arg(long, default_value_t = 200)]
    concurrency: usize,
    /// Seconds a connection may take to open.
    #[arg(long, default_value_t = 20.0)]
    open_timeout: f64,
    /// Loopback source addresses to spread over, from 127.0.0.2 on.
    #[arg(long, default_value_t = 8)]
    sources: u8,
    /// Seconds of quiet between the last opened connection and `ready`.
    #[arg(long, default_value_t = 2.0)]
    settle: f64,
    /// Dot path of the publish timestamp in the event's JSON, e.g. `updates[].updated_at`.
    #[arg(long)]
    latency_field: Option<FieldPath>,
    /// Process to sample with its descendants, `PID` or `NAME=PID`. Repeatable.
    #[arg(long = "pid", value_parser = parse_pid)]
    pids: Vec<(String, u32)>,
    /// Come back when a stream ends, with `Last-Event-ID`, after a pause of 0 to 1 s drawn anew at each attempt.
    /// What a connection hears twice then counts once.
    #[arg(long)]
    resume: bool,
}

fn parse_pid(text: &str) -> Result<(String, u32), String> {
    let (name, pid) = text.split_once('=').unwrap_or(("server", text));
    pid.parse().map(|pid| (name.to_owned(), pid)).map_err(|e| format!("{pid}: {e}"))
}

struct Target {
    address: SocketAddr,
    host: String,
    path: String,
}

fn parse_url(url: &str) -> Result<Target> {
    let rest = url.strip_prefix("http://").context("the URL must start with http://")?;
    let (host, path) = match rest.find('/') {
        Some(slash) => (&rest[..slash], &rest[slash..]),
        None => (rest, "/"),
    };
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let address = with_port.replace("localhost", "127.0.0.1").parse().context("host:port")?;
    Ok(Target { address, host: host.to_owned(), path: path.to_owned() })
}

/// One published change as the connections saw it.
struct Change {
    stamp: i64,
    first_us: i64,
    last_us: i64,
    received: u32,
}

/// Indices into `Tally::changes`.
type Items = Rc<[usize]>;

/// What all connections have received. One thread runs everything, so plain cells do.
#[derive(Default)]
struct Tally {
    per_connection: Vec<u32>,
    open_us: Vec<i64>,
    opened: usize,
    failed: usize,
    dropped: usize,
    /// Streams that ended and are not back yet.
    away: usize,
    errors: BTreeMap<String, usize>,
    events: u64,
    event_bytes: u64,
    /// Timestamped items received after `ready`, counted each also where an event carries several.
    items: u64,
    latency_us: Vec<i64>,
    changes: Vec<Change>,
    change_of: HashMap<i64, usize>,
    /// The items of an event, by the event's data: in a fan-out nearly every event is
    /// one that another connection got before.
    known: HashMap<Box<[u8]>, Items>,
    last: Option<(Box<[u8]>, Items)>,
    ready_us: i64,
    /// Who has heard of what, where streams are resumed.
    heard: HashSet<(usize, usize)>,
    /// How long streams were away that came back, and when the last of them did.
    away_us: Vec<i64>,
    first_gone_us: i64,
    last_back_us: i64,
    /// Answers to a resumption that were neither a stream nor "nobody is listening".
    refused: BTreeMap<String, usize>,
}

impl Tally {
    fn fail(&mut self, reason: String) {
        self.failed += 1;
        *self.errors.entry(reason).or_default() += 1;
    }

    fn drop_open(&mut self, reason: String) {
        self.dropped += 1;
        *self.errors.entry(format!("dropped: {reason}")).or_default() += 1;
    }

    fn event(&mut self, connection: usize, event: &SseEvent, args: &Args, at_us: i64) {
        self.per_connection[connection] += 1;
        self.events += 1;
        self.event_bytes += event.data.len() as u64;
        let Some(path) = &args.latency_field else {
            return;
        };
        let items = self.items_of(&event.data, path);
        let fresh = items.iter().copied().filter(|i| self.changes[*i].stamp >= self.ready_us);
        let mut fresh: Vec<usize> = fresh.collect();
        if args.resume {
            fresh.retain(|change| self.heard.insert((connection, *change)));
        }
        for index in &fresh {
            let change = &mut self.changes[*index];
            if change.received == 0 {
                change.first_us = at_us;
            }
            change.last_us = at_us;
            change.received += 1;
        }
        self.items += fresh.len() as u64;
        if self.ready_us == 0 {
            return;
        }
        let stamps = fresh.iter().map(|i| self.changes[*i].stamp);
        self.latency_us.extend(stamps.map(|s| at_us - s));
    }

    fn items_of(&mut self, data: &[u8], path: &FieldPath) -> Items {
        if let Some((last, items)) = &self.last
            && **last == *data
        {
            return items.clone();
        }
        let items = match self.known.get(data) {
            Some(items) => items.clone(),
            None => {
                let indices: Items = path.stamps(data).into_iter().map(|s| self.change_index(s)).collect();
                if self.known.len() >= 4096 {
                    self.known.clear();
                }
                self.known.insert(data.into(), indices.clone());
                indices
            }
        };
        self.last = Some((data.into(), items.clone()));
        items
    }

    fn change_index(&mut self, stamp: i64) -> usize {
        *self.change_of.entry(stamp).or_insert_with(|| {
            self.changes.push(Change { stamp, first_us: 0, last_us: 0, received: 0 });
            self.changes.len() - 1
        })
    }
}

struct Shared {
    args: Args,
    target: Target,
    /// Lines of `--header-file`.
    header_lines: Vec<String>,
    tally: RefCell<Tally>,
    /// Every connection reads into this one buffer; what is left over stays in its parser.
    buffer: RefCell<Vec<u8>>,
}

async fn connect(shared: &Shared, number: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if shared.target.address.ip().is_loopback() && shared.args.sources > 0 {
        let last = 2 + (number % shared.args.sources as usize) as u8;
        pick_port_at_connect(&socket);
        let source = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0);
        socket.bind(&SocketAddr::from(source).into())?;
    }
    let stream = TcpSocket::from_std_stream(socket.into()).connect(shared.target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// With this option the kernel picks the port at connect time, when it knows the
/// destination, so one port may serve several destinations. Linux only; without it
/// there are fewer ports, nothing else.
fn pick_port_at_connect(socket: &Socket) {
    let on: libc::c_int = 1;
    // SAFETY: `on` is valid for the call and its size is passed.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        );
    }
}

fn request(shared: &Shared, number: usize, after: &[u8]) -> String {
    let branch = (number % shared.args.branches.max(1) + 1).to_string();
    let fill = |t: &str| t.replace("{branch}", &branch).replace("{i}", &number.to_string());
    let mut text = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n",
        fill(&shared.target.path),
        shared.target.host
    );
    if !after.is_empty() {
        text.push_str(&format!("Last-Event-ID: {}\r\n", String::from_utf8_lossy(after)));
    }
    if !shared.header_lines.is_empty() {
        let branch = number % shared.args.branches.max(1);
        text.push_str(&shared.header_lines[branch % shared.header_lines.len()]);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

/// Reads what is there and returns how many bytes came; 0 is the end of the stream.
async fn read_some(shared: &Shared, number: usize, socket: &TcpStream, stream: &mut Stream) -> Result<usize> {
    loop {
        socket.readable().await?;
        let mut buffer = shared.buffer.borrow_mut();
        match socket.try_read(&mut buffer) {
            Ok(got) => {
                let at_us = now_us();
                let mut tally = shared.tally.borrow_mut();
                stream.push(&buffer[..got], &mut |e| tally.event(number, e, &shared.args, at_us)).map_err(
                    |e| match e {
                        StreamError::Status(code, Some(seconds)) => {
                            anyhow::anyhow!("HTTP status {code}, Retry-After {seconds}")
                        }
                        StreamError::Status(code, None) => anyhow::anyhow!("HTTP status {code}"),
                        other => anyhow::anyhow!("{other:?}"),
                    },
                )?;
                return Ok(got);
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(e) => bail!("{:?}", e.kind()),
        }
    }
}

async fn open(shared: &Shared, number: usize, after: &[u8]) -> Result<(TcpStream, Stream)> {
    let mut socket = connect(shared, number).await.context("connect")?;
    socket.write_all(request(shared, number, after).as_bytes()).await.context("write")?;
    let mut stream = Stream::default();
    while !stream.is_open() {
        if read_some(shared, number, &socket, &mut stream).await? == 0 {
            bail!("closed before the response head");
        }
    }
    Ok((socket, stream))
}

async fn hold(shared: Rc<Shared>, number: usize, permit: tokio::sync::OwnedSemaphorePermit) {
    let start = Instant::now();
    let limit = Duration::from_secs_f64(shared.args.open_timeout);
    let opened = tokio::time::timeout(limit, open(&shared, number, b"")).await;
    drop(permit);
    let (mut socket, mut stream) = match opened {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return shared.tally.borrow_mut().fail(format!("{error:#}")),
        Err(_) => return shared.tally.borrow_mut().fail("no response head in time".into()),
    };
    {
        let mut tally = shared.tally.borrow_mut();
        tally.opened += 1;
        tally.open_us.push(start.elapsed().as_micros() as i64);
    }
    loop {
        let reason = loop {
            match read_some(&shared, number, &socket, &mut stream).await {
                Ok(0) => break "closed".to_owned(),
                Ok(_) => {}
                Err(error) => break format!("{error:#}"),
            }
        };
        if !shared.args.resume {
            return shared.tally.borrow_mut().drop_open(reason);
        }
        (socket, stream) = come_back(&shared, number, stream.last_id()).await;
    }
}

async fn come_back(shared: &Shared, number: usize, after: &[u8]) -> (TcpStream, Stream) {
    let gone_us = now_us();
    {
        let mut tally = shared.tally.borrow_mut();
        tally.away += 1;
        if tally.first_gone_us == 0 {
            tally.first_gone_us = gone_us;
        }
    }
    let limit = Duration::from_secs_f64(shared.args.open_timeout);
    for attempt in 0.. {
        // Spread evenly, and the same in every run.
        let share = (number as f64 * 0.618_033_988_75 + attempt as f64 * 0.414_213_562_37).fract();
        tokio::time::sleep(Duration::from_secs_f64(share)).await;
        let why = match tokio::time::timeout(limit, open(shared, number, after)).await {
            Ok(Ok(opened)) => {
                let mut tally = shared.tally.borrow_mut();
                tally.away -= 1;
                tally.last_back_us = now_us();
                let away_us = tally.last_back_us - gone_us;
                tally.away_us.push(away_us);
                return opened;
            }
            Ok(Err(error))
                if error.root_cause().downcast_ref::<std::io::Error>().map(std::io::Error::kind)
                    == Some(std::io::ErrorKind::ConnectionRefused) =>
            {
                continue;
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no response head in time".to_owned(),
        };
        *shared.tally.borrow_mut().refused.entry(why).or_default() += 1;
    }
    unreachable!("the attempts have no end")
}

/// Follows the peak memory of the sampled trees from a thread of its own.
struct PeakWatch {
    stop: Arc<AtomicBool>,
    peaks: Vec<Arc<AtomicU64>>,
    thread: std::thread::JoinHandle<()>,
}

impl PeakWatch {
    fn start(pids: &[(String, u32)]) -> Self {
        let roots: Vec<u32> = pids.iter().map(|(_, pid)| *pid).collect();
        let peaks: Vec<Arc<AtomicU64>> = roots.iter().map(|_| Arc::default()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (stop_seen, peaks_seen) = (stop.clone(), peaks.clone());
        let thread = std::thread::spawn(move || {
            while !stop_seen.load(Ordering::Relaxed) {
                for (root, peak) in roots.iter().zip(&peaks_seen) {
                    peak.fetch_max(procstat::rss_kb(&procstat::tree(*root)), Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(1000));
            }
        });
        PeakWatch { stop, peaks, thread }
    }

    fn finish(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok();
        self.peaks.iter().map(|p| p.load(Ordering::Relaxed)).collect()
    }
}

struct Phase {
    trees: Vec<TreeSample>,
}

fn take_phase(args: &Args) -> Phase {
    Phase { trees: args.pids.iter().map(|(_, pid)| procstat::sample(*pid)).collect() }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let limit = raise_nofile(args.connections as u64 + 512);
    if (args.connections as u64) + 64 > limit {
        bail!("{} connections need more than the {limit} files this process may open", args.connections);
    }
    let target = parse_url(&args.url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(tokio::task::LocalSet::new().run_until(run(args, target)))?;
    println!("{report}");
    Ok(())
}

async fn run(args: Args, target: Target) -> Result<Value> {
    let before = take_phase(&args);
    let watch = PeakWatch::start(&args.pids);
    let connections = args.connections;
    let header_lines = match &args.header_file {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("{}", path.display()))?
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    };
    let shared = Rc::new(Shared {
        header_lines,
        tally: RefCell::new(Tally { per_connection: vec![0; connections], ..Tally::default() }),
        buffer: RefCell::new(vec![0; 64 * 1024]),
        target,
        args,
    });
    let args = &shared.args;

    let start = Instant::now();
    let gate = Arc::new(Semaphore::new(args.concurrency));
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let permit = gate.clone().acquire_owned().await?;
        tasks.spawn_local(hold(shared.clone(), number, permit));
    }
    let _all_settled = gate.acquire_many(args.concurrency as u32).await?;
    // The last permit is released just before its connection is counted.
    tokio::task::yield_now().await;
    let open_s = start.elapsed().as_secs_f64();
    let opened_cpu: Vec<f64> = args.pids.iter().map(|(_, p)| procstat::sample(*p).cpu_s).collect();
    tokio::time::sleep(Duration::from_secs_f64(args.settle)).await;

    let idle = take_phase(args);
    let opened = shared.tally.borrow().opened;
    let (events_at_ready, ready_us) = (shared.tally.borrow().events, now_us());
    shared.tally.borrow_mut().ready_us = ready_us;
    eprintln!("ready {opened}");
    tokio::time::sleep(Duration::from_secs_f64(args.hold)).await;

    let end = take_phase(args);
    let peaks = watch.finish();
    let tally_open = {
        let tally = shared.tally.borrow();
        tally.opened - tally.dropped - tally.away
    };
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let after = take_phase(args);

    let mut tally = shared.tally.borrow_mut();
    let events_held = tally.events - events_at_ready;
    let processes: serde_json::Map<String, Value> = args
        .pids
        .iter()
        .enumerate()
        .map(|(i, (name, _))| {
            let (b, o, e, a) = (before.trees[i], idle.trees[i], end.trees[i], after.trees[i]);
            let per_connection = |now: u64, then: u64| (now as f64 - then as f64) * 1024.0 / opened.max(1) as f64;
            let cpu = e.cpu_s - o.cpu_s;
            let value = json!({
                "before": b.json(), "open": o.json(), "end": e.json(), "after": a.json(),
                "peak_rss_kb": peaks[i].max(e.rss_kb),
                "idle_pss_bytes_per_connection": per_connection(o.pss_kb, b.pss_kb).round(),
                "end_pss_bytes_per_connection": per_connection(e.pss_kb, b.pss_kb).round(),
                "idle_anon_bytes_per_connection": per_connection(o.pss_anon_kb, b.pss_anon_kb).round(),
                "end_anon_bytes_per_connection": per_connection(e.pss_anon_kb, b.pss_anon_kb).round(),
                "open_cpu_s": round2(opened_cpu[i] - b.cpu_s),
                "hold_cpu_s": round2(cpu),
                "cpu_s_per_100k_events": (events_held > 0).then(|| round2(cpu / events_held as f64 * 1e5)),
            });
            (name.clone(), value)
        })
        .collect();

    let seen: Vec<&Change> = tally.changes.iter().filter(|c| c.received > 0).collect();
    let mut spread: Vec<i64> = seen.iter().map(|c| c.last_us - c.first_us).collect();
    let mut first: Vec<i64> = seen.iter().map(|c| c.first_us - c.stamp).collect();
    let receivers: Vec<u32> = seen.iter().map(|c| c.received).collect();
    let changes = json!({
        "seen": seen.len(),
        "receivers_min": receivers.iter().min(), "receivers_max": receivers.iter().max(),
        "first_receipt_ms": summary::millis(&mut first),
        "fan_out_ms": summary::millis(&mut spread),
    });
    let mut per_connection = tally.per_connection.clone();
    per_connection.sort_unstable();
    let (errors, items, events, bytes) = (tally.errors.clone(), tally.items, tally.events, tally.event_bytes);
    let (failed, dropped, refused) = (tally.failed, tally.dropped, tally.refused.clone());
    Ok(json!({
        "url": args.url,
        "connections": {
            "requested": connections, "opened": opened, "failed": failed, "dropped": dropped,
            "open_at_end": tally_open, "errors": errors, "open_s": round2(open_s),
            "per_s": (opened as f64 / open_s).round(), "open_ms": summary::millis(&mut tally.open_us),
        },
        "events": {
            "total": events, "after_ready": events_held, "items_after_ready": items, "data_bytes": bytes,
            "per_connection": {
                "min": per_connection.first(), "median": summary::quantile(&per_connection, 0.5),
                "max": per_connection.last(),
            },
        },
        "latency_ms": summary::millis(&mut tally.latency_us),
        "changes": changes,
        "processes": processes,
        "resumed": {
            "away_ms": summary::millis(&mut tally.away_us), "refused": refused,
            "first_gone_us": tally.first_gone_us, "last_back_us": tally.last_back_us,
        },
    }))
}

fn round2(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
