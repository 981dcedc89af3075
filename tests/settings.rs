//! What an admin looks after without psql: people, branches, patients, rates.
#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use std::time::Instant;

use common::app::{PASSWORD, Person, TestApp};
use reqwest::StatusCode;
use serde_json::{Value, json};

type Form<'a> = &'a [(&'a str, &'a str)];
/// What, who, to what, before and after.
type Entry = (String, Option<i64>, String, Option<Value>, Option<Value>);

/// As a script sends it.
async fn send(person: &Person, path: &str, form: Form<'_>) -> (StatusCode, Value) {
    let answer = person.post(path).header("accept", "application/json").form(form).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

/// As a browser without JavaScript sends it.
async fn submit(person: &Person, path: &str, form: Form<'_>) -> (StatusCode, String) {
    let answer = person.post(path).header("accept", "text/html").form(form).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn text(person: &Person, path: &str) -> String {
    let answer = person.page(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["code"].as_str().unwrap_or_default())
}

fn wrong_fields(answer: &(StatusCode, Value)) -> Vec<&str> {
    answer.1["error"]["fields"]
        .as_object()
        .map(|fields| fields.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

const BAYU: Form<'static> =
    &[("name", "Bayu Pratama"), ("email", "Bayu@melati.test"), ("role", "kasir"), ("branch_id", "")];

#[tokio::test]
async fn somebody_new_gets_a_password_once_and_chooses_their_own() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let (status, page) = submit(&admin, "/pengguna", BAYU).await;
    assert_eq!(status, StatusCode::CREATED);
    let first = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(first.len(), 14, "{first}");
    let list = text(&admin, "/pengguna?cari=bayu").await;
    assert!(
        list.contains("Bayu Pratama") && list.contains("Belum ganti sandi") && !list.contains(&first),
        "shown once"
    );

    let bayu = app.nobody();
    let (status, _) = send(&bayu, "/login", &[("email", "bayu@melati.test"), ("password", &first)]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(bayu.page("/").await.headers()["location"], "/akun/sandi", "nothing before a password of their own");
    let own = [("current", first.as_str()), ("new", "kopi pagi bayu"), ("repeated", "kopi pagi bayu")];
    assert_eq!(send(&bayu, "/akun/sandi", &own).await.0, StatusCode::OK);
    assert!(text(&bayu, "/").await.contains("Kemang"), "in the branch of the admin, whatever was sent");

    // forgotten: another first password, and whoever was in by the old one is out
    let id = app.sql_text("SELECT id::text FROM users WHERE email = 'bayu@melati.test'").await;
    let (status, again) = send(&admin, &format!("/pengguna/{id}/sandi"), &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(bayu.get("/api/session").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let second = again["password"].as_str().unwrap();
    assert_ne!(second, first);
    let (status, _) = send(&bayu, "/login", &[("email", "bayu@melati.test"), ("password", second)]).await;
    assert_eq!((status, bayu.page("/").await.status()), (StatusCode::OK, StatusCode::SEE_OTHER));
}

#[tokio::test]
async fn what_was_typed_stays_and_says_what_to_do() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let taken = [("name", "Bayu"), ("email", "kasir1@melati.test"), ("role", "kasir")];
    let (status, page) = submit(&admin, "/pengguna", &taken).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("Surel ini sudah dipakai akun lain.") && page.contains("value=\"Bayu\""), "{page}");
    assert_eq!(wrong_fields(&send(&admin, "/pengguna", &[]).await), ["email", "name", "role"]);
    let pusat = app.sign_in("pusat").await;
    assert_eq!(wrong_fields(&send(&pusat, "/pengguna", BAYU).await), ["branch_id"]);
    let nowhere = [("name", "Bayu"), ("email", "b@melati.test"), ("role", "kasir"), ("branch_id", "77")];
    assert_eq!(wrong_fields(&send(&pusat, "/pengguna", &nowhere).await), ["branch_id"]);
}

#[tokio::test]
async fn an_admin_looks_after_their_branch_and_never_after_head_office_or_themselves() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let list = text(&admin, "/pengguna").await;
    assert!(list.contains("Rina") && list.contains("Hendra"));
    assert!(!list.contains("Putu") && !list.contains("pusat@melati.test"), "nobody of elsewhere");
    let made_pusat = [("name", "X Y"), ("email", "x@melati.test"), ("role", "super_admin")];
    assert_eq!(wrong_fields(&send(&admin, "/pengguna", &made_pusat).await), ["role"]);
    let promote = |role: &'static str| [("name", "Rina"), ("email", "kasir1@melati.test"), ("role", role)];
    assert_eq!(wrong_fields(&send(&admin, "/pengguna/3", &promote("super_admin")).await), ["role"]);
    for path in ["/pengguna/1", "/pengguna/5", "/pengguna/6", "/pengguna/99999"] {
        assert_eq!(admin.page(path).await.status(), StatusCode::NOT_FOUND, "{path}");
        for write in ["", "/sandi", "/keluar", "/nonaktifkan", "/aktifkan"] {
            let answer = send(&admin, &format!("{path}{write}"), &promote("kasir")).await;
            assert_eq!(code(&answer), (404, "not_found"), "{path}{write}");
        }
    }
    // themselves: the name, and nothing of their rights
    let own = |role: &'static str| [("name", "Hendra S"), ("email", "admin1@melati.test"), ("role", role)];
    assert_eq!(code(&send(&admin, "/pengguna/2", &own("kasir")).await), (409, "oneself"));
    assert_eq!(code(&send(&admin, "/pengguna/2/nonaktifkan", &[]).await), (409, "oneself"));
    assert_eq!(code(&send(&admin, "/pengguna/2/sandi", &[]).await), (409, "oneself"));
    assert_eq!(send(&admin, "/pengguna/2", &own("admin")).await.0, StatusCode::OK);
    assert_eq!(app.sql_text("SELECT name FROM users WHERE id = 2").await, "Hendra S");
    assert_eq!(send(&admin, "/pengguna/3", &promote("admin")).await.0, StatusCode::OK, "of their branch they may");

    // head office moves people, and sees one branch's when it looks at one
    let pusat = app.sign_in("pusat").await;
    let moved = [("name", "Rina"), ("email", "kasir1@melati.test"), ("role", "kasir"), ("branch_id", "2")];
    assert_eq!(send(&pusat, "/pengguna/3", &moved).await.0, StatusCode::OK);
    assert_eq!(app.sql_text("SELECT role || branch_id FROM users WHERE id = 3").await, "kasir2");
    assert_eq!(code(&send(&pusat, "/pengguna/1/nonaktifkan", &[]).await), (409, "oneself"));
    send(&pusat, "/cabang/pilih", &[("branch_id", "1")]).await;
    let list = text(&pusat, "/pengguna").await;
    assert!(list.contains("Hendra S") && !list.contains("Putu"));
}

#[tokio::test]
async fn changed_rights_end_what_runs_and_are_in_the_log() {
    let app = TestApp::start().await;
    let (admin, rina) = (app.sign_in("admin1").await, app.sign_in("kasir1").await);
    for (path, form) in [
        ("/pengguna/3", &[("name", "Rina"), ("email", "kasir1@melati.test"), ("role", "admin")][..]),
        ("/pengguna/3/keluar", &[]),
        ("/pengguna/3/nonaktifkan", &[]),
    ] {
        let rina = if path == "/pengguna/3" { rina.clone() } else { app.sign_in("kasir1").await };
        let mut stream = rina.open("/realtime/stream?topics=dashboard,notifications").await;
        stream.opened().await;
        let before = Instant::now();
        assert_eq!(send(&admin, path, form).await.0, StatusCode::OK, "{path}");
        stream.rest().await;
        assert!(before.elapsed().as_secs() < 5, "{path}: {:?}", before.elapsed());
    }
    assert_eq!(send(&app.nobody(), "/login", &[("email", "kasir1@melati.test"), ("password", PASSWORD)]).await.0, 401);
    assert_eq!(code(&send(&admin, "/pengguna/3/sandi", &[]).await), (409, "inactive"));
    assert_eq!(send(&admin, "/pengguna/3/aktifkan", &[]).await.0, StatusCode::OK);
    app.sign_in("kasir1").await;

    let log: Vec<Entry> = sqlx::query_as(
        "SELECT action, actor_id, subject, before, after FROM audit_log WHERE action NOT LIKE 'sign_%' AND actor_id IS NOT NULL ORDER BY id",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    let told: Vec<_> =
        log.iter().map(|(action, actor, subject, ..)| (action.as_str(), *actor, subject.as_str())).collect();
    let rina = "kasir1@melati.test";
    let [changed, ended] = [("user_changed", Some(2), rina), ("sessions_ended", Some(2), rina)];
    assert_eq!(told, [changed, ended, changed, changed]);
    let side = |side: &Option<Value>, key: &str| side.as_ref().unwrap()[key].clone();
    assert_eq!((side(&log[0].3, "role"), side(&log[0].4, "role")), (json!("kasir"), json!("admin")));
    assert_eq!((side(&log[2].3, "is_active"), side(&log[2].4, "is_active")), (json!(true), json!(false)));
}

#[tokio::test]
async fn the_last_of_head_office_stays_whoever_else_goes() {
    let app = TestApp::start().await;
    let pusat = app.sign_in("pusat").await;
    let second = [("name", "Pusat Dua"), ("email", "pusat2@melati.test"), ("role", "super_admin")];
    let (status, made) = send(&pusat, "/pengguna", &second).await;
    assert_eq!(status, StatusCode::CREATED);
    let must: bool = sqlx::query_scalar("SELECT must_change_password FROM users WHERE email = 'pusat2@melati.test'")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(must, "somebody else knows the password, whatever the role");

    // both remove each other in the same moment, past the pages: one of them stays
    let id = made["id"].as_i64().unwrap();
    for _ in 0..5 {
        let (one, two) = tokio::join!(
            sqlx::query("UPDATE users SET is_active = false WHERE id = 1").execute(&app.db),
            sqlx::query("UPDATE users SET is_active = false WHERE id = $1").bind(id).execute(&app.db),
        );
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE role = 'super_admin' AND is_active")
            .fetch_one(&app.db)
            .await
            .unwrap();
        assert_eq!(left, 1);
        app.sql("UPDATE users SET is_active = true WHERE role = 'super_admin'").await;
    }
    let pusat = app.sign_in("pusat").await;
    assert_eq!(send(&pusat, &format!("/pengguna/{id}/nonaktifkan"), &[]).await.0, StatusCode::OK);
    for past in ["UPDATE users SET is_active = false WHERE id = 1", "DELETE FROM users WHERE id = 1"] {
        assert!(sqlx::query(past).execute(&app.db).await.is_err(), "{past}");
    }
}

#[tokio::test]
async fn a_branch_is_opened_in_one_of_three_zones_and_keeps_its_code() {
    let app = TestApp::start().await;
    let pusat = app.sign_in("pusat").await;
    let ternate = [("name", "Ternate"), ("kode", "tte"), ("timezone", "Asia/Jayapura")];
    assert_eq!(send(&pusat, "/cabang", &ternate).await.0, StatusCode::OK);
    let list = text(&pusat, "/cabang").await;
    assert!(
        list.contains("TTE") && list.contains("WIT") && list.contains("Belum dibuka") && list.contains("Buka sejak")
    );
    for (form, field) in [
        ([("name", "Kemang"), ("kode", "AB"), ("timezone", "Asia/Jakarta")], "name"),
        ([("name", "Lain"), ("kode", "KMG"), ("timezone", "Asia/Jakarta")], "kode"),
        ([("name", "Lain"), ("kode", "LN"), ("timezone", "Europe/Paris")], "timezone"),
    ] {
        assert_eq!(wrong_fields(&send(&pusat, "/cabang", &form).await), [field]);
    }
    // nothing sold: the code may still change; and then not any more
    let renamed = |kode: &'static str| [("name", "Kemang Raya"), ("kode", kode), ("timezone", "Asia/Jakarta")];
    assert_eq!(send(&pusat, "/cabang/1", &renamed("KMR")).await.0, StatusCode::OK);
    app.sql(
        "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('KMR-261121-001', 1, 3, 1, 1, 1, 1)",
    )
    .await;
    let refused = send(&pusat, "/cabang/1", &renamed("KMG")).await;
    assert_eq!(wrong_fields(&refused), ["kode"], "{refused:?}");
    assert_eq!(send(&pusat, "/cabang/77", &renamed("XX")).await.0, StatusCode::NOT_FOUND);
    let log = app.sql_text("SELECT string_agg(action || ' ' || actor_id || ' ' || subject, ', ' ORDER BY id) FROM audit_log WHERE action LIKE 'branch%' AND actor_id = 1").await;
    assert_eq!(log, "branch_added 1 Ternate, branch_changed 1 Kemang Raya");
}

#[tokio::test]
async fn a_branch_is_closed_for_good_once_nothing_is_unfinished_and_its_history_stays() {
    let app = TestApp::start().await;
    let (pusat, putu, made) = (app.sign_in("pusat").await, app.sign_in("admin2").await, app.sign_in("kasir2").await);
    // where it is stands on its receipts
    let ubud = [
        ("name", "Ubud"),
        ("kode", "UBD"),
        ("timezone", "Asia/Makassar"),
        ("alamat", "Jl. Raya Ubud 12"),
        ("telepon", "(0361) 971 234"),
    ];
    assert_eq!(send(&pusat, "/cabang/2", &ubud).await.0, StatusCode::OK);
    app.sql(
        "INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, status_pengerjaan)
         VALUES (900, 'UBD-261121-001', 3, 6, 2, 685000, 685000, 685000, 'Siap Diambil')",
    )
    .await;
    let receipt = text(&made, "/penjualan/900/struk").await;
    assert!(receipt.contains("Jl. Raya Ubud 12") && receipt.contains("Telp (0361) 971 234"), "{receipt}");

    // whatever is unfinished is named, on the page before and in the refusal
    let refused = send(&pusat, "/cabang/2/pensiun", &[]).await;
    assert_eq!(code(&refused), (409, "branch_unfinished"));
    let why = refused.1["error"]["message"].as_str().unwrap();
    for part in ["harinya masih buka", "2 pengguna masih aktif", "1 pesanan belum diambil"] {
        assert!(why.contains(part), "{why}");
        assert!(text(&pusat, "/cabang/2").await.contains(part));
    }
    assert!(!why.contains("kiriman"), "{why}");
    assert_eq!(send(&putu, "/hari/tutup", &[]).await.0, StatusCode::OK);
    app.sql("UPDATE penjualans SET status_pengerjaan = 'Sudah Diambil' WHERE id = 900").await;
    app.sql("UPDATE users SET branch_id = 1 WHERE id = 5").await;
    let refused = send(&pusat, "/cabang/2/pensiun", &[]).await;
    assert!(refused.1["error"]["message"].as_str().unwrap().ends_with("nonaktifkan)."), "{refused:?}");
    assert_eq!(send(&pusat, "/pengguna/6/nonaktifkan", &[]).await.0, StatusCode::OK);
    let low = |page: &str| page.contains("data-low-count>1<");
    app.sql("UPDATE lensas SET stok = 1 WHERE branch_id = 2").await;
    app.sql("UPDATE frames SET stok = 20 WHERE id = 2").await;
    assert!(low(&text(&pusat, "/stok").await));
    assert_eq!(send(&pusat, "/cabang/2/pensiun", &[]).await.0, StatusCode::OK);
    assert_eq!(send(&pusat, "/cabang/2/pensiun", &[]).await.0, StatusCode::OK, "twice is once");

    // nothing new begins there, whoever writes
    for statement in [
        "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES ('UBD-261121-002', 3, 6, 2, 1, 1, 1)",
        "UPDATE open_days SET is_open = true WHERE branch_id = 2",
        "UPDATE users SET branch_id = 2 WHERE id = 4",
        "INSERT INTO stock_transfers (from_branch, to_branch) VALUES (1, 2)",
    ] {
        let error = sqlx::query(statement).execute(&app.db).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().constraint(), Some("branch_is_retired"), "{statement}: {error}");
    }
    assert_eq!(
        wrong_fields(
            &send(
                &pusat,
                "/pengguna",
                &[("name", "Komang"), ("email", "k@melati.test"), ("role", "kasir"), ("branch_id", "2")]
            )
            .await
        ),
        ["branch_id"]
    );
    assert_eq!(send(&pusat, "/pengguna/6/aktifkan", &[]).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    // from the next day on it has no place among the others, nor what is low there; what it was can be looked at
    app.sql("UPDATE branches SET retired_at = now() - interval '2 days' WHERE id = 2").await;
    let home = text(&pusat, "/").await;
    assert!(home.contains("1 cabang, 1 buka") && !home.contains("<tr data-row=\"2\">"), "{home}");
    assert!(!low(&text(&pusat, "/stok").await));
    // goods may leave it, and none go there
    assert_eq!(text(&pusat, "/stok/transfer").await.matches("<option value=\"2\">Ubud</option>").count(), 1);
    assert!(text(&pusat, "/cabang").await.contains("Ditutup "));
    assert_eq!(send(&pusat, "/cabang/pilih", &[("branch_id", "2")]).await.0, StatusCode::OK);
    assert!(text(&pusat, "/penjualan/900").await.contains("UBD-261121-001"));
    let shop = text(&pusat, "/").await;
    assert!(shop.contains("sudah ditutup untuk seterusnya") && !shop.contains("/hari/buka"));
    assert_eq!(code(&send(&pusat, "/hari/buka", &[]).await), (409, "branch_retired"));

    assert_eq!(send(&pusat, "/cabang/2/hidupkan", &[]).await.0, StatusCode::OK);
    assert_eq!(send(&pusat, "/hari/buka", &[]).await.0, StatusCode::OK);
    let log = app.sql_text("SELECT string_agg((before ? 'retired_at')::text || '-' || (after ? 'retired_at'), ', ' ORDER BY id) FROM audit_log WHERE action = 'branch_changed' AND actor_id = 1").await;
    assert_eq!(log, "false-false, false-true, true-false");
}

#[tokio::test]
async fn whoever_is_hired_while_the_branch_is_being_closed_is_seen_or_refused() {
    let app = TestApp::start().await;
    let pusat = app.sign_in("pusat").await;
    app.sql("UPDATE open_days SET is_open = false WHERE branch_id = 2; UPDATE users SET is_active = false WHERE branch_id = 2").await;
    let mut hiring = app.db.begin().await.unwrap();
    sqlx::query("UPDATE users SET is_active = true WHERE id = 6").execute(&mut *hiring).await.unwrap();
    // the closing waits for the hiring, and then counts the one who was hired
    let closing = tokio::spawn({
        let pusat = pusat.clone();
        async move { send(&pusat, "/cabang/2/pensiun", &[]).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM branches WHERE id = $1 FOR UPDATE%' AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&app.db).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    hiring.commit().await.unwrap();
    assert_eq!(code(&closing.await.unwrap()), (409, "branch_unfinished"));
}

#[tokio::test]
async fn a_patient_is_found_read_and_kept_up_to_date_in_their_branch() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar, kekurangan, status) VALUES
             (901, 'KMG-261121-901', 1, 3, 1, 685000, 685000, 585000, 100000, 'Belum Lunas');
         INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, subtotal) VALUES
             (901, 'Frame', 1, 'Sendja Oval - Umum', 1, 685000, 685000)",
    )
    .await;
    let (rina, made) = (app.sign_in("kasir1").await, app.sign_in("kasir2").await);
    let list = text(&rina, "/pasien").await;
    assert!(list.contains("Siti Rahmawati") && list.contains("Budi Santoso") && !list.contains("Wayan"), "{list}");
    assert!(!text(&rina, "/pasien?layanan=BPJS+II").await.contains("Budi"));
    assert!(text(&rina, "/pasien?cari=tidakada").await.contains("Tidak ada pasien"));
    let page = text(&rina, "/pasien/1").await;
    assert!(page.contains("Sendja Oval") && page.contains("/penjualan/901") && page.contains("kurang 100.000"));
    for path in ["/pasien/1", "/pasien/1/ubah"] {
        assert_eq!(made.page(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }

    let edit = text(&rina, "/pasien/1/ubah").await;
    let version =
        edit.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#43;", "+");
    let new = [
        ("nama_pasien", "Siti Rahmawati"),
        ("service_type", "BPJS I"),
        ("no_bpjs", "0001234567890"),
        ("od_sph", "−2,25"),
        ("od_cyl", "-0.5"),
        ("od_axis", "90"),
        ("pd", "62"),
        ("version", version.as_str()),
    ];
    assert_eq!(code(&send(&made, "/pasien/1", &new).await), (404, "not_found"));
    let (status, page) =
        submit(&rina, "/pasien/1", &[&new[..5], &[("od_axis", "200"), ("version", &version)]].concat()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("aksis dari 0 sampai 180") && page.contains("value=\"−2,25\"") && page.contains("value=\"200\"")
    );
    assert_eq!(send(&rina, "/pasien/1", &new).await.0, StatusCode::OK);
    assert!(text(&rina, "/pasien/1").await.contains("−2,25"));
    // a colleague who opened the form before that does not undo it
    assert_eq!(code(&send(&rina, "/pasien/1", &new).await), (409, "patient_changed"));
    let (before, after): (Value, Value) =
        sqlx::query_as("SELECT before, after FROM audit_log WHERE action = 'patient_changed' AND actor_id = 3 AND subject = 'Pasien:1'")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!((&before["service_type"], &after["service_type"]), (&json!("BPJS II"), &json!("BPJS I")));
    assert!(!before.to_string().contains("Siti"), "the log needs no name");

    let (status, answer) =
        send(&rina, "/pasien/baru", &[("nama_pasien", "Dewi Kartika"), ("service_type", "UMUM")]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text(&rina, answer["redirect"].as_str().unwrap()).await.contains("Belum pernah membeli"));
    assert_eq!(wrong_fields(&send(&rina, "/pasien/baru", &[]).await), ["nama_pasien", "service_type"]);
}

#[tokio::test]
async fn a_rate_waits_for_its_day_on_the_branchs_own_calendar() {
    let app = TestApp::start().await;
    // a branch where it is already tomorrow, or still yesterday, seen from the other: the sale takes the rate of its own day
    app.sql(
        "UPDATE branches SET timezone = CASE id WHEN 1 THEN 'Pacific/Kiritimati' ELSE 'Pacific/Pago_Pago' END;
         UPDATE pasiens SET service_type = 'BPJS II' WHERE id IN (1, 3);
         UPDATE frames SET jenis_frame = 'BPJS II' WHERE id IN (1, 3);
         DELETE FROM open_days;
         INSERT INTO open_days (branch_id, tanggal, opened_by) SELECT branch_id, tanggal, CASE branch_id WHEN 1 THEN 2 ELSE 5 END FROM branch_days;
         INSERT INTO bpjs_rates (service_type, price, effective_from) SELECT 'BPJS II', 250000, tanggal FROM branch_days WHERE branch_id = 1",
    )
    .await;
    let days = app.sql_text("SELECT (max(tanggal) > min(tanggal))::text FROM branch_days").await;
    assert_eq!(days, "true", "the two are a day apart, at any hour");
    for (who, patient, frame, bpjs) in [("kasir1", 1, 1, 250_000), ("kasir2", 3, 3, 220_000)] {
        let cart =
            json!({ "pasien_id": patient, "items": [{ "product_type": "Frame", "product_id": frame, "quantity": 1 }] });
        let person = app.sign_in(who).await;
        let answer =
            person.post("/penjualan/hitung").header("accept", "application/json").json(&cart).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["omset_bpjs"], bpjs, "{who}");
    }

    let pusat = app.sign_in("pusat").await;
    let today = app.sql_text("SELECT max(tanggal)::text FROM branch_days").await;
    let tomorrow = app.sql_text("SELECT (max(tanggal) + 1)::text FROM branch_days").await;
    let rate = |from: &str| {
        [
            ("service_type", "BPJS III".to_owned()),
            ("price", "Rp 180.000".to_owned()),
            ("effective_from", from.to_owned()),
        ]
    };
    let add = async |from: &str| {
        let answer = pusat.post("/tarif").header("accept", "application/json").form(&rate(from)).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(wrong_fields(&add(&today).await), ["effective_from"], "it has begun somewhere");
    assert_eq!(add(&tomorrow).await.0, StatusCode::OK);
    assert_eq!(wrong_fields(&add(&tomorrow).await), ["effective_from"], "two on one day");

    let page = text(&app.sign_in("admin1").await, "/tarif").await;
    assert!(
        page.contains("Rp\u{a0}180.000") && page.contains("akan datang") && !page.contains("<form class=\"panel-body")
    );
    let id = app.sql_text("SELECT id::text FROM bpjs_rates WHERE price = 180000").await;
    assert_eq!(send(&pusat, &format!("/tarif/{id}/hapus"), &[]).await.0, StatusCode::OK);
    let id = app.sql_text("SELECT id::text FROM bpjs_rates WHERE price = 250000").await;
    assert_eq!(code(&send(&pusat, &format!("/tarif/{id}/hapus"), &[]).await), (409, "rate_in_force"));
    assert_eq!(code(&send(&pusat, "/tarif/9999/hapus", &[]).await), (404, "not_found"));
    let log = app.sql_text("SELECT string_agg(coalesce(before ->> 'price', '-') || ' ' || coalesce(after ->> 'price', '-'), ', ' ORDER BY id) FROM audit_log WHERE actor_id = 1 AND action = 'price_changed'").await;
    assert_eq!(log, "- 180000, 180000 -");
}

#[tokio::test]
async fn everything_without_a_tab_is_found_behind_lainnya() {
    let app = TestApp::start().await;
    for (who, few) in [("kasir1", 4), ("admin1", 6), ("pusat", 8)] {
        let page = text(&app.sign_in(who).await, "/lainnya").await;
        let hrefs = |part: &str| -> Vec<String> {
            part.split(" href=\"/")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .filter(|href| !href.starts_with("assets"))
                .collect()
        };
        let cut = |from: &str, to: &str| page.split(from).nth(1).unwrap().split(to).next().unwrap().to_owned();
        let sidebar = hrefs(&cut("<nav class=\"sidebar\"", "</nav>"));
        let tabs = hrefs(&cut("<nav class=\"tabbar\"", "</nav>"));
        let main = hrefs(&cut("<main", "</main>"));
        let lost: Vec<_> = sidebar.iter().filter(|href| !tabs.contains(href) && !main.contains(href)).collect();
        assert!(lost.is_empty() && main.len() >= few, "{who}: {lost:?} of {sidebar:?}; {main:?}");
        assert!(tabs.len() <= 5, "{who}: {tabs:?}");
    }
}
