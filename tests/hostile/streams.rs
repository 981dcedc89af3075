//! Listening on after one should have been gone.

use std::time::{Duration, Instant};

use melati::config::Config;
use reqwest::StatusCode;
use serde_json::Value;

use crate::common::app::{PASSWORD, Person, Tap, TestApp};

const ALL: &str = "/realtime/stream?topics=dashboard,notifications,stock-updates";

/// A stream that is opened in the morning and whose owner then loses what it was opened with. Every way there is; what is
/// committed together with the change, and after it, is not told any more.
#[tokio::test]
async fn a_stream_from_before() {
    let app = TestApp::start().await;
    let by_sql: &[(&'static str, u16)] = &[
        ("UPDATE users SET role = 'admin' WHERE id = 3", 200),
        ("UPDATE users SET branch_id = 2 WHERE id = 3", 200),
        ("UPDATE users SET password = 'x' WHERE id = 3", 401),
        ("DELETE FROM sessions WHERE user_id = 3", 401),
        ("UPDATE users SET is_active = false WHERE id = 3", 401),
        ("DELETE FROM users WHERE id = 3", 401),
    ];
    let original = app.sql_text("SELECT password FROM users WHERE id = 3").await;
    for (change, then) in by_sql {
        sqlx::query("UPDATE users SET role = 'kasir', branch_id = 1, password = $1, is_active = true WHERE id = 3")
            .bind(&original)
            .execute(&app.db)
            .await
            .unwrap();
        let person = app.sign_in("kasir1").await;
        let mut stream = person.open(ALL).await;
        stream.opened().await;
        // the same transaction: the stream must not be told even what comes with the change
        let both = format!(
            "{change}; INSERT INTO notifications (branch_id, type, title, message) VALUES (1, 'announcement', 'Rahasia', '')"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(both)).execute(&app.db).await.unwrap();
        ends_in_time(stream, change).await;
        assert_eq!(person.get(ALL).send().await.unwrap().status().as_u16(), *then, "{change}");
    }
}

async fn ends_in_time(stream: Tap, why: &str) {
    let begun = Instant::now();
    let rest = stream.rest().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{why}: ended after {:?}", begun.elapsed());
    assert!(rest.iter().all(|event| !event.data.contains("Rahasia")), "{why}: {rest:?}");
}

/// The same by the pages: it ends within seconds.
#[tokio::test]
async fn a_stream_of_somebody_who_signed_out() {
    let app = TestApp::start().await;
    let form = [("current", PASSWORD), ("new", "sandi-baru-rina"), ("repeated", "sandi-baru-rina")];
    for (path, form) in [("/logout", &form[..0]), ("/akun/keluar-semua", &form[..0]), ("/akun/sandi", &form[..])] {
        let person = app.sign_in("kasir1").await;
        let mut stream = person.open(ALL).await;
        stream.opened().await;
        assert!(!person.post(path).form(form).send().await.unwrap().status().is_client_error());
        app.sql(
            "INSERT INTO notifications (branch_id, type, title, message) VALUES (1, 'announcement', 'Rahasia', '')",
        )
        .await;
        // what was committed before the change may still be told
        let begun = Instant::now();
        stream.rest().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{path}");
    }
}

/// A cursor a little ahead of the server, which waits for what it seems to have missed.
fn ahead(stream: &Tap) -> String {
    let mut parts: Vec<&str> = stream.cursor.as_deref().unwrap().split('.').collect();
    parts[4] = "zzzzzz";
    parts[5] = "zzzzzz";
    parts.join(".")
}

/// Opens a stream in the very moment in which the rights are taken: after they were read, before the stream would hear of it.
/// 503, and whoever comes back is asked anew. (A cursor that lies a little ahead makes the server wait there.)
#[tokio::test]
async fn slipping_in_while_the_rights_change() {
    let app = TestApp::start_with(Config { poll_interval_ms: 3_000, ..Config::default() }).await;
    let person = app.sign_in("admin1").await;
    let mut stream = person.open(ALL).await;
    stream.opened().await;
    let ahead = ahead(&stream);
    let slipping = {
        let person = person.clone();
        tokio::spawn(async move { person.get(ALL).header("last-event-id", ahead).send().await.unwrap().status() })
    };
    // answered after the other was read
    for _ in 0..3 {
        person.get("/stok").send().await.unwrap();
    }
    app.sql("UPDATE users SET branch_id = 2 WHERE id = 2").await;
    assert_eq!(slipping.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE, "come back, and be asked anew");
}

async fn refused(person: &Person) -> (u16, String, String) {
    let answer = person.get(ALL).send().await.unwrap();
    assert_ne!(answer.status(), StatusCode::OK, "there is no room");
    let status = answer.status().as_u16();
    let wait = answer.headers().get("retry-after").map_or("", |wait| wait.to_str().unwrap()).to_owned();
    let code = answer.json::<Value>().await.unwrap()["error"]["code"].as_str().unwrap().to_owned();
    (status, wait, code)
}

/// Opens streams until there is no room for anyone else: 429 for who has theirs already, and 503 for all when the server is
/// full. Pages go on.
#[tokio::test]
async fn taking_all_the_streams() {
    let app = TestApp::start_with(Config { max_streams_per_user: 2, max_streams: Some(3), ..Config::default() }).await;
    let rina = app.sign_in("kasir1").await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = rina.open(ALL).await;
        stream.opened().await;
        open.push(stream);
    }
    assert_eq!(refused(&rina).await, (429, "10".into(), "too_many_requests".into()));
    assert_eq!(refused(&app.sign_in("kasir1").await).await.0, 429, "of a user, not of a session");
    let mut agus = app.sign_in("kasir1b").await.open(ALL).await;
    agus.opened().await;
    assert_eq!(refused(&app.sign_in("admin1").await).await, (503, "5".into(), "unavailable".into()));
    assert_eq!(rina.page("/stok").await.status(), StatusCode::OK, "pages go on");
    // room again, as soon as the server has seen that one is gone
    drop(agus);
    let admin = app.sign_in("admin1").await;
    while admin.get(ALL).send().await.unwrap().status() != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

/// Opens them all in the same instant, when each still sees room: no more are opened than one after the other.
#[tokio::test]
async fn taking_all_the_streams_at_once() {
    let app = TestApp::start_with(Config { max_streams_per_user: 4, ..Config::default() }).await;
    let rina = app.sign_in("kasir1").await;
    let mut stream = rina.open(ALL).await;
    stream.opened().await;
    let ahead = ahead(&stream);
    drop(stream);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (rina, ahead) = (rina.clone(), ahead.clone());
        tries.spawn(async move { rina.get(ALL).header("last-event-id", ahead).send().await.unwrap() });
    }
    let answers = tries.join_all().await;
    let opened = answers.iter().filter(|answer| answer.status() == StatusCode::OK).count();
    assert!(opened <= 4, "{opened} of 40");
    assert!(answers.iter().all(|answer| [200, 429].contains(&answer.status().as_u16())));
}

/// Writes lines into a name that end an event and begin another, of the writer's own making: they arrive as a part of the
/// name.
#[tokio::test]
async fn an_event_inside_an_event() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    for separator in ["\n", "\r", "\r\n", "\u{2028}", "\u{85}"] {
        let mut stream = admin.open(ALL).await;
        stream.opened().await;
        let forged =
            format!("x{separator}{separator}event: reset{separator}data: {{}}{separator}id: 1{separator}{separator}");
        sqlx::query("UPDATE frames SET merk_frame = $1 WHERE id = 1").bind(&forged).execute(&app.db).await.unwrap();
        sqlx::query("INSERT INTO notifications (branch_id, type, title, message) VALUES (1, 'announcement', $1, $1)")
            .bind(&forged)
            .execute(&app.db)
            .await
            .unwrap();
        let (mut stock, mut news) = (false, false);
        while !(stock && news) {
            let event = stream.next().await;
            assert_ne!(event.event, "reset");
            assert_ne!(event.id, "1");
            let json: Value = serde_json::from_str(&event.data).unwrap();
            stock |= json["updates"][0]["product_name"].as_str().is_some_and(|name| name.starts_with(&forged));
            news |= json["title"] == forged.as_str();
        }
    }
}
