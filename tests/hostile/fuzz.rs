//! Nonsense, and nonsense that is nearly sense: nothing panics, nothing answers 500.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use axum::response::IntoResponse;
use melati::web::page::url_part;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::Method;

use crate::common::app::TestApp;
use crate::routes::{Body, SALES, table};

/// What breaks parsers and databases: no characters, too many, numbers past every edge, the zero byte, dates that are none.
#[rustfmt::skip]
const EDGES: &[&str] = &[
    "", " ", "\0", "a\0b", "0", "-1", "1", "99999999999999999999", "-9223372036854775808", "9223372036854775807",
    "2147483647", "2147483648", "100000", "1e308", "NaN", "'", "\"", "%", "\\", "_", "'; DROP TABLE users; --", "\u{202e}", "\u{feff}",
    "2026-02-30", "9999-12-31", "0001-01-01", "-9999-01-01", "null", "[]", "{}", "<svg onload=alert(1)>", "Rp", "Rp -0", ".", "..",
];

fn text() -> impl Strategy<Value = String> {
    let edge = prop::sample::select(EDGES).prop_map(str::to_owned);
    prop_oneof![edge, "\\PC{0,40}", any::<String>(), "[0-9.,+-]{1,30}", "[a-z]{2000,3000}"]
}

/// The fields that forms, addresses and JSON of ours have, and one that they have not: read from the templates, from what
/// handlers deserialize and from the table, so that a new one is not forgotten.
static FIELDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let mut found = BTreeSet::from(["x".to_owned(), "last_event_id".to_owned()]);
    for file in files("templates", "html") {
        found.extend(file.split("name=\"").skip(1).filter_map(|rest| Some(rest.split('"').next()?.to_owned())));
    }
    for file in files("src", "rs") {
        for made in file.split("Deserialize").skip(1) {
            let Some(fields) = made.split("struct ").nth(1).and_then(|made| made.split("\n}").next()) else { continue };
            found.extend(fields.lines().skip(1).filter_map(|line| {
                let (name, _) = line.trim().trim_start_matches("pub ").split_once(": ")?;
                Some(name.to_owned())
            }));
        }
    }
    for route in table() {
        let query = route.here.split_once('?').map_or("", |(_, query)| query);
        found.extend(query.split('&').map(|part| part.split('=').next().unwrap_or_default().to_owned()));
        match route.body {
            Body::Form(form) => found.extend(form.iter().map(|(name, _)| (*name).to_owned())),
            Body::Json(json) => found.extend(json().as_object().unwrap().keys().cloned()),
            Body::Nothing => {}
        }
    }
    found.into_iter().filter(|name| is_name(name)).map(|name| &*name.leak()).collect()
});

fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The fields are found: those of a template, of a handler, of an address.
#[test]
fn a_field_that_nobody_tries() {
    for field in ["alasan", "disepakati", "od_sph", "cabang", "topics", "sesi", "peran", "theme", "kode", "rencana"] {
        assert!(FIELDS.contains(&field), "{field}: {:?}", *FIELDS);
    }
    assert!(FIELDS.len() > 60, "{}", FIELDS.len());
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    prop::collection::vec((prop::sample::select(FIELDS.clone()), text()), 0..6)
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((prop::sample::select(FIELDS.clone()), inner), 0..5).prop_map(|fields| {
                serde_json::Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

fn query(fields: &[(&str, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", url_part(value))).collect::<Vec<_>>().join("&")
}

/// How many requests of each kind; `MELATI_FUZZ_CASES` asks for more.
fn cases() -> usize {
    std::env::var("MELATI_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(250)
}

/// Every address with every edge in every field; in a form one field at a time, so that the others let it through. Taken or
/// refused, never a 500.
#[tokio::test]
async fn edges_in_every_field() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let person = app.sign_in("pusat").await;
    person.post("/cabang/pilih").form(&[("branch_id", "1")]).send().await.unwrap();
    let routes =
        table().into_iter().filter(|route| !["/logout", "/akun/keluar-semua", "/cabang/pilih"].contains(&route.path));
    for route in routes {
        let still = person.get("/api/session").send().await.unwrap().status();
        assert_eq!(still, 204, "whatever was sent before {} ended the session", route.path);
        for edge in EDGES {
            if route.method == Method::GET {
                let all: Vec<_> = FIELDS.iter().map(|name| (*name, (*edge).to_owned())).collect();
                let address = format!("{}?{}", route.here.split('?').next().unwrap(), query(&all));
                let status = person.get(&address).send().await.unwrap().status();
                assert!(!status.is_server_error(), "{status}: {} {edge:?}", route.here);
                let id = route.path.replace("{id}", &url_part(edge)).replace("{jenis}", &url_part(edge));
                let status = person.get(&id).send().await.unwrap().status();
                assert!(!status.is_server_error(), "{status}: {id}");
            }
            if let Body::Form(form) = route.body {
                for (name, _) in form.iter().chain(&[("catatan", "")]) {
                    let mut form: Vec<_> = form.iter().filter(|(other, _)| other != name).copied().collect();
                    form.push((name, edge));
                    let status = person.post(route.here).form(&form).send().await.unwrap().status();
                    assert!(!status.is_server_error(), "{status}: {} {form:?}", route.here);
                }
            }
            if let Body::Json(json) = route.body {
                let json = json();
                for name in json.as_object().unwrap().keys() {
                    for value in [serde_json::json!(edge), serde_json::from_str(edge).unwrap_or_default()] {
                        let mut json = json.clone();
                        json[name] = value;
                        let status = person.post(route.here).json(&json).send().await.unwrap().status();
                        assert!(!status.is_server_error(), "{status}: {} {json}", route.here);
                    }
                }
            }
        }
    }
}

/// Every address with made-up queries, forms and JSON; ids that are none; and whatever got stored is then shown everywhere.
/// Taken or refused, never a 500.
#[tokio::test]
async fn nonsense_at_every_address() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let person = app.sign_in("pusat").await;
    person.post("/cabang/pilih").form(&[("branch_id", "1")]).send().await.unwrap();
    let routes: Vec<_> = table()
        .into_iter()
        .filter(|route| !["/logout", "/akun/keluar-semua", "/cabang/pilih"].contains(&route.path))
        .collect();
    let mut runner = TestRunner::default();
    let asked = (0..routes.len(), fields(), json(), text(), 0..4_u8);
    for _ in 0..cases() {
        let (at, fields, json, id, kind) = asked.new_tree(&mut runner).unwrap().current();
        let route = &routes[at];
        // a hash is slow on purpose, and every sign-in is another session
        let address = if kind == 0 {
            route.path.replace("{id}", &url_part(&id)).replace("{jenis}", "frame").replace("{*path}", "x")
        } else {
            route.here.to_owned()
        };
        let request = match (&route.method, kind) {
            (&Method::GET, _) => person.get(&format!("{}?{}", address.split('?').next().unwrap(), query(&fields))),
            (_, 1) => person.post(&address).json(&json),
            (_, 2) => {
                person.post(&address).header("content-type", "application/x-www-form-urlencoded").body(id.clone())
            }
            _ => person.post(&address).form(&fields),
        };
        let Ok(answer) = request.send().await else { continue };
        let status = answer.status();
        assert!(
            !status.is_server_error() || status.as_u16() == 503,
            "{status}: {} {address} {fields:?} {json} {id:?}",
            route.method
        );
    }
    // a patient and a product of every sort of name
    for _ in 0..cases() / 5 {
        let name = text().new_tree(&mut runner).unwrap().current();
        let patient = serde_json::json!({ "nama_pasien": name, "service_type": "UMUM", "no_telepon": name });
        let status = person.post("/pasien").json(&patient).send().await.unwrap().status();
        assert!(!status.is_server_error(), "{status}: {name:?}");
        let note = [("counted", "4"), ("seen_stok", "4"), ("catatan", name.as_str()), ("quantity", "1")];
        let status = person.post("/stok/frame/1/restok").form(&note).send().await.unwrap().status();
        assert!(!status.is_server_error(), "{status}: {name:?}");
    }
    for route in table().into_iter().filter(|route| route.method == Method::GET) {
        let answer = route.request(&person, route.here).send().await.unwrap();
        assert!(!answer.status().is_server_error(), "{}", route.here);
    }
}

/// Finds a number, a text or a date that passes all our own checks and that the database cannot hold: 422, as for any other
/// that is refused.
#[tokio::test]
async fn what_the_database_cannot_hold() {
    let app = TestApp::start().await;
    for beyond in ["SELECT 2147483647 + length($1)", "SELECT DATE '9999-12-31' + 2147000000 + length($1)"] {
        let error = sqlx::query(beyond).bind("a").execute(&app.db).await.unwrap_err();
        let told = format!("{beyond}: {error}");
        assert_eq!(melati::web::Error::from(error).into_response().status(), 422, "{told}");
    }
    let error = sqlx::query("SELECT $1::text").bind("a\0").execute(&app.db).await.unwrap_err();
    assert_eq!(melati::web::Error::from(error).into_response().status(), 422);
}

/// Cursors: made up, cut, lengthened, with one character changed. Whoever sends one gets a stream that starts afresh.
#[tokio::test]
async fn nonsense_as_a_cursor() {
    let app = TestApp::start().await;
    let person = app.sign_in("admin1").await;
    let mut stream = person.open("/realtime/stream?topics=dashboard,notifications,stock-updates").await;
    stream.opened().await;
    let good = stream.cursor.clone().unwrap();
    let mut runner = TestRunner::default();
    let changed = (any::<prop::sample::Index>(), "[0-9a-z.\\-]", text(), 0..5_u8);
    for _ in 0..cases() / 4 {
        let (at, with, text, kind) = changed.new_tree(&mut runner).unwrap().current();
        let cursor = match kind {
            0 => text,
            1 => good[..at.index(good.len())].to_owned(),
            2 => format!("{good}.{with}"),
            // the largest number there is
            3 => format!("{}.3w5e11264sgsf", good.rsplit_once('.').unwrap().0),
            _ => {
                let at = at.index(good.len());
                format!("{}{with}{}", &good[..at], &good[at + 1..])
            }
        };
        let answer = person
            .get(&format!("/realtime/notifications?{}", query(&[("last_event_id", cursor.clone())])))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{cursor:?}");
    }
}
