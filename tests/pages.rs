//! The pages and forms, as browsers and scripts meet them: signing in, what each role may open, stock, days, the switcher,
//! notifications, and how refusals look.
#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use common::app::{PASSWORD, Person, TestApp};
use melati::ids::BranchId;
use melati::people;
use melati::refusal::Refusal;
use melati::scope::Role;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

type Form<'a> = &'a [(&'a str, &'a str)];

/// As a script sends it.
async fn send(person: &Person, path: &str, form: Form<'_>) -> (StatusCode, Value) {
    let answer = person.post(path).header("accept", "application/json").form(form).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

/// As a browser without JavaScript sends it.
async fn submit(person: &Person, path: &str, form: Form<'_>) -> Response {
    person.post(path).header("accept", "text/html").form(form).send().await.unwrap()
}

async fn text(person: &Person, path: &str) -> String {
    let answer = person.page(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

fn location(answer: &Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

async fn number(app: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&app.db).await.unwrap()
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let wrong = send(&nobody, "/login", &[("email", "kasir1@melati.test"), ("password", "salah-sekali")]).await;
    let unknown = send(&nobody, "/login", &[("email", "siapa@melati.test"), ("password", PASSWORD)]).await;
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong, unknown);

    app.sql("UPDATE users SET is_active = false WHERE email = 'kasir2@melati.test'").await;
    let mut pages = std::collections::BTreeSet::new();
    for (email, password) in
        [("kasir1@melati.test", "salah-sekali"), ("siapa@melati.test", PASSWORD), ("kasir2@melati.test", PASSWORD)]
    {
        let page = submit(&nobody, "/login", &[("email", email), ("password", password)]).await;
        assert_eq!(page.status(), StatusCode::UNAUTHORIZED);
        let page = page.text().await.unwrap();
        assert!(page.contains("tidak cocok") && page.contains(email), "says so, and keeps what was typed");
        pages.insert(page.replace(email, ""));
    }
    assert_eq!(pages.len(), 1, "in the same words: {pages:?}");
}

#[tokio::test]
async fn signing_in_leads_to_where_one_wanted_to_go_but_never_elsewhere() {
    let app = TestApp::start().await;
    for (next, leads_to) in [
        ("", "/"),
        ("/stok?level=low", "/stok?level=low"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
    ] {
        let form = [("email", "KASIR1@melati.test"), ("password", PASSWORD), ("next", next)];
        let answer = submit(&app.nobody(), "/login", &form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&answer), leads_to, "{next}");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(
            cookie.starts_with("melati_session=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax")
        );
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in_and_a_script_is_told() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let page = nobody.page("/stok?level=low").await;
    assert_eq!(page.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&page), "/login?next=%2Fstok%3Flevel%3Dlow");
    for path in ["/stok", "/api/session", "/realtime/dashboard"] {
        let answer = nobody.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "unauthenticated");
    }
    let stream = nobody.page("/realtime/dashboard").await;
    assert_eq!(stream.status(), StatusCode::UNAUTHORIZED, "a stream never redirects");
}

#[tokio::test]
async fn a_session_ends_with_signing_out_and_with_deactivation() {
    let app = TestApp::start().await;
    let rina = app.sign_in("kasir1").await;
    let made = app.sign_in("kasir2").await;
    let signed_in = |person: Person| async move { person.get("/api/session").send().await.unwrap().status() };
    assert_eq!(signed_in(rina.clone()).await, StatusCode::NO_CONTENT);

    assert_eq!(location(&submit(&rina, "/logout", &[]).await), "/login");
    assert_eq!(signed_in(rina).await, StatusCode::UNAUTHORIZED);
    assert_eq!(number(&app, "SELECT count(*) FROM sessions WHERE user_id = 3").await, 0);

    app.sql("UPDATE users SET is_active = false WHERE id = 6").await;
    assert_eq!(signed_in(made).await, StatusCode::UNAUTHORIZED);
    assert_eq!(number(&app, "SELECT count(*) FROM sessions WHERE user_id = 6").await, 0);
    let again = send(&app.nobody(), "/login", &[("email", "kasir2@melati.test"), ("password", PASSWORD)]).await;
    assert_eq!(again.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_account_is_made_once_and_a_new_password_ends_its_sessions() {
    let app = TestApp::start().await;
    let new = |email: &str| people::NewUser {
        name: "Dewi".into(),
        email: email.into(),
        password: "rahasia-dewi".into(),
        role: Role::Kasir,
        branch_id: Some(BranchId(1)),
    };
    people::add_user(&app.db, new("Dewi@melati.test")).await.unwrap();
    for (refused, field) in [
        (new("dewi@melati.test"), "email"),
        (people::NewUser { password: "pendek".into(), ..new("a@melati.test") }, "password"),
        (people::NewUser { branch_id: Some(BranchId(77)), ..new("b@melati.test") }, "branch_id"),
        (people::NewUser { branch_id: None, ..new("c@melati.test") }, "branch_id"),
        (people::NewUser { role: Role::SuperAdmin, ..new("d@melati.test") }, "branch_id"),
    ] {
        match people::add_user(&app.db, refused).await {
            Err(Refusal::Invalid(fields)) => assert!(fields.contains_key(field), "{fields:?} names {field}"),
            other => panic!("{other:?} instead of a refusal of {field}"),
        }
    }

    let dewi = app.nobody();
    let form = [("email", "dewi@melati.test"), ("password", "rahasia-dewi")];
    assert_eq!(send(&dewi, "/login", &form).await.0, StatusCode::OK);
    people::set_password(&app.db, "dewi@melati.test", "rahasia-baru".into()).await.unwrap();
    assert_eq!(dewi.get("/api/session").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(&dewi, "/login", &form).await.0, StatusCode::UNAUTHORIZED);
    let unknown = people::set_password(&app.db, "siapa@melati.test", "rahasia-baru".into()).await;
    assert!(matches!(unknown, Err(Refusal::NotFound)));
}

#[tokio::test]
async fn every_page_opens_for_every_role() {
    let app = TestApp::start().await;
    for who in ["pusat", "admin1", "kasir1"] {
        let person = app.sign_in(who).await;
        for path in [
            "/",
            "/stok",
            "/stok?jenis=lensa&level=medium&urut=-harga",
            "/stok?jenis=aksesoris&cari=kain&hal=9&buka=1&ubah=harga",
            "/stok?buka=1&ubah=koreksi",
            "/stok/frame/1",
            "/stok/lensa/1?ubah=harga",
            "/stok/aksesoris/1?ubah=koreksi",
            "/notifikasi",
            "/notifikasi?hal=2",
            "/akun",
            "/penjualan",
        ] {
            let answer = person.page(path).await;
            assert_eq!(answer.status(), StatusCode::OK, "{who} opens {path}");
            assert_eq!(answer.headers()["cache-control"], "no-store");
            let policy = answer.headers()["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"));
            let page = answer.text().await.unwrap();
            assert!(page.contains("data-cursor=\"1."), "{path} says where its streams take over");
            assert!(!page.contains(" style=\"") && !page.contains(" onclick="), "{path} has nothing inline");
        }
    }
}

#[tokio::test]
async fn names_are_text_wherever_they_come_from() {
    let app = TestApp::start().await;
    app.sql(
        "UPDATE frames SET merk_frame = '<img src=x onerror=alert(1)>' WHERE id = 2;
         UPDATE users SET name = '<img src=x onerror=alert(2)>' WHERE id = 2;
         UPDATE branches SET name = '<img src=x onerror=alert(3)>' WHERE id = 1;
         INSERT INTO notifications (branch_id, type, title, message) VALUES (1, 'announcement', '<img src=x onerror=alert(4)>', '\"><script>');",
    )
    .await;
    let admin = app.sign_in("admin1").await;
    for path in ["/", "/stok", "/stok?cari=%3Cimg", "/stok/frame/2", "/notifikasi", "/akun"] {
        let page = text(&admin, path).await;
        assert!(page.contains("&#60;img src=x"), "{path} shows the name");
        assert!(!page.contains("<img") && !page.contains("\"><script>"), "{path} shows it as text");
    }
}

#[tokio::test]
async fn another_branch_is_not_there() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    assert_eq!(admin.page("/stok/frame/3").await.status(), StatusCode::NOT_FOUND);
    let restock = send(&admin, "/stok/frame/3/restok", &[("quantity", "5")]).await;
    assert_eq!(restock.0, StatusCode::NOT_FOUND);
    assert_eq!(restock.1["error"]["code"], "not_found");
    assert_eq!(number(&app, "SELECT stok::bigint FROM frames WHERE id = 3").await, 20);
    assert!(!text(&admin, "/stok?jenis=aksesoris").await.contains("produk-2"));
}

#[tokio::test]
async fn stock_comes_in_by_those_who_may_and_the_ledger_knows() {
    let app = TestApp::start().await;
    let (admin, kasir) = (app.sign_in("admin1").await, app.sign_in("kasir1").await);
    assert_eq!(send(&kasir, "/stok/frame/2/restok", &[("quantity", "5")]).await.0, StatusCode::FORBIDDEN);
    for wrong in ["", "0", "-3", "dua", "1000000"] {
        let (status, answer) = send(&admin, "/stok/frame/2/restok", &[("quantity", wrong)]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
        assert!(answer["error"]["fields"]["quantity"].is_string());
    }

    let form = [("quantity", "12"), ("catatan", "Faktur 088"), ("kembali", "/stok?jenis=frame&level=low")];
    let (status, answer) = send(&admin, "/stok/frame/2/restok", &form).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({ "ok": true, "redirect": "/stok?jenis=frame&level=low" })));
    let line: (i32, i32, String, String, i64) = sqlx::query_as(
        "SELECT delta, stok_after, reason, catatan, user_id FROM stock_movements
         WHERE product_type = 'Frame' AND product_id = 2 ORDER BY id DESC LIMIT 1",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(line, (12, 15, "restok".into(), "Faktur 088".into(), 2));

    let answer = submit(&admin, "/stok/frame/2/restok", &[("quantity", "1"), ("kembali", "//evil.example")]).await;
    assert_eq!((answer.status(), location(&answer)), (StatusCode::SEE_OTHER, "/stok"));
    assert!(text(&admin, "/stok/frame/2").await.contains("Faktur 088"), "the history shows it");
}

#[tokio::test]
async fn a_count_is_refused_when_something_was_sold_meanwhile() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    app.sql("UPDATE frames SET stok = 18 WHERE id = 1").await;
    let (status, answer) =
        send(&admin, "/stok/frame/1/koreksi", &[("counted", "19"), ("seen_stok", "20"), ("catatan", "Salah hitung")])
            .await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("stock_changed")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("18"), "says what it is now");
    assert_eq!(number(&app, "SELECT stok::bigint FROM frames WHERE id = 1").await, 18);

    let (status, _) =
        send(&admin, "/stok/frame/1/koreksi", &[("counted", "17"), ("seen_stok", "18"), ("catatan", "Salah hitung")])
            .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(number(&app, "SELECT stok::bigint FROM frames WHERE id = 1").await, 17);
}

#[tokio::test]
async fn a_new_price_is_told_to_the_branch() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let (status, answer) =
        send(&admin, "/stok/lensa/1/harga", &[("price", "Rp 210.000"), ("seen_price", "180000")]).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("price_changed")));
    let (status, _) = send(&admin, "/stok/lensa/1/harga", &[("price", "Rp 210.000"), ("seen_price", "190000")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(number(&app, "SELECT harga_jual_lensa FROM lensas WHERE id = 1").await, 210_000);
    let told: (Option<i64>, Option<String>, Value) =
        sqlx::query_as("SELECT branch_id, audience, data FROM notifications WHERE type = 'price_updated'")
            .fetch_one(&app.db)
            .await
            .unwrap();
    let data = json!({ "product_type": "Lensa", "product_id": 1, "kode": "LS000001", "price": 210_000 });
    assert_eq!(told, (Some(1), None, data));
}

#[tokio::test]
async fn a_day_is_closed_once_and_opened_again() {
    let app = TestApp::start().await;
    let (kasir, pusat) = (app.sign_in("kasir1").await, app.sign_in("pusat").await);
    let (status, answer) = send(&kasir, "/hari/buka", &[]).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("day_already_open")));
    assert_eq!(send(&kasir, "/hari/tutup", &[]).await.0, StatusCode::OK);
    let (status, answer) = send(&kasir, "/hari/tutup", &[]).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("day_not_open")));
    assert_eq!(submit(&kasir, "/hari/buka", &[]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(number(&app, "SELECT opened_by FROM open_days WHERE branch_id = 1 AND is_open").await, 3);

    let (status, answer) = send(&pusat, "/hari/tutup", &[]).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("choose_branch")));
    assert_eq!(number(&app, "SELECT count(*) FROM open_days WHERE is_open").await, 2);
}

#[tokio::test]
async fn the_switcher_narrows_what_head_office_sees_and_is_for_nobody_else() {
    let app = TestApp::start().await;
    let (pusat, admin) = (app.sign_in("pusat").await, app.sign_in("admin1").await);
    assert!(text(&pusat, "/stok?jenis=aksesoris").await.contains("produk-1\""));
    assert_eq!(submit(&pusat, "/cabang/pilih", &[("branch_id", "2")]).await.status(), StatusCode::SEE_OTHER);
    let page = text(&pusat, "/stok?jenis=aksesoris").await;
    assert!(page.contains("produk-2\"") && !page.contains("produk-1\"") && page.contains("data-branch-id=\"2\""));
    assert!(text(&pusat, "/").await.contains("Omset cabang hari ini"));

    assert_eq!(send(&pusat, "/cabang/pilih", &[("branch_id", "77")]).await.0, StatusCode::NOT_FOUND);
    assert_eq!(send(&pusat, "/cabang/pilih", &[("branch_id", "")]).await.0, StatusCode::OK);
    assert!(text(&pusat, "/").await.contains("Omset semua cabang"));
    assert_eq!(send(&admin, "/cabang/pilih", &[("branch_id", "2")]).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn everyone_reads_what_is_meant_for_them() {
    let app = TestApp::start().await;
    app.sql(
        "DELETE FROM notifications;
         INSERT INTO notifications (branch_id, audience, type, title, message) VALUES
            (1, NULL, 'announcement', 'UntukKemang', ''), (1, 'admin', 'announcement', 'UntukAdminKemang', ''),
            (2, NULL, 'announcement', 'UntukUbud', ''), (NULL, 'kasir', 'announcement', 'UntukKasir', ''),
            (NULL, NULL, 'announcement', 'UntukSemua', '');",
    )
    .await;
    for (who, reads, not) in [
        ("kasir1", vec!["UntukKemang", "UntukKasir", "UntukSemua"], vec!["UntukAdminKemang", "UntukUbud"]),
        ("admin1", vec!["UntukKemang", "UntukAdminKemang", "UntukSemua"], vec!["UntukKasir", "UntukUbud"]),
        ("kasir2", vec!["UntukUbud", "UntukKasir", "UntukSemua"], vec!["UntukKemang", "UntukAdminKemang"]),
        ("pusat", vec!["UntukKemang", "UntukAdminKemang", "UntukUbud", "UntukKasir", "UntukSemua"], vec![]),
    ] {
        let page = text(&app.sign_in(who).await, "/notifikasi").await;
        for title in &reads {
            assert!(page.contains(&format!(">{title}<")), "{who} reads {title}");
        }
        for title in not {
            assert!(!page.contains(&format!(">{title}<")), "{who} does not read {title}");
        }
        assert!(page.contains(&format!("data-unread-count=\"{}\"", reads.len())), "{who} counts {}", reads.len());
    }
}

#[tokio::test]
async fn reading_is_remembered_for_each_reader() {
    let app = TestApp::start().await;
    app.sql(
        "DELETE FROM notifications;
         INSERT INTO notifications (id, branch_id, type, title, message) VALUES
            (901, 1, 'announcement', 'Satu', ''), (902, 1, 'announcement', 'Dua', ''), (903, 2, 'announcement', 'Tiga', '');",
    )
    .await;
    let (rina, agus) = (app.sign_in("kasir1").await, app.sign_in("kasir1b").await);
    assert_eq!(send(&rina, "/notifikasi/baca", &[("id", "901")]).await.1, json!({ "ok": true, "unread": 1 }));
    assert_eq!(send(&rina, "/notifikasi/baca", &[("id", "901")]).await.1, json!({ "ok": true, "unread": 1 }));
    assert_eq!(send(&rina, "/notifikasi/baca", &[("id", "903")]).await.1, json!({ "ok": true, "unread": 1 }));
    assert_eq!(number(&app, "SELECT count(*) FROM notification_reads").await, 1, "another branch's was left alone");
    assert_eq!(submit(&rina, "/notifikasi/baca", &[]).await.status(), StatusCode::SEE_OTHER);
    assert!(text(&rina, "/").await.contains("data-unread-count=\"0\" hidden"));
    assert!(text(&agus, "/").await.contains("data-unread-count=\"2\""));
}

#[tokio::test]
async fn refusals_are_pages_for_people_and_json_for_scripts() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;
    let page = kasir.page("/tidak-ada").await;
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(page.text().await.unwrap().contains("404 · Tidak ditemukan"));
    let answer = kasir.get("/penjualan/abc").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "not_found");

    let answer = submit(&kasir, "/stok/frame/1/restok", &[("quantity", "5")]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.text().await.unwrap().contains("403 · Tidak punya akses"));

    assert_eq!(send(&app.nobody(), "/login", &[("email", "x")]).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let wrong_way = kasir.get("/logout").send().await.unwrap();
    assert_eq!(wrong_way.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong_way.json::<Value>().await.unwrap()["error"]["code"], "method_not_allowed");

    let forged = kasir
        .post("/hari/tutup")
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    assert_eq!(number(&app, "SELECT count(*) FROM open_days WHERE is_open").await, 2);
}

#[tokio::test]
async fn without_its_database_a_page_says_come_back() {
    let app = TestApp::start().await;
    let kasir = app.sign_in("kasir1").await;
    app.db.close().await;
    let answer = kasir.get("/stok").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "2");
    let body = answer.text().await.unwrap();
    assert!(body.contains("unavailable") && !body.to_lowercase().contains("pool"), "the inside stays inside");
}

#[tokio::test]
async fn assets_are_sent_once() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    for (path, kind) in [
        ("/assets/app.css", "text/css; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/icons.svg", "image/svg+xml; charset=utf-8"),
    ] {
        let first = nobody.get(path).send().await.unwrap();
        assert_eq!(first.status(), StatusCode::OK, "{path}");
        assert_eq!(first.headers()["content-type"], kind);
        let again = nobody.get(path).header("if-none-match", &first.headers()["etag"]).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
    assert_eq!(nobody.get("/assets/../Cargo.toml").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_was_signed_out_while_away_is_told_so() {
    let app = TestApp::start().await;
    let page = app.nobody().page("/login?sesi=berakhir").await.text().await.unwrap();
    assert!(page.contains("Sesi Anda sudah berakhir"));
    let page = app.nobody().page("/login").await.text().await.unwrap();
    assert!(!page.contains("sudah berakhir"), "and nobody else");
}
