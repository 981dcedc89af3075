//! The program as its owner runs it: real processes, with a Postgres of their own, ended in every way there is.

// clippy.toml allows it in `#[test]` functions; their helpers are tests no less
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::process::{Melati, data_dir, eventually, has_ended, melati, pid_file, postgres_of, url};
use melati::config::Database;
use melati::postgres::embedded::Embedded;
use rustix::process::{Signal, kill_process};
use sqlx::{Connection, PgConnection};
use tokio::runtime::Runtime;

#[test]
fn told_to_stop_it_ends_well_and_leaves_nothing_running() {
    let dir = data_dir();
    let mut melati = Melati::serve(dir.path());
    let postgres = postgres_of(dir.path());
    assert!(!has_ended(postgres));

    melati.signal(Signal::TERM);

    assert_eq!(melati.end().code(), Some(0));
    assert!(has_ended(postgres));
    assert!(!dir.path().join("pg/postmaster.pid").exists(), "Postgres was not shut down cleanly");
}

#[test]
#[cfg(target_os = "linux")] // elsewhere nobody tells Postgres that we are gone
fn killed_it_takes_postgres_along_and_loses_nothing() {
    let dir = data_dir();
    let mut melati = Melati::serve(dir.path());
    for round in 1..=3 {
        open_branch(dir.path(), round);
        let postgres = postgres_of(dir.path());
        melati.signal(Signal::KILL);
        melati.end();
        // not waiting for the old Postgres, which still holds the directory
        melati = Melati::serve(dir.path());
        eventually("the old Postgres ends", || has_ended(postgres).then_some(()));
        assert_eq!(count_branches(dir.path()).unwrap(), i64::from(round));
    }
    let postgres = postgres_of(dir.path());
    melati.signal(Signal::KILL);
    melati.end();
    eventually("the last Postgres ends, with nobody to follow it", || has_ended(postgres).then_some(()));
}

#[test]
fn a_killed_postgres_is_started_again_under_a_running_melati() {
    let dir = data_dir();
    let mut melati = Melati::serve(dir.path());
    for round in 1..=2 {
        open_branch(dir.path(), round);
        let before = postgres_of(dir.path());
        kill_process(before, Signal::KILL).unwrap();
        let branches = eventually("Postgres is back", || {
            if fs::read_to_string(pid_file(dir.path())).ok()?.lines().next()? == before.as_raw_nonzero().to_string() {
                return None;
            }
            count_branches(dir.path()).ok()
        });
        assert_eq!(branches, i64::from(round));
    }
    assert!(melati.is_running());
    melati.signal(Signal::TERM);
    assert_eq!(melati.end().code(), Some(0));
}

#[test]
fn a_second_copy_on_the_same_directory_is_refused_and_disturbs_nothing() {
    let dir = data_dir();
    let _first = Melati::serve(dir.path());
    let postgres = postgres_of(dir.path());

    let second = finished(melati("serve", dir.path()).args(["--listen", "127.0.0.1:0"]));

    assert_eq!(second.status.code(), Some(2));
    assert!(only_line(&second).contains("already runs on the data directory"), "{second:?}");
    assert_eq!(postgres_of(dir.path()), postgres);
    assert_eq!(count_branches(dir.path()).unwrap(), 0);
    // Short commands work beside a running server, on its Postgres.
    assert!(finished(&mut melati("migrate", dir.path())).status.success());
}

#[test]
fn a_first_start_cut_short_is_begun_again() {
    let dir = data_dir();
    let draft = dir.path().join("pg.new");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("PG_VERSION"), "3").unwrap();

    let _melati = Melati::serve(dir.path());

    assert_eq!(count_branches(dir.path()).unwrap(), 0);
    assert!(!draft.exists());
}

#[test]
fn directories_with_blanks_and_quotes_are_as_good_as_others() {
    let parent = data_dir();
    let dir = parent.path().join(r#"Toko "Melati", 100%+"#);
    let _melati = Melati::serve(&dir);
    assert_eq!(count_branches(&dir).unwrap(), 0);
}

#[test]
fn a_bad_configuration_is_one_clear_line() {
    let dir = data_dir();
    let long = dir.path().join("x".repeat(120));
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let occupant = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = occupant.local_addr().unwrap().to_string();
    let any = "127.0.0.1:0";
    for (listen, data, more, part) in [
        ("nowhere", dir.path(), [].as_slice(), "--listen"),
        (&taken, dir.path(), &[], "cannot listen on"),
        (any, dir.path(), &["--heartbeat-seconds", "0"], "--heartbeat-seconds"),
        (any, dir.path(), &["--database-url", "mysql://root:secret@db/x"], "postgres://"),
        (any, &long, &[], "--data-dir"),
        (any, dir.path(), &["--pg-bin", empty.to_str().unwrap()], "no usable initdb"),
        (any, dir.path(), &["--pg-set", "shared_buffers=lots"], "shared_buffers"),
    ] {
        let ended = finished(melati("serve", data).args(["--listen", listen]).args(more));
        assert_eq!(ended.status.code(), Some(2), "{part}: {ended:?}");
        let line = only_line(&ended);
        assert!(line.starts_with("melati: ") && line.contains(part) && !line.contains("secret"), "{part}: {line}");
    }
}

#[test]
fn any_number_of_processes_may_migrate_at_once() {
    let dir = data_dir();
    let settings = Database { data_dir: dir.path().to_owned(), ..Database::default() };
    let postgres = Embedded::start(&settings).unwrap();

    let together: Vec<Child> = (0..4).map(|_| piped(&mut migrate(&postgres)).spawn().unwrap()).collect();
    for migrating in together {
        let ended = migrating.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
    let applied = ask(&postgres.url(), "SELECT count(*) FROM _sqlx_migrations WHERE success").unwrap();
    assert_eq!(applied, fs::read_dir("migrations").unwrap().count() as i64);

    // The release after this one, taken back.
    ask(
        &postgres.url(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', true, '', 0) RETURNING version",
    )
    .unwrap();
    let ended = finished(&mut migrate(&postgres));
    assert_eq!(ended.status.code(), Some(1));
    assert!(only_line(&ended).contains("the database is newer than this melati: it has migration 9999"), "{ended:?}");
    postgres.stop();
}

#[test]
fn the_first_super_admin_is_added_beside_a_running_melati() {
    let dir = data_dir();
    let _melati = Melati::serve(dir.path());
    let add = |password: &str| {
        let mut command = melati("user", dir.path());
        command.args(["add", "--email", "Pusat@Example.com", "--name", "Pusat", "--role", "super_admin"]);
        let mut child = piped(&mut command).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };

    let short = add("rahasia\n");
    assert_eq!(short.status.code(), Some(2));
    assert!(only_line(&short).contains("fewer than 12 characters"), "{short:?}");
    let added = add("sangat rahasia\n");
    assert!(added.status.success(), "{added:?}");

    let found =
        "SELECT count(*) FROM users WHERE email = 'pusat@example.com' AND role = 'super_admin' AND branch_id IS NULL";
    assert_eq!(ask(&url(dir.path()), found).unwrap(), 1);
    let again = add("sangat rahasia\n");
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    only_line(&again);
}

fn migrate(postgres: &Embedded) -> Command {
    let mut command = melati("migrate", Path::new("unused"));
    command.env("DATABASE_URL", postgres.url());
    command
}

fn piped(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped())
}

fn finished(command: &mut Command) -> Output {
    let mut child = piped(command).spawn().unwrap();
    let status = eventually("it ends", || child.try_wait().unwrap());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status, stdout, stderr }
}

/// What it said for people.
fn only_line(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    lines[0].to_owned()
}

fn open_branch(data: &Path, round: i32) {
    let query = match round {
        1 => "INSERT INTO branches (name, kode) VALUES ('Kemang', 'KMG') RETURNING id",
        2 => "INSERT INTO branches (name, kode) VALUES ('Dago', 'DGO') RETURNING id",
        _ => "INSERT INTO branches (name, kode) VALUES ('Ubud', 'UBD') RETURNING id",
    };
    ask(&url(data), query).unwrap();
}

fn count_branches(data: &Path) -> sqlx::Result<i64> {
    ask(&url(data), "SELECT count(*) FROM branches")
}

fn ask(url: &str, query: &'static str) -> sqlx::Result<i64> {
    Runtime::new().unwrap().block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        let answer = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(answer)
    })
}
