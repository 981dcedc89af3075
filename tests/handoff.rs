//! Streams that leave hyper, and those that must not: spoken to byte by byte.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test
mod common;

use std::time::Duration;

use common::app::{PASSWORD, PATIENCE, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Wire {
    socket: TcpStream,
    seen: Vec<u8>,
}

impl Wire {
    async fn to(app: &TestApp) -> Self {
        Self { socket: TcpStream::connect(app.address).await.unwrap(), seen: Vec::new() }
    }

    async fn say(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until the text has been seen, and returns everything up to its end.
    async fn until(&mut self, text: &str) -> String {
        let mut searched = 0;
        let reading = async {
            loop {
                let fresh = &self.seen[searched..];
                if let Some(at) = fresh.windows(text.len()).position(|window| window == text.as_bytes()) {
                    let at = searched + at;
                    let rest = self.seen.split_off(at + text.len());
                    return String::from_utf8_lossy(&std::mem::replace(&mut self.seen, rest)).into_owned();
                }
                searched = self.seen.len().saturating_sub(text.len());
                let mut buffer = vec![0; 1 << 16];
                let n = self.socket.read(&mut buffer).await.unwrap();
                assert!(n > 0, "the connection ended before {text:?}: {}", String::from_utf8_lossy(&self.seen));
                self.seen.extend_from_slice(&buffer[..n]);
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{text:?} never came"))
    }

    async fn read_to_end(mut self) -> String {
        tokio::time::timeout(PATIENCE, self.socket.read_to_end(&mut self.seen)).await.unwrap().unwrap();
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

async fn cookie(app: &TestApp) -> String {
    let form = [("email", "kasir1@melati.test"), ("password", PASSWORD)];
    let answer = app.nobody().post("/login").header("accept", "application/json").form(&form).send().await.unwrap();
    answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn get(path: &str, cookie: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: melati.test\r\nCookie: {cookie}\r\n\r\n")
}

const STREAM: &str = "/realtime/stock-updates";

#[tokio::test]
async fn a_stream_has_the_head_of_any_answer_and_ends_as_one() {
    let mut app = TestApp::start().await;
    let mut wire = Wire::to(&app).await;
    wire.say(&get(STREAM, &cookie(&app).await)).await;
    let head = wire.until("\r\n\r\n").await.to_lowercase();
    for line in [
        "http/1.1 200 ok\r\n",
        "date: ",
        "transfer-encoding: chunked\r\n",
        "content-type: text/event-stream\r\n",
        "x-request-id: ",
        "content-security-policy: ",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert_eq!(head.matches("transfer-encoding").count(), 1);
    assert!(!head.contains("content-length"));
    wire.until("event: heartbeat").await;
    app.go_down().await;
    assert!(wire.read_to_end().await.ends_with("\r\n0\r\n\r\n"), "the closing chunk: an end, not a cut");
}

#[tokio::test]
async fn a_page_and_then_a_stream_on_one_connection() {
    let app = TestApp::start().await;
    let cookie = cookie(&app).await;
    let mut wire = Wire::to(&app).await;
    wire.say(&get("/stok", &cookie)).await;
    wire.until("</html>").await;
    wire.say(&get(STREAM, &cookie)).await;
    wire.until("event: heartbeat").await;
    app.sql("UPDATE frames SET stok = 17 WHERE id = 1").await;
    wire.until("\"new_stock\":17").await;
}

#[tokio::test]
async fn a_client_that_pipelines_gets_everything_in_order() {
    let app = TestApp::start().await;
    let cookie = cookie(&app).await;
    let mut wire = Wire::to(&app).await;
    // many pages asked for before one is read: more than the kernel's buffers take, so that hyper holds some back
    let pages = 40;
    let asked = format!("{}{}", get("/assets/app.css", &cookie).repeat(pages), get(STREAM, &cookie));
    wire.say(&asked).await;
    let everything = wire.until("event: heartbeat").await;
    assert_eq!(everything.matches("HTTP/1.1 200 OK").count(), pages + 1);
    let stream = everything.rfind("text/event-stream").expect("the stream's head");
    assert!(everything.rfind("text/css").expect("the sheets' heads") < stream, "the stream comes last");
    app.sql("UPDATE frames SET stok = 17 WHERE id = 1").await;
    wire.until("\"new_stock\":17").await;
}

#[tokio::test]
async fn http_1_0_gets_its_stream_without_chunks() {
    let app = TestApp::start().await;
    let mut wire = Wire::to(&app).await;
    wire.say(&get(STREAM, &cookie(&app).await).replace("HTTP/1.1", "HTTP/1.0")).await;
    let head = wire.until("\r\n\r\n").await.to_lowercase();
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert!(wire.until("event: heartbeat").await.starts_with("retry: "));
}

#[tokio::test]
async fn head_says_what_get_would_and_no_more() {
    let app = TestApp::start().await;
    let mut wire = Wire::to(&app).await;
    let request =
        get(STREAM, &cookie(&app).await).replace("GET", "HEAD").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    wire.say(&request).await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "a head alone: {answer}");
}

#[tokio::test]
async fn a_client_that_goes_is_forgotten() {
    let app = TestApp::start().await;
    let cookie = cookie(&app).await;
    // more than one user may hold, one after the other: each has to be gone for the next to be let in
    for _ in 0..melati::config::Config::default().max_streams_per_user * 2 {
        let mut wire = Wire::to(&app).await;
        loop {
            wire.say(&get(STREAM, &cookie)).await;
            let head = wire.until("\r\n\r\n").await;
            if head.starts_with("HTTP/1.1 200") {
                break;
            }
            assert!(head.starts_with("HTTP/1.1 429") && head.to_lowercase().contains("retry-after"), "{head}");
        }
        wire.until("event: heartbeat").await;
    }
}

#[tokio::test]
async fn a_reader_that_stopped_does_not_hold_up_the_end() {
    let mut app = TestApp::start().await;
    let mut stopped = Wire::to(&app).await;
    stopped.say(&get(STREAM, &cookie(&app).await)).await;
    stopped.until("event: heartbeat").await;
    // until its socket is full on both sides
    let mut listening = app.sign_in("kasir1b").await.open(STREAM).await;
    listening.opened().await;
    app.sql("INSERT INTO aksesoris (branch_id, nama_produk, harga_jual, stok) SELECT 1, 'Barang ' || n, 1000, 50 FROM generate_series(1, 5000) n").await;
    for _ in 0..4 {
        app.sql("UPDATE aksesoris SET stok = stok + 1 WHERE branch_id = 1").await;
        for _ in 0..10 {
            listening.next().await;
        }
    }
    tokio::time::timeout(Duration::from_secs(8), app.go_down()).await.expect("well before the drain's deadline");
}

#[tokio::test]
async fn http_2_carries_streams_and_pages_on_one_connection() {
    let mut app = TestApp::start().await;
    let cookie = cookie(&app).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let ask = |path: &str| client.get(app.url(path)).header("cookie", &cookie).header("accept", "text/html").send();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let answer = ask("/realtime/stream?topics=stock-updates").await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        streams.push(answer);
    }
    let page = ask("/stok").await.unwrap();
    assert_eq!((page.version(), page.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    app.sql("UPDATE frames SET stok = 7 WHERE id = 1").await;
    for stream in &mut streams {
        let mut heard = String::new();
        while !heard.contains(r#""new_stock":7"#) {
            let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("it is told").unwrap();
            heard += std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap();
        }
    }
    app.go_down().await;
    for mut stream in streams {
        let mut last = String::new();
        while let Some(chunk) = tokio::time::timeout(PATIENCE, stream.chunk()).await.unwrap().expect("a clean end") {
            last += std::str::from_utf8(&chunk).unwrap();
        }
        assert!(last.contains("retry: "), "told when to come back: {last}");
    }
}

fn room_for_six() -> melati::config::Config {
    melati::config::Config { max_connections: Some(6), ..Default::default() }
}

#[tokio::test]
async fn many_streams_of_a_proxy_on_one_connection_take_one_place() {
    let app = TestApp::start_with(room_for_six()).await;
    let cookie = cookie(&app).await;
    let proxy = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let mut streams = Vec::new();
    for _ in 0..8 {
        let stream = proxy.get(app.url("/realtime/stock-updates")).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(stream.status().as_u16(), 200);
        streams.push(stream);
    }
    let mut other = Wire::to(&app).await;
    other.say(&get("/health/live", "")).await;
    let head = other.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn without_room_it_is_said_and_those_inside_go_on() {
    let app = TestApp::start_with(room_for_six()).await;
    let cookie = cookie(&app).await;
    let mut inside = Wire::to(&app).await;
    inside.say(&get("/realtime/stock-updates", &cookie)).await;
    inside.until("event: heartbeat").await;
    let mut others = Vec::new();
    let refusal = loop {
        assert!(others.len() < 7, "nobody is refused");
        let mut other = Wire::to(&app).await;
        other.say(&get("/health/live", "")).await;
        let head = other.until("\r\n\r\n").await;
        if head.starts_with("HTTP/1.1 503 ") {
            break (head, other.read_to_end().await);
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        others.push(other);
    };
    assert!(refusal.0.contains("retry-after: 10\r\n"), "{}", refusal.0);
    assert!(refusal.0.contains(&format!("content-length: {}\r\n", refusal.1.len())), "{refusal:?}");
    app.sql("UPDATE frames SET stok = 7 WHERE id = 1").await;
    inside.until(r#""new_stock":7"#).await;
    // one goes: there is room again, as soon as its end is noticed
    others.pop();
    let coming_in = async {
        loop {
            let mut other = Wire::to(&app).await;
            other.say(&get("/health/live", "")).await;
            if other.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, coming_in).await.expect("room again");
}
