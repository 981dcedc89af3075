//! Keeping the roll-ups small and true: folding what was marked, and comparing all of it with the sales once a day.
//!
//! The triggers and functions of `migrations/0013_rollups.sql` make every report exact at every moment, folded or not: a day
//! that has changed since it was summed up carries a mark, and is read from the sales themselves. So nothing here is in a
//! hurry, a process that dies in the middle leaves nothing wrong behind, and any number of processes may try. Why it was
//! chosen over sums that writers or the feed's poller keep: `docs/insight.md`.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::sql;
use crate::ids::BranchId;

/// Until then a report reads the days that changed from the sales: some hundred rows a day and branch.
const FOLD_EVERY: Duration = Duration::from_secs(30);

/// Days folded by one transaction: a tenth of a second in a large branch.
const DAYS: i32 = 100;

/// Folds every half minute, and compares once a day, until `stop`. What fails is made up for by the next round.
pub async fn keep(pool: PgPool, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(FOLD_EVERY)).await.is_some() {
        let round = async {
            fold_if_free(&pool).await?;
            if sql::is_time_to_check(&pool).await? {
                check(&pool).await?;
            }
            Ok::<(), sqlx::Error>(())
        };
        match stop.run_until_cancelled(round).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "the reports' roll-ups could not be looked after; trying again"),
        }
    }
}

/// Folds until nothing is marked, or another process is at it.
async fn fold_if_free(pool: &PgPool) -> sqlx::Result<()> {
    while sql::fold_if_free(pool, DAYS).await? > 0 {}
    Ok(())
}

/// Folds until nothing is marked, waiting for another process that is at it; how many marks there were.
///
/// # Errors
/// The database is away. What was folded stays folded.
pub async fn fold(pool: &PgPool) -> sqlx::Result<i64> {
    let mut folded = 0;
    loop {
        match sql::fold(pool, DAYS).await? {
            0 => return Ok(folded),
            some => folded += some,
        }
    }
}

/// A day whose roll-ups were not what its sales say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub branch: BranchId,
    pub tanggal: time::Date,
}

/// Compares everything, month by month. What is wrong is read from the sales from then on, and right again when it is folded,
/// which follows.
///
/// # Errors
/// The database is away.
pub async fn check(pool: &PgPool) -> sqlx::Result<Vec<Wrong>> {
    let mut found = Vec::new();
    for (branch, since, until) in sql::months_to_check(pool).await? {
        for tanggal in sql::check(pool, branch, since, until).await? {
            tracing::error!(%branch, %tanggal, "a day's roll-up was not what its sales say; it is summed up anew");
            found.push(Wrong { branch, tanggal });
        }
    }
    fold(pool).await?;
    sql::was_checked(pool, i32::try_from(found.len()).unwrap_or(i32::MAX)).await?;
    Ok(found)
}

/// Everything anew. Reports stay true meanwhile, and are slower.
///
/// # Errors
/// The database is away. What is not yet folded will be.
pub async fn rebuild(pool: &PgPool) -> sqlx::Result<i64> {
    sql::mark_everything(pool).await?;
    fold(pool).await
}
