//! Doing something without a trace.

use melati::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::app::{PASSWORD, Person, TestApp};
use crate::routes::{SALES, table};

type Entry = (String, Option<i64>, Option<String>, Option<i64>, String, Option<Value>, Option<Value>);

/// What was recorded since the last look.
async fn entries(app: &TestApp, seen: &mut i64) -> Vec<Entry> {
    let found: Vec<Entry> = sqlx::query_as(
        "SELECT action, actor_id, host(address), branch_id, subject, before, after FROM audit_log WHERE id > $1 ORDER BY id",
    )
    .bind(*seen)
    .fetch_all(&app.db)
    .await
    .unwrap();
    *seen = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM audit_log").fetch_one(&app.db).await.unwrap();
    found
}

async fn post(person: &Person, path: &str, form: &[(&str, &str)]) -> StatusCode {
    let request = person.post(path).header("accept", "application/json").header("x-forwarded-for", "203.0.113.7");
    request.form(form).send().await.unwrap().status()
}

/// Guesses, changes a price and a count, gets a new password, and nobody knows who it was: each leaves one line with who, from
/// where, to what, before and after. What is done by psql leaves one, too.
#[tokio::test]
async fn who_did_it() {
    let config = Config { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..Config::default() };
    let app = TestApp::start_with(config).await;
    let mut seen = 0;
    entries(&app, &mut seen).await;
    let here = || Some("203.0.113.7".to_owned());
    let admin = "admin1@melati.test".to_owned();
    let person = app.nobody();

    post(&person, "/login", &[("email", &admin), ("password", "salah-sekali")]).await;
    post(&person, "/login", &[("email", "siapa@melati.test"), ("password", "salah-sekali")]).await;
    post(&person, "/login", &[("email", &admin), ("password", PASSWORD)]).await;
    let expected: Vec<Entry> = vec![
        ("sign_in_failed".into(), None, here(), Some(1), admin.clone(), None, None),
        ("sign_in_failed".into(), None, here(), None, String::new(), None, None),
        ("sign_in".into(), Some(2), here(), Some(1), admin.clone(), None, None),
    ];
    assert_eq!(entries(&app, &mut seen).await, expected);

    post(&person, "/stok/lensa/1/harga", &[("price", "200000"), ("seen_price", "190000")]).await;
    let prices = |price: i64| Some(json!({ "harga_jual_lensa": price, "harga_beli_lensa": 0 }));
    let expected =
        ("price_changed".into(), Some(2), here(), Some(1), "Lensa:1".into(), prices(190_000), prices(200_000));
    assert_eq!(entries(&app, &mut seen).await, [expected]);

    post(&person, "/stok/frame/2/koreksi", &[("counted", "1"), ("seen_stok", "3"), ("catatan", "hilang dua")]).await;
    let after = Some(json!({ "stok": 1, "catatan": "hilang dua" }));
    let expected =
        ("stock_corrected".into(), Some(2), here(), Some(1), "Frame:2".into(), Some(json!({ "stok": 3 })), after);
    assert_eq!(entries(&app, &mut seen).await, [expected]);

    // what is refused, or is no correction, is none
    assert_eq!(
        post(&person, "/stok/frame/3/harga", &[("price", "1"), ("seen_price", "685000")]).await,
        StatusCode::NOT_FOUND
    );
    post(&person, "/stok/frame/2/restok", &[("quantity", "5")]).await;
    assert_eq!(entries(&app, &mut seen).await, []);

    let form = [("current", PASSWORD), ("new", "sandi-baru-hendra"), ("repeated", "sandi-baru-hendra")];
    post(&person, "/akun/sandi", &form).await;
    post(&person, "/akun/keluar-semua", &[]).await;
    let told: Vec<_> = entries(&app, &mut seen).await.into_iter().map(|entry| (entry.0, entry.1, entry.2)).collect();
    assert_eq!(told, [("password_changed".into(), Some(2), here()), ("sessions_ended".into(), Some(2), here())]);

    // past the pages, by psql: it is not known who, but it is known
    app.sql("UPDATE users SET role = 'admin' WHERE id = 3; UPDATE bpjs_rates SET price = 240000 WHERE service_type = 'BPJS II'").await;
    app.sql("INSERT INTO notifications (branch_id, type, title, message) VALUES (1, 'announcement', 'Rapat', 'Sabtu')")
        .await;
    let told = entries(&app, &mut seen).await;
    let actions: Vec<_> = told.iter().map(|entry| (entry.0.as_str(), entry.1, entry.4.as_str())).collect();
    assert_eq!(
        actions,
        [
            ("user_changed", None, "kasir1@melati.test"),
            ("price_changed", None, "BPJS II"),
            ("announced", None, "Rapat")
        ]
    );
    assert_eq!(
        (&told[0].5.as_ref().unwrap()["role"], &told[0].6.as_ref().unwrap()["role"]),
        (&json!("kasir"), &json!("admin"))
    );
    let all = app.sql_text("SELECT string_agg(a::text, ' ') FROM audit_log a").await;
    assert!(!all.contains("argon2"), "no hash is ever kept");
}

/// Covers the tracks: changes lines of the log, takes them out, empties it. The database refuses, also where triggers are
/// switched off.
#[tokio::test]
async fn changing_the_log() {
    let app = TestApp::start().await;
    app.sign_in("kasir1").await;
    for statement in [
        "UPDATE audit_log SET actor_id = 6",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM audit_log WHERE at < now() - interval '1 second' OR true",
    ] {
        let refused = sqlx::query(statement).execute(&app.db).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{statement}: {refused}");
        // nor as import tools do, which switch triggers off for themselves
        let mut tool = app.db.begin().await.unwrap();
        sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tool).await.unwrap();
        let refused = sqlx::query(statement).execute(&mut *tool).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{statement}: {refused}");
    }
    assert_ne!(app.sql_text("SELECT count(*)::text FROM audit_log").await, "0", "there is something to change");
}

/// Reads who works when, and from where: 403 for all but head office, who finds every line.
#[tokio::test]
async fn reading_the_log_of_others() {
    let app = TestApp::start().await;
    for who in ["admin1", "kasir1"] {
        let person = app.sign_in(who).await;
        assert_eq!(person.page("/audit").await.status(), StatusCode::FORBIDDEN, "{who}");
        assert!(!person.page("/akun").await.text().await.unwrap().contains("/audit"), "{who}");
    }
    for n in 0..130 {
        sqlx::query("UPDATE frames SET harga_jual_frame = 700000 + $1 WHERE id = 1")
            .bind(n)
            .execute(&app.db)
            .await
            .unwrap();
    }
    let pusat = app.sign_in("pusat").await;
    let page = pusat.page("/audit").await.text().await.unwrap();
    assert!(page.contains("harga_jual_frame: 700128 → 700129") && page.contains("Di luar aplikasi"));
    assert_eq!(page.matches("Harga diubah</span>").count(), 99, "a hundred a page, one of them the sign-in");
    let older = page.split("href=\"/audit?").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let page = pusat.page(&format!("/audit?{older}")).await.text().await.unwrap();
    assert_eq!(page.matches("Harga diubah</span>").count(), 31);
    let page = pusat.page("/audit?jenis=masuk&cari=hendra").await.text().await.unwrap();
    assert_eq!(page.matches("Masuk</span>").count(), 1, "one sign-in of Hendra");
    assert!(page.contains("127.0.0.1") && page.contains("Kemang"));
    assert!(pusat.page("/audit?tanggal=2001-01-01").await.text().await.unwrap().contains("Tidak ada catatan"));
}

/// Writes through a page that forgot to say who is writing. Every write there is is made, and every row of the shop that
/// changed must know the writer and where they were: the triggers of the log take both from the transaction.
#[tokio::test]
async fn a_write_that_nobody_signed() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    app.sql(
        "CREATE TABLE seen_writes (tbl text, who text, address text);
         CREATE FUNCTION see_write() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO seen_writes VALUES (TG_TABLE_NAME, melati_setting('user_id'), melati_setting('address'));
             RETURN NULL;
         END $$;
         DO $$
         DECLARE t text;
         BEGIN
             -- what belongs to a browser or to its reader is no business of the log
             FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'feed%'
                      AND tablename NOT IN ('_sqlx_migrations', 'seen_writes', 'sessions', 'sign_in_limits', 'audit_log', 'stock_imports') AND tablename NOT LIKE 'notification%' AND tablename NOT LIKE 'rollup%' LOOP
                 EXECUTE format('CREATE TRIGGER see_write AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION see_write()', t);
             END LOOP;
         END $$;",
    )
    .await;
    let pusat = app.sign_in("pusat").await;
    let mut tables = std::collections::BTreeSet::new();
    for route in table().into_iter().filter(|route| route.method != Method::GET) {
        if ["/logout", "/login", "/akun/keluar-semua"].contains(&route.path) {
            continue;
        }
        // a new password of their own leaves them without a chosen branch
        pusat.post("/cabang/pilih").form(&[("branch_id", "1")]).send().await.unwrap();
        app.sql("DELETE FROM seen_writes").await;
        drop(route.request(&pusat, route.here).send().await.unwrap());
        let seen: Vec<(String, Option<String>, Option<String>)> =
            sqlx::query_as("SELECT DISTINCT tbl, who, address FROM seen_writes").fetch_all(&app.db).await.unwrap();
        for (tbl, who, address) in seen {
            let signed = (who.as_deref(), address.as_deref());
            assert_eq!(signed, (Some("1"), Some("127.0.0.1")), "{} wrote {tbl}", route.path);
            tables.insert(tbl);
        }
    }
    for tbl in
        ["users", "pasiens", "branches", "bpjs_rates", "open_days", "frames", "lensas", "penjualans", "pembayarans"]
    {
        assert!(tables.contains(tbl), "nothing wrote {tbl}: {tables:?}");
    }
}

/// Looks for something to do that leaves no line: all that the log has a word for is done by pages, and each line says who,
/// where, to what, and what it was before or is after.
#[tokio::test]
async fn something_that_the_log_has_no_line_for() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let admin = app.sign_in("admin1").await;
    let pusat = app.sign_in("pusat").await;
    let mut seen = 0;
    // (who, address, form) → the lines: action, subject, before, after
    type Told<'a> = (&'a str, &'a str, Value, Value);
    let nothing = Value::Null;
    type Done<'a> = (&'a Person, i64, &'a str, &'a [(&'a str, &'a str)], Vec<Told<'a>>);
    #[rustfmt::skip] // a table
    let done: Vec<Done<'_>> = vec![
        (&admin, 2, "/penjualan/501/batal", &[("bayar", "585000"), ("alasan", "salah pasien")], vec![
            ("refund", "KMG-261121-501", json!({ "total": 685_000, "bayar": 585_000, "kekurangan": 100_000, "status_pengerjaan": "Menunggu Pengerjaan" }), json!({ "alasan": "salah pasien" }))]),
        (&admin, 2, "/pengumuman", &[("title", "Rapat"), ("message", "Sabtu malam.")], vec![
            ("announced", "Rapat", nothing.clone(), json!({ "message": "Sabtu malam.", "audience": null }))]),
        (&pusat, 1, "/tarif", &[("service_type", "BPJS I"), ("price", "350.000"), ("effective_from", "2035-01-01")], vec![
            ("price_changed", "BPJS I", nothing.clone(), json!({ "price": 350_000, "effective_from": "2035-01-01" }))]),
        (&pusat, 1, "/tarif/501/hapus", &[], vec![
            ("price_changed", "BPJS III", json!({ "price": 180_000, "effective_from": "2034-01-01" }), nothing.clone())]),
        (&admin, 2, "/pengguna/507", &[("name", "Dewi"), ("email", "dewi@melati.test"), ("role", "admin"), ("branch_id", "1")], vec![
            ("user_changed", "dewi@melati.test", json!({ "name": "Dewi", "email": "dewi@melati.test", "role": "kasir", "branch_id": 1, "is_active": true }),
                                                 json!({ "name": "Dewi", "email": "dewi@melati.test", "role": "admin", "branch_id": 1, "is_active": true }))]),
        (&admin, 2, "/pengguna/507/sandi", &[], vec![("password_changed", "dewi@melati.test", nothing.clone(), nothing.clone())]),
        (&admin, 2, "/pengguna/507/keluar", &[], vec![("sessions_ended", "dewi@melati.test", nothing.clone(), nothing.clone())]),
        (&admin, 2, "/stok/transfer/815/batal", &[("alasan", "salah kirim")], vec![
            ("transfer", "TRF-00815", nothing.clone(), json!({ "status": "batal", "dari": "Kemang", "ke": "Ubud", "jumlah": 1, "alasan": "salah kirim" })),
            ("transfer", "TRF-00815", nothing.clone(), json!({ "status": "batal", "dari": "Kemang", "ke": "Ubud", "jumlah": 1, "alasan": "salah kirim" }))]),
        (&admin, 2, "/stok/opname/801/hitung", &[("kode", "FR000002"), ("jumlah", "2")], vec![]),
        (&admin, 2, "/stok/opname/801/selesai", &[("belum", "biarkan")], vec![
            ("stock_corrected", "Frame:2", json!({ "stok": 3 }), json!({ "stok": 2, "catatan": "Opname OPN-00801" })),
            ("opname", "OPN-00801", nothing.clone(), json!({ "status": "selesai", "product_type": "Frame", "dihitung": 1, "selisih": 1 }))]),
    ];
    entries(&app, &mut seen).await;
    for (person, id, path, form, expected) in done {
        let answer = person.post(path).header("accept", "application/json").form(form).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let mut told: Vec<_> = entries(&app, &mut seen)
            .await
            .into_iter()
            .map(|(action, actor, address, _, subject, before, after)| {
                assert_eq!((actor, address.as_deref()), (Some(id), Some("127.0.0.1")), "{path}: {action}");
                (action, subject, before.unwrap_or_default(), after.unwrap_or_default())
            })
            .collect();
        told.sort_by_key(|line| line.0 == "opname");
        let expected: Vec<_> =
            expected.into_iter().map(|(a, s, before, after)| (a.to_owned(), s.to_owned(), before, after)).collect();
        assert_eq!(told, expected, "{path}");
    }
    // a sheet changes prices as the form does
    let sheet = "kode;merk;harga_jual\nFR000001;Sendja Oval;700.000\nFR7;Baru;1.000\n";
    let form = [("jenis", "frame"), ("isi", sheet)];
    let sent = admin.post("/stok/impor").header("accept", "application/json").form(&form).send().await.unwrap();
    let look = sent.json::<Value>().await.unwrap()["redirect"].as_str().unwrap().to_owned();
    let page = admin.page(&look).await.text().await.unwrap();
    let plan = page.split("name=\"rencana\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(post(&admin, &look, &[("rencana", &plan)]).await, StatusCode::OK);
    let told = entries(&app, &mut seen).await;
    let of = |action: &str| told.iter().find(|entry| entry.0 == action).unwrap_or_else(|| panic!("{action}: {told:?}"));
    let prices = |entry: &Entry| [&entry.5, &entry.6].map(|side| side.as_ref().unwrap()["harga_jual_frame"].clone());
    assert_eq!(prices(of("price_changed")), [json!(685_000), json!(700_000)]);
    assert_eq!(of("product_added").6.as_ref().unwrap()["kode_frame"], "FR7");
    assert_eq!(of("stock_imported").6.as_ref().unwrap()["changed"], 1);
    assert!(told.iter().all(|entry| (entry.1, entry.2.as_deref()) == (Some(2), Some("127.0.0.1"))), "{told:?}");

    // somebody guesses until they have to wait: one line says so, however often they are then turned away
    for _ in 0..9 {
        post(&app.nobody(), "/login", &[("email", "kasir1@melati.test"), ("password", "salah-sekali")]).await;
    }
    let told = entries(&app, &mut seen).await;
    let limited: Vec<_> = told.iter().filter(|entry| entry.0 == "sign_in_limited").collect();
    assert_eq!(limited.len(), 1, "{told:?}");
    assert_eq!((limited[0].1, limited[0].4.as_str()), (None, "kasir1@melati.test"));
    assert_eq!(told.iter().filter(|entry| entry.0 == "sign_in_failed").count(), 5);
    let page = pusat.page("/audit?jenis=dibatasi").await.text().await.unwrap();
    assert!(page.contains("Terlalu banyak percobaan") && page.contains("Tidak dikenal"));
}
