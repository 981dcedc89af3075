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

/// An admin and a kasir of Kemang open every page, search, filter and stream, asking for Ubud in every way there is: not a
/// word of it.
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

/// A kasir of Kemang sells from the shelf of Ubud, to a patient of Ubud: refused, without a word of who or what that is.
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

/// An admin who is no super admin presses the branch switcher: 403. Given such a choice all the same, their session still
/// shows their own branch.
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

/// Asks for what is older than a sale of Ubud, to read off the list when that was: an empty list, as for a sale that is not
/// there.
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

/// A kasir takes the takings of all colleagues home in one file: it has their own sales, whatever they ask for.
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

/// What psql writes of one branch, and the same with somebody or something of another in it. (Alternatives to what stands in
/// [`SALES`], which is of one branch throughout.)
#[rustfmt::skip] // a table
const PAST_THE_PAGES: &[(&str, &str)] = &[
    ("INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('A', 1, 3, 1, 1, 1, 1)",
     "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('B', 3, 3, 1, 1, 1, 1)"),
    ("INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('C', 1, 1, 1, 1, 1, 1)",
     "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('D', 1, 6, 1, 1, 1, 1)"),
    ("UPDATE penjualans SET pasien_id = 2 WHERE id = 501", "UPDATE penjualans SET pasien_id = 3 WHERE id = 501"),
    ("UPDATE penjualans SET user_id = 4 WHERE id = 501", "UPDATE penjualans SET user_id = 6 WHERE id = 501"),
    ("UPDATE penjualans SET pasien_id = 3, user_id = 6, branch_id = 2 WHERE id = 501", "UPDATE penjualans SET branch_id = 2 WHERE id = 501"),
    ("UPDATE pasiens SET nama_pasien = 'Siti' WHERE id = 1", "UPDATE pasiens SET branch_id = 2 WHERE id = 1"),
    ("UPDATE penjualans SET dibatalkan_at = now(), alasan_batal = 'x', bayar = 0, kekurangan = 0, status = 'Lunas', dibatalkan_oleh = 2 WHERE id = 501",
     "UPDATE penjualans SET dibatalkan_at = now(), alasan_batal = 'x', bayar = 0, kekurangan = 0, status = 'Lunas', dibatalkan_oleh = 5 WHERE id = 501"),
    ("INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal) VALUES (501, 'Frame', 2, '', 1, 1, 1)",
     "INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal) VALUES (501, 'Frame', 3, '', 1, 1, 1)"),
    ("UPDATE penjualan_details SET product_type = 'Lensa', product_id = 1 WHERE penjualan_id = 501",
     "UPDATE penjualan_details SET product_type = 'Lensa', product_id = 2 WHERE penjualan_id = 501"),
    ("INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id) VALUES (501, 'tunai', 1, 1, 3)",
     "INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id) VALUES (501, 'tunai', 1, 1, 6)"),
    ("UPDATE open_days SET closed_by = 4 WHERE branch_id = 1", "UPDATE open_days SET closed_by = 6 WHERE branch_id = 1"),
    ("UPDATE open_days SET opened_by = 1 WHERE branch_id = 1", "UPDATE open_days SET opened_by = 5 WHERE branch_id = 1"),
    ("INSERT INTO stock_imports (branch_id, user_id, product_type, reason, body) VALUES (1, 2, 'Frame', 'koreksi', '')",
     "INSERT INTO stock_imports (branch_id, user_id, product_type, reason, body) VALUES (1, 5, 'Frame', 'koreksi', '')"),
    ("UPDATE stock_opnames SET started_by = 2 WHERE id = 801", "UPDATE stock_opnames SET started_by = 5 WHERE id = 801"),
    ("UPDATE stock_opnames SET ended_by = 2 WHERE id = 801", "UPDATE stock_opnames SET ended_by = 5 WHERE id = 801"),
    ("INSERT INTO stock_opname_counts (opname_id, product_id, counted, stok, movement_id) VALUES (801, 2, 1, 1, 1)",
     "INSERT INTO stock_opname_counts (opname_id, product_id, counted, stok, movement_id) VALUES (801, 3, 1, 1, 1)"),
    ("INSERT INTO stock_opname_scans (ref, opname_id, product_id) VALUES (gen_random_uuid(), 801, 2)",
     "INSERT INTO stock_opname_scans (ref, opname_id, product_id) VALUES (gen_random_uuid(), 801, 3)"),
    ("UPDATE stock_alerts SET acked_at = now(), acked_by = 2 WHERE id = 1", "UPDATE stock_alerts SET acked_at = now(), acked_by = 5 WHERE id = 1"),
    ("UPDATE stock_alerts SET snoozed_by = 2 WHERE id = 1", "UPDATE stock_alerts SET snoozed_by = 5 WHERE id = 1"),
    ("INSERT INTO stock_transfers (from_branch, to_branch, created_by) VALUES (1, 2, 2)",
     "INSERT INTO stock_transfers (from_branch, to_branch, created_by) VALUES (1, 2, 5)"),
    ("UPDATE stock_transfers SET sent_by = 2 WHERE id = 815", "UPDATE stock_transfers SET sent_by = 5 WHERE id = 815"),
    ("UPDATE stock_transfers SET ended_by = 5 WHERE id = 815", "UPDATE stock_transfers SET ended_by = 509 WHERE id = 815"),
    ("INSERT INTO stock_transfer_lines (transfer_id, product_type, product_id, quantity) VALUES (811, 'Frame', 2, 1)",
     "INSERT INTO stock_transfer_lines (transfer_id, product_type, product_id, quantity) VALUES (811, 'Frame', 3, 1)"),
    ("UPDATE stock_transfer_lines SET received_id = 3 WHERE transfer_id = 815", "UPDATE stock_transfer_lines SET received_id = 2 WHERE transfer_id = 815"),
    ("INSERT INTO notifications (branch_id, type, title, message, author_id) VALUES (1, 'announcement', '', '', 2)",
     "INSERT INTO notifications (branch_id, type, title, message, author_id) VALUES (2, 'announcement', '', '', 2)"),
    ("INSERT INTO notification_reads (user_id, notification_id) SELECT 3, max(id) FROM notifications WHERE branch_id = 1",
     "INSERT INTO notification_reads (user_id, notification_id) SELECT 3, max(id) FROM notifications WHERE branch_id = 2"),
];

/// Writes past the pages, where no handler asks: a sale to a patient of another branch, goods of another shelf, a colleague who
/// does not work there. The schema refuses it, whoever writes.
#[tokio::test]
async fn mixing_branches_past_the_pages() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    // neither a transfer's sender nor its receiver
    app.sql(
        "INSERT INTO branches (id, name, kode, timezone) VALUES (3, 'Depok', 'DPK', 'Asia/Jakarta');
         INSERT INTO users (id, name, email, password, role, branch_id) VALUES (509, 'Tono', 'tono@melati.test', '-', 'admin', 3)",
    )
    .await;
    for (of_one, of_two) in PAST_THE_PAGES {
        let mut undone = app.db.begin().await.unwrap();
        let done = sqlx::query(*of_one).execute(&mut *undone).await;
        assert!(done.as_ref().is_ok_and(|done| done.rows_affected() > 0), "{of_one}: {done:?}");
        undone.rollback().await.unwrap();
        let mut undone = app.db.begin().await.unwrap();
        let refused = sqlx::query(*of_two).execute(&mut *undone).await.expect_err(of_two);
        let constraint = refused.as_database_error().and_then(|refused| refused.constraint()).unwrap_or_default();
        assert!(["of_one_branch", "penjualans_patient_of_branch"].contains(&constraint), "{of_two}: {refused}");
    }
    // somebody moves to another branch: what they did stays theirs, and can be gone on with
    app.sql(
        "UPDATE users SET branch_id = 2 WHERE id = 3;
         UPDATE penjualans SET status_pengerjaan = 'Sedang Dikerjakan', user_id = user_id WHERE id = 501",
    )
    .await;
}
