//! The notification centre: what each person sees, has read and does not want to be interrupted by; and announcements.
#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use common::app::{Person, TestApp};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn send(person: &Person, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let answer = person.post(path).header("accept", "application/json").form(form).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

async fn text(person: &Person, path: &str) -> String {
    let answer = person.page(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

/// The page's own part: the bell stands outside of it.
async fn main_of(person: &Person, path: &str) -> String {
    let page = text(person, path).await;
    let (_, main) = page.split_once("<main").unwrap();
    main.split("</main>").next().unwrap().to_owned()
}

async fn unread(person: &Person) -> i64 {
    let answer: Value = person.get("/api/notifikasi/belum").send().await.unwrap().json().await.unwrap();
    answer["unread"].as_i64().unwrap()
}

const NEWS: &str = "
    INSERT INTO notifications (id, branch_id, audience, type, title, message, created_at) VALUES
        (9001, 1, NULL, 'stock_alert', 'Stok Rendah', 'kabar stok', now()),
        (9002, 1, NULL, 'ready_for_pickup', 'Siap Diambil', 'kabar siap', now()),
        (9003, 1, NULL, 'price_updated', 'Harga', 'kabar kemarin dulu', now() - interval '3 days'),
        (9004, 1, NULL, 'day_closed', 'Hari', 'kabar lama', now() - interval '40 days'),
        (9005, 2, NULL, 'stock_alert', 'Stok Rendah', 'kabar Ubud', now())";

#[tokio::test]
async fn the_centre_is_asked_by_type_by_what_is_unread_and_by_time() {
    let app = TestApp::start().await;
    app.sql("DELETE FROM notifications").await;
    app.sql(NEWS).await;
    let kasir = app.sign_in("kasir1").await;
    let all = ["kabar stok", "kabar siap", "kabar kemarin dulu", "kabar lama"];
    for (address, shown) in [
        ("/notifikasi", &all[..]),
        ("/notifikasi?jenis=stok", &["kabar stok"]),
        ("/notifikasi?jenis=siap", &["kabar siap"]),
        ("/notifikasi?sejak=hari", &["kabar stok", "kabar siap"]),
        ("/notifikasi?sejak=7", &["kabar stok", "kabar siap", "kabar kemarin dulu"]),
        ("/notifikasi?sejak=30&jenis=hari", &[]),
        ("/notifikasi?jenis=%27OR&sejak=x&hal=-3&baca=apa", &all[..]),
    ] {
        let page = main_of(&kasir, address).await;
        for news in all {
            assert_eq!(page.contains(news), shown.contains(&news), "{address}: {news}");
        }
        assert!(!page.contains("kabar Ubud"), "{address}");
    }
    send(&kasir, "/notifikasi/baca", &[("id", "9001")]).await;
    let page = main_of(&kasir, "/notifikasi?baca=belum").await;
    assert!(!page.contains("kabar stok") && page.contains("kabar siap"));

    // without JavaScript: a form a row, and one for all
    let answer =
        kasir.post("/notifikasi/baca").header("accept", "text/html").form(&[("id", "9002")]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(unread(&kasir).await, 2);
    let among: Value =
        kasir.get("/api/notifikasi/belum?ids=9001,9003,9005").send().await.unwrap().json().await.unwrap();
    assert_eq!(among, json!({ "unread": 2, "still": [9003] }), "9005 is not theirs to see");
    send(&kasir, "/notifikasi/baca", &[]).await;
    assert_eq!(unread(&kasir).await, 0);
    assert!(main_of(&kasir, "/notifikasi?baca=belum").await.contains("Tidak ada yang cocok"));
    assert_eq!(unread(&app.sign_in("kasir1b").await).await, 4, "what one has read is unread for another");
}

#[tokio::test]
async fn the_centre_has_pages() {
    let app = TestApp::start().await;
    app.sql("DELETE FROM notifications").await;
    app.sql(
        "INSERT INTO notifications (branch_id, type, title, message)
         SELECT 1, 'day_opened', 'Hari Dibuka', 'ke-' || n || '.' FROM generate_series(1, 620) n",
    )
    .await;
    let admin = app.sign_in("admin1").await;
    let (first, second) = (main_of(&admin, "/notifikasi").await, main_of(&admin, "/notifikasi?hal=2").await);
    assert!(first.contains("ke-620.") && first.contains("ke-571.") && !first.contains("ke-570."));
    assert!(second.contains("ke-570.") && second.contains("ke-521.") && second.contains("hal=3"));
    assert!(!second.contains("data-notices"), "news enters at the top of the first page only");
    // what is so old that nobody works through it counts as read, in the count and in the list alike
    let oldest = main_of(&admin, "/notifikasi?hal=13").await;
    assert!(oldest.contains("ke-1.") && !oldest.contains("data-unread data-row"));
    let tenth = main_of(&admin, "/notifikasi?hal=10&baca=belum").await;
    assert!(tenth.contains("ke-121.") && !tenth.contains("ke-120.") && !tenth.contains("hal=11"));
}

#[tokio::test]
async fn what_is_read_on_one_device_is_told_to_the_others_of_that_person_alone() {
    let app = TestApp::start().await;
    app.sql(NEWS).await;
    let (tablet, phone) = (app.sign_in("admin1").await, app.sign_in("admin1").await);
    let colleague = app.sign_in("kasir1").await;
    let mut stream = phone.open("/realtime/notifications").await;
    let mut of_colleague = colleague.open("/realtime/stream?topics=notifications").await;
    stream.opened().await;
    of_colleague.opened().await;
    send(&tablet, "/notifikasi/baca", &[("id", "9001")]).await;
    let event = stream.next().await;
    assert_eq!(
        (event.event.as_str(), event.data.as_str()),
        ("reads", "{}"),
        "named, for unnamed ones are notifications"
    );
    // the colleague hears of their own reading, and so would have heard of the other one before
    send(&colleague, "/notifikasi/baca", &[("id", "9002")]).await;
    assert_eq!(of_colleague.next().await.event, "reads");
    app.sql("INSERT INTO notifications (branch_id, type, title, message) VALUES (1, 'day_opened', 'Terakhir', '')")
        .await;
    assert_eq!(of_colleague.next_json().await["title"], "Terakhir");
}

#[tokio::test]
async fn what_somebody_mutes_stays_in_their_centre_and_is_nobody_elses_business() {
    let app = TestApp::start().await;
    app.sql(NEWS).await;
    let (admin, kasir) = (app.sign_in("admin1").await, app.sign_in("kasir1").await);
    let form = [("tampil", "stok"), ("tampil", "siap"), ("tampil", "pengumuman"), ("tampil", "tidak-ada")];
    let (status, said) = send(&admin, "/notifikasi/pengaturan", &form).await;
    assert_eq!(status, StatusCode::OK);
    let muted = [
        "new_transaction",
        "payment_processed",
        "transaction_updated",
        "price_updated",
        "stock_transfer",
        "day_opened",
        "day_closed",
    ];
    assert_eq!(said["muted"], json!(muted));
    let page = text(&admin, "/notifikasi").await;
    assert!(page.contains("kabar kemarin dulu"), "the news itself is there");
    let switch = |group: &str| page.split(&format!("value=\"{group}\"")).nth(1).unwrap().starts_with(" checked");
    assert_eq!(["stok", "siap", "harga", "hari"].map(switch), [true, true, false, false]);
    let mut said: Vec<_> = page.split("data-muted=\"").nth(1).unwrap().split('"').next().unwrap().split(' ').collect();
    said.sort_unstable();
    let mut wanted = muted;
    wanted.sort_unstable();
    assert_eq!(said, wanted, "so the script knows it on every page");
    assert!(text(&kasir, "/").await.contains("data-muted=\"\""));

    send(&admin, "/notifikasi/pengaturan", &[("tampil", "harga")]).await;
    let page = text(&admin, "/").await;
    assert!(page.contains("stock_alert") && !page.contains("price_updated"), "the last choice holds, whole");
}

#[tokio::test]
async fn an_admin_announces_to_their_branch_or_a_role_in_it() {
    let app = TestApp::start().await;
    let (admin, kasir, elsewhere) =
        (app.sign_in("admin1").await, app.sign_in("kasir1").await, app.sign_in("kasir2").await);
    let mut heard = kasir.open("/realtime/notifications").await;
    let mut heard_elsewhere = elsewhere.open("/realtime/notifications").await;
    heard.opened().await;
    heard_elsewhere.opened().await;
    let hostile = "<img src=x onerror=alert(1)>";
    let form = [("title", hostile), ("message", "Baris satu\r\nBaris dua"), ("peran", "kasir")];
    assert_eq!(send(&admin, "/pengumuman", &form).await.0, StatusCode::OK);
    let told = heard.next_json().await;
    assert_eq!(
        (&told["type"], &told["title"], &told["message"], &told["data"]["from"], &told["branch_id"]),
        (&json!("announcement"), &json!(hostile), &json!("Baris satu\nBaris dua"), &json!("Hendra"), &json!(1))
    );
    for (who, path) in [(&kasir, "/notifikasi"), (&admin, "/pengumuman")] {
        let page = text(who, path).await;
        assert!(page.contains("onerror") && !page.contains("<img"), "{path}: it stays text");
    }
    let logged = "SELECT actor_id || ' ' || branch_id || ' ' || subject FROM audit_log WHERE action = 'announced'";
    assert_eq!(app.sql_text(logged).await, format!("2 1 {hostile}"));

    // a kasir may not, and nobody may in another branch's name
    assert_eq!(send(&kasir, "/pengumuman", &form).await.0, StatusCode::FORBIDDEN);
    for cabang in ["2", "semua", "0"] {
        let form = [("title", "Ke sana"), ("message", "Ke sana"), ("cabang", cabang)];
        let status = send(&admin, "/pengumuman", &form).await.0;
        assert!([StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY].contains(&status), "{cabang}: {status}");
    }
    let pusat = app.sign_in("pusat").await;
    let form = [("title", "Untuk semua"), ("message", "Dari pusat"), ("cabang", "semua"), ("peran", "")];
    assert_eq!(send(&pusat, "/pengumuman", &form).await.0, StatusCode::OK);
    assert_eq!(heard_elsewhere.next_json().await["title"], "Untuk semua", "and nothing of Kemang's before it");
    let only_ubud = [("title", "Untuk Ubud"), ("message", "Dari pusat"), ("cabang", "2")];
    assert_eq!(send(&pusat, "/pengumuman", &only_ubud).await.0, StatusCode::OK);
    assert_eq!(heard_elsewhere.next_json().await["title"], "Untuk Ubud");
    assert_eq!(heard.next_json().await["title"], "Untuk semua");
    assert!(!main_of(&kasir, "/notifikasi").await.contains("Untuk Ubud"));
    let sent = main_of(&pusat, "/pengumuman").await;
    assert!(["Semua cabang", "Ubud", "Kemang, kasir", "dari Hendra"].iter().all(|word| sent.contains(word)), "{sent}");
    assert!(!main_of(&admin, "/pengumuman").await.contains("Untuk Ubud"));
}

#[tokio::test]
async fn an_announcement_that_is_wrong_loses_nothing_of_what_was_typed_and_one_that_ends_is_gone() {
    let app = TestApp::start().await;
    let (pusat, kasir) = (app.sign_in("pusat").await, app.sign_in("kasir1").await);
    let long = "é".repeat(81);
    let form =
        [("title", long.as_str()), ("message", ""), ("cabang", "2"), ("peran", "admin"), ("until", "2020-02-30")];
    let (status, said) = send(&pusat, "/pengumuman", &form).await;
    assert_eq!((status, said["error"]["fields"]["until"].is_string()), (StatusCode::UNPROCESSABLE_ENTITY, true));
    let form =
        [("title", long.as_str()), ("message", "Isi"), ("cabang", "2"), ("peran", "admin"), ("until", "2020-02-02")];
    let answer = pusat.post("/pengumuman").header("accept", "text/html").form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.unwrap();
    for kept in [
        long.as_str(),
        ">Isi</textarea>",
        "value=\"2\" selected",
        "value=\"admin\" checked",
        "2020-02-02",
        "Judul paling panjang",
        "sudah lewat",
    ] {
        assert!(page.contains(kept), "{kept}");
    }
    assert_eq!(app.sql_text("SELECT count(*)::text FROM notifications WHERE type = 'announcement'").await, "0");

    let today = app.sql_text("SELECT to_char(now() AT TIME ZONE 'Asia/Jakarta', 'YYYY-MM-DD')").await;
    let form = [("title", "Hari ini saja"), ("message", "Isi"), ("cabang", "1"), ("until", today.as_str())];
    assert_eq!(send(&pusat, "/pengumuman", &form).await.0, StatusCode::OK);
    assert!(text(&kasir, "/").await.contains("Hari ini saja"));
    let ends = "SELECT to_char(ends_at AT TIME ZONE 'Asia/Jakarta', 'YYYY-MM-DD HH24:MI') FROM notifications WHERE type = 'announcement'";
    let tomorrow =
        app.sql_text("SELECT to_char((now() AT TIME ZONE 'Asia/Jakarta')::date + 1, 'YYYY-MM-DD') || ' 00:00'").await;
    assert_eq!(app.sql_text(ends).await, tomorrow);

    // One that has ended is neither shown, nor counted, nor told to who comes back.
    let mut screen = kasir.open("/realtime/notifications").await;
    screen.opened().await;
    let cursor = screen.cursor.clone();
    drop(screen);
    let before = unread(&kasir).await;
    app.sql(
        "INSERT INTO notifications (branch_id, type, title, message, ends_at)
         VALUES (1, 'announcement', 'Sudah lewat', 'Isi', now() - interval '1 minute'), (1, 'announcement', 'Masih ada', 'Isi', NULL)",
    )
    .await;
    assert_eq!(
        kasir.open_from("/realtime/notifications", cursor.as_deref()).await.next_json().await["title"],
        "Masih ada"
    );
    assert_eq!(unread(&kasir).await, before + 1);
    assert!(!text(&kasir, "/notifikasi").await.contains("Sudah lewat"));
    assert!(main_of(&pusat, "/pengumuman").await.contains("berakhir"));
}
