//! The command line: settings in, a serving process out, and an exit code: 0 done, 1 it failed, 2 it was asked wrongly.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use melati::config::{AddUser, Cli, Command, Config, Database, Demo, LogFormat, Passwd, Rollups, User, one_line};
use melati::people::{self, NewUser, SHORTEST_PASSWORD};
use melati::postgres::embedded::{self, Embedded};
use melati::refusal::Refusal;
use melati::reports::rollups;
use melati::{demo, postgres, web};
use sqlx::PgPool;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Opening a stream takes some 20 KiB for a moment, and the few hundred bytes that stay lie scattered among them. One arena for
/// all threads uses the holes again, and what is free for a second goes back to the system: a connection costs half of what it
/// does in glibc's heap, and the process grows no further (docs/performance.md). Deliveries allocate nothing and so do not queue
/// for the arena.
#[expect(unsafe_code, reason = "jemalloc reads its settings from a symbol of this name")]
// SAFETY: a pointer to a C string, as jemalloc declares it, and no one else's name.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 53] = b"narenas:1,background_thread:true,dirty_decay_ms:1000\0";

const ASKED_WRONGLY: u8 = 2;
/// After `--drain-notice-seconds` and `--drain-seconds` everything should have ended; what has not by then is a mistake of ours.
const GRACE: Duration = Duration::from_secs(5);

/// Not async: Postgres is started before tokio is, and ended after it.
fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(help) if !help.use_stderr() => {
            // A reader that has gone away (`| head`) is no failure.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
        Err(mistake) if mistake.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = mistake.print();
            return ExitCode::from(ASKED_WRONGLY);
        }
        Err(mistake) => return failed(ASKED_WRONGLY, &one_line(&mistake)),
    };
    log_to_stderr(cli.log_format);
    let outcome = match cli.command {
        Command::Serve(config) => serve(config, Show::Shops),
        Command::Demo(Demo { config, sales_per_minute, seed }) => serve(config, Show::Demo { sales_per_minute, seed }),
        Command::Migrate(database) => with_database(&database, async |_| Ok(())),
        Command::User(User::Add(user)) => add_user(user),
        Command::User(User::Passwd(user)) => set_password(user),
        Command::Rollups(Rollups::Check(database)) => check_rollups(&database),
        Command::Rollups(Rollups::Rebuild(database)) => rebuild_rollups(&database),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Where the data is and what is found there are settings, too.
        Err(error) if error.is::<embedded::Error>() || error.is::<BadSetting>() => {
            failed(ASKED_WRONGLY, &format!("{error:#}"))
        }
        Err(error) => failed(1, &format!("{error:#}")),
    }
}

/// Always one line.
fn failed(code: u8, message: &str) -> ExitCode {
    let words: Vec<&str> = message.split_whitespace().collect();
    // If stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "melati: {}", words.join(" "));
    ExitCode::from(code)
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadSetting(String);

fn log_to_stderr(format: LogFormat) {
    // sqlx reports slow statements as warnings
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Pretty => lines.with_ansi(io::stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// For whom is at the keyboard. A reader that has gone away does not end the server.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// The user's Postgres, or our own.
enum Postgres {
    Theirs(String),
    Ours(Box<Embedded>),
}

impl Postgres {
    fn start(settings: &Database) -> Result<Self, embedded::Error> {
        match &settings.database_url {
            Some(url) => Ok(Self::Theirs(url.clone())),
            None => Ok(Self::Ours(Box::new(Embedded::start(settings)?))),
        }
    }

    /// For work beside a server: if a melati runs on this data directory, its Postgres will do.
    fn start_or_join(settings: &Database) -> Result<Self, embedded::Error> {
        match Self::start(settings) {
            Err(embedded::Error::InUse { .. }) => Ok(Self::Theirs(embedded::url_of_running(settings)?)),
            outcome => outcome,
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Theirs(url) => url.clone(),
            Self::Ours(embedded) => embedded.url(),
        }
    }

    fn stop(self) {
        if let Self::Ours(embedded) = self {
            embedded.stop();
        }
    }
}

enum Show {
    Shops,
    Demo { sales_per_minute: u32, seed: u64 },
}

fn serve(config: Config, show: Show) -> anyhow::Result<()> {
    // First of all, because it is what most often fails; browsers that come early wait in its queue.
    let listener = web::accept::listen(config.listen)
        .map_err(|error| BadSetting(format!("cannot listen on {}: {error}", config.listen)))?;
    allow_open_files(config.max_streams);

    let postgres = Postgres::start(&config.database)?;
    let runtime = Runtime::new().context("tokio")?;
    let outcome = runtime.block_on(serve_until_told(listener, Arc::new(config), &postgres, show));
    // Whatever still runs was told to stop and did not.
    runtime.shutdown_timeout(Duration::from_secs(1));
    postgres.stop();
    outcome
}

async fn serve_until_told(
    listener: TcpListener,
    config: Arc<Config>,
    postgres: &Postgres,
    show: Show,
) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let stop = signals.stop.clone();
    let drain = Duration::from_secs(config.drain_notice_seconds + config.drain_seconds) + GRACE;
    let work = async {
        // A signal during the preparations ends them: migrations and the demo's chain are transactions.
        let prepared = tokio::select! {
            prepared = prepare(&listener, &config, postgres, &show) => prepared?,
            () = stop.cancelled() => return Ok(()),
        };
        serve_prepared(listener, config, prepared, postgres, show, &stop).await
    };
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        outcome = work => outcome,
        () = signals.again.cancelled() => bail!("stopped at once, by a second signal"),
        () = too_late => bail!("not everything ended within {} seconds", drain.as_secs()),
    }
}

async fn prepare(listener: &TcpListener, config: &Config, postgres: &Postgres, show: &Show) -> anyhow::Result<PgPool> {
    if let Postgres::Theirs(url) = postgres {
        wait_for_database(listener, config, url).await?;
    }
    let pool = open(&postgres.url()).await?;
    if let Show::Demo { seed, .. } = show {
        demo::fill(&pool, *seed).await.context("the demo's chain")?;
    }
    Ok(pool)
}

/// Between two tries to reach the database, and between two lines about it.
const TRY_AGAIN: Duration = Duration::from_millis(500);
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// Machines start in no order: a database that may still come is waited for, in public.
async fn wait_for_database(listener: &TcpListener, config: &Config, url: &str) -> anyhow::Result<()> {
    let Some(mut error) = postgres::is_away(url).await else { return Ok(()) };
    let address = listener.local_addr().context("the listener")?;
    let waiting = async {
        let mut said: Option<Instant> = None;
        loop {
            if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
                tracing::warn!(%error, %address, "the database cannot be reached; waiting for it");
                said = Some(Instant::now());
            }
            tokio::time::sleep(TRY_AGAIN).await;
            match postgres::is_away(url).await {
                Some(still) => error = still,
                None => return,
            }
        }
    };
    melati::web::early::meanwhile(
        listener,
        web::harden::Transport::of(config.secure_cookies),
        config.metrics_listen.0,
        waiting,
    )
    .await
    .context("the listener")?;
    tracing::info!("the database is there");
    Ok(())
}

async fn serve_prepared(
    listener: TcpListener,
    config: Arc<Config>,
    pool: PgPool,
    postgres: &Postgres,
    show: Show,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context("the listener")?;
    say(&format!("Melati:  http://{}", listener.local_addr().context("the listener")?));
    if let Show::Demo { .. } = show {
        for (email, who) in demo::accounts() {
            say(&format!("         {email:<24} {who}"));
        }
        say(&format!("         the password of all is {}", demo::PASSWORD));
    }
    if let Postgres::Ours(embedded) = postgres {
        say(&format!("psql:    {}", embedded.psql_command()));
    }

    let simulator = match show {
        Show::Demo { sales_per_minute, seed } if sales_per_minute > 0 => {
            Some(tokio::spawn(demo::simulate(pool.clone(), sales_per_minute, seed, stop.clone())))
        }
        _ => None,
    };
    let outcome = melati::run(listener, config, pool.clone(), stop.clone()).await;
    // Also if it failed by itself: the simulator must not write to a database that is going away.
    stop.cancel();
    if let Some(simulator) = simulator {
        simulator.await.context("the simulator")?;
    }
    pool.close().await;
    outcome
}

/// SIGTERM and Ctrl-C: the first asks to finish, the second to end now.
struct Signals {
    stop: CancellationToken,
    again: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let (stop, again) = (CancellationToken::new(), CancellationToken::new());
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
        let told = [stop.clone(), again.clone()];
        let task = tokio::spawn(async move {
            for token in told {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!("told to stop");
                token.cancel();
            }
        });
        Ok(Self { stop, again, task })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn open(url: &str) -> anyhow::Result<PgPool> {
    let pool = postgres::connect(url).await.context("cannot reach the database")?;
    postgres::migrate(&pool).await?;
    Ok(pool)
}

/// Runs something short on an up-to-date database.
fn with_database(settings: &Database, work: impl AsyncFnOnce(&PgPool) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let postgres = Postgres::start_or_join(settings)?;
    let outcome = Runtime::new().context("tokio")?.block_on(async {
        let pool = open(&postgres.url()).await?;
        let outcome = work(&pool).await;
        pool.close().await;
        outcome
    });
    postgres.stop();
    outcome
}

fn add_user(user: AddUser) -> anyhow::Result<()> {
    let AddUser { database, email, name, role, branch } = user;
    let password = read_password()?;
    with_database(&database, async move |pool| {
        people::add_user(pool, NewUser { name, email, role, branch_id: branch, password }).await.map_err(in_words)?;
        Ok(())
    })
}

fn set_password(user: Passwd) -> anyhow::Result<()> {
    let password = read_password()?;
    with_database(&user.database, async move |pool| {
        people::set_password(pool, &user.email, password).await.map_err(in_words)?;
        Ok(())
    })
}

fn check_rollups(database: &Database) -> anyhow::Result<()> {
    with_database(database, async |pool| {
        let wrong = rollups::check(pool).await?;
        for day in &wrong {
            say(&format!("branch {}, {}: was not what its sales say, and is now", day.branch, day.tanggal));
        }
        say(&format!("{} days were wrong", wrong.len()));
        Ok(())
    })
}

fn rebuild_rollups(database: &Database) -> anyhow::Result<()> {
    with_database(database, async |pool| {
        let days = rollups::rebuild(pool).await?;
        say(&format!("{days} days summed up"));
        Ok(())
    })
}

/// A refusal's words are meant for forms; here they stand alone.
fn in_words(refusal: Refusal) -> anyhow::Error {
    match refusal {
        Refusal::Invalid(fields) => BadSetting(Vec::from_iter(fields.into_values()).join(" ")).into(),
        Refusal::NotFound => BadSetting("there is no such account".into()).into(),
        Refusal::Conflict { message, .. } => BadSetting(message).into(),
        other => other.into(),
    }
}

/// The first line of stdin: never an argument, which every user of the machine can read.
fn read_password() -> anyhow::Result<String> {
    let stdin = io::stdin();
    let mut line = String::new();
    if stdin.is_terminal() {
        let _quiet = NoEcho::on(&stdin)?;
        let _ = write!(io::stderr(), "Password (at least {SHORTEST_PASSWORD} characters): ");
        stdin.lock().read_line(&mut line).context("stdin")?;
        let _ = writeln!(io::stderr());
    } else {
        stdin.lock().read_line(&mut line).context("stdin")?;
    }
    let password = line.trim_end_matches(['\r', '\n']);
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(BadSetting(format!(
            "the password, read from stdin, has fewer than {SHORTEST_PASSWORD} characters"
        ))
        .into());
    }
    Ok(password.to_owned())
}

/// A terminal that does not show what is typed, until dropped.
struct NoEcho<'a> {
    terminal: &'a io::Stdin,
    before: rustix::termios::Termios,
}

impl<'a> NoEcho<'a> {
    fn on(terminal: &'a io::Stdin) -> anyhow::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(terminal).context("the terminal")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet).context("the terminal")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for NoEcho<'_> {
    fn drop(&mut self) {
        // The terminal may have been hung up.
        let _ = rustix::termios::tcsetattr(self.terminal, rustix::termios::OptionalActions::Flush, &self.before);
    }
}

/// Each stream is an open file, and shells hand down a limit of 1024 where the system allows far more.
fn allow_open_files(streams: Option<usize>) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it was");
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if let Some(streams) = streams
        && allowed < streams as u64
    {
        tracing::warn!(allowed, streams, "fewer open files are allowed (ulimit -n) than streams");
    }
}
