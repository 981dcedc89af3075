//! The table of every address: who may, what they get, and what somebody of another branch gets. The routers of the source
//! are read as text, so that an address which is not in the table fails the tests.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::abuse::fingerprint;
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
/// The same for managers alone.
const MANAGERS_IN_A_SHOP: Answers = [409, 200, 403];
const NEW_BY_MANAGERS: Answers = [201, 201, 403];
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
        get("/sw.js", "/sw.js", EVERYONE).public(200),
        get("/health/live", "/health/live", EVERYONE).public(200),
        get("/health/ready", "/health/ready", EVERYONE).public(200),
        // on an address of its own (tests/metrics.rs); here it is not
        get("/metrics", "/metrics", [404, 404, 404]).public(404),
        get("/login", "/login", [303, 303, 303]).public(200),
        get("/api/session", "/api/session", [204, 204, 204]),

        get("/", "/", EVERYONE),
        get("/lainnya", "/lainnya", EVERYONE),
        get("/akun", "/akun", EVERYONE),
        get("/akun/sandi", "/akun/sandi", EVERYONE),
        post("/akun/sandi", "/akun/sandi", Form(&[("current", PASSWORD), ("new", "melati-test-2"), ("repeated", "melati-test-2")]), EVERYONE),
        get("/audit", "/audit", HEAD_OFFICE),
        get("/pengguna", "/pengguna", MANAGERS),
        get("/pengguna/baru", "/pengguna/baru", MANAGERS),
        post("/pengguna", "/pengguna", Form(&[("name", "Bayu"), ("email", "bayu@melati.test"), ("role", "kasir"), ("branch_id", "1")]), NEW_BY_MANAGERS),
        get("/pengguna/{id}", "/pengguna/507", MANAGERS).elsewhere("/pengguna/508"),
        post("/pengguna/{id}", "/pengguna/507", Form(&[("name", "Dewi Ayu"), ("email", "dewi@melati.test"), ("role", "kasir"), ("branch_id", "1")]), MANAGERS).elsewhere("/pengguna/508"),
        post("/pengguna/{id}/sandi", "/pengguna/507/sandi", Nothing, MANAGERS).elsewhere("/pengguna/508/sandi"),
        post("/pengguna/{id}/keluar", "/pengguna/507/keluar", Nothing, MANAGERS).elsewhere("/pengguna/508/keluar"),
        post("/pengguna/{id}/nonaktifkan", "/pengguna/507/nonaktifkan", Nothing, MANAGERS).elsewhere("/pengguna/508/nonaktifkan"),
        post("/pengguna/{id}/aktifkan", "/pengguna/507/aktifkan", Nothing, MANAGERS).elsewhere("/pengguna/508/aktifkan"),
        get("/tarif", "/tarif", MANAGERS),
        post("/tarif", "/tarif", Form(&[("service_type", "BPJS I"), ("price", "350.000"), ("effective_from", "2035-01-01")]), HEAD_OFFICE),
        post("/tarif/{id}/hapus", "/tarif/501/hapus", Nothing, HEAD_OFFICE),
        get("/cabang", "/cabang", HEAD_OFFICE),
        get("/cabang/baru", "/cabang/baru", HEAD_OFFICE),
        post("/cabang", "/cabang", Form(&[("name", "Depok"), ("kode", "DPK"), ("timezone", "Asia/Jakarta")]), HEAD_OFFICE),
        get("/cabang/{id}", "/cabang/1", HEAD_OFFICE).elsewhere("/cabang/2"),
        post("/cabang/{id}", "/cabang/1", Form(&[("name", "Kemang Raya"), ("kode", "KMG"), ("timezone", "Asia/Jakarta")]), HEAD_OFFICE).elsewhere("/cabang/2"),
        post("/akun/tampilan", "/akun/tampilan", Form(&[("theme", "dark")]), [303, 303, 303]),
        get("/pantauan", "/pantauan", MANAGERS),
        get("/pantauan/jalur", "/pantauan/jalur", MANAGERS),
        get("/api/pantauan/riwayat", "/api/pantauan/riwayat", MANAGERS),
        // of another process: whether it is there, only that one can say (tests/metrics.rs has those that are)
        post("/pantauan/putus", "/pantauan/putus", Form(&[("stream", "1")]), MANAGERS),
        post("/api/layar", "/api/layar", Json(|| json!({ "delays_ms": [], "tabs": 1 })), EVERYONE),
        get("/notifikasi", "/notifikasi", EVERYONE),
        get("/api/notifikasi/belum", "/api/notifikasi/belum?ids=1,x", EVERYONE),
        post("/notifikasi/pengaturan", "/notifikasi/pengaturan", Form(&[("tampil", "stok")]), EVERYONE),
        get("/pengumuman", "/pengumuman", MANAGERS),
        post("/pengumuman", "/pengumuman", Form(&[("title", "Stok opname"), ("message", "Sabtu malam.")]), MANAGERS),
        get("/peringatan", "/peringatan", EVERYONE),
        get("/api/peringatan", "/api/peringatan", EVERYONE),
        post("/peringatan/{id}/tunda", "/peringatan/1/tunda", Form(&[("sampai", "jam")]), MANAGERS).elsewhere("/peringatan/2/tunda"),
        post("/peringatan/{id}/tanggapi", "/peringatan/1/tanggapi", Nothing, MANAGERS).elsewhere("/peringatan/2/tanggapi"),
        post("/notifikasi/baca", "/notifikasi/baca", Form(&[("id", "")]), EVERYONE),

        get("/stok", "/stok", EVERYONE),
        get("/stok/terendah", "/stok/terendah", EVERYONE),
        get("/stok/{jenis}/{id}", "/stok/frame/1", EVERYONE).elsewhere("/stok/frame/3"),
        post("/stok/{jenis}/{id}/restok", "/stok/frame/1/restok", Form(&[("quantity", "5")]), MANAGERS).elsewhere("/stok/frame/3/restok"),
        post("/stok/{jenis}/{id}/koreksi", "/stok/frame/2/koreksi", Form(&[("counted", "4"), ("seen_stok", "3"), ("catatan", "Salah hitung")]), MANAGERS).elsewhere("/stok/aksesoris/2/koreksi"),
        post("/stok/{jenis}/{id}/harga", "/stok/lensa/1/harga", Form(&[("price", "200000"), ("seen_price", "190000")]), MANAGERS).elsewhere("/stok/lensa/2/harga"),
        get("/api/stok/jumlah", "/api/stok/jumlah", EVERYONE),
        get("/stok/{jenis}/baru", "/stok/frame/baru", MANAGERS_IN_A_SHOP),
        post("/stok/{jenis}/baru", "/stok/aksesoris/baru", Form(&[("nama", "Kotak"), ("harga_jual", "20.000")]), MANAGERS_IN_A_SHOP),
        get("/stok/{jenis}/{id}/ubah", "/stok/frame/1/ubah", MANAGERS).elsewhere("/stok/frame/3/ubah"),
        // saved on another mark than that of what is there: refused, but only where it may be asked
        post("/stok/{jenis}/{id}/ubah", "/stok/frame/1/ubah", Form(&[("seen", "0"), ("merk", "Sendja")]), [409, 409, 403]).elsewhere("/stok/frame/3/ubah"),
        post("/stok/{jenis}/{id}/hapus", "/stok/frame/901/hapus", Nothing, MANAGERS).elsewhere("/stok/frame/3/hapus"),
        get("/stok/ekspor", "/stok/ekspor", MANAGERS_IN_A_SHOP),
        get("/stok/impor", "/stok/impor", MANAGERS_IN_A_SHOP),
        // a sheet is its sender's own: nobody else finds it
        get("/stok/impor/{id}", "/stok/impor/801", [404, 200, 403]),
        post("/stok/impor/{id}", "/stok/impor/801", Form(&[("rencana", "0")]), [404, 409, 403]),
        // after those: a new sheet takes the place of its sender's older ones
        post("/stok/impor", "/stok/impor", Form(&[("jenis", "frame"), ("isi", "kode;merk;harga_jual\nFR7;Baru;1.000\n")]), MANAGERS_IN_A_SHOP),
        get("/stok/opname", "/stok/opname", EVERYONE),
        post("/stok/opname", "/stok/opname", Form(&[("jenis", "aksesoris")]), MANAGERS_IN_A_SHOP),
        get("/stok/opname/{id}", "/stok/opname/801", EVERYONE).elsewhere("/stok/opname/802"),
        get("/stok/opname/{id}/kabar", "/stok/opname/801/kabar", EVERYONE).elsewhere("/stok/opname/802/kabar"),
        post("/stok/opname/{id}/hitung", "/stok/opname/801/hitung", Form(&[("kode", "FR000001")]), EVERYONE).elsewhere("/stok/opname/802/hitung"),
        post("/stok/opname/{id}/selesai", "/stok/opname/801/selesai", Form(&[("belum", "biarkan")]), MANAGERS).elsewhere("/stok/opname/802/selesai"),
        post("/stok/opname/{id}/batal", "/stok/opname/803/batal", Nothing, MANAGERS).elsewhere("/stok/opname/802/batal"),
        get("/stok/transfer", "/stok/transfer", MANAGERS),
        post("/stok/transfer", "/stok/transfer", Form(&[("dari", "1"), ("ke", "2")]), MANAGERS),
        get("/stok/transfer/{id}", "/stok/transfer/811", MANAGERS).elsewhere("/stok/transfer/816"),
        post("/stok/transfer/{id}/baris", "/stok/transfer/811/baris", Form(&[("kode", "FR000001")]), MANAGERS).elsewhere("/stok/transfer/816/baris"),
        post("/stok/transfer/{id}/kirim", "/stok/transfer/811/kirim", Nothing, MANAGERS).elsewhere("/stok/transfer/816/kirim"),
        post("/stok/transfer/{id}/terima", "/stok/transfer/813/terima", Nothing, MANAGERS).elsewhere("/stok/transfer/816/terima"),
        post("/stok/transfer/{id}/tolak", "/stok/transfer/814/tolak", Form(&[("alasan", "Salah kirim")]), MANAGERS).elsewhere("/stok/transfer/816/tolak"),
        post("/stok/transfer/{id}/batal", "/stok/transfer/815/batal", Form(&[("alasan", "")]), MANAGERS).elsewhere("/stok/transfer/816/batal"),

        get("/laporan", "/laporan", MANAGERS),
        get("/laporan/{laporan}", "/laporan/jam-ramai", MANAGERS).elsewhere("/laporan/jam-ramai?cabang=2"),
        get("/laporan/{laporan}/csv", "/laporan/stok-mati/csv?cabang=1", MANAGERS).elsewhere("/laporan/stok-mati/csv?cabang=2"),
        get("/laporan/harian", "/laporan/harian?cabang=1", MANAGERS).elsewhere("/laporan/harian?cabang=2"),
        get("/laporan/harian/csv", "/laporan/harian/csv?cabang=1", MANAGERS).elsewhere("/laporan/harian/csv?cabang=2"),
        get("/laporan/harian/hari-ini", "/laporan/harian/hari-ini", IN_A_SHOP),
        get("/laporan/harian/{cabang}/{tanggal}", "/laporan/harian/1/hari-ini", EVERYONE).elsewhere("/laporan/harian/2/hari-ini"),
        get("/laporan/harian/{cabang}/{tanggal}/csv", "/laporan/harian/1/hari-ini/csv", EVERYONE).elsewhere("/laporan/harian/2/hari-ini/csv"),

        get("/api/products", "/api/products?cari=a", IN_A_SHOP),
        get("/api/pasien", "/api/pasien?cari=a", IN_A_SHOP),
        post("/pasien", "/pasien", Json(|| json!({ "nama_pasien": "Dewi", "service_type": "UMUM" })), NEW_IN_A_SHOP),
        get("/pasien", "/pasien", EVERYONE),
        get("/pasien/baru", "/pasien/baru", IN_A_SHOP),
        post("/pasien/baru", "/pasien/baru", Form(&[("nama_pasien", "Dewi Kartika"), ("service_type", "UMUM")]), IN_A_SHOP),
        get("/pasien/{id}", "/pasien/1", EVERYONE).elsewhere("/pasien/3"),
        get("/pasien/{id}/ubah", "/pasien/1/ubah", EVERYONE).elsewhere("/pasien/3/ubah"),
        // what nobody has seen cannot be written over
        post("/pasien/{id}", "/pasien/1", Form(&[("nama_pasien", "Siti"), ("service_type", "UMUM"), ("version", "")]), [409, 409, 409]).elsewhere("/pasien/3"),
        get("/penjualan/create", "/penjualan/create", IN_A_SHOP),
        post("/penjualan/hitung", "/penjualan/hitung", Json(|| json!({ "pasien_id": 1, "items": [{ "product_type": "Frame", "product_id": 1, "quantity": 1 }] })), IN_A_SHOP),
        post("/penjualan", "/penjualan", Json(|| json!({ "client_ref": uuid::Uuid::new_v4(), "pasien_id": 1, "items": [{ "product_type": "Frame", "product_id": 1, "quantity": 1 }] })), NEW_IN_A_SHOP),
        get("/penjualan", "/penjualan", EVERYONE),
        get("/penjualan/ekspor", "/penjualan/ekspor", EVERYONE),
        get("/penjualan/{id}", "/penjualan/501", EVERYONE).elsewhere("/penjualan/502"),
        get("/penjualan/{id}/struk", "/penjualan/501/struk", EVERYONE).elsewhere("/penjualan/502/struk"),
        post("/penjualan/{id}/bayar", "/penjualan/501/bayar", Form(&[("kekurangan", "100000"), ("metode", "tunai"), ("jumlah", "100000")]), EVERYONE).elsewhere("/penjualan/502/bayar"),
        post("/penjualan/{id}/status", "/penjualan/501/status", Form(&[("from", "Menunggu Pengerjaan"), ("to", "Sedang Dikerjakan")]), EVERYONE).elsewhere("/penjualan/502/status"),
        get("/pesanan", "/pesanan", EVERYONE),
        post("/penjualan/{id}/batal", "/penjualan/501/batal", Form(&[("bayar", "685000"), ("alasan", "salah pasien")]), MANAGERS).elsewhere("/penjualan/502/batal"),

        post("/hari/tutup", "/hari/tutup", Nothing, IN_A_SHOP),
        post("/hari/buka", "/hari/buka", Nothing, IN_A_SHOP),

        get("/realtime/dashboard", "/realtime/dashboard", EVERYONE),
        get("/realtime/omset-kasir", "/realtime/omset-kasir", ONLY_KASIR),
        get("/realtime/notifications", "/realtime/notifications", EVERYONE),
        get("/realtime/stock-updates", "/realtime/stock-updates", EVERYONE),
        get("/realtime/orders", "/realtime/orders", EVERYONE),
        get("/realtime/monitoring", "/realtime/monitoring", MANAGERS),
        get("/realtime/uji", "/realtime/uji?uji=potongan", MANAGERS),
        get("/realtime/stream", "/realtime/stream?topics=dashboard,notifications,stock-updates", EVERYONE),

        // narrows what a super admin sees: after it the table would read differently
        post("/cabang/{id}/pensiun", "/cabang/1/pensiun", Nothing, [409, 403, 403]).elsewhere("/cabang/2/pensiun"),
        post("/cabang/{id}/hidupkan", "/cabang/1/hidupkan", Nothing, HEAD_OFFICE).elsewhere("/cabang/2/hidupkan"),
        post("/cabang/pilih", "/cabang/pilih", Form(&[("branch_id", "1")]), HEAD_OFFICE),
        post("/akun/keluar-semua", "/akun/keluar-semua", Nothing, EVERYONE),
        post("/logout", "/logout", Nothing, EVERYONE).public(200),
        post("/login", "/login", Form(&[("email", "kasir1b@melati.test"), ("password", PASSWORD)]), EVERYONE).public(200),
    ]
}

/// A sale a branch, both owing a hundred thousand; a kasir each whom nobody misses; a rate that is to come; and in the second
/// branch, too, a product that is low; sheets, counts and transfers in each state.
pub const SALES: &str = "
    INSERT INTO users (id, name, email, password, role, branch_id) VALUES
        (507, 'Dewi', 'dewi@melati.test', '-', 'kasir', 1), (508, 'Ketut', 'ketut@melati.test', '-', 'kasir', 2);
    INSERT INTO bpjs_rates (id, service_type, price, effective_from) VALUES (501, 'BPJS III', 180000, '2034-01-01');
    UPDATE lensas SET stok = 2 WHERE id = 2;
    INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, kekurangan, status) VALUES
        (501, 'KMG-261121-501', 1, 3, 1, 685000, 685000, 585000, 100000, 'Belum Lunas'),
        (502, 'UBD-261121-502', 3, 6, 2, 685000, 685000, 585000, 100000, 'Belum Lunas');
    INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal) VALUES
        (501, 'Frame', 1, 'Sendja Oval - Umum', 1, 685000, 685000), (502, 'Frame', 3, 'Sendja Oval - Umum', 1, 685000, 685000);
    INSERT INTO frames (id, branch_id, kode_frame, merk_frame, harga_jual_frame) VALUES (901, 1, 'FR000901', 'Salah ketik', 1000);
    INSERT INTO stock_imports (id, branch_id, user_id, product_type, reason, body) VALUES
        (801, 1, 2, 'Frame', 'koreksi', 'kode;stok'), (802, 2, 5, 'Frame', 'koreksi', 'kode;stok');
    INSERT INTO stock_opnames (id, branch_id, product_type) VALUES (801, 1, 'Frame'), (802, 2, 'Frame'), (803, 1, 'Lensa');
    INSERT INTO stock_transfers (id, from_branch, to_branch, status) VALUES
        (811, 1, 2, 'draf'), (813, 2, 1, 'dikirim'), (814, 2, 1, 'dikirim'), (815, 1, 2, 'dikirim'), (816, 2, 1, 'draf');
    INSERT INTO stock_transfer_lines (transfer_id, product_type, product_id, quantity) VALUES (813, 'Frame', 3, 1), (815, 'Frame', 1, 1);";

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

/// Somebody adds an address and forgets to say who may: this fails, and names it.
#[test]
fn an_address_that_is_not_in_the_table() {
    let mut built = BTreeSet::new();
    routes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut built);
    let listed: BTreeSet<_> = table().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(built, listed, "left: what the routers have; right: the table");
    assert!(built.len() > 30, "the routers were found");
}

/// Everyone walks through every door, their own branch's first: 403 where the role may not, 404 for what is of another branch, and
/// what is refused is not done.
#[tokio::test]
async fn each_role_at_every_address() {
    for (column, who) in ["pusat", "admin1", "kasir1"].into_iter().enumerate() {
        let app = TestApp::start().await;
        app.sql(SALES).await;
        let person = app.sign_in(who).await;
        for route in table() {
            let named = format!("{who}: {} {}", route.method, route.here);
            let before = fingerprint(&app, &[]).await;
            let answer = route.request(&person, route.here).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), route.answers[column], "{named}");
            drop(answer);
            if route.answers[column] >= 400 {
                assert_eq!(fingerprint(&app, &[]).await, before, "{named} is refused, and was done");
            }

            let Some(elsewhere) = route.elsewhere else { continue };
            let before = fingerprint(&app, &[]).await;
            let answer = route.request(&person, elsewhere).send().await.unwrap();
            let status = answer.status();
            if who != "pusat" {
                assert_eq!(fingerprint(&app, &[]).await, before, "{named}: {elsewhere} is refused, and was done");
            }
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

/// Walks in without a session, or with one that is made up: 401, but for what anybody may have.
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
