//! Keeps one Postgres running: starts it, starts it again when it dies, ends it when told.
//!
//! It all happens on one thread of its own that lives as long as we do, because the parent-death signal follows the
//! *thread* that forked: a Postgres started from a tokio worker would be shut down whenever that worker retires.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::Error;
use super::account::Account;

/// A Postgres that was killed, or whose melati was, holds its directory for up to 0.7 s more.
const OLD_SERVER_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether Postgres is ready; a start takes 30 ms, or minutes after a crash of a large database.
const READY_POLL: Duration = Duration::from_millis(10);
/// Between restarts of a server that keeps dying, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Having run this long counts as recovered.
const STEADY: Duration = Duration::from_secs(60);
/// How to end it: asked to finish, told to drop everything, by force. Each waits so long for the next.
const ENDING: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(5)),
];
/// Lines of its log that explain a failed start.
const LINES_KEPT: usize = 12;

pub struct Server {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub account: Option<Account>,
    pub pid_file: PathBuf,
}

pub struct Supervisor {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Not yet reaped, so that the number cannot be someone else's.
    running: Option<Pid>,
    stopping: bool,
    ended: bool,
}

/// Says so when the thread ends, be it in a panic: `stop` waits for it.
struct Ended<'a>(&'a Control);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl Supervisor {
    /// Returns once Postgres takes connections.
    pub fn start(server: Server) -> Result<Self, Error> {
        let control = Arc::new(Control::default());
        let (report, first_start) = mpsc::channel();
        let supervise = {
            let control = control.clone();
            move || {
                let _ended = Ended(&control);
                supervise(&server, &control, &report);
            }
        };
        let thread = thread::Builder::new()
            .name("postgres supervisor".into())
            .spawn(supervise)
            .map_err(|error| Error::Refused(error.to_string()))?;
        let supervisor = Self { control, thread: Some(thread) };
        // A thread that panics drops its sender; its panic is on stderr.
        first_start.recv().unwrap_or_else(|_| Err(Error::Refused("its supervisor failed".into())))?;
        Ok(supervisor)
    }

    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let mut state = self.control.lock();
        state.stopping = true;
        self.control.changed.notify_all();
        for (signal, patience) in ENDING {
            if state.ended {
                break;
            }
            if let Some(pid) = state.running {
                tracing::debug!(?signal, pid = pid.as_raw_nonzero().get(), "ending PostgreSQL");
                // It can only have ended by itself in the meantime, which is what we want.
                let _ = kill_process(pid, signal);
            }
            state = self.control.wait(state, patience, |state| state.ended);
        }
        let ended = state.ended;
        drop(state);
        match self.thread.take() {
            Some(thread) if ended => {
                // A panic there has been printed; there is nothing more to do about it here.
                let _ = thread.join();
            }
            _ => tracing::error!("PostgreSQL does not end, not even by force"),
        }
    }
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is a few flags, whole at any moment: whoever panicked with it left nothing half done.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        patience: Duration,
        until: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, patience, |state| !until(state));
        waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0
    }

    /// False if we are to stop instead.
    fn pause(&self, pause: Duration) -> bool {
        !self.wait(self.lock(), pause, |state| state.stopping).stopping
    }
}

/// A Postgres that takes connections.
struct Running {
    child: Child,
    since: Instant,
}

fn supervise(server: &Server, control: &Control, first_start: &mpsc::Sender<Result<(), Error>>) {
    let mut running = match server.start_when_free(control) {
        Ok(Some(running)) => running,
        Ok(None) => return,
        Err(error) => {
            // Nobody listens only if the starter has panicked.
            let _ = first_start.send(Err(error));
            return;
        }
    };
    let _ = first_start.send(Ok(()));

    let mut pause = FIRST_PAUSE;
    loop {
        let Some(how) = control.until_ended(&mut running.child) else { return };
        if running.since.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        tracing::error!("PostgreSQL ended by itself ({how}); starting it again");
        running = loop {
            if !control.pause(pause) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match server.start_when_free(control) {
                Ok(Some(running)) => break running,
                Ok(None) => return,
                Err(error) => tracing::error!("{error}; trying again"),
            }
        };
        tracing::info!("PostgreSQL is back");
    }
}

/// Reaping: always under the lock, so that `stop` never signals a number that is no longer ours.
impl Control {
    fn has_ended(&self, child: &mut Child) -> Result<Option<ExitStatus>, Error> {
        let mut state = self.lock();
        let ended = child.try_wait().map_err(|error| Error::Refused(error.to_string()))?;
        if ended.is_some() {
            state.running = None;
        }
        Ok(ended)
    }

    /// Waits for the child's end. `None`: it was we who ended it.
    fn until_ended(&self, child: &mut Child) -> Option<String> {
        // Seen without the lock, which this waits for all day, and without reaping.
        let pid = Pid::from_child(child);
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
        let mut state = self.lock();
        let how = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        state.running = None;
        (!state.stopping).then_some(how)
    }
}

impl Server {
    /// Starts it, again and again while the one before is still dying. `None`: we are to stop.
    fn start_when_free(&self, control: &Control) -> Result<Option<Running>, Error> {
        let deadline = Instant::now() + OLD_SERVER_PATIENCE;
        loop {
            match self.start(control) {
                Err(Error::Refused(why)) if Instant::now() < deadline && is_about_the_one_before(&why) => {
                    if !control.pause(FIRST_PAUSE) {
                        return Ok(None);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    fn start(&self, control: &Control) -> Result<Option<Running>, Error> {
        let since = Instant::now();
        let mut command = command(&self.program, self.account.as_ref());
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = {
            let mut state = control.lock();
            if state.stopping {
                return Ok(None);
            }
            let child = command.spawn().map_err(|error| Error::Refused(error.to_string()))?;
            state.running = Some(Pid::from_child(&child));
            child
        };
        let log = Log::follow(child.stderr.take().expect("it was asked for"));
        loop {
            if let Some(status) = control.has_ended(&mut child)? {
                return Err(Error::Refused(format!("{} ({status})", log.until_its_end())));
            }
            if is_ready(&self.pid_file, child.id()) {
                return Ok(Some(Running { child, since }));
            }
            // While stopping this no longer pauses, but the child ends: `stop` has signalled it.
            if !control.pause(READY_POLL) {
                control.until_ended(&mut child);
                return Ok(None);
            }
        }
    }
}

/// With LC_ALL=C these are its words in every country.
fn is_about_the_one_before(refusal: &str) -> bool {
    refusal.contains("already exists") || refusal.contains("still in use")
}

/// Line 1 is the process, line 8 its state; a file left by an earlier process has another line 1.
fn is_ready(pid_file: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(pid_file) else { return false };
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

/// What Postgres says goes into our log; the last lines are kept for the case that it does not start.
struct Log {
    kept: Arc<Mutex<VecDeque<String>>>,
    /// Ends by itself with the last process that holds the other end of the pipe.
    reader: JoinHandle<()>,
}

impl Log {
    fn follow(stderr: ChildStderr) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let keeping = kept.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                log(&line);
                let mut kept = keeping.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if kept.len() == LINES_KEPT {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
        Self { kept, reader }
    }

    /// For a server that has ended.
    fn until_its_end(self) -> String {
        // The reader does not panic; and if it did, the lines so far are still the best explanation.
        let _ = self.reader.join();
        let kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let lines: Vec<&str> = kept.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }
}

/// Postgres' "LOG" is its chatter about checkpoints and restarts; its "FATAL" is the end of one session or of a start,
/// and a start that fails is reported by whoever wanted it.
fn log(line: &str) {
    // sessions still open, such as someone's psql, when we stop
    let said_to_all = line.ends_with("terminating connection due to administrator command");
    match line.split(':').next() {
        Some("PANIC") => tracing::error!(target: "postgres", "{line}"),
        Some("FATAL" | "ERROR" | "WARNING") if !said_to_all => tracing::warn!(target: "postgres", "{line}"),
        _ => tracing::debug!(target: "postgres", "{line}"),
    }
}

/// A command that runs as `account`, apart from our terminal, and does not outlive us.
#[allow(unsafe_code)] // pre_exec is unsafe; see at its call
pub fn command(program: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    // Our own directory may be closed to the account; all paths are absolute.
    command.current_dir("/");
    // PGPORT, PGDATA and the like are meant for another server.
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
    // A group of its own: Ctrl-C must reach us alone, and Postgres after we have drained.
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = rustix::process::getpid();
        let follow_parent = move || -> io::Result<()> {
            rustix::process::set_parent_process_death_signal(Some(Signal::INT))?;
            // We may have died before the signal was asked for.
            if rustix::process::getppid() != Some(parent) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            Ok(())
        };
        // SAFETY: between fork and exec only async-signal-safe calls are allowed, as other threads may hold locks, of
        // the allocator for one. The closure makes two system calls and allocates nothing. There is no safe way to ask
        // for a parent-death signal, and without one a killed melati leaves a Postgres behind.
        unsafe { command.pre_exec(follow_parent) };
    }
    command
}
