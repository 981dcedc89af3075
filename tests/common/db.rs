//! A fresh database for each test: a copy of one that was migrated once. The server is the embedded one, started once a test
//! binary in the system's scratch folder; it ends with the binary, by the parent-death signal. The next binary sweeps it up.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use melati::config::Database;
use melati::postgres::embedded::Embedded;
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

/// As `psql` would connect to the same database: a writer that is none of ours.
pub async fn psql(pool: &PgPool) -> PgConnection {
    pool.connect_options().as_ref().clone().application_name("psql").connect().await.unwrap()
}

/// The same database for another program.
pub fn url(pool: &PgPool) -> String {
    let options = pool.connect_options();
    let name = options.get_database().expect("a test's database has a name");
    started().url().replace("/melati?", &format!("/{name}?"))
}

/// Where that server listens.
pub fn socket() -> PathBuf {
    let url = started().url();
    let (_, dir) = url.split_once("?host=").expect("it listens on a socket");
    PathBuf::from(dir).join(".s.PGSQL.5432")
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
    started().url().parse().unwrap()
}

fn started() -> &'static Embedded {
    static SERVER: OnceLock<Embedded> = OnceLock::new();
    let start = || {
        // One directory for each test binary of each checkout: they may run side by side. Not below target/: started by
        // root, Postgres runs as somebody else, who may not be let in there.
        let mut place = std::hash::DefaultHasher::new();
        std::env::current_exe().unwrap().hash(&mut place);
        let scratch = std::env::temp_dir().join(format!("melati-{}", rustix::process::getuid().as_raw()));
        let data_dir = scratch.join(format!("{:x}", place.finish()));
        sweep(&scratch);
        let _ = fs::remove_dir_all(&data_dir);
        // these databases are thrown away: durability is tested in tests/embedded.rs, with the settings of the product
        let pg_set = [
            "fsync=off",
            "max_prepared_transactions=20",
            "max_connections=200",
            "min_wal_size=32MB",
            "max_wal_size=64MB",
        ];
        let pg_set = pg_set.map(String::from).to_vec();
        Embedded::start(&Database { data_dir, pg_set, ..Database::default() }).expect("an embedded Postgres")
    };
    // Starting it blocks, and one thread starts it while the others wait.
    SERVER.get_or_init(start)
}

/// What earlier test binaries left: a gigabyte each, if nobody took it away. Whose lock is held by somebody is in use.
fn sweep(scratch: &Path) {
    let left = fs::read_dir(scratch).into_iter().flatten().flatten().map(|entry| entry.path());
    for data_dir in left {
        // none yet: its owner is about to make it
        let Ok(lock) = File::open(data_dir.join("melati.lock")) else { continue };
        if lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(&data_dir);
        }
    }
}

/// One at a time: a database that is being copied cannot be copied by another.
async fn run(db: &mut PgConnection, statement: String) {
    static ONE: Mutex<()> = Mutex::const_new(());
    let _one = ONE.lock().await;
    sqlx::query(AssertSqlSafe(statement)).execute(db).await.unwrap();
}
