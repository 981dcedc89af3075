//! What those who were away have missed. It is read once for all who come back at about the same time; each takes from it
//! what lies between its own cursor and the tick it subscribed at.

use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use super::{Change, ChangeRow, Snapshot, Unusable, sql};
use crate::ids::BranchId;

/// More rows than this are not replayed one by one: the client starts afresh.
pub const MOST_MISSED: usize = 5_000;

/// Everything written since some moment, each row in its latest version.
pub struct Missed {
    /// With the transaction that wrote it.
    rows: Vec<(u64, Change)>,
    pruned_below: u64,
    is_whole: bool,
}

#[derive(FromRow)]
struct MissedRow {
    pruned_below: String,
    tbl: Option<String>,
    op: Option<String>,
    branch_id: Option<BranchId>,
    id: Option<i64>,
    updated_at: Option<OffsetDateTime>,
    body: Option<String>,
    xid: Option<String>,
}

impl MissedRow {
    fn written(self) -> Option<(u64, Change)> {
        let row = ChangeRow {
            tbl: self.tbl?,
            op: self.op?,
            branch_id: self.branch_id,
            id: self.id?,
            updated_at: self.updated_at?,
            body: self.body,
        };
        Some((self.xid?.parse().ok()?, Option::from(row)?))
    }
}

impl Missed {
    /// What was written after `since`, in all branches or in one; at most `most` rows.
    pub async fn since(
        connection: &mut PgConnection,
        since: &Snapshot,
        branch: Option<BranchId>,
        most: usize,
    ) -> sqlx::Result<Self> {
        let rows: Vec<MissedRow> = sqlx::query_as(sql::MISSED)
            .bind(since.to_pg())
            .bind(branch)
            .bind(most as i64 + 1)
            .fetch_all(connection)
            .await?;
        // the statement always answers with a line; without one nothing is known, and every cursor counts as too old
        let pruned_below = rows.first().and_then(|row| row.pruned_below.parse().ok()).unwrap_or(u64::MAX);
        let is_whole = rows.len() <= most;
        Ok(Self { rows: rows.into_iter().filter_map(MissedRow::written).collect(), pruned_below, is_whole })
    }

    /// Whether nothing was left out because there was too much of it.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What was written after `since` **and had finished in `until`**, for a branch or for all; rows of no branch are for
    /// every one. What finished later comes with the live ticks, so that the two join without a gap and without a double.
    /// `since` must not lie before the moment this was read from.
    ///
    /// # Errors
    /// Something in between is no longer known, or it is too much to be sent row by row.
    pub fn between(
        &self,
        since: &Snapshot,
        until: &Snapshot,
        branch: Option<BranchId>,
    ) -> Result<Vec<&Change>, Unusable> {
        if self.pruned_below > since.xmin {
            return Err(Unusable::TooOld);
        }
        let concerns = |change: &Change| branch.is_none() || change.branch.is_none() || change.branch == branch;
        let missed: Vec<&Change> = self
            .rows
            .iter()
            .filter(|(xid, change)| !since.sees(*xid) && until.sees(*xid) && concerns(change))
            .map(|(_, change)| change)
            .collect();
        if self.is_whole && missed.len() <= MOST_MISSED { Ok(missed) } else { Err(Unusable::TooMuch) }
    }
}
