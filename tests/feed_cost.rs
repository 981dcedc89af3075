//! What a look at the database costs when nothing has happened: a few pages of its indexes, however much is stored, also while
//! somebody keeps a transaction open. (How long it takes stands in docs/performance.md.)
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test
mod common;

use common::app::shop;
use common::db::psql;
use serde_json::Value;
use sqlx::PgConnection;

/// All nodes of a plan.
fn nodes<'a>(plan: &'a Value, out: &mut Vec<&'a Value>) {
    out.push(plan);
    plan["Plans"].as_array().into_iter().flatten().for_each(|child| nodes(child, out));
}

/// The pages that the poll touches from this position, and how it reads the tables.
async fn poll_from(feed: &mut PgConnection, position: &str) -> (i64, Vec<String>) {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", melati::feed::sql::POLL);
    let explained: Value =
        sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).bind(position).fetch_one(feed).await.unwrap();
    let plan = &explained[0]["Plan"];
    let mut all = Vec::new();
    nodes(plan, &mut all);
    let scans = all.iter().filter(|node| node["Node Type"] == "Seq Scan" && node["Relation Name"] != "feed_meta");
    let scans = scans.map(|node| node["Relation Name"].as_str().unwrap_or_default().to_owned()).collect();
    (plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap(), scans)
}

#[tokio::test]
async fn an_idle_look_reads_a_few_pages_however_much_there_is() {
    let db = shop().await;
    sqlx::raw_sql(
        "INSERT INTO aksesoris (branch_id, nama_produk, harga_jual, stok) SELECT 1, 'Barang ' || n, 1000, 100 FROM generate_series(1, 20000) n;
         INSERT INTO pasiens (branch_id, nama_pasien) SELECT 1, 'Pasien ' || n FROM generate_series(1, 20000) n;
         ANALYZE",
    )
    .execute(&db)
    .await
    .unwrap();
    let mut feed = psql(&db).await;
    sqlx::raw_sql(melati::feed::sql::PIN_PLANS).execute(&mut feed).await.unwrap();
    let here = "SELECT pg_current_snapshot()::text";
    let position: String = sqlx::query_scalar(here).fetch_one(&mut feed).await.unwrap();
    let (pages, scans) = poll_from(&mut feed, &position).await;
    assert_eq!(scans, Vec::<String>::new());
    assert!(pages <= 120, "{pages} pages for nothing");

    // Somebody writes and does not end; a thousand others write and do.
    let mut open = db.begin().await.unwrap();
    sqlx::query("UPDATE aksesoris SET stok = 5 WHERE id = (SELECT min(id) FROM aksesoris)")
        .execute(&mut *open)
        .await
        .unwrap();
    for _ in 0..1_000 {
        sqlx::query("UPDATE pasiens SET no_telepon = '0812' WHERE id = 2").execute(&db).await.unwrap();
    }
    let position: String = sqlx::query_scalar(here).fetch_one(&mut feed).await.unwrap();
    let (pages, scans) = poll_from(&mut feed, &position).await;
    assert_eq!(scans, Vec::<String>::new());
    assert!(pages <= 160, "{pages} pages for nothing, beside an open transaction");
    // The other way round, so that a limit of pages can fail: everything since before all that.
    let (pages, _) = poll_from(&mut feed, "3:3:").await;
    assert!(pages > 300, "reading all of it costs more: {pages}");
}
