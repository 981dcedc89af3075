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
/// The branch a super admin chose in the branch switcher.
pub const CHOSEN_BRANCH: &str = "chosen_branch";
/// When, in Unix seconds. No session outlives it by more than [`OLDEST_DAYS`], however busy.
pub const SIGNED_IN_AT: &str = "signed_in_at";
pub const OLDEST_DAYS: i32 = 7;

impl Sessions {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
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
    async fn save(&self, record: &Record) -> Result<()> {
        sqlx::query(
            "UPDATE sessions SET user_id = $2, data = $3,
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
