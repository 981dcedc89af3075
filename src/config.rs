//! Every setting, from the command line or the environment (`MELATI_*`; the command line wins). Parsed and checked here
//! once: the rest of the program trusts what it gets. Plain numbers carry their unit in the name.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use rand::Rng;
use sqlx::postgres::PgConnectOptions;

use crate::ids::BranchId;
use crate::scope::Role;

/// Live screens for a chain of optical shops.
#[derive(Debug, Parser)]
#[command(name = "melati", version, arg_required_else_help = true, max_term_width = 110)]
#[command(
    after_help = "`melati demo` needs nothing else and shows everything. RUST_LOG chooses what is logged (default: info)."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// How log lines look; they go to stderr
    #[arg(long, global = true, env = "MELATI_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    pub log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the screens of your shops
    Serve(Config),
    /// Serve a made-up chain that sells by itself
    Demo(Demo),
    /// Bring the database's schema up to date, and end (serve and demo do it by themselves)
    Migrate(Database),
    /// Accounts: the first super admin is made here
    #[command(subcommand)]
    User(User),
    /// The sums behind the reports: compare them with the sales, or sum up anew (a server does the first daily)
    #[command(subcommand)]
    Rollups(Rollups),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Pretty,
    Json,
}

/// Where the data is: a Postgres of yours, or our own in the data directory.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Database {
    /// A Postgres of yours, postgres://user:password@host/database; without it Melati runs its own. Better given in
    /// the environment, where `ps` does not show the password
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// Where Melati's own Postgres keeps its data
    #[arg(long, env = "MELATI_DATA_DIR", value_name = "DIR", default_value = "./data")]
    pub data_dir: PathBuf,

    /// The directory of the `postgres` and `initdb` to run, instead of those found
    #[arg(long, env = "MELATI_PG_BIN", value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,

    /// A setting for Melati's own Postgres, such as shared_buffers=1GB; may be repeated (in the environment: `;` between)
    #[arg(long, env = "MELATI_PG_SET", value_name = "NAME=VALUE", value_delimiter = ';', value_parser = pg_setting)]
    pub pg_set: Vec<String>,
}

impl Default for Database {
    fn default() -> Self {
        Self { database_url: None, data_dir: "./data".into(), pg_bin: None, pg_set: Vec::new() }
    }
}

/// What a serving process needs to know.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Config {
    #[command(flatten)]
    pub database: Database,

    /// Address and port to listen on; port 0 takes a free one and prints it
    #[arg(long, env = "MELATI_LISTEN", value_name = "ADDRESS:PORT", default_value_t = Config::default().listen)]
    pub listen: SocketAddr,

    /// Where /metrics is told, for Prometheus: apart from the pages, because it knows no sign-in. Empty: nowhere
    #[arg(long, env = "MELATI_METRICS_LISTEN", value_name = "ADDRESS:PORT", default_value_t = Config::default().metrics_listen)]
    pub metrics_listen: MetricsListen,

    /// Pause between two looks at the change feed
    #[arg(long, env = "MELATI_POLL_INTERVAL_MS", value_name = "MS", default_value_t = Config::default().poll_interval_ms,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub poll_interval_ms: u64,

    /// Pause between two heartbeats of a stream
    #[arg(long, env = "MELATI_HEARTBEAT_SECONDS", value_name = "SECONDS", default_value_t = Config::default().heartbeat_seconds,
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub heartbeat_seconds: u64,

    /// A stream lives this long, up to half as long again, and is then opened anew by the browser
    #[arg(long, env = "MELATI_STREAM_LIFETIME_SECONDS", value_name = "SECONDS",
          default_value_t = Config::default().stream_lifetime_seconds, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub stream_lifetime_seconds: u64,

    /// Streams that one user may have open (a browser needs one for all of its tabs)
    #[arg(long, env = "MELATI_MAX_STREAMS_PER_USER", value_name = "N", default_value_t = Config::default().max_streams_per_user,
          value_parser = at_least_one)]
    pub max_streams_per_user: usize,

    /// Streams that this process holds open at most [default: as many as connections]
    #[arg(long, env = "MELATI_MAX_STREAMS", value_name = "N", value_parser = at_least_one)]
    pub max_streams: Option<usize>,

    /// Connections that this process holds at most [default: as many as it may open files, but for two hundred]
    #[arg(long, env = "MELATI_MAX_CONNECTIONS", value_name = "N", value_parser = at_least_one)]
    pub max_connections: Option<usize>,

    /// How long running requests may take to finish after SIGTERM
    #[arg(long, env = "MELATI_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = Config::default().drain_seconds,
          value_parser = clap::value_parser!(u64).range(0..=600))]
    pub drain_seconds: u64,

    /// For so long after SIGTERM /health/ready says 503 while connections are still taken: for a proxy that asks it now and then.
    /// One that only notices refused connections (nginx) needs none
    #[arg(long, env = "MELATI_DRAIN_NOTICE_SECONDS", value_name = "SECONDS", default_value_t = Config::default().drain_notice_seconds,
          value_parser = clap::value_parser!(u64).range(0..=600))]
    pub drain_notice_seconds: u64,

    /// Pause between two looks at whether every write still passes the feed's triggers
    #[arg(long, env = "MELATI_INTEGRITY_CHECK_SECONDS", value_name = "SECONDS",
          default_value_t = Config::default().integrity_check_seconds, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub integrity_check_seconds: u64,

    /// For how long deletions are remembered: a screen that was away for longer loads everything anew
    #[arg(long, env = "MELATI_KEEP_TOMBSTONES_DAYS", value_name = "DAYS", default_value_t = Config::default().keep_tombstones_days,
          value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub keep_tombstones_days: u16,

    /// For how long notifications are kept
    #[arg(long, env = "MELATI_KEEP_NOTIFICATIONS_DAYS", value_name = "DAYS",
          default_value_t = Config::default().keep_notifications_days, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub keep_notifications_days: u16,

    /// Send cookies over https only: turn it on behind a proxy that speaks TLS
    #[arg(long, env = "MELATI_SECURE_COOKIES", value_name = "BOOL", default_value_t = Config::default().secure_cookies,
          action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub secure_cookies: bool,

    /// A proxy whose X-Forwarded-For is believed, as an address or a network (10.0.0.0/8); may be repeated. Without it
    /// everyone behind the proxy counts as one address
    #[arg(long = "trusted-proxy", env = "MELATI_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
}

/// An address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsListen(pub Option<SocketAddr>);

impl FromStr for MetricsListen {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|address| Self(Some(address))) }
    }
}

impl std::fmt::Display for MetricsListen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |address| address.fmt(f))
    }
}

/// The defaults of the command line; tests start from them.
impl Default for Config {
    fn default() -> Self {
        Self {
            database: Database::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            metrics_listen: MetricsListen(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)))),
            poll_interval_ms: 25,
            heartbeat_seconds: 15,
            stream_lifetime_seconds: 600,
            max_streams_per_user: 32,
            max_streams: None,
            max_connections: None,
            drain_seconds: 10,
            drain_notice_seconds: 0,
            integrity_check_seconds: 30,
            keep_tombstones_days: 7,
            keep_notifications_days: 90,
            secure_cookies: false,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Config {
    /// How long one stream may live: jittered, so that streams opened together do not all come back together.
    pub fn stream_lifetime(&self) -> Duration {
        let shortest = Duration::from_secs(self.stream_lifetime_seconds);
        rand::rng().random_range(shortest..=shortest * 3 / 2)
    }
}

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub config: Config,

    /// How many pairs of glasses the whole chain sells in a minute; 0: nothing moves by itself
    #[arg(long, env = "MELATI_SALES_PER_MINUTE", value_name = "N", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub sales_per_minute: u32,

    /// The same seed makes the same chain
    #[arg(long, env = "MELATI_SEED", value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Add an account; its password is read from stdin (at least 12 characters)
    Add(AddUser),
    /// Give an account a new password, read from stdin
    Passwd(Passwd),
}

#[derive(Debug, Subcommand)]
pub enum Rollups {
    /// Say which days are not what their sales say, and mend them
    Check(Database),
    /// Sum up everything anew
    Rebuild(Database),
}

#[derive(Debug, Args)]
pub struct AddUser {
    #[command(flatten)]
    pub database: Database,

    #[arg(long, env = "MELATI_EMAIL", value_parser = email)]
    pub email: String,

    /// As colleagues know them
    #[arg(long, env = "MELATI_NAME", value_parser = not_blank)]
    pub name: String,

    #[arg(long, env = "MELATI_ROLE", value_parser = PossibleValuesParser::new(ROLES.map(|(word, _)| word)).map(role))]
    pub role: Role,

    /// The id of the branch where they work; a super admin has none
    #[arg(long, env = "MELATI_BRANCH", value_name = "ID")]
    pub branch: Option<BranchId>,
}

#[derive(Debug, Args)]
pub struct Passwd {
    #[command(flatten)]
    pub database: Database,

    #[arg(long, env = "MELATI_EMAIL", value_parser = email)]
    pub email: String,
}

impl Cli {
    /// # Errors
    /// Also for `--help` and `--version`: clap's error knows which it is, see [`one_line`].
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut cli = Self::try_parse_from(args)?;
        cli.check().map_err(|message| Self::command().error(ErrorKind::ValueValidation, message))?;
        Ok(cli)
    }

    /// What concerns more than one setting, or must not be repeated in an error message.
    fn check(&mut self) -> Result<(), String> {
        let database = match &mut self.command {
            Command::Serve(config) => &mut config.database,
            Command::Demo(demo) => &mut demo.config.database,
            Command::Migrate(database) => database,
            Command::Rollups(Rollups::Check(database) | Rollups::Rebuild(database)) => database,
            Command::User(User::Passwd(passwd)) => &mut passwd.database,
            Command::User(User::Add(user)) => {
                if (user.role == Role::SuperAdmin) != user.branch.is_none() {
                    return Err(
                        "--branch belongs to the roles admin and kasir, and they need it; a super_admin has none"
                            .into(),
                    );
                }
                &mut user.database
            }
        };
        // Compose files leave an unset variable behind as an empty one.
        database.database_url.take_if(|url| url.is_empty());
        if let Some(url) = &database.database_url {
            let speaks_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
            if !speaks_postgres || PgConnectOptions::from_str(url).is_err() {
                // without the URL: it holds a password
                return Err("the database URL is not of the form postgres://user:password@host:port/database".into());
            }
        }
        Ok(())
    }
}

/// A mistake in one line, without clap's page of usage.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

const ROLES: [(&str, Role); 3] = [("super_admin", Role::SuperAdmin), ("admin", Role::Admin), ("kasir", Role::Kasir)];

fn role(chosen: String) -> Role {
    let found = ROLES.iter().find(|(word, _)| *word == chosen);
    found.expect("clap lets only these words through").1
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(error) => Err(format!("{error}")),
    }
}

fn pg_setting(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _))
            if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') =>
        {
            Ok(text.to_owned())
        }
        _ => Err("it must read NAME=VALUE".into()),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpAddr>()
        .map(IpNet::from)
        .or_else(|_| text.parse())
        .map_err(|_| "it must be an address or a network such as 10.0.0.0/8".into())
}

/// As the database keeps it: in lower case.
fn email(text: &str) -> Result<String, String> {
    let email = text.trim().to_lowercase();
    match email.split_once('@') {
        Some((name, host)) if !name.is_empty() && !host.is_empty() && !email.contains(char::is_whitespace) => Ok(email),
        _ => Err("it must read name@host".into()),
    }
}

fn not_blank(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("it must not be empty".into()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Cli, String> {
        let words = std::iter::once("melati").chain(words.split_whitespace()).map(OsString::from);
        Cli::read(words).map_err(|error| one_line(&error))
    }

    #[test]
    fn clap_finds_no_fault_in_the_definition() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_one_line_that_names_it() {
        for (words, part) in [
            ("serve --listen nowhere", "--listen"),
            ("serve --metrics-listen 9464", "--metrics-listen"),
            ("serve --poll-interval-ms 0", "--poll-interval-ms"),
            ("serve --max-streams 0", "at least 1"),
            ("serve --trusted-proxy nginx", "--trusted-proxy"),
            ("serve --frobnicate", "--frobnicate"),
            ("serve --pg-set nonsense", "NAME=VALUE"),
            ("serve --database-url mysql://root:secret@db/x", "postgres://"),
            ("user add --name Sari --role admin --email sari@example.com", "--branch"),
            ("user add --name Sari --role super_admin --email sari", "name@host"),
            ("user add --name Sari --role boss --email a@b", "super_admin"),
            ("user add", "--email"),
        ] {
            let line = read(words).expect_err(words);
            assert!(line.contains(part), "{words}: {line}");
            assert!(!line.contains('\n') && !line.contains("secret"), "{words}: {line}");
        }
    }

    #[test]
    fn the_defaults_of_the_command_line_are_those_of_the_type() {
        let Command::Serve(config) = read("serve").unwrap().command else { panic!("not serve") };
        assert_eq!(
            format!("{:?}", Config { database: Database::default(), ..config }),
            format!("{:?}", Config::default())
        );
    }

    #[test]
    fn secure_cookies_need_no_value() {
        for (words, secure) in
            [("serve", false), ("serve --secure-cookies", true), ("serve --secure-cookies=false", false)]
        {
            let Command::Serve(config) = read(words).unwrap().command else { panic!("not serve") };
            assert_eq!(config.secure_cookies, secure, "{words}");
        }
    }

    #[test]
    fn a_stream_lives_as_long_as_said_and_up_to_half_as_long_again() {
        let config = Config::default();
        for _ in 0..1_000 {
            assert!((600.0..=900.0).contains(&config.stream_lifetime().as_secs_f64()));
        }
    }
}
