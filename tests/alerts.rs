//! Low stock as a state: one open alert a product, whoever writes; who answered it, and everyone who looks is told.
#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use common::app::{Person, TestApp};
use common::db::psql;
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::Executor;

async fn send(person: &Person, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let answer = person.post(path).header("accept", "application/json").form(form).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

async fn number(app: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&app.db).await.unwrap()
}

/// The open alert of the plentiful frame, after it has become low.
async fn run_low(app: &TestApp) -> i64 {
    app.sql("UPDATE frames SET stok = 4 WHERE id = 1").await;
    number(app, "SELECT id FROM stock_alerts WHERE product_type = 'Frame' AND product_id = 1 AND closed_at IS NULL")
        .await
}

/// What must hold whatever anybody did.
const LOW_WITHOUT_ALERT_OR_REVERSE: &str = "
    SELECT count(*) FROM (SELECT product_type, product_id, branch_id FROM products WHERE alert_level = 'low') p
    FULL JOIN (SELECT * FROM stock_alerts WHERE closed_at IS NULL) a USING (product_type, product_id, branch_id)
    WHERE p IS NULL OR a IS NULL";

#[tokio::test]
async fn a_product_is_low_exactly_while_it_has_an_open_alert() {
    let app = TestApp::start().await;
    let steps = [
        "UPDATE frames SET stok = 5 WHERE id = 1", // at the crossing
        "UPDATE frames SET stok = 3 WHERE id = 1", // lower still: the same alert
        "UPDATE frames SET stok = 6 WHERE id = 1", // medium: closed
        "UPDATE frames SET stok = 0 WHERE id = 1", // a second one
        "UPDATE frames SET branch_id = 2, kode_frame = 'FR9' WHERE id = 1", // gone from here, low there
        "UPDATE lensas SET stok_minimum = 8 WHERE id = 1", // the limit came to the product
        "UPDATE lensas SET is_custom_order = true WHERE id = 1", // made to order is never low
        "INSERT INTO aksesoris (id, branch_id, nama_produk, harga_jual) VALUES (77, 1, 'Tali', 9000)", // nothing on the shelf
        "DELETE FROM aksesoris WHERE id = 77",
        "DELETE FROM frames WHERE id = 1",
    ];
    let mut psql = psql(&app.db).await;
    for step in steps {
        psql.execute(step).await.unwrap();
        assert_eq!(number(&app, LOW_WITHOUT_ALERT_OR_REVERSE).await, 0, "{step}");
    }
    let of_frame = "SELECT string_agg(branch_id || ':' || stok, ' ' ORDER BY id) FROM stock_alerts WHERE product_type = 'Frame' AND product_id = 1";
    assert_eq!(app.sql_text(of_frame).await, "1:5 1:0 2:0", "one a crossing, with what was left then");
    let unanswered =
        "SELECT count(*) FROM stock_alerts WHERE closed_at IS NOT NULL AND responded_at IS DISTINCT FROM closed_at";
    assert_eq!(number(&app, unanswered).await, 0, "filling the shelf is an answer, too");
}

#[tokio::test]
async fn one_open_alert_however_many_write_at_once() {
    let app = TestApp::start().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let db = app.db.clone();
        writers.spawn(async move {
            for round in 0..25 {
                // up and down across the limit
                let stok = if (writer + round) % 2 == 0 { 2 } else { 12 };
                // one by one: two rows in one statement may be locked in either order
                for id in [1_i64, 2] {
                    let update = sqlx::query("UPDATE frames SET stok = $1 WHERE id = $2").bind(stok).bind(id);
                    update.execute(&db).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(number(&app, LOW_WITHOUT_ALERT_OR_REVERSE).await, 0);
    assert!(number(&app, "SELECT count(*) FROM stock_alerts WHERE product_id = 1").await > 5, "they did cross");
    app.sql("UPDATE frames SET stok = 2 WHERE id = 1").await;
    let second =
        sqlx::query("INSERT INTO stock_alerts (product_type, product_id, branch_id, stok) VALUES ('Frame', 1, 1, 2)");
    let refused = second.execute(&app.db).await.unwrap_err();
    assert!(refused.to_string().contains("stock_alerts_one_open"), "not even by hand: {refused}");
}

#[tokio::test]
async fn whoever_answers_first_has_it_and_every_screen_of_the_branch_is_told() {
    let app = TestApp::start().await;
    let (admin, pusat, kasir, other) = (
        app.sign_in("admin1").await,
        app.sign_in("pusat").await,
        app.sign_in("kasir1").await,
        app.sign_in("admin2").await,
    );
    let mut screen = kasir.open("/realtime/stock-updates").await;
    screen.opened().await;
    let alert = run_low(&app).await;
    let of_it = |message: &Value| message["updates"][0]["alert"]["id"].as_i64() == Some(alert);
    let told = screen.until(|_, message| of_it(message)).await;
    assert_eq!(told["updates"][0]["alert"]["acked_at"], Value::Null);

    let answer = format!("/peringatan/{alert}/tanggapi");
    assert_eq!(send(&kasir, &answer, &[]).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(&other, &answer, &[]).await.0, StatusCode::NOT_FOUND, "another branch's");
    assert_eq!(number(&app, "SELECT count(*) FROM stock_alerts WHERE acked_at IS NOT NULL").await, 0);

    // two at once
    let (first, second) = tokio::join!(send(&admin, &answer, &[]), send(&pusat, &answer, &[]));
    let (won, lost) = if first.0 == StatusCode::OK { (first, second) } else { (second, first) };
    assert_eq!((won.0, lost.0), (StatusCode::OK, StatusCode::CONFLICT));
    assert_eq!(lost.1["error"]["code"], "alert_acked");
    let who = app.sql_text("SELECT u.name FROM stock_alerts a JOIN users u ON u.id = a.acked_by").await;
    assert!(lost.1["error"]["message"].as_str().unwrap().contains(&who), "{lost:?} was {who}'s");

    let told = screen.until(|_, message| of_it(message)).await;
    assert_eq!(told["updates"][0]["alert"]["acked_by"], who.as_str());
    assert!(told["updates"][0]["alert"]["acked_at"].is_string());

    let page = admin.page("/peringatan?keadaan=ditangani").await.text().await.unwrap();
    assert!(page.contains(&format!("Ditangani {who}")) && page.contains("kurang dari semenit"), "{page}");
    let centre = kasir.page("/notifikasi").await.text().await.unwrap();
    assert!(
        centre.contains(&format!("Ditangani {who} setelah kurang dari semenit")),
        "the centre says what became of it"
    );
    app.sql("UPDATE frames SET stok = 30 WHERE id = 1").await;
    let told = screen.until(|_, message| message["updates"][0]["new_stock"] == 30).await;
    assert_eq!(told["updates"][0].get("alert"), None, "closed: nothing to answer any more");
    assert_eq!(send(&admin, &answer, &[]).await.1["error"]["code"], "alert_closed");
    let took = "SELECT count(*) FROM stock_alerts WHERE responded_at = acked_at AND closed_at > acked_at";
    assert_eq!(number(&app, took).await, 1, "the time to response ends with the answer, not with the restock");
    assert!(admin.page("/peringatan?keadaan=selesai").await.text().await.unwrap().contains("Sendja Oval"));
}

#[tokio::test]
async fn an_alert_is_put_off_on_the_clock_of_its_branch_and_comes_back() {
    let app = TestApp::start().await;
    app.sql("UPDATE frames SET stok = 1 WHERE id = 3").await; // in Ubud, an hour before Jakarta
    let admin = app.sign_in("admin2").await;
    let alert = number(&app, "SELECT id FROM stock_alerts WHERE product_type = 'Frame' AND product_id = 3").await;
    let (snooze, answer) = (format!("/peringatan/{alert}/tunda"), format!("/peringatan/{alert}/tanggapi"));
    let until = || async {
        app.sql_text("SELECT to_char(snoozed_until AT TIME ZONE 'Asia/Makassar', 'HH24:MI') FROM stock_alerts WHERE product_id = 3 AND closed_at IS NULL").await
    };
    for (form, field) in [
        (vec![("sampai", "pilih"), ("kapan", "")], "kapan"),
        (vec![("sampai", "pilih"), ("kapan", "2020-01-01T08:00")], "kapan"),
        (vec![("sampai", "pilih"), ("kapan", "2999-01-01T08:00")], "kapan"),
        (vec![("sampai", "kapan-kapan")], "sampai"),
    ] {
        let (status, said) = send(&admin, &snooze, &form).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{form:?}");
        assert!(said["error"]["fields"][field].is_string(), "{said}");
    }
    assert_eq!(send(&admin, &snooze, &[("sampai", "besok")]).await.0, StatusCode::OK);
    assert_eq!(until().await, "08:00");
    let own =
        app.sql_text("SELECT to_char((now() AT TIME ZONE 'Asia/Makassar')::date + 2, 'YYYY-MM-DD') || 'T13:45'").await;
    assert_eq!(send(&admin, &snooze, &[("sampai", "pilih"), ("kapan", &own)]).await.0, StatusCode::OK);
    assert_eq!(until().await, "13:45");

    let page = |state: &'static str| {
        let admin = admin.clone();
        async move { admin.page(&format!("/peringatan?keadaan={state}")).await.text().await.unwrap() }
    };
    let row = format!("id=\"peringatan-{alert}\"");
    assert!(page("ditunda").await.contains("Ditunda Putu") && !page("terbuka").await.contains(&row));
    app.sql("UPDATE stock_alerts SET snoozed_until = now() - interval '1 second' WHERE product_id = 3").await;
    assert!(page("terbuka").await.contains(&row) && !page("ditunda").await.contains(&row));

    // A sale and an answer at the same moment do not wait for each other in a circle.
    let selling = async {
        for _ in 0..20 {
            app.sql("UPDATE frames SET stok = CASE stok WHEN 1 THEN 0 ELSE 1 END WHERE id = 3").await;
        }
    };
    let putting_off = async {
        for _ in 0..20 {
            assert_eq!(send(&admin, &snooze, &[("sampai", "jam")]).await.0, StatusCode::OK);
        }
    };
    tokio::join!(selling, putting_off);
    assert_eq!(send(&admin, &answer, &[]).await.0, StatusCode::OK);
    assert_eq!(send(&admin, &snooze, &[("sampai", "jam")]).await.1["error"]["code"], "alert_acked");
}

#[tokio::test]
async fn a_screen_that_was_away_hears_who_answered_meanwhile() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let mut screen = admin.open("/realtime/stock-updates").await;
    screen.opened().await;
    let cursor = screen.cursor.clone();
    drop(screen);
    let alert = run_low(&app).await;
    app.sql("UPDATE stock_alerts SET acked_at = now(), acked_by = 2 WHERE product_id = 1").await; // by psql
    let mut back = admin.open_from("/realtime/stock-updates", cursor.as_deref()).await;
    // in one message, or in two if the feed had looked between the two changes
    let missed = back.until(|_, json| json["updates"][0]["alert"]["acked_by"] == "Hendra").await;
    assert_eq!(missed["updates"][0]["alert"]["id"], alert);

    let waiting: Value = admin.get("/api/peringatan").send().await.unwrap().json().await.unwrap();
    let names: Vec<_> = waiting["alerts"].as_array().unwrap().iter().map(|alert| &alert["product_name"]).collect();
    assert_eq!(names, ["Arunika - BPJS II"], "what is answered does not wait");
    let fresh = admin.open("/realtime/stock-updates").await.next_json().await;
    assert_eq!(fresh["snapshot"], true);
    assert!(fresh["updates"].as_array().unwrap().iter().any(|update| update["alert"]["id"] == alert));
}
