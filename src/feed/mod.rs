//! The change feed: what has been committed since, exactly once, whoever wrote it. One poller a process; nothing here
//! depends on how many clients there are.
//!
//! A clock cannot say what has committed: a transaction's rows appear when it commits, not when they were stamped. So the
//! position is a snapshot, and a row is new when its writer had not finished in the previous one.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, FromRow};
use time::OffsetDateTime;

use crate::ids::BranchId;
use crate::scope::Role;

pub mod cursor;
pub mod housekeeping;
pub mod integrity;
mod missed;
pub mod sql;

pub use cursor::{Cursor, Origin, Snapshot};
pub use missed::{MOST_MISSED, Missed};

/// A poll that takes longer than this has lost its connection (a cut network says nothing).
const POLL_TIMEOUT: Duration = Duration::from_secs(10);

/// A feed that has not polled for so long was suspended with its machine. Tombstones are kept for a day at least.
const ASLEEP: Duration = Duration::from_secs(3_600);

/// The tables whose changes are fed; `sessions` and `notification_reads` only as tombstones. `streams` is no table: a
/// tombstone of that name asks the process that holds the stream to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    Frames,
    Lensas,
    Aksesoris,
    Notifications,
    Penjualans,
    OpenDays,
    Pasiens,
    Users,
    Branches,
    Sessions,
    Streams,
    NotificationReads,
}

impl Table {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "frames" => Self::Frames,
            "lensas" => Self::Lensas,
            "aksesoris" => Self::Aksesoris,
            "notifications" => Self::Notifications,
            "penjualans" => Self::Penjualans,
            "open_days" => Self::OpenDays,
            "pasiens" => Self::Pasiens,
            "users" => Self::Users,
            "branches" => Self::Branches,
            "sessions" => Self::Sessions,
            "streams" => Self::Streams,
            "notification_reads" => Self::NotificationReads,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// The row's latest version. Several commits between two ticks arrive as one.
    Upsert,
    /// Deleted, or moved to another branch.
    Gone,
}

/// One row that changed.
#[derive(Debug, Clone)]
pub struct Change {
    pub table: Table,
    pub op: Op,
    /// The branch the row is in, or has left. None for rows of no branch.
    pub branch: Option<BranchId>,
    /// The row's id; for [`Table::Sessions`] and [`Table::NotificationReads`] the user's, for [`Table::Streams`] the stream's.
    pub id: i64,
    /// The row's version: strictly rising per row.
    pub updated_at: OffsetDateTime,
    /// What the stream says of it, as JSON; only for products, orders and notifications.
    pub body: Option<String>,
}

#[derive(FromRow)]
struct ChangeRow {
    tbl: String,
    op: String,
    branch_id: Option<BranchId>,
    id: i64,
    updated_at: OffsetDateTime,
    body: Option<String>,
}

impl From<ChangeRow> for Option<Change> {
    /// A table that this version does not know is of a newer one (migrations go first): its changes are not ours to tell.
    fn from(row: ChangeRow) -> Self {
        let table = Table::named(&row.tbl)?;
        let op = if row.op == "D" { Op::Gone } else { Op::Upsert };
        Some(Change { table, op, branch: row.branch_id, id: row.id, updated_at: row.updated_at, body: row.body })
    }
}

/// What one poll found.
#[derive(Debug)]
pub struct Tick {
    pub cursor: Cursor,
    /// In the order of `updated_at`.
    pub changes: Vec<Change>,
    /// How many products are low now, as JSON, in each branch whose products changed.
    pub stock_totals: Vec<(BranchId, String)>,
}

/// Why a cursor cannot be resumed. The client gets it as the reason of its `reset`, and a fresh state after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Damaged, or never ours.
    Unreadable,
    /// Of another database, or from before a failover.
    Foreign,
    /// Of commits that this database no longer has: a backup was restored.
    Undone,
    /// Ahead of what the database has done.
    Future,
    /// From before the oldest tombstone that is kept.
    TooOld,
    /// More was missed than is sensible to send row by row.
    TooMuch,
}

impl Unusable {
    /// As a client is told it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Foreign => "foreign",
            Self::Undone => "undone",
            Self::Future => "future",
            Self::TooOld => "too-old",
            Self::TooMuch => "too-much",
        }
    }
}

/// What is known of the database's past, to judge a cursor by.
#[derive(Debug, Clone)]
pub struct History {
    origin: Origin,
    /// Newest first: each epoch and its first transaction.
    epochs: Vec<(u64, u64)>,
    pruned_below: u64,
    /// Why the current epoch began while Postgres ran, if it did.
    reread: Option<String>,
}

impl History {
    /// Why everything had to be read anew, if that is how the current epoch began.
    pub fn reread(&self) -> Option<&str> {
        self.reread.as_deref()
    }

    /// Whether everything since the cursor can be read up to `now`.
    pub fn accepts(&self, cursor: &Cursor, now: &Snapshot) -> Result<(), Unusable> {
        let Origin { system, timeline, epoch } = cursor.origin;
        if (system, timeline) != (self.origin.system, self.origin.timeline) {
            return Err(Unusable::Foreign);
        }
        let Some(age) = self.epochs.iter().position(|(known, _)| *known == epoch) else {
            return Err(Unusable::Undone);
        };
        if self.epochs[..age].iter().any(|(_, first_xid)| cursor.snapshot.xmax > *first_xid) {
            return Err(Unusable::Undone);
        }
        if now.is_behind(&cursor.snapshot) {
            return Err(Unusable::Future);
        }
        if cursor.snapshot.xmin < self.pruned_below {
            return Err(Unusable::TooOld);
        }
        Ok(())
    }
}

/// The poller's own connection and position.
pub struct Feed {
    connection: PgConnection,
    history: History,
    position: Snapshot,
    /// `position` as Postgres wrote it: the same text means that nothing has finished since.
    position_text: String,
    /// By the wall clock, because the other one stands still while a machine is suspended.
    polled_at: OffsetDateTime,
}

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the poll took longer than {POLL_TIMEOUT:?}")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("Postgres answered with a snapshot that cannot be read: {0}")]
    Snapshot(String),
    /// What this feed has told is no longer all there was: it has to be connected anew.
    #[error("everything has to be read anew")]
    Reread,
}

impl Feed {
    /// Connects, and stands at the present moment.
    pub async fn connect(options: &PgConnectOptions) -> Result<Self, FeedError> {
        tokio::time::timeout(POLL_TIMEOUT, Self::connect_unbounded(options)).await?
    }

    async fn connect_unbounded(options: &PgConnectOptions) -> Result<Self, FeedError> {
        let mut connection = options.clone().application_name("melati feed").connect().await?;
        // not in the connection's options: poolers refuse those
        connection.execute(sql::PIN_PLANS).await?;
        let (system, timeline, snapshot): (i64, i32, String) =
            sqlx::query_as(sql::ORIGIN).fetch_one(&mut connection).await?;
        let fresh_epoch: i64 = rand::random_range(1..=i64::MAX);
        sqlx::query(sql::REGISTER_EPOCH).bind(fresh_epoch).bind(system).execute(&mut connection).await?;
        let rows: Vec<(i64, String, Option<String>, bool)> =
            sqlx::query_as(sql::EPOCHS).bind(system).fetch_all(&mut connection).await?;
        let (current, reread) = rows
            .iter()
            .find(|(.., is_current)| *is_current)
            .map_or((fresh_epoch, None), |(epoch, _, reread, _)| (*epoch, reread.clone()));
        let epochs =
            rows.iter().map(|(epoch, first, ..)| (epoch.cast_unsigned(), first.parse().unwrap_or(0))).collect();
        let pruned_below: String = sqlx::query_scalar(sql::PRUNED_BELOW).fetch_one(&mut connection).await?;
        let origin = Origin {
            system: system.cast_unsigned(),
            timeline: timeline.cast_unsigned(),
            epoch: current.cast_unsigned(),
        };
        let position = snapshot.parse().map_err(|_| FeedError::Snapshot(snapshot.clone()))?;
        let pruned_below = pruned_below.parse().unwrap_or(u64::MAX);
        let history = History { origin, epochs, pruned_below, reread };
        Ok(Self { connection, history, position, position_text: snapshot, polled_at: OffsetDateTime::now_utc() })
    }

    /// Goes back to where an earlier connection stood, if this database still knows that moment.
    pub fn resume_from(&mut self, cursor: &Cursor) -> Result<(), Unusable> {
        self.history.accepts(cursor, &self.position)?;
        self.position = cursor.snapshot.clone();
        self.position_text = self.position.to_pg();
        Ok(())
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { origin: self.history.origin, snapshot: self.position.clone() }
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    /// The connection, for reading what a tick makes necessary in the same order of time.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// One tick. `None` when nothing at all has finished since the last one.
    pub async fn poll(&mut self) -> Result<Option<Tick>, FeedError> {
        tokio::time::timeout(POLL_TIMEOUT, self.poll_unbounded()).await?
    }

    async fn poll_unbounded(&mut self) -> Result<Option<Tick>, FeedError> {
        let rows: Vec<PollRow> =
            sqlx::query_as(sql::POLL).bind(&self.position_text).fetch_all(&mut self.connection).await?;
        let Some(here) = rows.first() else { return Err(FeedError::Snapshot("no row".into())) };
        let text = here.snapshot.clone();
        if text == self.position_text {
            self.polled_at = OffsetDateTime::now_utc();
            return Ok(None);
        }
        let position: Snapshot = text.parse().map_err(|_| FeedError::Snapshot(text.clone()))?;
        self.history.pruned_below = here.pruned_below.parse().unwrap_or(u64::MAX);
        let newest = self.history.epochs.first().map(|(epoch, _)| epoch.cast_signed());
        // A machine that was suspended for days: others may have pruned what we had not read. Not asked of a feed that is
        // awake, because the mark says nothing of whether we had seen what was pruned.
        let now = OffsetDateTime::now_utc();
        let overslept = now - self.polled_at > ASLEEP && self.history.pruned_below > self.position.xmin;
        self.polled_at = now;
        if newest != here.epoch || overslept {
            return Err(FeedError::Reread);
        }
        self.position = position;
        self.position_text = text;
        let (mut changes, mut stock_totals) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match row {
                PollRow { id: None, branch_id: Some(branch), body: Some(totals), .. } => {
                    stock_totals.push((branch, totals))
                }
                row => changes.extend(row.change()),
            }
        }
        Ok(Some(Tick { cursor: self.cursor(), changes, stock_totals }))
    }

    pub async fn close(self) {
        // the server notices a lost connection by itself: nothing is lost by not saying goodbye
        let _ = self.connection.close().await;
    }
}

#[derive(FromRow)]
struct PollRow {
    snapshot: String,
    pruned_below: String,
    epoch: Option<i64>,
    tbl: Option<String>,
    op: Option<String>,
    branch_id: Option<BranchId>,
    /// None in the lines that count a branch's low products, and where there is nothing to tell.
    id: Option<i64>,
    updated_at: Option<OffsetDateTime>,
    body: Option<String>,
}

impl PollRow {
    fn change(self) -> Option<Change> {
        ChangeRow {
            tbl: self.tbl?,
            op: self.op?,
            branch_id: self.branch_id,
            id: self.id?,
            updated_at: self.updated_at?,
            body: self.body,
        }
        .into()
    }
}

/// The newest notifications for a role in a branch (or in all), oldest first.
pub async fn recent_notifications(
    connection: &mut PgConnection,
    branch: Option<BranchId>,
    role: Role,
    most: i64,
) -> sqlx::Result<Vec<Change>> {
    let rows: Vec<ChangeRow> =
        sqlx::query_as(sql::RECENT_NOTIFICATIONS).bind(branch).bind(role).bind(most).fetch_all(connection).await?;
    Ok(rows.into_iter().filter_map(Into::into).collect())
}
