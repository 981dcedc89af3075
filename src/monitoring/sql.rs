//! The SQL of looking after it.

use sqlx::{PgConnection, PgPool};

use super::{Held, Holder, Person};
use crate::audit;
use crate::ids::{BranchId, UserId};
use crate::refusal::Outcome;
use crate::scope::Viewer;

pub async fn people(pool: &PgPool, users: &[UserId]) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as(
        "SELECT u.id, u.name, u.role, b.name AS branch FROM users u LEFT JOIN branches b ON b.id = u.branch_id
         WHERE u.id = ANY ($1)",
    )
    .bind(users)
    .fetch_all(pool)
    .await
}

/// What has held PostgreSQL up for longer than `seconds`, those that write first, the oldest first. Writers of every database: their
/// numbers are in every snapshot. Readers of ours only: what others see does not keep our rows (since PostgreSQL 14). Slots of
/// all: what they keep is the server's. (A vacuum's own transaction holds nothing up.) Of other database users transactions are only
/// visible to a member of `pg_read_all_stats`.
pub async fn holders(pool: &PgPool, seconds: f64) -> sqlx::Result<Vec<Holder>> {
    let found: Vec<Held> = sqlx::query_as(
        "SELECT 'transaction' AS kind, pid::text AS name, coalesce(usename, '')::text AS user, coalesce(application_name, '') AS application,
                coalesce(datname, '')::text AS database, coalesce(datname <> current_database(), false) AS is_elsewhere, coalesce(state, '') AS state,
                extract(epoch FROM now() - xact_start)::float8 AS seconds, backend_xid IS NOT NULL AS is_writing,
                left(regexp_replace(query, '\\s+', ' ', 'g'), 160) AS query
         FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker' AND xact_start < now() - make_interval(secs => $1)
           AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL AND datname = current_database())
         UNION ALL
         SELECT 'prepared', gid, owner::text, '', database::text, database <> current_database(), 'prepared',
                extract(epoch FROM now() - prepared)::float8, true, ''
         FROM pg_prepared_xacts WHERE prepared < now() - make_interval(secs => $1)
         UNION ALL
         SELECT 'slot', slot_name::text, '', '', coalesce(database, '')::text, database <> current_database() IS TRUE,
                CASE WHEN active THEN 'tertinggal' ELSE 'tidak dipakai' END, NULL, false,
                coalesce('menyimpan log ' || pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), '')
         FROM pg_replication_slots WHERE NOT active OR greatest(age(xmin), age(catalog_xmin)) > 1000000
         ORDER BY is_writing DESC, seconds DESC NULLS LAST, name LIMIT 10",
    )
    .bind(seconds)
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().map(Held::explained).collect())
}

/// The browsers of `users`, by the ids of their sessions, as they describe themselves.
pub async fn browsers(pool: &PgPool, users: &[UserId]) -> sqlx::Result<Vec<(UserId, String, String)>> {
    sqlx::query_as(
        "SELECT user_id, id, coalesce(data ->> 'device', '') FROM sessions WHERE user_id = ANY ($1) AND expires_at > now()",
    )
    .bind(users)
    .fetch_all(pool)
    .await
}

/// Asks the process that holds the stream to end it, if it is of `branch` (none: of any), and records who wished it. `of` is
/// whose stream it is, where that is known.
pub async fn cut(
    pool: &PgPool,
    stream: i64,
    branch: Option<BranchId>,
    of: Option<UserId>,
    viewer: &Viewer,
) -> Outcome<()> {
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    record(&mut transaction, stream, branch, of).await?;
    sqlx::query(
        "INSERT INTO feed_gone (tbl, row_id, branch_id, updated_at) VALUES ('streams', $1, $2, clock_timestamp())",
    )
    .bind(stream)
    .bind(branch)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

async fn record(db: &mut PgConnection, stream: i64, branch: Option<BranchId>, of: Option<UserId>) -> sqlx::Result<()> {
    sqlx::query(
        "SELECT audit('stream_cut', coalesce($2, u.branch_id), coalesce(u.email, 'stream ' || $1), NULL, NULL)
         FROM (SELECT) one LEFT JOIN users u ON u.id = $3",
    )
    .bind(stream)
    .bind(branch)
    .bind(of)
    .execute(db)
    .await?;
    Ok(())
}
