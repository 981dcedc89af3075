//! Requests that are too large, too slow, from elsewhere, or full of markup.

use std::time::{Duration, Instant};

use melati::config::Config;
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::app::{PASSWORD, PATIENCE, TestApp};
use crate::routes::{SALES, table};

/// Another site's page sends the forms of ours with the cookie of whoever looks at it. Every write there is.
#[tokio::test]
async fn a_form_on_another_site() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    // a super admin in one shop may do all of it
    let pusat = app.sign_in("pusat").await;
    pusat.post("/cabang/pilih").form(&[("branch_id", "1")]).send().await.unwrap();
    let before = fingerprint(&app).await;
    let mut writes = 0;
    for route in table().into_iter().filter(|route| route.method != Method::GET) {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let answer = route.request(&pusat, route.here).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{} with {name}: {value}", route.path);
        }
        writes += 1;
    }
    assert!(writes >= 15);
    assert_eq!(fingerprint(&app).await, before, "nothing was written");
    // the same from our own page
    for route in table().into_iter().filter(|route| route.method != Method::GET && route.path != "/logout") {
        let answer = route.request(&pusat, route.here).header("sec-fetch-site", "same-origin").send().await.unwrap();
        assert_ne!(answer.status(), StatusCode::FORBIDDEN, "{}", route.path);
    }
}

/// And nothing is written by an address that is only to be looked at.
#[tokio::test]
async fn a_picture_on_another_site_that_is_an_address_of_ours() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let admin = app.sign_in("admin1").await;
    admin.page("/stok").await;
    let before = fingerprint(&app).await;
    for route in table().into_iter().filter(|route| route.method == Method::GET) {
        drop(route.request(&admin, route.here).send().await.unwrap());
    }
    assert_eq!(fingerprint(&app).await, before);
}

/// Everything that a write could have changed.
async fn fingerprint(app: &TestApp) -> String {
    app.sql_text(
        "SELECT md5(string_agg(t::text, '|')) FROM (
             SELECT to_jsonb(x) - 'updated_at' AS t FROM users x UNION ALL SELECT to_jsonb(x) FROM pasiens x UNION ALL SELECT to_jsonb(x) FROM frames x
             UNION ALL SELECT to_jsonb(x) FROM lensas x UNION ALL SELECT to_jsonb(x) FROM aksesoris x UNION ALL SELECT to_jsonb(x) FROM open_days x
             UNION ALL SELECT to_jsonb(x) FROM penjualans x UNION ALL SELECT to_jsonb(x) FROM pembayarans x UNION ALL SELECT to_jsonb(x) FROM stock_movements x
             UNION ALL SELECT to_jsonb(x) FROM notification_reads x UNION ALL SELECT to_jsonb(x) FROM sessions x) all_of_it",
    )
    .await
}

/// Sends `request` as it is and reads what comes back until the server closes, or `patience` is over.
async fn raw(app: &TestApp, request: &[u8], patience: Duration) -> (String, Duration) {
    let mut socket = TcpStream::connect(app.address).await.unwrap();
    let begun = Instant::now();
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(patience, socket.read_to_end(&mut answer)).await;
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

/// A head without end, a header without end, a body without end: said or not said.
#[tokio::test]
async fn sending_more_than_anyone_needs() {
    let app = TestApp::start().await;
    let long = "x".repeat(40_000);
    for head in
        [format!("GET /{long} HTTP/1.1\r\n"), format!("GET / HTTP/1.1\r\nx: {long}\r\n"), "x: y\r\n".repeat(20_000)]
    {
        let begin = if head.starts_with("GET") { head } else { format!("GET / HTTP/1.1\r\n{head}") };
        let (answer, _) = raw(&app, begin.as_bytes(), PATIENCE).await;
        let status = answer.split(' ').nth(1).unwrap_or("closed").to_owned();
        assert!(["431", "414", "400", "closed"].contains(&status.as_str()), "{status}");
    }
    let admin = app.sign_in("admin1").await;
    for path in ["/login", "/penjualan", "/stok/frame/1/restok", "/logout"] {
        let answer =
            admin.post(path).header("accept", "application/json").body("x".repeat(300_000)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        // nobody says how long it will be
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(
            (0..40).map(|_| Ok::<_, std::io::Error>("x".repeat(10_000))),
        ));
        if let Ok(answer) = admin.post(path).header("accept", "application/json").body(body).send().await {
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        }
    }
}

/// A head that never ends, and a form that comes a byte a second: connections held for nothing. (It takes half a minute:
/// that is the limit.)
#[tokio::test]
async fn sending_slowly() {
    let app = TestApp::start().await;
    let head = raw(&app, b"GET / HTTP/1.1\r\nHost: x\r\n", Duration::from_secs(40));
    let body = async {
        let mut socket = TcpStream::connect(app.address).await.unwrap();
        let begun = Instant::now();
        let head = b"POST /login HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n";
        socket.write_all(head).await.unwrap();
        let (mut read, mut write) = socket.into_split();
        let drip = tokio::spawn(async move {
            while write.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(40), read.read_to_end(&mut answer)).await;
        drip.abort();
        (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
    };
    let ((_, head_took), (answer, body_took)) = tokio::join!(head, body);
    assert!(head_took < Duration::from_secs(35), "a head may take half a minute: {head_took:?}");
    assert!(body_took < Duration::from_secs(15), "a body ten seconds: {body_took:?}");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// A page of ours in a frame, a script in a page, a file taken for a page, an address told to other sites.
#[tokio::test]
async fn what_browsers_are_told() {
    let expected = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("permissions-policy", "camera=(self), microphone=(), geolocation=(), payment=()"),
    ];
    for secure_cookies in [false, true] {
        let app = TestApp::start_with(Config { secure_cookies, ..Config::default() }).await;
        let nobody = app.nobody();
        for path in ["/", "/login", "/tidak-ada", "/assets/app.js", "/api/session", "/realtime/dashboard"] {
            let answer = nobody.page(path).await;
            let headers = answer.headers();
            for (name, value) in expected {
                assert_eq!(headers[name], value, "{path}");
            }
            let policy = headers["content-security-policy"].to_str().unwrap();
            for part in [
                "default-src 'self'",
                "script-src 'self'",
                "style-src 'self'",
                "object-src 'none'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            ] {
                assert!(policy.split("; ").any(|one| one == part), "{path}: {part}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
            assert_eq!(headers.contains_key("strict-transport-security"), secure_cookies, "{path}");
            assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"));
            assert!(!headers.contains_key("access-control-allow-origin"));
        }
    }
}

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'></script><script>alert(1)</script>{{7*7}}&lt;";

/// Somebody with a name like that, in every place where a name can stand, on every page, list and receipt.
#[tokio::test]
async fn markup_in_names() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    for statement in [
        "UPDATE frames SET merk_frame = $1, kode_frame = id || $1",
        "UPDATE lensas SET merk_lensa = $1, kode_lensa = id || $1, type = $1, index = $1, coating = $1",
        "UPDATE aksesoris SET nama_produk = $1",
        "UPDATE pasiens SET nama_pasien = $1, no_telepon = $1, no_bpjs = $1",
        "UPDATE branches SET name = id || $1",
        "UPDATE penjualans SET kode_penjualan = id || $1",
        "UPDATE penjualan_details SET nama = $1",
        "INSERT INTO notifications (type, title, message) VALUES ('announcement', $1, $1)",
        "INSERT INTO stock_movements (product_type, product_id, branch_id, delta, stok_after, reason, catatan) VALUES ('Frame', 1, 1, 1, 1, 'koreksi', $1)",
    ] {
        sqlx::query(statement).bind(HOSTILE).execute(&app.db).await.unwrap();
    }
    let form = [("email", "pusat@melati.test"), ("password", PASSWORD)];
    let mut doors: Vec<String> =
        vec!["/stok?jenis=lensa".into(), "/stok?jenis=aksesoris".into(), "/penjualan?status=x".into()];
    for route in
        table().into_iter().filter(|route| route.method == Method::GET && !route.path.starts_with("/realtime/"))
    {
        doors.push(route.here.to_owned());
        let and = if route.here.contains('?') { '&' } else { '?' };
        let hostile = melati::web::page::url_part(HOSTILE);
        doors.push(format!("{}{and}cari={hostile}&next={hostile}&tanggal={hostile}&level={hostile}&ubah={hostile}&sebab={hostile}&jenis={hostile}", route.here));
    }
    let mut shown = 0;
    for who in ["pusat", "admin1", "kasir1"] {
        // the browser's own name, too: the account page lists it
        let person = app.nobody();
        let form = [("email", format!("{who}@melati.test")), ("password", form[1].1.to_owned())];
        person.post("/login").header("user-agent", HOSTILE).form(&form).send().await.unwrap();
        sqlx::query("UPDATE users SET name = id || $1").bind(HOSTILE).execute(&app.db).await.unwrap();
        for door in &doors {
            let answer = person.page(door).await;
            assert!(!answer.status().is_server_error(), "{who} at {door}");
            let kind = answer.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
            if !kind.starts_with("text/html") {
                continue;
            }
            let page = answer.text().await.unwrap();
            for markup in ["<img", "<script>", "</script><script", "\"'>"] {
                assert!(!page.contains(markup), "{who} at {door}: {markup}");
            }
            shown += usize::from(page.contains("&#60;img src=x onerror"));
        }
    }
    assert!(shown > 40, "shown as text on {shown} pages");
}

/// Breaks something to read the inside of the server off the error.
#[tokio::test]
async fn reading_errors() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    app.sql("ALTER TABLE frames RENAME TO frames_gone; ALTER TABLE pasiens RENAME TO pasiens_gone").await;
    for path in ["/stok", "/api/pasien?cari=a", "/penjualan"] {
        for answer in [admin.page(path).await, admin.get(path).send().await.unwrap()] {
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            let body = answer.text().await.unwrap().to_lowercase();
            for inside in [
                "frames",
                "pasiens",
                "relation",
                "select",
                "postgres",
                "sqlx",
                "panicked",
                "src/",
                ".rs",
                "error returned",
            ] {
                assert!(!body.contains(inside), "{path}: {inside}");
            }
        }
    }
}
