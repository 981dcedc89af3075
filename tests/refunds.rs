//! Stories of a sale that is taken back: the goods return, the money returns, and no figure counts it any more.

#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use common::app::{Person, TestApp};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Siti (BPJS II) takes an upgrade and lenses; she pays `jumlah` of her 845 000 now. The sale's address.
async fn sell(kasir: &Person, jumlah: i64) -> String {
    let cart = json!({
        "client_ref": uuid::Uuid::new_v4(), "pasien_id": 1, "metode": "tunai", "jumlah": jumlah, "diterima": jumlah,
        "items": [{ "product_type": "Frame", "product_id": 1, "quantity": 1 }, { "product_type": "Lensa", "product_id": 1, "quantity": 2 }],
    });
    let answer = kasir.post("/penjualan").header("accept", "application/json").json(&cart).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json::<Value>().await.unwrap()["redirect"].as_str().unwrap().to_owned()
}

async fn cancel(person: &Person, sale: &str, bayar: &str, alasan: &str) -> (StatusCode, Value) {
    let form = [("bayar", bayar), ("alasan", alasan), ("metode", "transfer")];
    let answer =
        person.post(&format!("{sale}/batal")).header("accept", "application/json").form(&form).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn text(person: &Person, path: &str) -> String {
    let page = person.page(path).await;
    assert_eq!(page.status(), StatusCode::OK, "{path}");
    page.text().await.unwrap()
}

#[tokio::test]
async fn a_sale_taken_back_gives_everything_back_and_counts_nowhere() {
    let app = TestApp::start().await;
    let (kasir, admin) = (app.sign_in("kasir1").await, app.sign_in("admin1").await);
    let mut dashboard = admin.open("/realtime/dashboard").await;
    let mut news = kasir.open("/realtime/notifications").await;
    news.opened().await;
    let stands = sell(&kasir, 845_000).await;
    let sale = sell(&kasir, 500_000).await;
    let counts = |total: i64, sales: i64| {
        move |_: &_, said: &Value| said["total_omset_hari_ini"] == total && said["total_transaksi_hari_ini"] == sales
    };
    dashboard.until(counts(2 * 1_065_000, 2)).await;

    let (status, answer) = cancel(&kasir, &sale, "500000", "salah pasien").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let (status, answer) = cancel(&admin, &sale, "500000", " x ").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer["error"]["fields"]["alasan"].is_string(), "{answer}");
    let (status, answer) = cancel(&admin, &sale, "100000", "salah pasien").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("payment_changed")));

    let (status, answer) = cancel(&admin, &sale, "500000", "salah pasien").await;
    assert_eq!((status, &answer["redirect"]), (StatusCode::OK, &json!(sale)));
    let state = dashboard.until(counts(1_065_000, 1)).await;
    assert_eq!((&state["omset_bpjs"], &state["omset_umum"]), (&json!(220_000), &json!(845_000)));
    assert_eq!(state["transaksi_terbaru"].as_array().unwrap().len(), 1);
    let told = news.until(|_, said| said["type"] == "transaction_updated").await;
    assert_eq!((&told["title"], &told["data"]["dibatalkan"]), (&json!("Penjualan Dibatalkan"), &json!(true)));
    assert!(
        !told["message"].as_str().unwrap().contains("salah"),
        "no reason in what may stand on a locked screen: {told}"
    );

    // the shelf, and the ledger that says why
    assert_eq!(
        app.sql_text("SELECT (SELECT stok FROM frames WHERE id = 1) || ' ' || (SELECT stok FROM lensas WHERE id = 1)")
            .await,
        "19 6"
    );
    assert_eq!(
        app.sql_text(
            "SELECT string_agg(product_type || ' ' || delta || ' ' || stok_after || ' ' || (catatan = kode_penjualan) || ' ' || m.user_id, ', ' ORDER BY product_type)
             FROM stock_movements m JOIN penjualans ON dibatalkan_at IS NOT NULL WHERE reason = 'retur'"
        )
        .await,
        "Frame 1 19 true 2, Lensa 2 6 true 2"
    );
    // the money: what came in stays written, what went back is written beside it
    assert_eq!(
        app.sql_text("SELECT string_agg(metode || ' ' || jumlah, ', ' ORDER BY b.id) FROM pembayarans b JOIN penjualans p ON p.id = penjualan_id WHERE dibatalkan_at IS NOT NULL").await,
        "tunai 500000, transfer -500000"
    );
    assert_eq!(app.sql_text("SELECT count(*)::text FROM penjualans p WHERE bayar <> (SELECT coalesce(sum(jumlah), 0) FROM pembayarans WHERE penjualan_id = p.id)").await, "0");
    assert_eq!(
        app.sql_text(
            "SELECT actor_id || ' ' || host(address) || ' ' || (subject = (SELECT kode_penjualan FROM penjualans WHERE dibatalkan_at IS NOT NULL)) || ' ' ||
                    (before ->> 'bayar') || ' ' || (after ->> 'alasan') FROM audit_log WHERE action = 'refund'"
        )
        .await,
        "2 127.0.0.1 true 500000 salah pasien"
    );

    // once, and nothing more happens to it
    let (status, answer) = cancel(&admin, &sale, "0", "sekali lagi").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("cancelled")));
    for (path, form) in [
        ("bayar", [("kekurangan", "345000"), ("metode", "tunai"), ("jumlah", "345000")].as_slice()),
        ("status", [("from", "Menunggu Pengerjaan"), ("to", "Sedang Dikerjakan")].as_slice()),
    ] {
        let answer =
            kasir.post(&format!("{sale}/{path}")).header("accept", "application/json").form(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT, "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "cancelled", "{path}");
    }
    assert_eq!(app.sql_text("SELECT stok::text FROM frames WHERE id = 1").await, "19");

    // the pages
    for path in [
        sale.clone(),
        format!("{sale}/struk"),
        "/penjualan".into(),
        "/penjualan?status=Dibatalkan".into(),
        "/penjualan/ekspor".into(),
    ] {
        let page = text(&kasir, &path).await;
        let main = page.split_once("<main").map_or(page.as_str(), |(_, main)| main); // the bell says it, too
        assert!(main.to_lowercase().contains("dibatalkan"), "{path}");
    }
    let id = sale.rsplit('/').next().unwrap();
    let rows = [format!("id=\"pesanan-{id}\""), format!("id=\"penjualan-{id}\"")];
    for path in [
        "/pesanan",
        "/penjualan?status=Belum+Lunas",
        "/penjualan?status=Lunas",
        "/penjualan?pengerjaan=Menunggu+Pengerjaan",
    ] {
        let page = text(&kasir, path).await;
        assert!(rows.iter().all(|row| !page.contains(row)), "{path}");
    }
    let standing = text(&admin, &stands).await;
    assert!(standing.contains("/batal\"") && !standing.contains("judul-batal\""), "only what was taken back says so");
    assert!(!text(&kasir, &stands).await.contains("/batal\""), "a kasir is not offered what they may not do");
}

/// Whoever writes: psql, another program.
#[tokio::test]
async fn a_cancelled_sale_stays_as_it_is() {
    let app = TestApp::start().await;
    let (kasir, admin) = (app.sign_in("kasir1").await, app.sign_in("admin1").await);
    let sale = sell(&kasir, 0).await;
    assert_eq!(cancel(&admin, &sale, "0", "batal beli").await.0, StatusCode::OK);
    for write in [
        "UPDATE penjualans SET dibatalkan_at = NULL, alasan_batal = NULL, dibatalkan_oleh = NULL",
        "UPDATE penjualans SET dibatalkan_at = now()",
        "UPDATE penjualans SET status_pengerjaan = 'Sedang Dikerjakan'",
        "UPDATE penjualans SET bayar = 100",
        "UPDATE penjualans SET alasan_batal = ''",
    ] {
        assert!(sqlx::raw_sql(write).execute(&app.db).await.is_err(), "{write}");
    }
    assert_eq!(
        app.sql_text("SELECT count(*)::text FROM pembayarans").await,
        "0",
        "nothing was paid: nothing goes back"
    );
    assert_eq!(app.sql_text("SELECT stok::text FROM frames WHERE id = 1").await, "20");
}

/// Two admins press at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn taken_back_once_however_many_press() {
    let app = TestApp::start().await;
    let (kasir, admin) = (app.sign_in("kasir1").await, app.sign_in("admin1").await);
    let sale = sell(&kasir, 845_000).await;
    let presses: Vec<_> = (0..6)
        .map(|_| {
            let (admin, sale) = (admin.clone(), sale.clone());
            tokio::spawn(async move { cancel(&admin, &sale, "845000", "dobel").await.0.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for press in presses {
        statuses.push(press.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409]);
    assert_eq!(
        app.sql_text("SELECT stok || ' ' || (SELECT sum(jumlah) FROM pembayarans) FROM frames WHERE id = 1").await,
        "20 0"
    );
}

#[tokio::test]
async fn what_was_agreed_is_charged_or_nothing_is_sold() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;
    let mut cart = json!({
        "client_ref": uuid::Uuid::new_v4(), "pasien_id": 2, "metode": "qris", "jumlah": 685_000, "diterima": 685_000,
        "items": [{ "product_type": "Frame", "product_id": 1, "quantity": 1 }], "disepakati": { "total": 685_000, "omset_umum": 685_000 },
    });
    let post = async |cart: &Value| {
        let answer = kasir.post("/penjualan").header("accept", "application/json").json(cart).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    app.sql("UPDATE frames SET harga_jual_frame = 700000 WHERE id = 1").await;
    let (status, answer) = post(&cart).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("price_changed")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("Rp\u{a0}700.000"), "{answer}");
    assert_eq!(app.sql_text("SELECT count(*)::text FROM penjualans").await, "0");

    cart["disepakati"] = json!({ "total": 700_000, "omset_umum": 700_000 });
    cart["jumlah"] = json!(700_000);
    assert_eq!(post(&cart).await.0, StatusCode::CREATED);
    // the answer was lost and the price moved on: the same sale is still the same sale
    app.sql("UPDATE frames SET harga_jual_frame = 710000 WHERE id = 1").await;
    assert_eq!(post(&cart).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_list_filters_by_days_kasir_and_standing_and_goes_into_a_sheet() {
    let app = TestApp::start().await;
    let (kasir, colleague, admin) =
        (app.sign_in("kasir1").await, app.sign_in("kasir1b").await, app.sign_in("admin1").await);
    app.sql("UPDATE pasiens SET nama_pasien = '=HYPERLINK(\"http://x\");Siti' WHERE id = 1").await;
    let (mine, theirs) = (sell(&kasir, 845_000).await, sell(&colleague, 100_000).await);
    let back = sell(&kasir, 0).await;
    assert_eq!(cancel(&admin, &back, "0", "batal beli").await.0, StatusCode::OK);
    app.sql("UPDATE penjualans SET created_at = created_at - interval '3 days' WHERE user_id = 4").await;

    let today = app.sql_text("SELECT to_char(tanggal, 'YYYY-MM-DD') FROM branch_days WHERE branch_id = 1").await;
    let before = app.sql_text("SELECT to_char(tanggal - 1, 'YYYY-MM-DD') FROM branch_days WHERE branch_id = 1").await;
    let row = |sale: &str| format!("id=\"penjualan-{}\"", sale.rsplit('/').next().unwrap());
    for (filter, expected) in [
        ("".to_owned(), [true, true, true]),
        (format!("dari={today}"), [true, false, true]),
        (format!("sampai={before}"), [false, true, false]),
        (format!("tanggal={today}"), [true, false, true]),
        (format!("dari={today}&sampai=2020-01-01"), [true, true, true]),
        ("kasir=4".to_owned(), [false, true, false]),
        ("status=Lunas".to_owned(), [true, false, false]),
        ("status=Belum+Lunas".to_owned(), [false, true, false]),
        ("status=Dibatalkan".to_owned(), [false, false, true]),
        ("kasir=siapa&dari=kemarin".to_owned(), [true, true, true]),
    ] {
        let page = text(&admin, &format!("/penjualan?{filter}")).await;
        assert_eq!([&mine, &theirs, &back].map(|sale| page.contains(&row(sale))), expected, "{filter}");
    }

    let sheet = admin.get(&format!("/penjualan/ekspor?dari={today}")).send().await.unwrap();
    assert_eq!(sheet.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(sheet.headers()["content-disposition"], format!("attachment; filename=\"penjualan-{today}.csv\""));
    let sheet = sheet.text().await.unwrap();
    let lines: Vec<_> = sheet.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 3, "the header, the sale, and the one taken back: {sheet}");
    assert!(lines[0].starts_with("\u{feff}Nomor;Tanggal;"), "{sheet}");
    assert!(
        lines[2].contains(
            ";\"'=HYPERLINK(\"\"http://x\"\");Siti\";BPJS II;Naik Kelas;1065000;220000;845000;845000;0;Lunas;"
        ),
        "{sheet}"
    );
    assert!(lines[1].contains(";0;0;Dibatalkan;") && lines[1].ends_with(";batal beli"), "{sheet}");
    let putu = app.sign_in("admin2").await;
    let theirs = putu.get("/penjualan/ekspor").send().await.unwrap().text().await.unwrap();
    assert_eq!(theirs.trim_end().lines().count(), 1, "nothing of another branch: {theirs}");
}

#[tokio::test]
async fn the_board_finds_an_order_and_says_what_is_late() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;
    let sale = sell(&kasir, 0).await;
    let id = sale.rsplit('/').next().unwrap().to_owned();
    let card = format!("id=\"pesanan-{id}\"");
    for (query, is_there) in
        [("", true), ("?cari=rahma+siti", true), ("?cari=KMG", true), ("?cari=budi", false), ("?saring=lama", false)]
    {
        assert_eq!(text(&kasir, &format!("/pesanan{query}")).await.contains(&card), is_there, "{query}");
    }
    for (age, status, says) in [
        ("6 days", "Menunggu Pengerjaan", None),
        ("7 days", "Menunggu Pengerjaan", Some("dijanjikan hari ini")),
        ("9 days", "Sedang Dikerjakan", Some("lewat janji 2 hari")),
        ("9 days", "Siap Diambil", Some("belum diambil")),
    ] {
        sqlx::query("UPDATE penjualans SET created_at = now() - $1::interval, status_pengerjaan = $2")
            .bind(age)
            .bind(status)
            .execute(&app.db)
            .await
            .unwrap();
        let page = text(&kasir, "/pesanan").await;
        for words in ["dijanjikan hari ini", "lewat janji", "belum diambil"] {
            assert_eq!(page.contains(words), says.is_some_and(|says| says.contains(words)), "{age} {status}: {words}");
        }
        assert!(says.is_none_or(|says| page.contains(says)), "{age} {status}");
    }
    assert!(text(&kasir, "/pesanan?saring=lama").await.contains(&card));
    let refused = text(&kasir, &format!("/pesanan?ditolak={id}&sebab=unpaid")).await;
    assert!(refused.contains("data-refused") && refused.contains(&format!("/penjualan/{id}#bayar")));
    let gone = text(&kasir, "/pesanan?ditolak=999999&sebab=cancelled").await;
    assert!(gone.contains("sudah dibatalkan"), "said at the top where there is no card");
}
