//! What goes past the feed is noticed, and everybody then reads everything anew.
//!
//! The feed sees a write because triggers stamp it. Whoever owns a table can switch them off, drop them, or give their
//! functions other code; then rows change, or go, without a trace in the rows. So it is not the rows that are looked at but the
//! triggers, and that is exact:
//!
//! * **Switching is visible.** Every `ALTER TABLE … DISABLE TRIGGER`, `ENABLE TRIGGER`, `DROP` and `CREATE TRIGGER` writes a row
//!   of `pg_trigger`, whose `xmin` is then another. If at two looks all triggers are on and are the very same versions, they were
//!   on all the time between, also if somebody switched them off and on again within one transaction.
//! * **No writer straddles it.** Switching takes a `SHARE ROW EXCLUSIVE` lock on the table, which waits for every transaction
//!   that has written to it. When the triggers are seen to be on, nobody who wrote without them is still to commit.
//! * **`session_replication_role = replica` passes nothing by.** The triggers are `ENABLE ALWAYS` (migration 0005): they also
//!   fire for logical replication and for tools that set the role. A plain `ENABLE TRIGGER` takes that away again; that is
//!   seen as above, and mended.
//!
//! Each look costs some milliseconds whatever the size of the tables, because it reads only catalogs and the ends of indexes.
//! Comparing each row's `xmin` with its stamp was turned down: a savepoint makes them differ in honest rows, deletes leave no
//! row to compare, and it reads every table whole.
//!
//! **What was seen is kept in the database** (`feed_meta.attested`), so that one process acts for all, and what happened while
//! none ran is noticed by the first to start. When it differs, a new epoch begins (`feed_epochs`) that accepts no
//! cursor of an earlier one. The polls of all processes read the newest epoch; they end their streams, whose clients come
//! back with cursors that are refused, get `reset`, and load everything. No row needs to be touched for that.
//!
//! While a trigger *is* off, the writes to its table are counted (Postgres' statistics), and at each look after which there
//! were some everybody reads anew: as fresh as can be without the trigger. When it is back, everybody reads anew in any case.
//!
//! **Limits.** Until the next look (`--integrity-check-seconds`) screens show what they were told. A superuser who writes into
//! `pg_trigger` by hand is noticed, too, but takes no lock; neither does replacing a trigger's function: a transaction open
//! across such a change may write unseen after the look. What a replaced function does is not judged, only that it is
//! another. While a trigger is off, a write whose statistics come late (up to a second, or until its session's transaction
//! ends) is caught at the look after. Nothing here sees what changes the files of Postgres from below.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{Connection, FromRow, PgConnection, PgPool};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::sql;

/// What the last look saw; shared between the watch and the health endpoint.
#[derive(Debug, Clone, Default)]
pub struct Integrity {
    last: Arc<Mutex<Option<Report>>>,
}

impl Integrity {
    /// None before the first look.
    pub fn report(&self) -> Option<Report> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks once. A database that is away is looked at the next time.
    pub async fn look(&self, pool: &PgPool) {
        let report = match look(pool).await {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(%error, "the feed's triggers could not be looked at; trying again");
                return;
            }
        };
        let before = self.report().map(|report| report.faults).unwrap_or_default();
        for fault in report.faults.iter().filter(|fault| !before.contains(fault)) {
            tracing::error!(%fault, fix = fault.fix(), "writes can go past the screens");
        }
        if report.faults.is_empty() && !before.is_empty() {
            tracing::info!("all writes pass the feed again");
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// Looks once a `period`, until `stop`.
    pub async fn watch(self, pool: PgPool, period: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(period)).await.is_some() {
            stop.run_until_cancelled(self.look(&pool)).await;
        }
    }
}

#[derive(Debug, Clone)]
pub struct Report {
    pub looked_at: OffsetDateTime,
    pub faults: Vec<Fault>,
    /// The last time that everything had to be read anew, if within the last hour.
    pub reread: Option<Reread>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reread {
    pub at: String,
    pub reason: String,
}

/// A part of the feed that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub table: String,
    /// The trigger or the column.
    pub part: String,
    pub problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Problem {
    Missing,
    /// A trigger that is switched off.
    Disabled,
    /// A trigger that is on, but not for writers with `session_replication_role = replica`.
    Passable,
    /// Not what the migrations made: other function, other events, other type.
    Altered,
    /// A column that may be null.
    Nullable,
    /// Stamps of transactions that have not begun: a dump of another cluster was restored.
    Future,
}

impl Fault {
    /// What an operator does about it.
    pub fn fix(&self) -> String {
        let Self { table, part, problem } = self;
        match problem {
            Problem::Disabled | Problem::Passable => {
                format!("as its owner: ALTER TABLE {table} ENABLE ALWAYS TRIGGER {part};")
            }
            Problem::Future => "SELECT feed_mend();".to_owned(),
            Problem::Nullable => format!("as its owner: ALTER TABLE {table} ALTER {part} SET NOT NULL;"),
            Problem::Missing | Problem::Altered => {
                "make it again as migrations/0003_feed.sql does, then SELECT feed_mend();".to_owned()
            }
        }
    }

    fn is_mendable(&self) -> bool {
        matches!(self.problem, Problem::Passable | Problem::Future)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let problem = match self.problem {
            Problem::Missing => "missing",
            Problem::Disabled => "disabled",
            Problem::Passable => "passed by when session_replication_role is replica",
            Problem::Altered => "altered",
            Problem::Nullable => "nullable",
            Problem::Future => "from the future",
        };
        write!(f, "{}.{} is {problem}", self.table, self.part)
    }
}

#[derive(FromRow)]
struct Sight {
    state: String,
    faults: Json<Vec<Fault>>,
    attested: Option<String>,
    reread: Option<Json<Reread>>,
}

impl Sight {
    async fn of(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let mut sight: Self = sqlx::query_as(sql::LOOK).fetch_one(&mut *connection).await?;
        // without its column a table cannot be asked for its stamps
        if sight.faults.iter().all(|fault| fault.part.starts_with("zz_")) {
            let future: Vec<String> = sqlx::query_scalar(sql::FUTURE).fetch_all(connection).await?;
            let stamp = |table| Fault { table, part: "updated_xid".to_owned(), problem: Problem::Future };
            sight.faults.extend(future.into_iter().map(stamp));
        }
        Ok(sight)
    }

    fn is_attested(&self) -> bool {
        self.attested.as_ref() == Some(&self.state)
    }
}

/// Mends what can be mended, and lets everybody read anew if anything can have gone past the feed since the last look.
async fn look(pool: &PgPool) -> sqlx::Result<Report> {
    let mut connection = pool.acquire().await?;
    let mut sight = Sight::of(&mut connection).await?;
    if sight.faults.iter().any(Fault::is_mendable) {
        if let Err(error) = mend(&mut connection).await {
            tracing::warn!(%error, "the feed's triggers could not be mended; trying again at the next look");
        }
        sight = Sight::of(&mut connection).await?;
    }
    if !sight.is_attested() {
        sight = reread(&mut connection).await?;
    }
    Ok(Report {
        looked_at: OffsetDateTime::now_utc(),
        faults: sight.faults.0,
        reread: sight.reread.map(|Json(reread)| reread),
    })
}

async fn mend(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    // Whoever waits for a table lock makes later writers wait behind it: not for long. Restored tables may be large, however.
    sqlx::raw_sql("SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    sqlx::query(sql::MEND).execute(&mut *transaction).await?;
    transaction.commit().await?;
    tracing::info!("the feed's triggers were mended");
    Ok(())
}

/// Begins a new epoch, unless another process was faster.
async fn reread(connection: &mut PgConnection) -> sqlx::Result<Sight> {
    let mut transaction = connection.begin().await?;
    sqlx::query(sql::HOLD_META).execute(&mut *transaction).await?;
    let sight = Sight::of(&mut transaction).await?;
    if sight.is_attested() {
        transaction.rollback().await?;
        return Ok(sight);
    }
    let reason = match (&sight.attested, sight.faults.first()) {
        (None, _) => "the first look at the feed's triggers".to_owned(),
        (Some(_), Some(fault)) => format!("{fault}: writes may have gone unseen"),
        (Some(_), None) => "the feed's triggers were switched or replaced since the last look".to_owned(),
    };
    sqlx::query(sql::HOLD_EPOCHS).execute(&mut *transaction).await?;
    let epoch: i64 = rand::random_range(1..=i64::MAX);
    sqlx::query(sql::REREAD_EPOCH).bind(epoch).bind(&reason).execute(&mut *transaction).await?;
    sqlx::query(sql::ATTEST).bind(&sight.state).execute(&mut *transaction).await?;
    transaction.commit().await?;
    match sight.attested {
        // a new database, or one of before this was looked after: nothing is amiss
        None => tracing::info!(reason, "everybody reads everything anew"),
        Some(_) => tracing::warn!(reason, "everybody reads everything anew"),
    }
    Sight::of(connection).await
}
