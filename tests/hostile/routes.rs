//! The table of every address: who may, what they get, and what somebody of another branch gets. The routers of the source
//! are read as text, so that an address which is not in the table fails the tests.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::common::app::{PASSWORD, Person, TestApp};

/// What a request carries.
#[derive(Clone, Copy)]
pub enum Body {
    Nothing,
    Form(&'static [(&'static str, &'static str)]),
    Json(fn() -> serde_json::Value),
}

/// What an answer means, in the order super admin, admin, kasir.
type Answers = [u16; 3];

pub struct Route {
    /// As the router has it.
    pub method: Method,
    pub path: &'static str,
    /// An address of it in branch 1, where the admin and the kasir of the table work.
    pub here: &'static str,
    /// The same in branch 2, if an address says the branch: for an admin and a kasir of branch 1 it is not there.
    pub elsewhere: Option<&'static str>,
    pub body: Body,
    pub answers: Answers,
    /// Without a session: 401, but for the few addresses that lead to one.
    pub nobody: u16,
}

const EVERYONE: Answers = [200, 200, 200];
/// What belongs to one shop asks a super admin first which one is meant.
const IN_A_SHOP: Answers = [409, 200, 200];
const NEW_IN_A_SHOP: Answers = [409, 201, 201];
const MANAGERS: Answers = [200, 200, 403];
const HEAD_OFFICE: Answers = [200, 403, 403];
const ONLY_KASIR: Answers = [403, 403, 200];

fn get(path: &'static str, here: &'static str, answers: Answers) -> Route {
    Route { method: Method::GET, path, here, elsewhere: None, body: Body::Nothing, answers, nobody: 401 }
}

fn post(path: &'static str, here: &'static str, body: Body, answers: Answers) -> Route {
    Route { method: Method::POST, body, ..get(path, here, answers) }
}

impl Route {
    fn elsewhere(self, elsewhere: &'static str) -> Self {
        Self { elsewhere: Some(elsewhere), ..self }
    }

    fn public(self, nobody: u16) -> Self {
        Self { nobody, ..self }
    }

    /// The request to `address`, as a script sends it.
    pub fn request(&self, person: &Person, address: &str) -> RequestBuilder {
        let request = match self.method {
            Method::GET => person.get(address),
            _ => person.post(address).header("accept", "application/json"),
        };
        match self.body {
            Body::Nothing => request,
            Body::Form(form) => request.form(form),
            Body::Json(json) => request.json(&json()),
        }
    }
}

/// In an order that each role can walk from the top to the bottom: it ends with signing out.
#[rustfmt::skip] // a table
pub fn table() -> Vec<Route> {
    use Body::{Form, Json, Nothing};
    vec![
        get("/assets/{*path}", "/assets/app.css", EVERYONE).public(200),
        get("/health/live", "/health/live", EVERYONE).public(200),
        get("/health/ready", "/health/ready", EVERYONE).public(200),
        get("/login", "/login", [303, 303, 303]).public(200),
        get("/api/session", "/api/session", [204, 204, 204]),

        get("/", "/", EVERYONE),
        get("/akun", "/akun", EVERYONE),
        get("/akun/sandi", "/akun/sandi", EVERYONE),
        post("/akun/sandi", "/akun/sandi", Form(&[("current", PASSWORD), ("new", "melati-test-2"), ("repeated", "melati-test-2")]), EVERYONE),
        get("/audit", "/audit", HEAD_OFFICE),
        post("/akun/tampilan", "/akun/tampilan", Form(&[("theme", "dark")]), [303, 303, 303]),
        get("/notifikasi", "/notifikasi", EVERYONE),
        post("/notifikasi/baca", "/notifikasi/baca", Form(&[("id", "")]), EVERYONE),

        get("/stok", "/stok", EVERYONE),
        get("/stok/{jenis}/{id}", "/stok/frame/1", EVERYONE).elsewhere("/stok/frame/3"),
        post("/stok/{jenis}/{id}/restok", "/stok/frame/1/restok", Form(&[("quantity", "5")]), MANAGERS).elsewhere("/stok/frame/3/restok"),
        post("/stok/{jenis}/{id}/koreksi", "/stok/frame/2/koreksi", Form(&[("counted", "4"), ("seen_stok", "3")]), MANAGERS).elsewhere("/stok/aksesoris/2/koreksi"),
        post("/stok/{jenis}/{id}/harga", "/stok/lensa/1/harga", Form(&[("price", "200000"), ("seen_price", "190000")]), MANAGERS).elsewhere("/stok/lensa/2/harga"),

        get("/api/products", "/api/products?cari=a", IN_A_SHOP),
        get("/api/pasien", "/api/pasien?cari=a", IN_A_SHOP),
        post("/pasien", "/pasien", Json(|| json!({ "nama_pasien": "Dewi", "service_type": "UMUM" })), NEW_IN_A_SHOP),
        get("/penjualan/create", "/penjualan/create", IN_A_SHOP),
        post("/penjualan/hitung", "/penjualan/hitung", Json(|| json!({ "pasien_id": 1, "items": [{ "product_type": "Frame", "product_id": 1, "quantity": 1 }] })), IN_A_SHOP),
        post("/penjualan", "/penjualan", Json(|| json!({ "client_ref": uuid::Uuid::new_v4(), "pasien_id": 1, "items": [{ "product_type": "Frame", "product_id": 1, "quantity": 1 }] })), NEW_IN_A_SHOP),
        get("/penjualan", "/penjualan", EVERYONE),
        get("/penjualan/{id}", "/penjualan/501", EVERYONE).elsewhere("/penjualan/502"),
        get("/penjualan/{id}/struk", "/penjualan/501/struk", EVERYONE).elsewhere("/penjualan/502/struk"),
        post("/penjualan/{id}/bayar", "/penjualan/501/bayar", Form(&[("kekurangan", "100000"), ("metode", "tunai"), ("jumlah", "100000")]), EVERYONE).elsewhere("/penjualan/502/bayar"),
        post("/penjualan/{id}/status", "/penjualan/501/status", Form(&[("from", "Menunggu Pengerjaan"), ("to", "Sedang Dikerjakan")]), EVERYONE).elsewhere("/penjualan/502/status"),
        get("/pesanan", "/pesanan", EVERYONE),

        post("/hari/tutup", "/hari/tutup", Nothing, IN_A_SHOP),
        post("/hari/buka", "/hari/buka", Nothing, IN_A_SHOP),

        get("/realtime/dashboard", "/realtime/dashboard", EVERYONE),
        get("/realtime/omset-kasir", "/realtime/omset-kasir", ONLY_KASIR),
        get("/realtime/notifications", "/realtime/notifications", EVERYONE),
        get("/realtime/stock-updates", "/realtime/stock-updates", EVERYONE),
        get("/realtime/orders", "/realtime/orders", EVERYONE),
        get("/realtime/stream", "/realtime/stream?topics=dashboard,notifications,stock-updates", EVERYONE),

        // narrows what a super admin sees: after it the table would read differently
        post("/cabang/pilih", "/cabang/pilih", Form(&[("branch_id", "1")]), HEAD_OFFICE),
        post("/akun/keluar-semua", "/akun/keluar-semua", Nothing, EVERYONE),
        post("/logout", "/logout", Nothing, EVERYONE).public(200),
        post("/login", "/login", Form(&[("email", "kasir1b@melati.test"), ("password", PASSWORD)]), EVERYONE).public(200),
    ]
}

/// A sale a branch, both owing a hundred thousand.
pub const SALES: &str = "
    INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, kekurangan, status) VALUES
        (501, 'KMG-261121-501', 1, 3, 1, 685000, 685000, 585000, 100000, 'Belum Lunas'),
        (502, 'UBD-261121-502', 3, 6, 2, 685000, 685000, 585000, 100000, 'Belum Lunas');
    INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal) VALUES
        (501, 'Frame', 1, 'Sendja Oval - Umum', 1, 685000, 685000), (502, 'Frame', 3, 'Sendja Oval - Umum', 1, 685000, 685000);";

/// Every `.route("…", get(…).post(…))` below `folder`.
fn routes_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes_in(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            for other in [".nest(", ".nest_service(", ".route_service(", ".fallback_service("] {
                assert!(!source.contains(other), "{}: {other}…) would go unseen by the table", path.display());
            }
            for call in source.split(".route(").skip(1) {
                let call = &call[..closing(call)];
                let address = call.split('"').nth(1).unwrap_or_else(|| panic!("{}: {call}", path.display()));
                for method in ["get", "post", "put", "patch", "delete", "any"] {
                    if call.match_indices(&format!("{method}(")).any(|(at, _)| !is_part_of_a_word(call, at)) {
                        found.insert(format!("{} {address}", method.to_uppercase()));
                    }
                }
            }
        }
    }
}

fn is_part_of_a_word(text: &str, at: usize) -> bool {
    text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
}

/// Where the parenthesis closes that was open before `text`.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Somebody adds an address and forgets to say who may.
#[test]
fn an_address_that_is_not_in_the_table() {
    let mut built = BTreeSet::new();
    routes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut built);
    let listed: BTreeSet<_> = table().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(built, listed, "left: what the routers have; right: the table");
    assert!(built.len() > 30, "the routers were found");
}

/// Everyone walks through every door, their own branch's first.
#[tokio::test]
async fn each_role_at_every_address() {
    for (column, who) in ["pusat", "admin1", "kasir1"].into_iter().enumerate() {
        let app = TestApp::start().await;
        app.sql(SALES).await;
        let person = app.sign_in(who).await;
        for route in table() {
            let named = format!("{who}: {} {}", route.method, route.here);
            let answer = route.request(&person, route.here).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), route.answers[column], "{named}");
            drop(answer);

            let Some(elsewhere) = route.elsewhere else { continue };
            let answer = route.request(&person, elsewhere).send().await.unwrap();
            let status = answer.status();
            match who {
                // forms filled in for branch 1 may not fit there, but the door is open
                "pusat" => assert_ne!(status, StatusCode::NOT_FOUND, "{named}: {elsewhere}"),
                // whose role may not do it anywhere is told so first, and learns nothing of the other branch
                _ if route.answers[column] == 403 => assert_eq!(status, StatusCode::FORBIDDEN, "{named}: {elsewhere}"),
                _ => assert_eq!(status, StatusCode::NOT_FOUND, "{named}: {elsewhere}"),
            }
        }
    }
}

/// Without a session, or with one that is made up.
#[tokio::test]
async fn nobody_at_every_address() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    for route in table() {
        for made_up in ["", "melati_session=AAAAAAAAAAAAAAAAAAAAAA", "melati_session=' OR 1=1"] {
            let answer = route.request(&app.nobody(), route.here).header("cookie", made_up).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), route.nobody, "{} {} {made_up}", route.method, route.here);
        }
    }
}
