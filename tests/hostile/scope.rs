//! Looking into another branch.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::common::app::{Person, Tap, TestApp};
use crate::routes::{SALES, table};

/// All that Ubud has bears this word.
const SECRET: &str = "RahasiaUbud";
const UBUD: &str = "
    UPDATE frames SET merk_frame = 'RahasiaUbud' WHERE branch_id = 2;
    UPDATE lensas SET merk_lensa = 'RahasiaUbud', stok = 1 WHERE branch_id = 2;
    UPDATE aksesoris SET nama_produk = 'RahasiaUbud', stok = 1 WHERE branch_id = 2;
    UPDATE pasiens SET nama_pasien = 'RahasiaUbud', no_telepon = 'RahasiaUbud' WHERE branch_id = 2;
    UPDATE users SET name = 'RahasiaUbud' WHERE branch_id = 2;
    UPDATE penjualan_details SET nama = 'RahasiaUbud' WHERE penjualan_id = 502;
    INSERT INTO notifications (branch_id, type, title, message) VALUES (2, 'announcement', 'RahasiaUbud', 'RahasiaUbud');";

/// What a person finds at an address; of a stream, all up to its first heartbeat.
async fn found(person: &Person, address: &str) -> String {
    if address.starts_with("/realtime/") {
        let answer = person.get(address).send().await.unwrap();
        if answer.status() != StatusCode::OK {
            return String::new();
        }
        let (mut tap, mut heard) = (Tap::of(answer), String::new());
        while tap.heartbeats == 0 {
            let Some(event) = tap.next_event().await else { break };
            heard.push_str(&event.data);
        }
        return heard;
    }
    person.page(address).await.text().await.unwrap()
}

/// An admin and a kasir of Kemang open every page, search, filter and stream, asking for Ubud in every way there is.
#[tokio::test]
async fn another_branch_through_every_page_search_and_stream() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    app.sql(UBUD).await;
    let mut doors = Vec::new();
    for route in table().into_iter().filter(|route| route.method == Method::GET) {
        let and = if route.here.contains('?') { '&' } else { '?' };
        doors.push(route.here.to_owned());
        doors.push(format!("{}{and}branch=2&branch_id=2&cabang=2", route.here));
        doors.push(format!("{}{and}cari={SECRET}", route.here));
        doors.extend(route.elsewhere.map(str::to_owned));
    }
    doors.extend(["/stok?jenis=lensa", "/stok?jenis=aksesoris", "/penjualan?cari=UBD"].map(str::to_owned));

    let pusat = app.sign_in("pusat").await;
    let mut seen = 0;
    for door in &doors {
        seen += usize::from(found(&pusat, door).await.contains(SECRET));
    }
    assert!(seen >= 10, "head office sees it through {seen} doors: it is there to be seen");

    for who in ["admin1", "kasir1"] {
        let person = app.sign_in(who).await;
        for door in &doors {
            let found = found(&person, door).await;
            // a page may repeat what was searched for
            let echoes = if door.contains(SECRET) { found.matches(&format!("value=\"{SECRET}\"")).count() } else { 0 };
            let named = found.matches(&format!("cari={SECRET}")).count();
            assert_eq!(found.matches(SECRET).count(), echoes + named, "{who} at {door}");
        }
    }
}

/// A kasir of Kemang sells from the shelf of Ubud, to a patient of Ubud.
#[tokio::test]
async fn selling_what_is_not_ours_to_whom_we_do_not_know() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;
    for (patient, product) in [(3, 1), (1, 3)] {
        let sale = serde_json::json!({
            "client_ref": uuid::Uuid::new_v4(), "pasien_id": patient,
            "items": [{ "product_type": "Frame", "product_id": product, "quantity": 1 }],
        });
        for path in ["/penjualan/hitung", "/penjualan"] {
            let answer = kasir.post(path).header("accept", "application/json").json(&sale).send().await.unwrap();
            assert!(answer.status().is_client_error(), "{path}: {sale}");
            let told: Value = answer.json().await.unwrap();
            assert!(!told.to_string().contains("Wayan"), "nor is told who that is: {told}");
        }
    }
    let sold: i64 = sqlx::query_scalar("SELECT count(*) FROM penjualans").fetch_one(&app.db).await.unwrap();
    assert_eq!(sold, 0);
}

/// An admin who is no super admin presses the branch switcher, and a session is given a choice it may not have.
#[tokio::test]
async fn a_choice_of_branch_that_is_not_theirs() {
    let app = TestApp::start().await;
    app.sql(UBUD).await;
    let admin = app.sign_in("admin1").await;
    let answer = admin.post("/cabang/pilih").form(&[("branch_id", "2")]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    app.sql("UPDATE sessions SET data = data || '{\"chosen_branch\": 2}'").await;
    assert!(!found(&admin, "/stok").await.contains(SECRET));
    assert!(!found(&admin, "/realtime/stock-updates").await.contains(SECRET));
}

/// Asks for what is older than a sale of Ubud, to read off the list when that was.
#[tokio::test]
async fn asking_what_was_before_a_sale_of_another_branch() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    // the bell tells of the sale under another name
    app.sql("UPDATE pasiens SET nama_pasien = 'Sebelum Sekali' WHERE id = 1").await;
    app.sql("UPDATE penjualans SET created_at = now() - interval '1 hour' WHERE id = 501").await;
    let (admin, pusat) = (app.sign_in("admin1").await, app.sign_in("pusat").await);
    let shows = async |person: &Person| {
        person.page("/penjualan?sebelum=502").await.text().await.unwrap().contains("Sebelum Sekali")
    };
    assert!(shows(&pusat).await, "there is something older");
    assert!(!shows(&admin).await, "as after a sale that is not there");
    app.sql("UPDATE penjualans SET created_at = now() + interval '1 hour' WHERE id = 501").await;
    assert!(!shows(&admin).await, "whatever the order");
}

/// A kasir takes the takings of all colleagues home in one file.
#[tokio::test]
async fn carrying_away_what_colleagues_sold() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let own = async |who: &str, query: &str| {
        let sheet = app.sign_in(who).await.page(&format!("/penjualan/ekspor{query}")).await.text().await.unwrap();
        sheet.contains("KMG-261121-501")
    };
    assert!(own("kasir1", "").await && own("admin1", "").await, "it is kasir1 who sold it");
    for query in ["", "?kasir=3", "?cari=KMG"] {
        assert!(!own("kasir1b", query).await, "{query}");
    }
}
