//! What the log says, and what it does not. A binary of its own: what tracing listens to is decided for a whole process.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use melati::people::password;

mod common;
use common::app::{PASSWORD, TestApp};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("debug,sqlx=info,hyper=info,reqwest=info,melati=trace,tower_http=trace")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

/// One after the other, for they read the same log.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Listens to the clock for whether an account exists: there is nothing to hear, for each guess costs the one hash that takes all the time.
/// (That those are equal: `a_password_of_nobody_costs_as_much_as_that_of_somebody` in `src/people/password.rs`.)
#[tokio::test]
async fn telling_accounts_by_the_time_it_takes() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let log = &*LOG;
    let app = TestApp::start().await;
    app.sql("UPDATE users SET is_active = false WHERE email = 'kasir2@melati.test'").await;
    let hashes = || log.text().matches("a password is held against a hash").count();
    for who in ["kasir1@melati.test", "siapa@melati.test", "kasir2@melati.test"] {
        let before = hashes();
        let answer = app.nobody().post("/login").form(&[("email", who), ("password", "tebakan-salah")]).send().await;
        assert_eq!(answer.unwrap().status(), 401, "{who}");
        assert_eq!(hashes() - before, 1, "{who}");
    }
}

/// Signs in by the hundred, so that passwords take all cores and all memory: two are hashed at a time, a crowd waits for its
/// turn, and whoever comes when that is full is told to come back.
#[tokio::test]
async fn hashing_on_every_core() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let log = &*LOG;
    let hashes = move || log.text().matches("a password is held against a hash").count();
    let (before, done) = (hashes(), Arc::new(AtomicUsize::new(0)));
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..70 {
        let done = done.clone();
        crowd.spawn(async move {
            password::verify("tebakan-salah".into(), None).await.ok()?;
            // asked before this thread lets the next one have its turn
            let begun = hashes() - before;
            Some(begun - done.fetch_add(1, Ordering::Relaxed))
        });
    }
    let at_once: Vec<_> = crowd.join_all().await.into_iter().flatten().collect();
    assert_eq!(at_once.len(), 64, "six found the queue full");
    assert_eq!(at_once.iter().max(), Some(&2), "{at_once:?}");
}

/// Reads the log of a day: who was searched for, what was typed, who is ill. The paths are there, and what broke.
#[tokio::test]
async fn reading_the_log() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let log = &*LOG;
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    admin
        .post("/login")
        .form(&[("email", "admin1@melati.test"), ("password", "sandi-salah-ketik")])
        .send()
        .await
        .unwrap();
    admin.post("/login").form(&[("email", "sandi-di-kolom-surel"), ("password", "x")]).send().await.unwrap();
    admin.page("/penjualan?cari=Siti+Rahmawati").await;
    admin.get("/api/pasien?cari=Siti").send().await.unwrap();
    let patient =
        serde_json::json!({ "nama_pasien": "Pak Rahasia", "no_telepon": "08129999", "service_type": "SALAH" });
    admin.post("/pasien").json(&patient).send().await.unwrap();
    app.sql("ALTER TABLE pasiens RENAME TO pasiens_gone").await;
    admin.get("/api/pasien?cari=Siti").send().await.unwrap();
    let session = app.sql_text("SELECT max(id) FROM sessions").await;

    let log = log.text();
    for secret in [
        PASSWORD,
        "sandi-salah-ketik",
        "sandi-di-kolom-surel",
        "Siti",
        "Rahasia",
        "08129999",
        "argon2",
        session.as_str(),
    ] {
        assert!(!log.contains(secret), "{secret} in: {log}");
    }
    assert!(
        log.contains("path=\"/api/pasien\"") && log.contains("pasiens"),
        "the log was read, and the operator learns what broke: {log}"
    );
    // nor is what was typed into the wrong field kept in the database
    let kept = app.sql_text("SELECT coalesce(string_agg(a::text, ' '), '') || (SELECT string_agg(l::text, ' ') FROM sign_in_limits l) FROM audit_log a").await;
    assert!(!kept.contains("sandi-"), "{kept}");
}
