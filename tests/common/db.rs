//! A fresh database for each test: a copy of one that was migrated once.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::{Mutex, OnceCell};

/// An empty shop with the real schema, for one test alone.
pub async fn fresh_database() -> PgPool {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let template = template().await;
    let name = format!("{template}_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    run(&mut server().connect().await.unwrap(), format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    PgPoolOptions::new().max_connections(12).connect_with(server().database(&name)).await.unwrap()
}

async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("test_{}", std::process::id());
            run(&mut server().connect().await.unwrap(), format!("CREATE DATABASE {name}")).await;
            let mut db = server().database(&name).connect().await.unwrap();
            sqlx::migrate!().run(&mut db).await.unwrap();
            db.close().await.unwrap();
            name
        })
        .await
}

fn server() -> PgConnectOptions {
    std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL names a Postgres for tests").parse().unwrap()
}

/// One at a time: a database that is being copied cannot be copied by another.
async fn run(db: &mut PgConnection, statement: String) {
    static ONE: Mutex<()> = Mutex::const_new(());
    let _one = ONE.lock().await;
    sqlx::query(AssertSqlSafe(statement)).execute(db).await.unwrap();
}
