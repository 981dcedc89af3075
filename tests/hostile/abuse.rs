//! Requests that are too large, too slow, from elsewhere, or full of markup.

use std::time::{Duration, Instant};

use melati::config::Config;
use melati::web::harden::Transport;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::app::{PASSWORD, PATIENCE, TestApp};
use crate::routes::{SALES, table};

/// Another site's page sends the forms of ours with the cookie of whoever looks at it, every write there is: 403 each, and
/// nothing is written.
#[tokio::test]
async fn a_form_on_another_site() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    // a super admin in one shop may do all of it
    let pusat = app.sign_in("pusat").await;
    pusat.post("/cabang/pilih").form(&[("branch_id", "1")]).send().await.unwrap();
    let before = fingerprint(&app, &[]).await;
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
    assert_eq!(fingerprint(&app, &[]).await, before, "nothing was written");
    // the same from our own page
    for route in table().into_iter().filter(|route| route.method != Method::GET && route.path != "/logout") {
        let answer = route.request(&pusat, route.here).header("sec-fetch-site", "same-origin").send().await.unwrap();
        assert_ne!(answer.status(), StatusCode::FORBIDDEN, "{}", route.path);
    }
}

/// Another site shows a picture whose address is one of ours, and the browser asks for it with the cookie: nothing is written
/// by an address that is only to be looked at.
#[tokio::test]
async fn a_picture_on_another_site_that_is_an_address_of_ours() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let admin = app.sign_in("admin1").await;
    admin.page("/stok").await;
    let before = fingerprint(&app, &[]).await;
    for route in table().into_iter().filter(|route| route.method == Method::GET) {
        drop(route.request(&admin, route.here).send().await.unwrap());
    }
    assert_eq!(fingerprint(&app, &[]).await, before);
}

/// Everything that a write could have changed: a line a table, but for `skipped`, and what is kept in the background.
pub async fn fingerprint(app: &TestApp, skipped: &[&str]) -> String {
    app.sql(
        "CREATE OR REPLACE FUNCTION fingerprint(skipped text[]) RETURNS text LANGUAGE plpgsql AS $$
         DECLARE
             t text; rows text; told text := '';
         BEGIN
             FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL (skipped)
                      AND tablename NOT LIKE 'feed%' AND tablename NOT LIKE 'rollup%' ORDER BY 1 LOOP
                 EXECUTE format('SELECT md5(coalesce(string_agg(x::text, ''|'' ORDER BY x::text), '''')) FROM %I x', t) INTO rows;
                 told := told || t || ' ' || rows || chr(10);
             END LOOP;
             RETURN told;
         END $$",
    )
    .await;
    sqlx::query_scalar("SELECT fingerprint($1)").bind(skipped).fetch_one(&app.db).await.unwrap()
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

/// A head without end, a header without end, a body without end, said or not said: refused or cut off as soon as it is too
/// much.
#[tokio::test]
async fn sending_more_than_anyone_needs() {
    let app = TestApp::start().await;
    let long = "x".repeat(40_000);
    for head in
        [format!("GET /{long} HTTP/1.1\r\n"), format!("GET / HTTP/1.1\r\nx: {long}\r\n"), "x: y\r\n".repeat(20_000)]
    {
        let begin = if head.starts_with("GET") { head } else { format!("GET / HTTP/1.1\r\n{head}") };
        let (answer, took) = raw(&app, begin.as_bytes(), PATIENCE).await;
        assert!(took < Duration::from_secs(10), "when it is too much, and not when it has taken too long: {took:?}");
        let status = answer.split(' ').nth(1).unwrap_or("closed").to_owned();
        assert!(["431", "414", "400", "closed"].contains(&status.as_str()), "{status}");
    }
    let http_2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let over_http_2 = async |header: &str| http_2.get(app.url("/login")).header("x", header).send().await;
    assert_eq!(over_http_2("short").await.unwrap().status(), StatusCode::OK);
    if let Ok(answer) = over_http_2(&long).await {
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
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

/// A frame of HEADERS on stream 1 that says that more will follow (no END_HEADERS), with one header of the table in it.
const DANGLING: &[u8] = &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];

/// Speaks HTTP/2, says `then` and nothing more, but answers every ping: until the server has had enough.
async fn http_2_and_then(app: &TestApp, then: &[u8]) -> Duration {
    let mut socket = TcpStream::connect(app.address).await.unwrap();
    let begun = Instant::now();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    socket.write_all(then).await.unwrap();
    let listening = async {
        let mut head = [0; 9];
        while socket.read_exact(&mut head).await.is_ok() {
            let mut rest = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            if socket.read_exact(&mut rest).await.is_err() {
                break;
            }
            if (head[3], head[4] & 1) == (6, 0) {
                head[4] = 1;
                let _ = socket.write_all(&[&head[..], &rest].concat()).await;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(40), listening).await;
    begun.elapsed()
}

/// A connection on which nothing comes, a head that never ends, and a form that comes a byte a second: connections held for
/// nothing. Without a head they are cut off after half a minute, and the form is told 408 after ten seconds. (It takes half a
/// minute: that is the limit.)
#[tokio::test]
async fn sending_slowly() {
    let app = TestApp::start().await;
    // nothing at all, half a head, and half of what HTTP/2 begins with
    let half = [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\n", b"PRI * HTTP/2.0\r\n"];
    let half = half.map(|begun| raw(&app, begun, Duration::from_secs(40)));
    // a header line a second is no head, either
    let dripped = async {
        let mut socket = TcpStream::connect(app.address).await.unwrap();
        let begun = Instant::now();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        let (mut read, mut write) = socket.into_split();
        let drip = tokio::spawn(async move {
            while write.write_all(b"x: y\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let _ = tokio::time::timeout(Duration::from_secs(40), read.read_to_end(&mut Vec::new())).await;
        drip.abort();
        begun.elapsed()
    };
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
    let http_2 = [http_2_and_then(&app, &[]), http_2_and_then(&app, DANGLING)];
    use futures_util::future::join_all;
    let (half, dripped_took, (answer, body_took), http_2_took) =
        tokio::join!(join_all(half), dripped, body, join_all(http_2));
    for took in half.into_iter().map(|(_, took)| took).chain([dripped_took]).chain(http_2_took) {
        assert!(took < Duration::from_secs(35), "a head may take half a minute: {took:?}");
    }
    assert!(body_took < Duration::from_secs(15), "a body ten seconds: {body_took:?}");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// All of it: one part less, or one source more, is another policy.
const POLICY: [&str; 9] = [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
];

/// What browsers are told with every answer, and whether it is behind TLS.
fn is_hardened(headers: &HeaderMap, secure_cookies: bool, of: &str) {
    let told = |name: &str| headers.get(name).unwrap_or_else(|| panic!("{of}: {name}")).to_str().unwrap().to_owned();
    assert_eq!(told("x-content-type-options"), "nosniff", "{of}");
    assert_eq!(told("referrer-policy"), "same-origin", "{of}");
    let camera = ["/stok", "/penjualan/create"].iter().any(|page| of.contains(page)).then_some("(self)");
    let policy = told("permissions-policy");
    let with = |camera| format!("camera={camera}, microphone=(), geolocation=(), payment=()");
    assert!(policy == with("()") || camera.is_some_and(|camera| policy == with(camera)), "{of}: {policy}");
    let policy = told("content-security-policy");
    assert_eq!(policy.split("; ").collect::<Vec<_>>(), POLICY, "{of}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{of}: {policy}");
    assert_eq!(headers.contains_key("strict-transport-security"), secure_cookies, "{of}");
    assert!(headers.contains_key("cache-control"), "{of}: nobody says who may keep it");
    assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"), "{of}");
    assert!(!headers.contains_key("access-control-allow-origin"), "{of}");
    for cookie in headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        let has = |part: &str| cookie.split("; ").any(|one| one == part);
        assert!(
            has("HttpOnly") && has("SameSite=Lax") && has("Path=/") && !cookie.contains("Domain"),
            "{of}: {cookie}"
        );
        assert_eq!(has("Secure"), secure_cookies, "{of}: {cookie}");
    }
}

/// A page of ours in a frame, a script in a page, a file taken for a page, an address told to other sites: with every answer
/// browsers are told not to. At every address there is, for those who may and those who may not, and where it is refused
/// before any handler has heard of it.
#[tokio::test]
async fn what_browsers_are_told() {
    for secure_cookies in [false, true] {
        let app = TestApp::start_with(Config { secure_cookies, ..Config::default() }).await;
        app.sql(SALES).await;
        let nobody = app.nobody();
        let form = [("email", "admin1@melati.test"), ("password", PASSWORD)];
        let came_in = app.nobody().post("/login").form(&form).send().await.unwrap();
        // a browser sends no cookie back over plain http that is only for TLS
        let cookie = came_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        is_hardened(came_in.headers(), secure_cookies, "signing in");
        for route in table() {
            for page in [false, true] {
                let mut asked = vec![route.request(&nobody, route.here)];
                if !["/logout", "/akun/keluar-semua", "/akun/sandi"].contains(&route.path) {
                    asked.push(route.request(&nobody, route.here).header("cookie", &cookie));
                }
                for request in asked {
                    let request = if page { request.header("accept", "text/html") } else { request };
                    let answer = request.send().await.unwrap();
                    let of = format!("{} {}: {}", route.method, route.here, answer.status());
                    is_hardened(answer.headers(), secure_cookies, &of);
                }
            }
        }
        let etag = nobody.get("/assets/app.css").send().await.unwrap().headers()["etag"].clone();
        let known = nobody.get("/assets/app.css").header("if-none-match", etag).send().await.unwrap();
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        is_hardened(known.headers(), secure_cookies, "304");
        let other_site =
            nobody.post("/login").header("origin", "https://evil.example").form(&form).send().await.unwrap();
        assert_eq!(other_site.status(), StatusCode::FORBIDDEN);
        is_hardened(other_site.headers(), secure_cookies, "403 of another site");
        let large =
            app.nobody().post("/login").header("accept", "text/html").body("x".repeat(20_000)).send().await.unwrap();
        assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
        is_hardened(large.headers(), secure_cookies, "413");
        // methods that nothing takes, an address that nothing has; and all of it over HTTP/2
        for client in [reqwest::Client::new(), reqwest::Client::builder().http2_prior_knowledge().build().unwrap()] {
            for (method, path) in [
                (Method::GET, "/login"),
                (Method::HEAD, "/login"),
                (Method::OPTIONS, "/login"),
                (Method::DELETE, "/login"),
                (Method::TRACE, "/login"),
                (Method::GET, "/stok"),
                (Method::GET, "/tidak-ada"),
                (Method::GET, "/penjualan/abc"),
                (Method::GET, "/assets/app.js"),
                (Method::GET, "/realtime/dashboard"),
            ] {
                let answer = client.request(method.clone(), app.url(path)).send().await.unwrap();
                let of = format!("{:?} {method} {path}: {}", answer.version(), answer.status());
                is_hardened(answer.headers(), secure_cookies, &of);
            }
        }
    }
    // what cannot be read at all is answered by hyper, without a body that could be taken for anything
    let app = TestApp::start().await;
    for broken in ["GET\r\n\r\n".to_owned(), format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(40_000))] {
        let (answer, _) = raw(&app, broken.as_bytes(), PATIENCE).await;
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        assert!(body.is_empty() && !answer.contains("content-type"), "{answer}");
    }
}

/// The same before there is a database, and when there is no room for anybody else: told all the same.
#[tokio::test]
async fn what_browsers_are_told_when_there_is_nothing_to_tell() {
    let listener = melati::web::accept::listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let asking = async {
        for path in ["/", "/health/live", "/health/ready", "/assets/app.js", "/realtime/dashboard"] {
            let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
            is_hardened(answer.headers(), true, &format!("early {path}"));
        }
    };
    melati::web::early::meanwhile(&listener, Transport::Tls, None, asking).await.unwrap();

    let app = TestApp::start_with(Config { max_connections: Some(1), ..Config::default() }).await;
    let mut first = TcpStream::connect(app.address).await.unwrap();
    first.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    first.read_exact(&mut [0; 12]).await.unwrap();
    let (full, _) = raw(&app, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PATIENCE).await;
    assert!(full.starts_with("HTTP/1.1 503"), "{full}");
    for told in
        ["x-content-type-options: nosniff", "content-security-policy: default-src 'none'", "cache-control: no-store"]
    {
        assert!(full.contains(told), "{told}: {full}");
    }
}

/// Writes it into every column of every table that takes text, found in the schema, so that no later column is forgotten; how
/// many took it. (What nobody may change is written anew; what one signs in by stays.)
const EVERYWHERE: &str = "SELECT write_everywhere($1)";
const WRITE_EVERYWHERE: &str = "
    CREATE FUNCTION write_everywhere(hostile text) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        c record; written bigint := 0; rows bigint;
    BEGIN
        FOR c IN SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
                 WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND data_type = 'text' AND is_generated = 'NEVER'
                   AND table_name NOT LIKE 'feed%' AND table_name NOT LIKE 'rollup%' AND (table_name, column_name) NOT IN
                       (('users', 'email'), ('users', 'password'), ('sessions', 'id'), ('sign_in_limits', 'key'), ('_sqlx_migrations', 'description')) LOOP
            BEGIN
                EXECUTE format('UPDATE %I SET %I = ctid::text || $1', c.table_name, c.column_name) USING hostile;
                GET DIAGNOSTICS rows = ROW_COUNT;
                IF rows > 0 THEN
                    written := written + 1;
                END IF;
            EXCEPTION WHEN OTHERS THEN
                NULL; -- of a list of words, a zone, a code; or it is not to be changed
            END;
        END LOOP;
        INSERT INTO notifications (type, title, message, data)
        SELECT t, hostile, hostile, jsonb_build_object('from', hostile, 'kasir', hostile, 'pasien_nama', hostile, 'no_transaksi', hostile, 'kode', hostile)
        FROM unnest(ARRAY['announcement', 'stock_alert', 'new_transaction', 'ready_for_pickup']) t;
        INSERT INTO stock_movements (product_type, product_id, branch_id, delta, stok_after, reason, catatan) VALUES ('Frame', 1, 1, 1, 1, 'koreksi', hostile);
        INSERT INTO audit_log (action, subject, before, after) VALUES ('user_changed', hostile, jsonb_build_object(hostile, hostile), jsonb_build_object('name', hostile));
        UPDATE penjualans SET dibatalkan_at = now(), alasan_batal = hostile, bayar = 0, kekurangan = 0, status = 'Lunas' WHERE id = 502;
        RETURN written;
    END $$";

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'></script><script>alert(1)</script>{{7*7}}&lt;";

/// Somebody with a name like that, in every place where a name can stand, on every page, list and receipt: it is shown as
/// text.
#[tokio::test]
async fn markup_in_names() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    app.sql(WRITE_EVERYWHERE).await;
    let columns: i64 = sqlx::query_scalar(EVERYWHERE).bind(HOSTILE).fetch_one(&app.db).await.unwrap();
    assert!(columns >= 18, "{columns} columns take such a name");
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

/// Breaks something to read the inside of the server off the error: it says that something broke, and nothing of what.
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

/// Asks how the server is, to learn what it is made of: whether it is well, and no more. The rest is told to head office.
#[tokio::test]
async fn reading_the_health() {
    let app = TestApp::start().await;
    app.sql("ALTER TABLE frames DISABLE TRIGGER zz_feed_stamp").await;
    let (pusat, admin) = (app.sign_in("pusat").await, app.sign_in("admin1").await);
    let known = pusat.get("/health/ready").send().await.unwrap().text().await.unwrap();
    assert!(known.contains("applied") && known.contains("as_of"), "head office is told: {known}");
    for stranger in [app.nobody(), admin] {
        let told: serde_json::Value = stranger.get("/health/ready").send().await.unwrap().json().await.unwrap();
        assert!(told["ready"].is_boolean() && told["healthy"].is_boolean(), "{told}");
        for (name, check) in told["checks"].as_object().unwrap() {
            assert_eq!(check.as_object().unwrap().keys().collect::<Vec<_>>(), ["ok"], "{name}");
        }
    }
}

/// Sends a sheet of two megabytes without being anyone who may, and a large form without being anyone at all: refused (403,
/// 413) before it is read.
#[tokio::test]
async fn a_body_before_anyone_has_asked_who_it_is() {
    let app = TestApp::start().await;
    let (admin, kasir, nobody) = (app.sign_in("admin1").await, app.sign_in("kasir1").await, app.nobody());
    for (person, path, bytes, expected) in [
        (&nobody, "/login", 20_000, StatusCode::PAYLOAD_TOO_LARGE),
        (&nobody, "/penjualan", 200_000, StatusCode::PAYLOAD_TOO_LARGE),
        (&nobody, "/stok/impor", 1_000_000, StatusCode::PAYLOAD_TOO_LARGE),
        (&kasir, "/stok/impor", 1_000_000, StatusCode::FORBIDDEN),
        (&kasir, "/penjualan", 200_000, StatusCode::UNPROCESSABLE_ENTITY),
        (&admin, "/stok/impor", 1_000_000, StatusCode::OK),
    ] {
        let request = person.post(path).header("accept", "application/json");
        let request = match path {
            "/penjualan" => {
                request.header("content-type", "application/json").body(format!("\"{}\"", "x".repeat(bytes)))
            }
            _ => request.form(&[("jenis", "frame".to_owned()), ("isi", format!("kode\n{}", "x".repeat(bytes)))]),
        };
        match request.send().await {
            Ok(answer) => assert_eq!(answer.status(), expected, "{path} with {bytes}"),
            // it went on sending when it was refused
            Err(_) => {
                assert!(![StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&expected), "{path} with {bytes}")
            }
        }
    }
    // whoever it is, nobody waits for the body: of these not a byte is sent
    app.sql("UPDATE users SET must_change_password = true WHERE id = 4").await;
    let newcomer = app.sign_in("kasir1b").await;
    for (cookie, path, bytes, expected) in [
        (String::new(), "/stok/impor", 1_000_000, "413"),
        (kasir.cookie(), "/stok/impor", 1_000_000, "403"),
        (newcomer.cookie(), "/penjualan", 200_000, "413"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/json\r\nCookie: {cookie}\r\nContent-Length: {bytes}\r\n\r\n"
        );
        let (answer, _) = raw(&app, head.as_bytes(), PATIENCE).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{path} with {bytes}: {answer}");
    }
    // and who does not say how much it will be
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(
        (0..20).map(|_| Ok::<_, std::io::Error>("x".repeat(10_000))),
    ));
    if let Ok(answer) = nobody.post("/login").header("accept", "application/json").body(body).send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

/// A crowd of forms that are all but whole, each waiting with its last byte, until there is no memory for anyone else's: the
/// next one is told 503 and to come back, pages go on, and when the crowd is gone there is room again.
#[tokio::test]
async fn filling_the_memory_with_forms() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;
    let head = format!(
        "POST /penjualan HTTP/1.1\r\nHost: x\r\nCookie: {}\r\nContent-Type: application/json\r\nContent-Length: 262144\r\n\r\n",
        kasir.cookie()
    );
    let form = [head.as_bytes(), &[b' '; 262_000]].concat();
    let knock = async || {
        let request = kasir.post("/hari/tidak-ada").header("accept", "application/json");
        request.form(&[("x", "y".repeat(262_000))]).send().await.unwrap()
    };
    assert_eq!(knock().await.status(), StatusCode::NOT_FOUND, "there is room, at first");
    let send = async || {
        let mut socket = TcpStream::connect(app.address).await.unwrap();
        let _ = socket.write_all(&form).await;
        socket
    };
    let mut crowd = futures_util::future::join_all((0..130).map(|_| send())).await;
    let full = async {
        loop {
            // whoever is refused gives back what they held: others come in their place
            crowd.push(send().await);
            let answer = knock().await;
            if answer.status() != StatusCode::NOT_FOUND {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, full).await.expect("there is no room any more");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(kasir.page("/stok").await.status(), StatusCode::OK, "pages go on");
    drop(crowd);
    while knock().await.status() != StatusCode::NOT_FOUND {
        tokio::task::yield_now().await;
    }
}

/// Reads the log of the proxy: what was searched for, and where somebody came from. It has the path alone.
#[test]
fn patients_in_the_log_of_the_proxy() {
    for conf in [include_str!("../../nginx.conf"), include_str!("../../ops/container/nginx.conf")] {
        let said: String = conf.lines().map(|line| line.split('#').next().unwrap()).collect::<Vec<_>>().join("\n");
        let statements: Vec<&str> = said.split([';', '{', '}']).map(str::trim).collect();
        let of = |name: &str| -> Vec<&str> {
            statements.iter().copied().filter(|one| one.split_whitespace().next() == Some(name)).collect()
        };
        let (formats, logs) = (of("log_format"), of("access_log"));
        assert_eq!((formats.len(), logs.len()), (1, 1), "{logs:?}");
        assert!(logs[0].ends_with(" melati") && formats[0].starts_with("log_format melati "), "not nginx's own format");
        for telling in [
            "$request ",
            "$request\"",
            "$request_uri",
            "$args",
            "$is_args",
            "$arg_",
            "$query_string",
            "$http_referer",
            "$http_cookie",
        ] {
            assert!(!formats[0].contains(telling), "{telling}");
        }
        assert!(of("error_log").iter().all(|log| log.ends_with(" crit")) && of("error_log").len() == 1);
    }
}

/// Names that begin like a formula, or go on like one behind a separator: whoever opens a sheet of ours runs nothing, whichever
/// separator their spreadsheet expects.
#[tokio::test]
async fn formulas_in_sheets() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let pusat = app.sign_in("pusat").await;
    pusat.post("/cabang/pilih").form(&[("branch_id", "1")]).send().await.unwrap();
    let doors = [
        "/stok/ekspor?jenis=frame",
        "/stok/ekspor?jenis=lensa",
        "/stok/ekspor?jenis=aksesoris",
        "/penjualan/ekspor",
        "/laporan/stok-mati/csv?cabang=1",
        "/laporan/produk/csv?cabang=1",
        "/laporan/kasir/csv?cabang=1",
        "/laporan/harian/csv?cabang=1",
    ];
    let mut sheets = 0;
    for formula in [
        "=1+1", "+1+1", "-1+1", "@SUM(1)", "＝1", "＋1", "－1", "＠1", " =1", "\n=1", "\t=1", "\r=1", "\"=1", "x,=1,y",
        "x;=1;y", "x\t=1\ty", "x\n=1", "x,\"=1\"", "'=1",
    ] {
        for statement in [
            "UPDATE frames SET merk_frame = $1, kode_frame = $1 || id",
            "UPDATE lensas SET merk_lensa = $1, kode_lensa = $1 || id, type = $1, index = $1, coating = $1",
            "UPDATE aksesoris SET nama_produk = $1",
            "UPDATE pasiens SET nama_pasien = $1",
            "UPDATE users SET name = $1",
            "UPDATE branches SET name = $1 || id",
            "UPDATE penjualan_details SET nama = $1",
            "UPDATE penjualans SET alasan_batal = $1 WHERE dibatalkan_at IS NOT NULL",
        ] {
            sqlx::query(statement).bind(formula).execute(&app.db).await.unwrap();
        }
        for door in doors {
            let answer = pusat.get(door).send().await.unwrap();
            let kind = answer.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
            if !kind.starts_with("text/csv") {
                continue;
            }
            let sheet = answer.text().await.unwrap();
            sheets += usize::from(sheet.contains('1'));
            for separator in [b';', b',', b'\t'] {
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(separator)
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(sheet.trim_start_matches('\u{feff}').as_bytes());
                for cell in
                    reader.records().flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
                {
                    let begins = cell.trim_start().trim_start_matches('"').chars().next();
                    let is_number = cell.parse::<i64>().is_ok();
                    // a negative number is only a number; of a line that is not cut the rest is no arithmetic
                    assert!(
                        is_number || !matches!(begins, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')),
                        "{door} by {:?}: {cell:?} of {formula:?}",
                        char::from(separator)
                    );
                }
            }
        }
    }
    assert!(sheets >= 5 * 19, "{sheets} sheets had it");
}
