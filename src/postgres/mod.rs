//! The way to the database: pool and migrations; and, in [`embedded`], a Postgres of our own.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgPool};

pub mod embedded;
pub mod sessions;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The pool of the pages and forms. The server is tried once, so that a wrong URL shows at once.
///
/// # Errors
/// The URL is not one, or the server cannot be reached or does not let us in.
pub async fn connect(url: &str) -> sqlx::Result<PgPool> {
    let options = PgConnectOptions::from_str(url)?.application_name("melati");
    // The pool would keep trying and then say only that it took too long; this says why.
    options.clone().connect().await?.close().await?;
    Ok(PgPoolOptions::new()
        // Postgres allows 100 in all, and every process behind the proxy has its own pool
        .max_connections(16)
        // a page that waits longer is better answered with "busy, try again"
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_secs(300))
        // lets go of a server that a failover left behind
        .max_lifetime(Duration::from_secs(1_800))
        .after_connect(|connection, _| {
            // Set here and not in the URL's options, which connection poolers such as pgbouncer refuse.
            // No page needs seconds; a lock held by someone's psql must not hold all connections of the pool.
            Box::pin(async move {
                connection
                    .execute(
                        "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
                         SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'; \
                         SET jit = off", // compiling a report's statement takes ten times as long as running it
                    )
                    .await?;
                Ok(())
            })
        })
        // A connection given back in the middle of something (its request was given up) is made whole by a round trip. Over
        // a cut network that would wait for a quarter of an hour, and hold its place in the pool meanwhile.
        .after_release(|connection, _| {
            Box::pin(async move {
                match tokio::time::timeout(ROUND_TRIP, connection.ping()).await {
                    Ok(outcome) => outcome.map(|()| true),
                    Err(_) => Ok(false),
                }
            })
        })
        .connect_lazy_with(options))
}

/// A server that has not answered by then is away.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

/// Why the server cannot be reached now, if waiting may help: nothing listens there yet, its name is not known yet, it is
/// starting or has no room. A wrong password does not mend itself.
pub async fn is_away(url: &str) -> Option<sqlx::Error> {
    let connected = tokio::time::timeout(REACHED_WITHIN, async {
        PgConnectOptions::from_str(url)?.application_name("melati").connect().await?.close().await
    });
    let error = match connected.await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error,
        Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
    };
    let may_mend = match &error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["57P01", "57P02", "57P03", "53300"].contains(&code.as_ref()))
        }
        _ => false,
    };
    may_mend.then_some(error)
}

/// Longer than a statement may take: giving one up must not give up its connection.
const ROUND_TRIP: Duration = Duration::from_secs(12);

#[derive(Debug, thiserror::Error)]
pub enum Unmigrated {
    #[error(
        "the database is newer than this melati: it has migration {database}, the newest known here is {known}; \
         use the melati that made it, or a newer one"
    )]
    DatabaseIsNewer { database: i64, known: i64 },
    #[error("migration {0} is not the one that the database was made with: applied migrations are never edited")]
    Edited(i64),
    #[error("the schema could not be brought up to date: {0}")]
    Failed(#[from] MigrateError),
}

/// What the database says of its own schema.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Schema {
    /// The newest migration that is in.
    pub applied: i64,
    count: i64,
}

impl Schema {
    /// Whether everything that we know is in. A newer process may have added more: migrations only add while both run.
    pub fn is_current(self) -> bool {
        self.applied >= newest_migration() && self.count >= MIGRATIONS.iter().count() as i64
    }
}

pub fn newest_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// # Errors
/// The database is away.
pub async fn schema(pool: &PgPool) -> sqlx::Result<Schema> {
    sqlx::query_as("SELECT coalesce(max(version), 0) AS applied, count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(pool)
        .await
}

/// Brings the schema up to date. Any number of processes may do so at once: an advisory lock lets one work and the
/// others wait, and they find nothing left to do.
///
/// # Errors
/// The database knows migrations that we do not, or one failed (it is then rolled back as a whole).
pub async fn migrate(pool: &PgPool) -> Result<(), Unmigrated> {
    // A connection of its own, without the pool's timeouts: waiting for the lock and building an index may take long.
    let mut connection = pool.connect_options().as_ref().clone().connect().await.map_err(MigrateError::from)?;
    // "relation _sqlx_migrations already exists, skipping": at every start
    connection.execute("SET client_min_messages = warning").await.map_err(MigrateError::from)?;
    let outcome = MIGRATIONS.run(&mut connection).await;
    // Closing gives the lock back, too, should the run have failed before it could.
    connection.close().await.map_err(MigrateError::from)?;
    outcome.map_err(|error| match error {
        MigrateError::VersionMissing(database) => Unmigrated::DatabaseIsNewer { database, known: newest_migration() },
        MigrateError::VersionMismatch(version) => Unmigrated::Edited(version),
        other => Unmigrated::Failed(other),
    })
}
