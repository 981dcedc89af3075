//! Stock as a branch's admin works with it: products entered and edited, sheets that go out and come in, counting while the
//! shop sells, and goods that go to another branch.
#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use std::fmt::Write;

use common::app::{Person, TestApp};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

type Form<'a> = &'a [(&'a str, &'a str)];

/// As a script sends it.
async fn send(person: &Person, path: &str, form: Form<'_>) -> (StatusCode, Value) {
    let answer = person.post(path).header("accept", "application/json").form(form).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

/// As a script sends it, and it must be done; where it leads.
async fn done(person: &Person, path: &str, form: Form<'_>) -> String {
    let (status, answer) = send(person, path, form).await;
    assert_eq!(status, StatusCode::OK, "{path} {form:?}: {answer}");
    answer["redirect"].as_str().unwrap_or_default().to_owned()
}

/// It must be refused, with this code; what it says.
async fn refused(person: &Person, path: &str, form: Form<'_>, code: &str) -> String {
    let (status, answer) = send(person, path, form).await;
    assert_eq!(answer["error"]["code"], code, "{status} {path} {form:?}: {answer}");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

async fn text(person: &Person, path: &str) -> String {
    let answer = person.page(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

async fn number(app: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&app.db).await.unwrap()
}

async fn stok(app: &TestApp, frame: i64) -> i32 {
    sqlx::query_scalar("SELECT stok FROM frames WHERE id = $1").bind(frame).fetch_one(&app.db).await.unwrap()
}

/// The newest line of a frame's ledger: by how much, why, and the note.
async fn moved(app: &TestApp, frame: i64) -> (i32, String, String) {
    sqlx::query_as(
        "SELECT delta, reason, catatan FROM stock_movements WHERE product_type = 'Frame' AND product_id = $1 ORDER BY id DESC LIMIT 1",
    )
    .bind(frame)
    .fetch_one(&app.db)
    .await
    .unwrap()
}

async fn sell_one(app: &TestApp, frame: i64) {
    let sold = "SELECT set_config('melati.reason', 'penjualan', true)";
    let mut tx = app.db.begin().await.unwrap();
    sqlx::query(sold).execute(&mut *tx).await.unwrap();
    sqlx::query("UPDATE frames SET stok = stok - 1 WHERE id = $1").bind(frame).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// What the log says was done to a subject, oldest first.
async fn audited(app: &TestApp, subject: &str) -> Vec<String> {
    sqlx::query_scalar("SELECT action FROM audit_log WHERE subject = $1 AND actor_id IS NOT NULL ORDER BY id")
        .bind(subject)
        .fetch_all(&app.db)
        .await
        .unwrap()
}

// ---- products ----

#[tokio::test]
async fn a_product_is_entered_edited_and_taken_away_and_the_log_knows() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let (status, answer) =
        send(&admin, "/stok/frame/baru", &[("kode", ""), ("merk", " "), ("harga_jual", "satu"), ("stok", "-1")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["kode", "merk", "harga_jual"] {
        assert!(answer["error"]["fields"][field].is_string(), "{field}: {answer}");
    }
    let new = [
        ("kode", "FR000777"),
        ("merk", "Nusa Klasik"),
        ("jenis", "BPJS II"),
        ("harga_beli", "100.000"),
        ("harga_jual", "220.000"),
        ("minimum", "3"),
        ("stok", "8"),
    ];
    let address = done(&admin, "/stok/frame/baru", &new).await;
    let id: i64 = address.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(stok(&app, id).await, 8);
    assert_eq!(moved(&app, id).await, (8, "restok".into(), "Stok awal".into()));
    refused(&admin, "/stok/frame/baru", &new, "invalid").await;

    // without a script the form comes back with what was typed
    let form = [("kode", "FR000778"), ("merk", "Nusa <b>Baru"), ("harga_jual", "")];
    let again = admin.post("/stok/frame/baru").header("accept", "text/html").form(&form).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let again = again.text().await.unwrap();
    assert!(again.contains("Nusa &#60;b&#62;Baru") && again.contains("Isi harga jual"), "{again}");

    let page = text(&admin, &format!("{address}/ubah")).await;
    let seen = page.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let edit = [("seen", seen), ("merk", "Nusa Klasik 2"), ("harga_jual", "230.000"), ("minimum", "9")];
    done(&admin, &format!("{address}/ubah"), &edit).await;
    let now: (String, i64, i32, String) =
        sqlx::query_as("SELECT merk_frame, harga_jual_frame, stok_minimum, alert_level FROM frames WHERE id = $1")
            .bind(id)
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!(now, ("Nusa Klasik 2".into(), 230_000, 9, "low".into()));
    refused(&admin, &format!("{address}/ubah"), &edit, "product_changed").await;
    assert_eq!(number(&app, "SELECT count(*) FROM notifications WHERE type = 'price_updated'").await, 1);

    refused(&admin, &format!("{address}/hapus"), &[], "in_stock").await;
    done(&admin, &format!("{address}/koreksi"), &[("counted", "0"), ("seen_stok", "8"), ("catatan", "Salah hitung")])
        .await;
    done(&admin, &format!("{address}/hapus"), &[]).await;
    assert_eq!(
        audited(&app, &format!("Frame:{id}")).await,
        ["product_added", "price_changed", "product_changed", "stock_corrected", "product_removed"]
    );
    let change: (Value, Value) = sqlx::query_as("SELECT before, after FROM audit_log WHERE action = 'product_changed'")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_eq!(
        change,
        (
            json!({ "merk_frame": "Nusa Klasik", "stok_minimum": 3 }),
            json!({ "merk_frame": "Nusa Klasik 2", "stok_minimum": 9 })
        )
    );
}

#[tokio::test]
async fn a_list_is_sorted_and_paged_by_its_address() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO frames (branch_id, kode_frame, merk_frame, harga_jual_frame, stok_minimum, stok)
             SELECT 1, 'FX' || n, 'Tera ' || lpad(n::text, 3, '0'), 1000 * (200 - n), n % 7, n FROM generate_series(1, 120) n").await;
    let admin = app.sign_in("admin1").await;
    let first = |page: &str| {
        page.split("<tbody>")
            .nth(1)
            .unwrap()
            .split("class=\"code\">")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap()
            .to_owned()
    };
    for (sort, code) in [
        ("stok", "FX1"),
        ("-stok", "FX120"),
        ("harga", "FX120"),
        ("-harga", "FR000001"),
        ("-nama", "FX120"),
        ("nama", "FR000002"),
        ("jenis", "FR000002"),
        ("batas", "FX7"),
    ] {
        let page = text(&admin, &format!("/stok?urut={sort}")).await;
        assert_eq!(first(&page), code, "{sort}");
        assert_eq!(
            page.matches("aria-sort=\"ascending\"").count() + page.matches("aria-sort=\"descending\"").count(),
            1,
            "{sort}"
        );
    }
    let page = text(&admin, "/stok?urut=nama&hal=3").await;
    assert!(page.contains("101–122 dari 122") && page.contains("3 / 3") && !page.contains("rel=\"next\""), "{page}");
    let page = text(&admin, "/stok?urut=nama&per=semua&level=low").await;
    assert!(page.contains("urut=nama&#38;per=semua"), "links keep the order and the length of a page");
    assert_eq!(text(&admin, "/api/stok/jumlah?cari=tera+00").await, r#"{"low":6,"medium":3,"normal":1}"#);
}

#[tokio::test]
async fn a_ledger_is_narrowed_and_paged_and_leads_to_its_sales() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO penjualans (id, kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar) VALUES (501, 'KMG-1', 1, 3, 1, 1, 1, 1);
             DO $$ BEGIN
                 PERFORM set_config('melati.reason', 'restok', true), set_config('melati.user_id', '2', true);
                 FOR n IN 1..60 LOOP UPDATE frames SET stok = stok + 1 WHERE id = 1; END LOOP;
                 PERFORM set_config('melati.reason', 'penjualan', true), set_config('melati.catatan', 'KMG-1', true);
                 UPDATE frames SET stok = stok - 1 WHERE id = 1;
             END $$").await;
    let admin = app.sign_in("admin1").await;
    let page = text(&admin, "/stok/frame/1").await;
    assert!(page.contains("href=\"/penjualan/501\"") && page.contains("menjadi 79") && page.contains("Hendra"));
    assert!(page.contains("1–50 dari 62"), "the first stock, sixty deliveries, a sale");
    let page = text(&admin, "/stok/frame/1?alasan=restok&hal=2").await;
    assert!(page.contains("51–60 dari 60") && page.contains("menjadi 21") && !page.contains("menjadi 79"), "{page}");
}

// ---- sheets ----

async fn import(person: &Person, kind: &str, reason: &str, sheet: &str) -> String {
    done(person, "/stok/impor", &[("jenis", kind), ("alasan", reason), ("isi", sheet)]).await
}

/// What a preview's form agrees to.
fn mark(page: &str) -> String {
    let mark = page.split("name=\"rencana\" value=\"").nth(1).unwrap_or_else(|| panic!("a plan in {page}"));
    mark.split('"').next().unwrap().to_owned()
}

async fn apply(person: &Person, address: &str) -> String {
    let mark = mark(&text(person, address).await);
    done(person, address, &[("rencana", &mark)]).await
}

async fn exported(person: &Person, kind: &str) -> String {
    let answer = person.page(&format!("/stok/ekspor?jenis={kind}")).await;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"stok-"));
    String::from_utf8(answer.bytes().await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn what_goes_out_comes_back_and_changes_nothing() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO lensas (branch_id, kode_lensa, merk_lensa, type, coating, harga_jual_lensa, is_custom_order, stok)
             VALUES (1, '=1+1', '-\"aneh\"; ''=x', E'a\\r\\nb', ' spasi ', 1, true, 3), (1, '''@k', '', '', '+', 0, false, 0)").await;
    let admin = app.sign_in("admin1").await;
    for kind in ["frame", "lensa", "aksesoris"] {
        let sheet = exported(&admin, kind).await;
        let address = import(&admin, kind, "koreksi", &sheet).await;
        let page = text(&admin, &address).await;
        assert!(page.contains("Tidak ada yang berubah"), "{kind}: {sheet}\n{page}");
    }
    let sheet = exported(&admin, "lensa").await;
    assert!(
        sheet.contains("\"'=1+1\";") && sheet.contains("\"''@k\";") && sheet.contains("\"'-\"\"aneh\"\"; '=x\""),
        "{sheet}"
    );
}

#[tokio::test]
async fn a_sheet_is_looked_at_first_and_taken_whole() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    // somebody edits an export in a spreadsheet: a price, a count, a new product
    let sheet = "kode;merk;harga_jual;stok;stok_saat_ekspor\r\nFR000001;Sendja Oval;700.000;22;20\r\nFR000777;Nusa;150.000;4;\r\n";
    let address = import(&admin, "frame", "koreksi", sheet).await;
    let page = text(&admin, &address).await;
    assert!(
        page.contains("Rp\u{a0}685.000 → Rp\u{a0}700.000") && page.contains("Stok: 20 → 22") && page.contains("baru"),
        "{page}"
    );
    assert_eq!(
        number(&app, "SELECT count(*) FROM frames WHERE kode_frame = 'FR000777' OR harga_jual_frame = 700000").await,
        0,
        "only looked at"
    );

    // meanwhile one is sold: it stays sold, because the sheet says what the books said
    sell_one(&app, 1).await;
    apply(&admin, &address).await;
    assert_eq!(stok(&app, 1).await, 21);
    assert_eq!(moved(&app, 1).await, (2, "koreksi".into(), "Impor tempelan".into()));
    assert_eq!(number(&app, "SELECT harga_jual_frame FROM frames WHERE id = 1").await, 700_000);
    assert_eq!(
        number(&app, "SELECT stok::bigint FROM frames WHERE kode_frame = 'FR000777' AND branch_id = 1").await,
        4
    );
    assert_eq!(
        number(&app, "SELECT count(*) FROM frames WHERE branch_id = 2").await,
        1,
        "the other branch has its own"
    );
    assert_eq!(number(&app, "SELECT count(*) FROM notifications WHERE type = 'price_updated'").await, 1);
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit_log WHERE actor_id = 2 AND action <> 'sign_in' ORDER BY action")
            .fetch_all(&app.db)
            .await
            .unwrap();
    assert_eq!(actions, ["price_changed", "product_added", "stock_corrected", "stock_corrected", "stock_imported"]);

    // pressed twice: done once
    done(&admin, &address, &[("rencana", "0")]).await;
    assert_eq!(stok(&app, 1).await, 21);
    assert!(text(&admin, &address).await.contains("Impor selesai"));
}

#[tokio::test]
async fn a_sheet_with_one_mistake_changes_nothing_and_says_where() {
    let app = TestApp::start().await;
    let (admin, other, kasir) = (app.sign_in("admin1").await, app.sign_in("admin2").await, app.sign_in("kasir1").await);
    let address = import(&admin, "frame", "restok", "kode,stok\nFR000001,25\nFR000002,2\nFR000002,4\n").await;
    let page = text(&admin, &address).await;
    assert!(
        page.contains("Baris 3")
            && page.contains("restok")
            && page.contains("Baris 4")
            && page.contains("sudah ada di baris 3"),
        "{page}"
    );
    refused(&admin, &address, &[("rencana", "0")], "import_problems").await;
    assert_eq!((stok(&app, 1).await, stok(&app, 2).await), (20, 3));

    // without the column of the export a count is about the moment it was looked at
    let address = import(&admin, "frame", "koreksi", "kode,stok\nFR000001,25\n").await;
    let seen = mark(&text(&admin, &address).await);
    sell_one(&app, 1).await;
    refused(&admin, &address, &[("rencana", &seen)], "import_changed").await;
    assert_eq!(stok(&app, 1).await, 19);

    // a sheet is its sender's own, and a kasir has none
    assert_eq!(other.page(&address).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(send(&other, &address, &[("rencana", &seen)]).await.0, StatusCode::NOT_FOUND);
    assert_eq!(kasir.page("/stok/ekspor").await.status(), StatusCode::FORBIDDEN);
    for (sheet, says) in [("", "Pilih dulu"), ("  \n", "kosong")] {
        let (status, answer) = send(&admin, "/stok/impor", &[("isi", sheet)]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer["error"]["fields"]["berkas"].as_str().unwrap().contains(says), "{answer}");
    }
}

/// As a browser without a script sends a file.
async fn upload(person: &Person, bytes: &[u8]) -> Response {
    let boundary = "melati-batas";
    let mut body = Vec::new();
    for (name, value) in [("jenis", "frame"), ("alasan", "koreksi")] {
        body.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"berkas\"; filename=\"stok.csv\"\r\nContent-Type: text/csv\r\n\r\n").bytes());
    body.extend(bytes);
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    person
        .post("/stok/impor")
        .header("accept", "text/html")
        .header("content-type", kind)
        .body(body)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn five_thousand_rows_come_in_as_one_file() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let mut sheet = "\u{feff}kode;merk;jenis;harga_beli;harga_jual;stok;minimum\r\n".to_owned();
    for n in 0..5_000 {
        write!(sheet, "FR9{n:05};Nusa Klasik {n};Umum;300.000;{};{};5\r\n", 400_000 + n, n % 40).unwrap();
    }
    let sent = upload(&admin, sheet.as_bytes()).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    let address = sent.headers()["location"].to_str().unwrap().to_owned();
    apply(&admin, &address).await;
    assert_eq!(number(&app, "SELECT count(*) FROM frames WHERE branch_id = 1").await, 5_002);
    assert_eq!(
        number(&app, "SELECT count(*) FROM stock_movements WHERE catatan = 'Impor stok.csv'").await,
        4_875,
        "but for those with none"
    );
    let back = upload(&admin, exported(&admin, "frame").await.as_bytes()).await;
    let page = text(&admin, back.headers()["location"].to_str().unwrap()).await;
    assert!(page.contains("Tidak ada yang berubah") && page.contains("5002"));

    let (status, says) = {
        let answer = upload(&admin, b"kode;merk\nFR1;Caf\xe9\n").await;
        (answer.status(), answer.text().await.unwrap())
    };
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && says.contains("CSV UTF-8"), "{says}");
    let (status, says) = {
        let answer = upload(&admin, &vec![b'a'; 1_950_000]).await;
        (answer.status(), answer.text().await.unwrap())
    };
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && says.contains("1,9 MB"), "{says}");
    assert_eq!(upload(&admin, &vec![b'a'; 2_100_000]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(number(&app, "SELECT count(*) FROM stock_imports WHERE applied_at IS NULL").await, 1, "one at a time");
}

// ---- counting ----

#[tokio::test]
async fn two_people_count_while_the_shop_sells_and_what_was_sold_stays_sold() {
    let app = TestApp::start().await;
    let (admin, kasir) = (app.sign_in("admin1").await, app.sign_in("kasir1").await);
    let address = done(&admin, "/stok/opname", &[("jenis", "frame")]).await;
    assert_eq!(done(&admin, "/stok/opname", &[("jenis", "frame")]).await, address, "one count at a time");
    let count = format!("{address}/hitung");

    // the kasir scans, and one scan is sent twice by a bad connection
    let scan = [("kode", "fr000002"), ("ref", "00000000-0000-4000-8000-000000000001")];
    for _ in 0..2 {
        assert_eq!(send(&kasir, &count, &scan).await.1["line"]["counted"], 1);
    }
    assert_eq!(send(&kasir, &count, &[("kode", "FR000002")]).await.1["line"]["counted"], 2);
    // the admin counts the other shelf: 18 of the 20 in the books
    let (_, answer) = send(&admin, &count, &[("kode", "FR000001"), ("jumlah", "18")]).await;
    assert_eq!((&answer["line"]["counted"], &answer["totals"]["differences"]), (&json!(18), &json!(2)));
    // two are sold afterwards
    sell_one(&app, 1).await;
    sell_one(&app, 1).await;

    // both see both, also after closing the page
    let (_, news) = {
        let answer = kasir.get(&format!("{address}/kabar")).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let counted: Vec<_> = news["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (line["kode"].as_str().unwrap(), line["counted"].as_i64().unwrap(), line["counted_by"].as_str().unwrap())
        })
        .collect();
    assert_eq!(counted, [("FR000002", 2, "Rina"), ("FR000001", 18, "Hendra")]);
    assert!(text(&kasir, &address).await.contains("−2"));

    let wrong = refused(&kasir, &count, &[("kode", "LS000001")], "invalid").await;
    assert!(wrong.contains("lensa"), "{wrong}");
    refused(&kasir, &count, &[("kode", "XX1")], "invalid").await;
    refused(&kasir, &format!("{address}/selesai"), &[], "forbidden").await;

    done(&admin, &format!("{address}/selesai"), &[]).await;
    assert_eq!(stok(&app, 1).await, 16, "20 less 2 that were missing less 2 sold since");
    assert_eq!(stok(&app, 2).await, 2);
    let kode = app.sql_text("SELECT kode FROM stock_opnames").await;
    assert_eq!(moved(&app, 1).await, (-2, "koreksi".into(), format!("Opname {kode}")));
    assert_eq!(audited(&app, &kode).await, ["opname", "opname"]);
    refused(&kasir, &count, &[("kode", "FR000001")], "opname_ended").await;
    assert_eq!(
        send(&kasir, &count, &scan).await.0,
        StatusCode::OK,
        "a scan that is repeated after the end was counted before it"
    );
    refused(&admin, &format!("{address}/selesai"), &[], "opname_ended").await;
}

#[tokio::test]
async fn what_moves_between_two_scans_is_counted_anew() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let address = done(&admin, "/stok/opname", &[("jenis", "frame")]).await;
    let count = format!("{address}/hitung");
    send(&admin, &count, &[("kode", "FR000001")]).await;
    sell_one(&app, 1).await;
    let (_, answer) = send(&admin, &count, &[("kode", "FR000001")]).await;
    assert_eq!((&answer["line"]["is_moved"], &answer["totals"]["moved"]), (&json!(true), &json!(1)));
    let says = refused(&admin, &format!("{address}/selesai"), &[], "opname_moved").await;
    assert!(says.contains("Sendja Oval"), "{says}");
    assert_eq!(stok(&app, 1).await, 19);

    send(&admin, &count, &[("kode", "FR000001"), ("jumlah", "21")]).await;
    done(&admin, &format!("{address}/selesai"), &[("belum", "nol")]).await;
    assert_eq!(
        (stok(&app, 1).await, stok(&app, 2).await),
        (21, 0),
        "two more were found; the other was not there at all"
    );
}

#[tokio::test]
async fn a_count_that_is_cancelled_changes_nothing() {
    let app = TestApp::start().await;
    let (admin, other) = (app.sign_in("admin1").await, app.sign_in("admin2").await);
    let address = done(&admin, "/stok/opname", &[("jenis", "frame")]).await;
    send(&admin, &format!("{address}/hitung"), &[("kode", "FR000001"), ("jumlah", "1")]).await;
    for step in ["hitung", "selesai", "batal"] {
        refused(&other, &format!("{address}/{step}"), &[("kode", "FR000001")], "not_found").await;
    }
    done(&admin, &format!("{address}/batal"), &[]).await;
    assert_eq!(stok(&app, 1).await, 20);
    assert_ne!(done(&admin, "/stok/opname", &[("jenis", "frame")]).await, address, "the next one begins anew");
}

#[tokio::test]
async fn many_scans_at_once_are_all_counted() {
    let app = TestApp::start().await;
    let (admin, kasir) = (app.sign_in("admin1").await, app.sign_in("kasir1").await);
    let address = done(&admin, "/stok/opname", &[("jenis", "frame")]).await;
    let count = format!("{address}/hitung");
    let scans = (0..40).map(|n| {
        let (person, count) = (if n % 2 == 0 { admin.clone() } else { kasir.clone() }, count.clone());
        tokio::spawn(async move { send(&person, &count, &[("kode", "FR000001")]).await.0 })
    });
    for scan in scans.collect::<Vec<_>>() {
        assert_eq!(scan.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(number(&app, "SELECT counted::bigint FROM stock_opname_counts").await, 40);
    done(&admin, &format!("{address}/selesai"), &[]).await;
    assert_eq!(stok(&app, 1).await, 40);
}

// ---- transfers ----

async fn packed(app: &TestApp, sender: &Person, lines: Form<'_>) -> String {
    let to = app.sql_text("SELECT id::text FROM branches WHERE name = 'Ubud'").await;
    let address = done(sender, "/stok/transfer", &[("ke", &to), ("catatan", "Titipan")]).await;
    for (kode, jumlah) in lines {
        done(sender, &format!("{address}/baris"), &[("kode", kode), ("jumlah", jumlah)]).await;
    }
    address
}

#[tokio::test]
async fn goods_leave_when_they_are_sent_and_arrive_when_they_are_received() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO aksesoris (id, branch_id, nama_produk, harga_jual, stok) VALUES (7, 1, 'Rantai', 25000, 9), (8, 1, 'rantai', 25000, 9);
             INSERT INTO lensas (id, branch_id, kode_lensa, merk_lensa, type, harga_jual_lensa, stok_minimum, stok) VALUES (7, 1, 'LS000777', 'Lentera', 'Progresif', 900000, 2, 6)").await;
    let (sender, receiver, kasir) =
        (app.sign_in("admin1").await, app.sign_in("admin2").await, app.sign_in("kasir1").await);
    let lines = [("FR000001", "5"), ("LS000777", "4"), ("AKS-000007", "2"), ("AKS-000008", "1"), ("AKS-000001", "3")];
    let address = packed(&app, &sender, &lines).await;
    let says = refused(&sender, &format!("{address}/baris"), &[("kode", "FR000002"), ("jumlah", "4")], "invalid").await;
    assert!(says.contains("tinggal 3"), "{says}");
    assert_eq!(receiver.page(&address).await.status(), StatusCode::NOT_FOUND, "a draft is the sender's own");
    assert_eq!(kasir.page(&address).await.status(), StatusCode::FORBIDDEN);
    refused(&receiver, &format!("{address}/terima"), &[], "not_found").await;
    assert_eq!(stok(&app, 1).await, 20);

    done(&sender, &format!("{address}/kirim"), &[]).await;
    let kode = app.sql_text("SELECT kode FROM stock_transfers").await;
    assert_eq!((stok(&app, 1).await, moved(&app, 1).await), (15, (-5, "transfer".into(), format!("{kode} ke Ubud"))));
    assert_eq!(stok(&app, 3).await, 20, "on its way");
    refused(&sender, &format!("{address}/kirim"), &[], "transfer_status").await;
    refused(&sender, &format!("{address}/terima"), &[], "transfer_status").await;
    refused(&sender, &format!("{address}/baris"), &[("kode", "FR000001")], "transfer_status").await;
    assert!(text(&receiver, "/stok/transfer").await.contains("Perlu diterima"));

    done(&receiver, &format!("{address}/terima"), &[]).await;
    assert_eq!(
        (stok(&app, 3).await, moved(&app, 3).await),
        (25, (5, "transfer".into(), format!("{kode} dari Kemang")))
    );
    let made: (String, i64, i32, i32) = sqlx::query_as(
        "SELECT type, harga_jual_lensa, stok_minimum, stok FROM lensas WHERE branch_id = 2 AND kode_lensa = 'LS000777'",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(made, ("Progresif".into(), 900_000, 2, 4), "what the receiver did not have is made after the sender's");
    let accessories: Vec<(String, i32)> =
        sqlx::query_as("SELECT lower(nama_produk), stok FROM aksesoris WHERE branch_id = 2 ORDER BY 1")
            .fetch_all(&app.db)
            .await
            .unwrap();
    assert_eq!(accessories, [("kain lap".into(), 43), ("rantai".into(), 3)]);
    refused(&receiver, &format!("{address}/terima"), &[], "transfer_status").await;
    assert_eq!(stok(&app, 3).await, 25, "received once");

    let told: Vec<(i64, String)> =
        sqlx::query_as("SELECT branch_id, title FROM notifications WHERE type = 'stock_transfer' ORDER BY id")
            .fetch_all(&app.db)
            .await
            .unwrap();
    assert_eq!(
        told,
        [
            (2, "Barang Dikirim".into()),
            (1, "Barang Dikirim".into()),
            (2, "Barang Diterima".into()),
            (1, "Barang Diterima".into())
        ]
    );
    assert_eq!(audited(&app, &kode).await.len(), 4);
    // the ledger still adds up, in both branches
    assert_eq!(
        number(
            &app,
            "SELECT count(*) FROM products p WHERE stok <> (SELECT coalesce(sum(delta), 0) FROM stock_movements m
                             WHERE m.product_type = p.product_type AND m.product_id = p.product_id)"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn goods_that_are_refused_or_called_back_return() {
    let app = TestApp::start().await;
    let (sender, receiver) = (app.sign_in("admin1").await, app.sign_in("admin2").await);
    let address = packed(&app, &sender, &[("FR000001", "5")]).await;
    done(&sender, &format!("{address}/kirim"), &[]).await;
    refused(&receiver, &format!("{address}/tolak"), &[], "invalid").await;
    done(&receiver, &format!("{address}/tolak"), &[("alasan", "Isinya lain")]).await;
    assert_eq!((stok(&app, 1).await, stok(&app, 3).await), (20, 20));
    assert!(text(&sender, &address).await.contains("Isinya lain"));

    let address = packed(&app, &sender, &[("FR000001", "20")]).await;
    sell_one(&app, 1).await;
    let says = refused(&sender, &format!("{address}/kirim"), &[], "stock").await;
    assert!(says.contains("tinggal 19"), "{says}");
    done(&sender, &format!("{address}/baris"), &[("kode", "FR000001"), ("jumlah", "19")]).await;
    done(&sender, &format!("{address}/kirim"), &[]).await;
    assert_eq!(stok(&app, 1).await, 0);
    refused(&receiver, &format!("{address}/batal"), &[], "transfer_status").await;
    done(&sender, &format!("{address}/batal"), &[]).await;
    assert_eq!(stok(&app, 1).await, 19);
    refused(&receiver, &format!("{address}/terima"), &[], "transfer_status").await;
    assert_eq!(stok(&app, 3).await, 20);
}
