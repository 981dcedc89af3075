//! Keeping house: what nobody needs any more is deleted by age, in small batches. Every process tries; an advisory lock lets
//! one at a time do a batch, and the others leave it to that one.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::sql;
use crate::config::Config;

/// How often a process looks for what has become old.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// The first time after a start: soon enough for a process that is restarted often, late enough not to be in its way.
const FIRST: Duration = Duration::from_secs(60);

/// Rows deleted by one transaction: some milliseconds of locks that concern nobody.
const BATCH: i64 = 1_000;
/// Between two batches, so that a backlog of months does not keep the disk from the shops.
const BREATH: Duration = Duration::from_millis(50);

/// Cursors name the epoch they were given in. A thousand starts of Postgres are years.
const EPOCHS_KEPT: i32 = 1_000;

/// What is kept for how long.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    pub tombstones_days: u16,
    pub notifications_days: u16,
}

impl Keep {
    pub fn of(config: &Config) -> Self {
        Self { tombstones_days: config.keep_tombstones_days, notifications_days: config.keep_notifications_days }
    }
}

/// How many rows a round deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    pub tombstones: i64,
    pub notifications: i64,
    pub sessions: i64,
    pub epochs: i64,
}

/// Keeps house until `stop`. A round that fails is made up for by the next.
pub async fn keep_house(pool: PgPool, keep: Keep, stop: CancellationToken) {
    let mut wait = FIRST;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = EVERY;
        match stop.run_until_cancelled(round(&pool, keep)).await {
            None => return,
            Some(Ok(deleted)) if deleted == Deleted::default() => {}
            Some(Ok(deleted)) => tracing::info!(?deleted, "old rows deleted"),
            Some(Err(error)) => tracing::warn!(%error, "old rows could not be deleted; trying again later"),
        }
    }
}

/// Deletes everything that is old now.
///
/// # Errors
/// The database is away, or busy for longer than the pool's timeouts. What was deleted before stays deleted.
pub async fn round(pool: &PgPool, keep: Keep) -> sqlx::Result<Deleted> {
    Ok(Deleted {
        tombstones: in_batches(pool, Old::Tombstones { days: keep.tombstones_days }).await?,
        notifications: in_batches(pool, Old::Notifications { days: keep.notifications_days }).await?,
        sessions: in_batches(pool, Old::Sessions).await?,
        epochs: in_batches(pool, Old::Epochs).await?,
    })
}

#[derive(Clone, Copy)]
enum Old {
    Tombstones { days: u16 },
    Notifications { days: u16 },
    Sessions,
    Epochs,
}

async fn in_batches(pool: &PgPool, old: Old) -> sqlx::Result<i64> {
    let mut deleted = 0;
    loop {
        let mut transaction = pool.begin().await?;
        let ours: bool = sqlx::query_scalar(sql::KEEP_HOUSE).fetch_one(&mut *transaction).await?;
        if !ours {
            return Ok(deleted);
        }
        let delete = match old {
            Old::Tombstones { days } => sqlx::query_scalar(sql::PRUNE_TOMBSTONES).bind(i32::from(days)),
            Old::Notifications { days } => sqlx::query_scalar(sql::PRUNE_NOTIFICATIONS).bind(i32::from(days)),
            Old::Sessions => sqlx::query_scalar(sql::PRUNE_SESSIONS).bind(0),
            Old::Epochs => sqlx::query_scalar(sql::PRUNE_EPOCHS).bind(EPOCHS_KEPT),
        };
        let count: i64 = delete.bind(BATCH).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        deleted += count;
        if count < BATCH {
            return Ok(deleted);
        }
        tokio::time::sleep(BREATH).await;
    }
}
