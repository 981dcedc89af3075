//! The program as a process of its own, the way its owner runs it.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use melati::config::Database;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

/// Far longer than starting or ending takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// A serving process; killed if the test fails before it has ended.
pub struct Melati {
    /// `http://127.0.0.1:…`, as it printed it.
    pub base: String,
    process: Child,
    /// Held open, as a terminal would be.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Melati {
    /// Returns once it has printed its address.
    pub fn serve(data: &Path) -> Self {
        Self::serve_with(data, |command| command.args(["--listen", "127.0.0.1:0"]))
    }

    /// The same with arguments and environment of the test's choice, `--listen` among them.
    pub fn serve_with(data: &Path, choose: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let log = data.with_extension("log");
        let mut command = melati("serve", data);
        choose(&mut command).env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap());
        let mut process = command.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = said.by_ref().map_while(Result::ok).find(|line| line.contains("http://127.0.0.1:"));
        let logged = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        assert!(address.is_some(), "no address printed: {logged}");
        let base = address.unwrap().split_whitespace().last().unwrap().to_owned();
        assert!(!base.ends_with(":0"), "not the address that was bound");
        Self { base, process, _said: said }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub fn end(&mut self) -> ExitStatus {
        eventually("melati ends", || self.process.try_wait().unwrap())
    }
}

impl Drop for Melati {
    fn drop(&mut self) {
        if self.is_running() {
            self.signal(Signal::TERM);
            self.end();
        }
    }
}

pub fn melati(subcommand: &str, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_melati"));
    // What the developer's shell has set is not what is tested.
    for (name, _) in std::env::vars_os() {
        let name_bytes = name.as_encoded_bytes();
        if name == "DATABASE_URL"
            || name == "RUST_LOG"
            || (name_bytes.starts_with(b"MELATI_") && name != "MELATI_PG_BIN")
        {
            command.env_remove(name);
        }
    }
    // the default is one address for all who run here
    command.env("MELATI_METRICS_LISTEN", "");
    command.env("RUST_LOG", "off").env("MELATI_DATA_DIR", data).arg(subcommand).stdin(Stdio::null());
    command
}

/// As root, Postgres runs as somebody else, who must be able to enter.
pub fn data_dir() -> TempDir {
    let dir = tempfile::Builder::new().prefix("melati-").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

pub fn pid_file(data: &Path) -> PathBuf {
    data.join("pg/postmaster.pid")
}

pub fn postgres_of(data: &Path) -> Pid {
    let text = fs::read_to_string(pid_file(data)).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
}

/// A zombie has ended, too: who reaps it, and when, is the system's affair.
pub fn has_ended(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(process).is_err() || stat.contains(") Z ")
}

pub fn url(data: &Path) -> String {
    let settings = Database { data_dir: data.to_owned(), ..Database::default() };
    melati::postgres::embedded::url_of_running(&settings).unwrap()
}

/// Looks again and again, up to a deadline: for what processes that are not our children do, there is no event.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
