//! sse-pub: makes changes for sse-load to receive.

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use sse_load::{now_us, stamp, summary};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

#[derive(Parser)]
#[command(about = "Publisher for SSE benchmarks")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Update rows of `frames`; the row's `updated_at` is the start of the latency.
    Pg {
        #[arg(long)]
        dsn: String,
        #[command(flatten)]
        pace: Pace,
        /// Rows per branch in the table (see peers/melati/seed.sql).
        #[arg(long, default_value_t = 200)]
        rows: usize,
        /// Concurrent writers, each with a connection of its own.
        #[arg(long, default_value_t = 1)]
        writers: usize,
        /// Keep each transaction open for up to this long after the stamp, so that
        /// changes become visible in another order than they were stamped in.
        #[arg(long, default_value_t = 0)]
        commit_delay_ms: u64,
    },
    /// POST the same JSON to a publish endpoint; `{branch}` in the URL is filled in.
    Http {
        url: String,
        #[command(flatten)]
        pace: Pace,
    },
}

#[derive(Args, Clone)]
struct Pace {
    #[arg(short = 'n', long, default_value_t = 10)]
    changes: usize,
    /// Milliseconds from one change to the next.
    #[arg(long, default_value_t = 1000.0)]
    interval_ms: f64,
    /// Changes go round branches 1..=BRANCHES.
    #[arg(long, default_value_t = 1)]
    branches: usize,
}

impl Pace {
    fn branch(&self, change: usize) -> usize {
        change % self.branches + 1
    }

    /// Shifted by up to half an interval, so that changes meet a polling server at every phase of its poll: 50 ms are
    /// twice 25, and every change of a run would wait equally long. A fixed low-discrepancy sequence, so runs compare.
    fn due(&self, start: Instant, change: usize) -> Instant {
        let shift = (change as f64 * 0.618_033_988_75).fract() * 0.5;
        start + Duration::from_secs_f64((change as f64 + shift) * self.interval_ms / 1e3)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let report = match Cli::parse().command {
        Command::Pg { dsn, pace, rows, writers, commit_delay_ms } => {
            publish_pg(&dsn, &pace, rows, writers, commit_delay_ms).await?
        }
        Command::Http { url, pace } => publish_http(&url, &pace).await?,
    };
    println!("{report}");
    Ok(())
}

async fn connect(dsn: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.context("connect to Postgres")?;
    tokio::spawn(connection);
    Ok(client)
}

const UPDATE: &str = "UPDATE frames SET stok = stok + 1, updated_at = clock_timestamp() WHERE id = $1::int";

async fn publish_pg(dsn: &str, pace: &Pace, rows: usize, writers: usize, commit_delay_ms: u64) -> Result<Value> {
    let mut clients = Vec::new();
    for _ in 0..writers {
        let client = connect(dsn).await?;
        let update = client.prepare(UPDATE).await?;
        clients.push((client, update));
    }
    let start = Instant::now();
    let one_writer = |writer: usize, (client, update): (Client, tokio_postgres::Statement)| async move {
        let mut took = Vec::new();
        for change in (writer..pace.changes).step_by(writers) {
            tokio::time::sleep_until(pace.due(start, change)).await;
            let row = change / pace.branches % rows;
            let id = ((pace.branch(change) - 1) * rows + row + 1) as i32;
            let began = now_us();
            if commit_delay_ms == 0 {
                client.execute(&update, &[&id]).await?;
            } else {
                let wait = (change as f64 * 0.618_033_988_75).fract() * commit_delay_ms as f64;
                client.batch_execute("BEGIN").await?;
                client.execute(&update, &[&id]).await?;
                tokio::time::sleep(Duration::from_secs_f64(wait / 1e3)).await;
                client.batch_execute("COMMIT").await?;
            }
            took.push(now_us() - began);
        }
        anyhow::Ok(took)
    };
    let all = clients.into_iter().enumerate().map(|(writer, client)| one_writer(writer, client));
    let mut took = Vec::new();
    for result in futures_util::future::join_all(all).await {
        took.extend(result?);
    }
    Ok(json!({
        "changes": took.len(), "seconds": start.elapsed().as_secs_f64(), "update_ms": summary::millis(&mut took),
    }))
}

async fn publish_http(url: &str, pace: &Pace) -> Result<Value> {
    let rest = url.strip_prefix("http://").context("the URL must start with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let start = Instant::now();
    let mut took = Vec::new();
    for change in 0..pace.changes {
        tokio::time::sleep_until(pace.due(start, change)).await;
        let mut socket = TcpStream::connect(host).await.context("connect to the publish endpoint")?;
        socket.set_nodelay(true)?;
        let branch = pace.branch(change);
        let began = now_us();
        let payload = json!({
            "id": change + 1, "kode": format!("FRM-{:05}", change + 1), "name": NAME,
            "branch_id": branch, "stok": change, "updated_at": stamp::to_rfc3339(began),
        });
        let body = payload.to_string();
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            path.replace("{branch}", &branch.to_string()),
            body.len()
        );
        socket.write_all(request.as_bytes()).await?;
        read_response(&mut socket).await?;
        took.push(now_us() - began);
    }
    Ok(json!({
        "changes": took.len(), "seconds": start.elapsed().as_secs_f64(), "post_ms": summary::millis(&mut took),
    }))
}

/// A long frame name brings the event to about 300 bytes; seed.sql does the same.
const NAME: &str = "Frame kacamata titanium ringan, gagang lentur, warna hitam doff, lensa antiradiasi, \
    garansi dua tahun, lengkap dengan kotak dan kain pembersih";

/// Reads one response to its end.
async fn read_response(socket: &mut TcpStream) -> Result<()> {
    let mut got = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = socket.read(&mut piece).await?;
        if n == 0 {
            bail!("the publish endpoint closed the connection");
        }
        got.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&got);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let status = head.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            bail!("the publish endpoint answered {status}: {body}");
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
        let done = match length.and_then(|l| l.trim().parse::<usize>().ok()) {
            Some(length) => body.len() >= length,
            None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
            None => true,
        };
        if done {
            return Ok(());
        }
    }
}
