//! What the streams say, to whom, and to nobody else: over real HTTP and a real Postgres.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

mod common;

use common::app::{Person, Tap, TestApp};
use common::db::psql;
use melati::feed::Cursor;
use melati::ids::{BranchId, PatientId, ProductId, UserId};
use melati::money::Rupiah;
use melati::sales::{self, Item, Metode, NewSale, Payment};
use melati::scope::{Role, Viewer};
use melati::stock::{ProductRef, ProductType};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

const ALL: &str = "/realtime/stream?topics=dashboard,notifications,stock-updates";
const ALL_OF_A_KASIR: &str = "/realtime/stream?topics=dashboard,omset-kasir,notifications,stock-updates";

fn rina() -> Viewer {
    Viewer { id: UserId(3), name: "Rina".into(), role: Role::Kasir, home: Some(BranchId(1)), chosen: None }
}

/// Siti (BPJS II) buys the Sendja frame: Naik Kelas, 220 000 by BPJS and 465 000 by herself.
async fn rina_sells_a_frame(app: &TestApp) -> sales::Sold {
    let frame = ProductRef { product_type: ProductType::Frame, product_id: ProductId(1) };
    let sale = NewSale {
        client_ref: Uuid::new_v4(),
        branch: BranchId(1),
        pasien_id: PatientId(1),
        items: vec![Item { product: frame, quantity: 1 }],
        payment: Some(Payment { metode: Metode::Tunai, jumlah: Rupiah(465_000), diterima: Rupiah(500_000) }),
        agreed: None,
    };
    sales::sql::sell(&app.db, &rina(), sale).await.unwrap()
}

fn keys(json: &Value) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted<const N: usize>(mut names: [&str; N]) -> Vec<&str> {
    names.sort_unstable();
    names.to_vec()
}

#[tokio::test]
async fn each_stream_begins_with_what_its_reader_needs() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;

    let first = kasir.open("/realtime/dashboard").await.next_json().await;
    assert_eq!(first["type"], "dashboard_update");
    assert_eq!(first["open_day_status"], true);
    assert_eq!(first["open_time"].as_str().unwrap().len(), "08:02".len());
    assert_eq!(first["omset_kasir"], 0);

    let mut omset = kasir.open("/realtime/omset-kasir").await;
    let event = omset.next().await;
    assert_eq!(event.event, "message", "single streams are unnamed, so that onmessage gets them");
    let first: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(
        keys(&first),
        sorted([
            "type",
            "timestamp",
            "omset_kasir",
            "omset_bpjs",
            "omset_umum",
            "jumlah_transaksi",
            "transaksi_terbaru"
        ])
    );
    assert_eq!(first["type"], "omset_update");

    let first = kasir.open("/realtime/stock-updates").await.next_json().await;
    assert_eq!(first["snapshot"], true);
    assert_eq!(first["totals"], json!({ "low": 1, "medium": 1 }));
    let shown: Vec<_> = first["updates"].as_array().unwrap().iter().map(|u| (&u["kode"], &u["alert_level"])).collect();
    assert_eq!(shown, [(&json!("FR000002"), &json!("low")), (&json!("LS000001"), &json!("medium"))]);

    let mut notifications = kasir.open("/realtime/notifications").await;
    notifications.opened().await;
    assert!(notifications.cursor.is_some(), "a quiet stream has a cursor, too");

    let admin = app.sign_in("admin1").await.open("/realtime/dashboard").await.next_json().await;
    assert_eq!(admin["total_omset_hari_ini"], 0);
    assert_eq!(admin["per_cabang"].as_array().unwrap().len(), 1, "an admin sees their own branch");
    let pusat = app.sign_in("pusat").await.open("/realtime/dashboard").await.next_json().await;
    let names: Vec<_> = pusat["per_cabang"].as_array().unwrap().iter().map(|branch| &branch["branch_name"]).collect();
    assert_eq!(names, ["Kemang", "Ubud"]);
}

/// A compressor keeps what it has until its window is full: a stream behind one is late by minutes.
#[tokio::test]
async fn pages_are_compressed_and_streams_never() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;
    for wanted in ["br", "gzip", "gzip, deflate, br, zstd"] {
        let page =
            kasir.get("/stok").header("accept", "text/html").header("accept-encoding", wanted).send().await.unwrap();
        assert!(wanted.contains(page.headers()["content-encoding"].to_str().unwrap()), "{wanted}");
        for path in ["/realtime/dashboard", "/realtime/notifications", ALL_OF_A_KASIR] {
            let answer = kasir.get(path).header("accept-encoding", wanted).send().await.unwrap();
            assert_eq!(answer.headers().get("content-encoding"), None, "{path} for {wanted}");
            Tap::of(answer).opened().await;
        }
    }
}

#[tokio::test]
async fn a_sale_is_told_to_those_it_concerns_and_to_no_one_else() {
    let app = TestApp::start().await;
    let mut taps = Vec::new();
    for (who, path) in [
        ("kasir1", ALL_OF_A_KASIR),
        ("kasir1b", ALL_OF_A_KASIR),
        ("admin1", ALL),
        ("pusat", ALL),
        ("admin2", ALL),
        ("kasir2", ALL_OF_A_KASIR),
    ] {
        let mut tap = app.sign_in(who).await.open(path).await;
        // the first state of every state stream
        for _ in 0..(if path == ALL { 2 } else { 3 }) {
            tap.next().await;
        }
        taps.push(tap);
    }
    let sold = rina_sells_a_frame(&app).await;
    // what everybody hears after the sale, so that "nothing came" can be told from "not yet"
    app.sql("INSERT INTO notifications (type, title, message) VALUES ('announcement', 'Rapat', 'Sabtu pukul 8')").await;

    let [kasir1, kasir1b, admin1, pusat, admin2, kasir2] = &mut taps[..] else { unreachable!() };

    let heard = heard_until_marker(kasir1).await;
    let omset = last(&heard, "omset-kasir");
    assert_eq!(
        (&omset["omset_kasir"], &omset["omset_bpjs"], &omset["omset_umum"]),
        (&json!(685_000), &json!(220_000), &json!(465_000))
    );
    assert_eq!(omset["jumlah_transaksi"], 1);
    let line = &omset["transaksi_terbaru"][0];
    assert_eq!(
        keys(line),
        sorted(["id", "no_transaksi", "nama_pasien", "service_type", "total", "status", "tanggal", "waktu"])
    );
    assert_eq!((&line["nama_pasien"], &line["status"]), (&json!("Siti Rahmawati"), &json!("Menunggu Pengerjaan")));
    let frame = &last(&heard, "stock-updates")["updates"][0];
    assert_eq!(
        keys(frame),
        sorted([
            "type",
            "product_type",
            "product_id",
            "product_name",
            "new_stock",
            "kode",
            "branch_id",
            "branch_name",
            "price",
            "updated_at",
            "alert_level"
        ])
    );
    assert_eq!(
        (&frame["product_name"], &frame["new_stock"], &frame["branch_name"]),
        (&json!("Sendja Oval - Umum"), &json!(19), &json!("Kemang"))
    );
    assert!(!heard.iter().any(|(event, _)| event == "notifications"), "a sale is news for admins");

    let heard = heard_until_marker(kasir1b).await;
    assert!(
        !heard.iter().any(|(event, _)| event == "omset-kasir" || event == "dashboard"),
        "another kasir's omset stays: {heard:?}"
    );

    for tap in [admin1, pusat] {
        let heard = heard_until_marker(tap).await;
        let news = last(&heard, "notifications");
        assert_eq!(keys(&news), sorted(["id", "type", "title", "message", "data", "branch_id", "timestamp"]));
        assert_eq!((&news["type"], &news["title"]), (&json!("new_transaction"), &json!("Transaksi Baru")));
        assert_eq!(
            news["data"],
            json!({ "transaction_id": sold.id, "no_transaksi": sold.kode_penjualan, "total": 685_000, "kasir": "Rina" })
        );
        let dashboard = last(&heard, "dashboard");
        assert_eq!(dashboard["total_omset_hari_ini"], 685_000);
        assert_eq!(dashboard["rekap_omset_kasir"][0]["kasir_name"], "Rina");
    }
    for tap in [admin2, kasir2] {
        let heard = heard_until_marker(tap).await;
        assert!(heard.is_empty(), "the other branch hears only the announcement: {heard:?}");
    }
}

/// All messages before the announcement.
async fn heard_until_marker(tap: &mut Tap) -> Vec<(String, Value)> {
    let mut heard = Vec::new();
    loop {
        let event = tap.next().await;
        let json: Value = serde_json::from_str(&event.data).unwrap();
        if json["type"] == "announcement" {
            return heard;
        }
        heard.push((event.event, json));
    }
}

fn last(heard: &[(String, Value)], stream: &str) -> Value {
    let found = heard.iter().rev().find(|(event, _)| event == stream);
    found.unwrap_or_else(|| panic!("{stream} among {heard:?}")).1.clone()
}

#[tokio::test]
async fn what_is_typed_into_psql_is_told_like_anything_else() {
    let app = TestApp::start().await;
    let mut tap = app.sign_in("admin1").await.open(ALL).await;
    tap.opened().await;
    app.sql("UPDATE frames SET harga_jual_frame = 700000 WHERE id = 1").await;
    let told = tap.until(|event, _| event.event == "stock-updates").await;
    assert_eq!((&told["updates"][0]["price"], &told["total_updates"]), (&json!(700_000), &json!(1)));

    app.sql("UPDATE frames SET stok = 5 WHERE id = 1").await;
    let alert = tap.until(|event, _| event.event == "notifications").await;
    assert_eq!(alert["type"], "stock_alert");
    assert_eq!(
        alert["data"],
        json!({ "product_type": "Frame", "product_id": 1, "kode": "FR000001", "current_stock": 5 })
    );

    app.sql("DELETE FROM frames WHERE id = 2").await;
    let told = tap.until(|event, json| event.event == "stock-updates" && json["updates"][0]["product_id"] == 2).await;
    assert_eq!(told["updates"][0]["deleted"], true);
    assert_eq!(told["totals"]["low"], 1, "only the Sendja is left");

    app.sql("UPDATE pasiens SET nama_pasien = 'Siti R.' WHERE id = 1; UPDATE users SET name = 'Rina W.' WHERE id = 3")
        .await;
    let told = tap
        .until(|event, json| event.event == "dashboard" && json["rekap_omset_kasir"].to_string().contains("Rina W."))
        .await;
    assert_eq!(told["rekap_omset_kasir"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn one_alert_a_crossing() {
    let app = TestApp::start().await;
    let mut tap = app.sign_in("kasir1").await.open("/realtime/notifications").await;
    tap.opened().await;
    for statement in [
        "UPDATE frames SET stok = 5 WHERE id = 1",
        "UPDATE frames SET stok = 4 WHERE id = 1",
        "UPDATE frames SET stok = 20 WHERE id = 1",
        "UPDATE frames SET stok = 2 WHERE id = 1",
    ] {
        app.sql(statement).await;
    }
    let alerts = [tap.next_json().await, tap.next_json().await];
    assert_eq!(alerts.map(|alert| alert["data"]["current_stock"].clone()), [5, 2]);
}

#[tokio::test]
async fn a_client_that_was_away_gets_what_it_missed_and_nothing_twice() {
    let mut app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let mut tap = admin.open(ALL).await;
    tap.opened().await;
    app.sql("UPDATE frames SET stok = 19 WHERE id = 1").await;
    tap.until(|event, _| event.event == "stock-updates").await;
    let cursor = tap.cursor.clone().unwrap();
    drop(tap);

    // while it is away: a restart of the server, and changes before, during and after it
    app.sql("UPDATE frames SET stok = 4 WHERE id = 1; DELETE FROM frames WHERE id = 2").await;
    app.go_down().await;
    app.sql("UPDATE frames SET branch_id = 2, kode_frame = 'FR000009' WHERE id = 1; UPDATE lensas SET stok = 7 WHERE id = 1").await;
    app.come_up().await;

    let events = backlog(&admin, &cursor).await;
    let stock: Vec<&Value> =
        events.iter().filter(|(event, _)| event == "stock-updates").map(|(_, json)| json).collect();
    assert_eq!(stock.len(), 1);
    let told: Vec<_> = stock[0]["updates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| (&u["kode"], u["deleted"] == true, &u["new_stock"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("FR000002"), true, &json!(3)),
            (&json!("FR000001"), true, &json!(4)),
            (&json!("LS000001"), false, &json!(7))
        ],
        "each product once, as it is now; the one that moved away is gone from here"
    );
    let news: Vec<_> =
        events.iter().filter(|(event, _)| event == "notifications").map(|(_, json)| &json["type"]).collect();
    assert_eq!(news, ["stock_alert"], "raised when it fell to 4");
    assert!(events.iter().all(|(event, _)| event != "reset"));
}

/// What a client gets that comes back with this cursor, up to the heartbeat.
async fn backlog(person: &Person, cursor: &str) -> Vec<(String, Value)> {
    let mut tap = person.open_from(ALL, Some(cursor)).await;
    let mut events = Vec::new();
    while let Some(event) = tap.next_event().await.filter(|event| event.event != "heartbeat") {
        events.push((event.event, serde_json::from_str(&event.data).unwrap()));
    }
    events
}

#[tokio::test]
async fn a_cursor_that_cannot_be_used_gives_a_reset_and_a_fresh_state() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let mut tap = admin.open(ALL).await;
    tap.opened().await;
    let good = tap.cursor.clone().unwrap();
    let part = |n: usize, other: &str| {
        let mut parts: Vec<&str> = good.split('.').collect();
        parts[n] = other;
        parts.join(".")
    };
    for (cursor, reason) in [
        ("nonsense".to_owned(), "unreadable"),
        (format!("{good}.zzzzzzzzzzzzzzzzzzzzzz"), "unreadable"),
        ("x".repeat(4000), "unreadable"),
        (part(1, "1"), "foreign"),
        (part(2, "9"), "foreign"),
        (part(3, "77"), "undone"),
        (part(4, "zzzzzz"), "future"),
        (part(5, "zzzzzz"), "future"),
    ] {
        let events = backlog(&admin, &cursor).await;
        assert_eq!(events[0], ("reset".to_owned(), json!({ "reason": reason })), "{cursor}");
        assert!(
            events.iter().any(|(event, json)| event == "stock-updates" && json["snapshot"] == true),
            "{cursor}: {events:?}"
        );
    }
    // too old: its tombstones are gone. The other tests' transactions hold the horizon of the same server.
    let xmin = good.parse::<Cursor>().unwrap().snapshot.xmin as i64;
    let pruning = "UPDATE feed_meta SET pruned_below = pg_snapshot_xmin(pg_current_snapshot())
                   WHERE pg_snapshot_xmin(pg_current_snapshot())::text::bigint > $1";
    while sqlx::query(pruning).bind(xmin).execute(&app.db).await.unwrap().rows_affected() == 0 {
        app.sql("UPDATE bpjs_rates SET price = price").await;
    }
    app.sql("UPDATE frames SET stok = stok").await;
    tap.until(|event, _| event.event == "stock-updates").await;
    assert_eq!(backlog(&admin, &good).await[0], ("reset".to_owned(), json!({ "reason": "too-old" })));
    assert_eq!(
        backlog(&admin, tap.cursor.as_deref().unwrap()).await.iter().filter(|(event, _)| event == "reset").count(),
        0
    );
}

#[tokio::test]
async fn a_cursor_carries_no_rights() {
    let app = TestApp::start().await;
    let mut tap = app.sign_in("pusat").await.open(ALL).await;
    tap.opened().await;
    let cursor = tap.cursor.clone().unwrap();
    app.sql("UPDATE frames SET stok = 11").await;
    let events = backlog(&app.sign_in("admin2").await, &cursor).await;
    let stock = last(&events, "stock-updates");
    assert_eq!(stock["total_updates"], 1);
    assert_eq!(stock["updates"][0]["branch_id"], 2);
}

#[tokio::test]
async fn streams_refuse_who_may_not_listen() {
    let app = TestApp::start().await;
    let answer = app.nobody().get("/realtime/dashboard").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "unauthenticated");

    let admin = app.sign_in("admin1").await;
    let status = async |path: &str| admin.get(path).send().await.unwrap().status();
    assert_eq!(status("/realtime/omset-kasir").await, StatusCode::FORBIDDEN);
    assert_eq!(status("/realtime/stream?topics=dashboard,omset-kasir").await, StatusCode::FORBIDDEN);
    assert_eq!(status("/realtime/stream?topics=everything").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(status("/realtime/stream").await, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_stream_ends_when_the_rights_of_its_user_change() {
    let app = TestApp::start().await;
    for (change, after) in [
        (
            "UPDATE users SET branch_id = 2 WHERE id = 3; UPDATE frames SET stok = 15 WHERE branch_id = 1",
            StatusCode::OK,
        ),
        (
            "UPDATE users SET role = 'admin' WHERE id = 3; UPDATE frames SET stok = 14 WHERE branch_id = 1",
            StatusCode::OK,
        ),
        ("DELETE FROM sessions WHERE user_id = 3; UPDATE frames SET stok = 13", StatusCode::UNAUTHORIZED),
    ] {
        let person = app.sign_in("kasir1").await;
        let mut tap = person.open(ALL).await;
        tap.opened().await;
        app.sql(change).await;
        let rest = tap.rest().await;
        assert!(rest.iter().all(|event| event.event != "stock-updates"), "{change}: nothing of the old scope after it");
        assert_eq!(person.get(ALL).send().await.unwrap().status(), after, "{change}");
    }
    let person = app.sign_in("kasir1b").await;
    let mut tap = person.open(ALL).await;
    tap.opened().await;
    app.sql("UPDATE users SET is_active = false WHERE id = 4").await;
    tap.rest().await;
    assert_eq!(person.get(ALL).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_deploy_ends_streams_cleanly_and_tells_when_to_come_back() {
    let mut app = TestApp::start().await;
    let person = app.sign_in("kasir1").await;
    let answer = person.get(ALL).send().await.unwrap();
    let text = tokio::spawn(answer.text());
    // a second stream, so that the first is known to be open
    person.open(ALL).await.opened().await;
    app.go_down().await;
    let text = text.await.unwrap().expect("an end, not a cut");
    assert!(text.trim_end().lines().last().unwrap().starts_with("retry: "), "the last words: {text}");
}

#[tokio::test]
async fn a_super_admins_page_goes_on_with_the_branch_it_shows() {
    let app = TestApp::start().await;
    let pusat = app.sign_in("pusat").await;
    let narrowed = pusat.open(&format!("{ALL}&branch=2")).await.next_json().await;
    assert_eq!(narrowed["updates"], json!([]), "nothing is low in Ubud");
    let dashboard = pusat.open("/realtime/dashboard?branch=2").await.next_json().await;
    assert_eq!(dashboard["per_cabang"].as_array().unwrap().len(), 1);
    // from anyone else it is ignored
    let admin = app.sign_in("admin1").await.open("/realtime/dashboard?branch=2").await.next_json().await;
    assert_eq!(admin["per_cabang"][0]["branch_id"], 1);
}

/// The database's clock is not asked for order, and yet: within one stream the figures always add up.
#[tokio::test]
async fn omset_adds_up_in_every_message() {
    let app = TestApp::start().await;
    let mut tap = app.sign_in("kasir1").await.open("/realtime/omset-kasir").await;
    assert_eq!(tap.next_json().await["omset_kasir"], 0);
    for n in 1..=5 {
        rina_sells_a_frame(&app).await;
        let told = tap.until(|_, json| json["jumlah_transaksi"] == n).await;
        let part = |name: &str| told[name].as_i64().unwrap();
        assert_eq!(part("omset_bpjs") + part("omset_umum"), part("omset_kasir"));
        assert_eq!(part("omset_kasir"), 685_000 * n);
    }
}

#[tokio::test]
async fn two_processes_over_one_database_tell_the_same() {
    let mut app = TestApp::start().await;
    let person = app.sign_in("admin1").await;
    let mut tap = person.open(ALL).await;
    tap.opened().await;
    let mut writer = psql(&app.db).await;
    sqlx::query("UPDATE frames SET stok = 12 WHERE id = 1").execute(&mut writer).await.unwrap();
    tap.until(|event, _| event.event == "stock-updates").await;
    // a second process on the same database takes over the client with its cursor
    let cursor = tap.cursor.clone().unwrap();
    app.go_down().await;
    app.come_up().await;
    sqlx::query("UPDATE frames SET stok = 13 WHERE id = 1").execute(&mut writer).await.unwrap();
    let mut tap = person.open_from(ALL, Some(&cursor)).await;
    let told = tap.until(|event, _| event.event == "stock-updates").await;
    assert_eq!(told["updates"][0]["new_stock"], 13);
}

#[tokio::test]
async fn orders_are_told_as_they_move_and_after_an_absence() {
    let app = TestApp::start().await;
    let made = app.sign_in("kasir2").await;
    let mut elsewhere = made.open("/realtime/orders").await;
    elsewhere.opened().await;
    let agus = app.sign_in("kasir1b").await;
    let mut tap = agus.open("/realtime/orders").await;
    tap.opened().await;

    let sold = rina_sells_a_frame(&app).await;
    let told = tap.next_json().await;
    let order = &told["updates"][0];
    assert_eq!(
        (&order["id"], &order["status"], &order["kekurangan"]),
        (&json!(sold.id), &json!("Menunggu Pengerjaan"), &json!(0))
    );
    assert_eq!(told["total_updates"], 1);

    let cursor = tap.cursor.clone();
    drop(tap);
    app.sql("UPDATE penjualans SET status_pengerjaan = 'Siap Diambil'").await;
    let mut tap = agus.open_from("/realtime/orders", cursor.as_deref()).await;
    assert_eq!(tap.next_json().await["updates"][0]["status"], "Siap Diambil");
    app.sql("DELETE FROM penjualans").await;
    assert_eq!(tap.next_json().await["updates"][0]["deleted"], true);

    // the first that Ubud hears is its own
    app.sql(
        "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('U1', 3, 6, 2, 5, 5, 5)",
    )
    .await;
    assert_eq!(elsewhere.next_json().await["updates"][0]["no_transaksi"], "U1");
}
