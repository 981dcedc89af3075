//! What the log says, and what it does not. A binary of its own: what tracing listens to is decided for a whole process.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

use std::io::Write;
use std::sync::{Arc, Mutex};

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

/// Reads the log of a day: who was searched for, what was typed, who is ill.
#[tokio::test]
async fn reading_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("debug,sqlx=info,hyper=info,reqwest=info,melati=trace,tower_http=trace")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
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

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
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
