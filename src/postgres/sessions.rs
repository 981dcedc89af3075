//! Where sessions live: the table `sessions`. `user_id` is lifted out of the data, so that deleting the sessions of a
//! user ends their streams (a trigger tells the feed).

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::types::Json;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result, SessionStore};

#[derive(Debug, Clone)]
pub struct Sessions {
    pool: PgPool,
}

/// The key of the session's data that says who is signed in.
pub const USER_ID: &str = "user_id";
/// When, in Unix seconds. No session outlives it by more than [`OLDEST_DAYS`], however busy.
pub const SIGNED_IN_AT: &str = "signed_in_at";
pub const OLDEST_DAYS: i32 = 7;

impl Sessions {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

/// Browsers that are signed in.
pub async fn count(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM sessions WHERE user_id IS NOT NULL AND expires_at > now()")
        .fetch_one(pool)
        .await
}

/// Keeps the choice in the branch switcher, and nothing else of the session: whole sessions are written by whichever
/// request ends last, and it need not have seen the choice.
pub async fn choose(pool: &PgPool, session: &Id, branch: Option<i64>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE sessions SET data = data - 'chosen_branch'
                || CASE WHEN $2::bigint IS NULL THEN '{}' ELSE jsonb_build_object('chosen_branch', $2::bigint) END
         WHERE id = $1",
    )
    .bind(session.to_string())
    .bind(branch)
    .execute(pool)
    .await?;
    Ok(())
}

fn user_of(record: &Record) -> Option<i64> {
    record.data.get(USER_ID).and_then(|value| value.as_i64())
}

#[async_trait]
impl SessionStore for Sessions {
    /// 128 random bits do not meet twice; if they do, the second draws again instead of taking over the first one's session.
    async fn create(&self, record: &mut Record) -> Result<()> {
        loop {
            let created = sqlx::query(
                "INSERT INTO sessions (id, user_id, data, expires_at)
                 VALUES ($1, $2, $3, least($4, to_timestamp(($3::jsonb ->> 'signed_in_at')::bigint) + make_interval(days => $5)))
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(record.id.to_string())
            .bind(user_of(record))
            .bind(Json(&record.data))
            .bind(record.expiry_date)
            .bind(OLDEST_DAYS)
            .execute(&self.pool)
            .await
            .map_err(backend)?;
            if created.rows_affected() == 1 {
                return Ok(());
            }
            record.id = Id::default();
        }
    }

    /// Updates and never inserts: a request that was under way while the person signed out must not bring the session back.
    /// Nor does it bring back the branch that was chosen when it began: it may have been in the air while [`choose`] wrote.
    async fn save(&self, record: &Record) -> Result<()> {
        sqlx::query(
            "UPDATE sessions SET user_id = $2,
                    data = $3::jsonb - 'chosen_branch'
                           || CASE WHEN data ? 'chosen_branch' THEN jsonb_build_object('chosen_branch', data -> 'chosen_branch') ELSE '{}' END,
                    expires_at = least($4, to_timestamp(($3::jsonb ->> 'signed_in_at')::bigint) + make_interval(days => $5))
             WHERE id = $1",
        )
        .bind(record.id.to_string())
        .bind(user_of(record))
        .bind(Json(&record.data))
        .bind(record.expiry_date)
        .bind(OLDEST_DAYS)
        .execute(&self.pool)
        .await
        .map_err(backend)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row: Option<(Json<_>, _)> =
            sqlx::query_as("SELECT data, expires_at FROM sessions WHERE id = $1 AND expires_at > now()")
                .bind(id.to_string())
                .fetch_optional(&self.pool)
                .await
                .map_err(backend)?;
        Ok(row.map(|(Json(data), expiry_date)| Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        sqlx::query("DELETE FROM sessions WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(backend)?;
        Ok(())
    }
}

fn backend(error: sqlx::Error) -> Error {
    Error::Backend(error.to_string())
}
