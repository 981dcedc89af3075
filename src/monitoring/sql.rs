//! The SQL of looking after it.

use sqlx::{PgConnection, PgPool};

use super::{Holder, Person};
use crate::audit;
use crate::ids::{BranchId, UserId};

pub async fn people(pool: &PgPool, users: &[UserId]) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as(
        "SELECT u.id, u.name, u.role, b.name AS branch FROM users u LEFT JOIN branches b ON b.id = u.branch_id
         WHERE u.id = ANY ($1)",
    )
    .bind(users)
    .fetch_all(pool)
    .await
}

/// Transactions open for longer than `seconds`, the oldest first. Of other database users they are only visible to a member of
/// `pg_read_all_stats`.
pub async fn holders(pool: &PgPool, seconds: f64) -> sqlx::Result<Vec<Holder>> {
    let found: Vec<Holder> = sqlx::query_as(
        "SELECT pid::text AS pid, coalesce(usename, '')::text AS user, coalesce(application_name, '') AS application,
                coalesce(state, '') AS state, extract(epoch FROM now() - xact_start)::float8 AS seconds,
                left(regexp_replace(query, '\\s+', ' ', 'g'), 160) AS query
         FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
           AND xact_start < now() - make_interval(secs => $1)
         UNION ALL
         SELECT '', owner::text, '', 'prepared', extract(epoch FROM now() - prepared)::float8, gid
         FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - make_interval(secs => $1)
         ORDER BY seconds DESC LIMIT 5",
    )
    .bind(seconds)
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().map(Holder::explained).collect())
}

/// Asks the process that holds the stream to end it, if it is of `branch` (none: of any), and records who wished it. `of` is
/// whose stream it is, where that is known.
pub async fn cut(
    pool: &PgPool,
    stream: i64,
    branch: Option<BranchId>,
    of: Option<UserId>,
    by: UserId,
) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, by).await?;
    record(&mut transaction, stream, branch, of).await?;
    sqlx::query(
        "INSERT INTO feed_gone (tbl, row_id, branch_id, updated_at) VALUES ('streams', $1, $2, clock_timestamp())",
    )
    .bind(stream)
    .bind(branch)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
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
