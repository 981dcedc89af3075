//! The demo chain: what the issue promises of it, and the books that must balance in it.

use melati::demo;
use sqlx::{Connection, PgConnection, PgPool};
use time::OffsetDateTime;

/// Until tests/common/db.rs.
async fn database(name: &str) -> PgPool {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    for statement in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let pool = PgPool::connect_with(options.database(name)).await.unwrap();
    sqlx::migrate!("./migrations").run(&pool).await.unwrap();
    pool
}

#[tokio::test]
async fn timing() {
    let pool = database("demo_timing").await;
    let t = std::time::Instant::now();
    demo::fill(&pool, 1).await.unwrap();
    println!("fill {:?}", t.elapsed());
    let _ = OffsetDateTime::now_utc();
}
