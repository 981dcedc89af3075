//! What a stream says before its live frames: what its client missed, or where it starts from. Read for all who ask at about
//! the same time together ([`crate::gather`]).

use std::sync::Arc;

use sqlx::PgPool;

use crate::feed::{MOST_MISSED, Missed, Snapshot};
use crate::gather::{Answer, Gather, gather};
use crate::ids::BranchId;
use crate::scope::Branches;
use crate::stock::alerts::{self, AlertRow};

#[derive(Clone)]
pub struct CatchUp {
    pool: PgPool,
    missed: Gather<Snapshot, Missed>,
    alerts: Gather<BranchId, Vec<AlertRow>>,
}

/// Who was away for longer, by transactions, is read for alone: they would make everyone's statement long.
const LATELY: u64 = 20_000;

/// So many rows fit into what is read for all; beyond it everyone is read for alone.
const MOST_FOR_ALL: usize = 20_000;

impl CatchUp {
    /// And the task that reads.
    pub fn new(pool: PgPool) -> (Self, impl Future<Output = ()> + Send) {
        let (missed, reading_missed) = gather({
            let pool = pool.clone();
            move |since: Vec<Snapshot>| {
                let pool = pool.clone();
                async move {
                    let since = Snapshot::floor(since.iter()).expect("nobody is answered who did not ask");
                    Missed::since(&mut *pool.acquire().await?, &since, None, MOST_FOR_ALL).await
                }
            }
        });
        let (alerts, reading_alerts) = gather({
            let pool = pool.clone();
            move |branches: Vec<BranchId>| {
                let pool = pool.clone();
                async move { alerts::alerts_of(&mut *pool.acquire().await?, Some(&branches)).await }
            }
        });
        let reading = async {
            tokio::join!(reading_missed, reading_alerts);
        };
        (Self { pool, missed, alerts }, reading)
    }

    /// What was written after `since`, at least in `branches`.
    pub async fn missed(&self, since: &Snapshot, until: &Snapshot, branches: Branches) -> Answer<Missed> {
        if until.xmax.saturating_sub(since.xmin) <= LATELY {
            let missed = self.missed.ask(since.clone()).await?;
            if missed.is_whole() {
                return Ok(missed);
            }
        }
        Ok(Arc::new(Missed::since(&mut *self.pool.acquire().await?, since, branches.one(), MOST_MISSED).await?))
    }

    /// The products that need attention in these branches, the worst first.
    pub async fn alerts(&self, branches: Branches) -> Result<Vec<AlertRow>, Arc<sqlx::Error>> {
        let Some(branch) = branches.one() else {
            return Ok(alerts::alerts(&mut *self.pool.acquire().await?, None).await?);
        };
        let rows = self.alerts.ask(branch).await?;
        Ok(rows.iter().filter(|row| row.branch_id == branch).cloned().collect())
    }
}
