//! What the streams say: the feed's ticks become messages here, one file a stream, and the hub carries them to the
//! connections that `endpoint.rs` opens.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::feed::{Cursor, Feed, FeedError, History, Snapshot, Table, Tick};
use crate::hub::{HEARTBEAT, HEARTBEAT_SHARDS, Hub, Lifetimes, Message, READS, Topic};
use crate::ids::{BranchId, UserId};
use crate::metrics::Metrics;
use crate::omset::{self, Days};
use crate::scope::Branches;

pub mod catch_up;
pub mod dashboard;
pub mod endpoint;
pub mod frames;
pub mod monitoring;
mod notifications;
mod orders;
pub mod presence;
mod stock;

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// RFC 3339 in UTC, always with six digits of fraction: such times order as text.
pub fn rfc3339(when: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    when.to_offset(time::UtcOffset::UTC).format(FORMAT).expect("the format names only parts that every time has")
}

/// The live side of a process: what pages and streams ask of it.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Arc<Hub>,
    /// None until the database was reached for the first time.
    known: Mutex<Option<Known>>,
    /// Counts the polls that answered; a waiter sees that a whole one has passed.
    polls: watch::Sender<u64>,
    /// When the last poll answered, and whether the one after it failed.
    freshness: Mutex<Freshness>,
    pulse: Mutex<FeedPulse>,
    monitoring: monitoring::Memory,
    leaving: AtomicBool,
}

/// How the feed goes, for those who look after it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FeedPulse {
    /// When the newest row that was told had been stamped.
    pub newest_change: Option<OffsetDateTime>,
    /// Since when the oldest transaction that is still writing has been seen; none if nobody is.
    held_since: Option<(u64, Instant)>,
    /// Transactions between the oldest that is in progress and the newest.
    pub span: u64,
}

impl FeedPulse {
    /// How old the snapshot's horizon is: nothing older than this is still to commit.
    pub fn snapshot_age(&self) -> Duration {
        self.held_since.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    fn sees(&mut self, snapshot: &Snapshot) {
        self.span = snapshot.xmax.saturating_sub(snapshot.xmin);
        self.held_since = match self.held_since {
            _ if self.span == 0 => None,
            Some((xmin, since)) if xmin == snapshot.xmin => Some((xmin, since)),
            _ => Some((snapshot.xmin, Instant::now())),
        };
    }
}

/// What the feed has last told of the database.
struct Known {
    history: History,
    days: Arc<Days>,
}

#[derive(Clone, Copy)]
struct Freshness {
    as_of: OffsetDateTime,
    fresh: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Live {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                hub: Arc::default(),
                known: Mutex::new(None),
                polls: watch::Sender::new(0),
                freshness: Mutex::new(Freshness { as_of: now(), fresh: false }),
                pulse: Mutex::default(),
                monitoring: monitoring::Memory::default(),
                leaving: AtomicBool::new(false),
            }),
        }
    }
}

impl Live {
    /// Where the feed stands. A page prints it as it was *before* its data was read, and its script connects from it.
    pub fn cursor(&self) -> String {
        self.shared.hub.cursor().to_string()
    }

    pub fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    /// This process goes away soon: nobody should be sent here.
    pub fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Release);
    }

    pub fn is_leaving(&self) -> bool {
        self.shared.leaving.load(Ordering::Acquire) || self.shared.hub.is_draining()
    }

    /// Who is connected.
    pub fn roll(&self) -> &presence::Roll {
        self.shared.hub.roll()
    }

    pub fn metrics(&self) -> &Metrics {
        self.shared.hub.roll().metrics()
    }

    pub fn feed_pulse(&self) -> FeedPulse {
        *lock(&self.shared.pulse)
    }

    pub fn monitoring(&self) -> &monitoring::Memory {
        &self.shared.monitoring
    }

    /// Whether the last poll answered: the screens are as fresh as the database.
    pub fn is_fresh(&self) -> bool {
        lock(&self.shared.freshness).fresh
    }

    /// When the figures were last those of the database.
    pub fn as_of(&self) -> OffsetDateTime {
        let Freshness { as_of, fresh } = *lock(&self.shared.freshness);
        if fresh { now() } else { as_of }
    }

    /// The days of the branches as last told.
    pub fn days(&self) -> Option<Arc<Days>> {
        lock(&self.shared.known).as_ref().map(|known| known.days.clone())
    }

    fn history(&self) -> Option<History> {
        lock(&self.shared.known).as_ref().map(|known| known.history.clone())
    }

    /// Waits until the feed stands: before that a page has no cursor to print, and its stream would begin with a gap.
    pub async fn ready(&self) {
        let mut polls = self.shared.polls.subscribe();
        // the sender lives in `self`: this cannot fail
        let _ = polls.wait_for(|count| *count > 0).await;
    }

    /// Waits until a poll that began after this call has answered.
    async fn next_poll(&self) {
        let mut polls = self.shared.polls.subscribe();
        let seen = *polls.borrow_and_update();
        // the sender lives in `self`: this cannot fail
        let _ = polls.wait_for(|count| *count >= seen + 2).await;
    }

    fn set_fresh(&self, fresh: bool) {
        let mut freshness = lock(&self.shared.freshness);
        let changed = freshness.fresh != fresh;
        freshness.fresh = fresh;
        if fresh {
            freshness.as_of = now();
        }
        drop(freshness);
        if changed {
            let lifetimes = if fresh { Lifetimes::End } else { Lifetimes::WaitForTheDatabase };
            self.shared.hub.let_lifetimes(lifetimes);
            // a client must not wait for its next heartbeat to learn that its figures are old, or current again
            (0..HEARTBEAT_SHARDS).for_each(|shard| self.beat(shard));
        }
    }

    /// What a heartbeat says now.
    fn pulse(&self) -> String {
        let (timestamp, fresh, as_of) = (rfc3339(now()), self.is_fresh(), rfc3339(self.as_of()));
        format!(r#"{{"timestamp":"{timestamp}","fresh":{fresh},"as_of":"{as_of}"}}"#)
    }

    fn beat(&self, shard: u8) {
        let message = Message { event: HEARTBEAT, json: self.pulse().into() };
        self.shared.hub.say(vec![(Topic::Heartbeat(shard), message)]);
    }
}

/// Heartbeats for every connection, each shard at its own moment of the period. They go on while the database is away: the
/// stream lives, and says that its figures are old.
pub async fn heartbeats(live: Live, period: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(period / u32::from(HEARTBEAT_SHARDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for shard in (0..HEARTBEAT_SHARDS).cycle() {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => live.beat(shard),
        }
    }
}

/// Even when nothing is written the figures are read again this often: a branch's day ends without a write, and a clock
/// may step.
const REREAD: Duration = Duration::from_secs(60);

/// A tick that takes longer is not waited for in silence: the screens are told that their figures are old.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// A tick that takes longer than this has lost its connection (a cut network says nothing). All of it, not only the poll:
/// its other statements wait on the same connection.
const TICK_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait before the database is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// Feed → hub, for the life of the process. Loses nothing over reconnections: the position is the last cursor published.
pub async fn pump(live: Live, database: PgConnectOptions, poll_interval: Duration, stop: CancellationToken) {
    let mut complained = false;
    loop {
        let error = tokio::select! {
            () = stop.cancelled() => return,
            error = pump_until_error(&live, &database, poll_interval) => error,
        };
        // a database that wants everything read anew is not away
        if !matches!(error, FeedError::Reread) {
            if live.is_fresh() || !complained {
                tracing::warn!(%error, "the feed lost its database; trying again until it is back");
                complained = true;
            }
            live.set_fresh(false);
            live.metrics().feed_failed();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

async fn pump_until_error(live: &Live, database: &PgConnectOptions, poll_interval: Duration) -> FeedError {
    let connected = tokio::time::timeout(TICK_TIMEOUT, Pump::connect(live, database)).await;
    match connected.unwrap_or_else(|late| Err(late.into())) {
        Ok(mut pump) => {
            tracing::info!(cursor = %live.cursor(), "the feed stands");
            let mut ticks = tokio::time::interval(poll_interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = pump.tick_in_time().await {
                    return error;
                }
            }
        }
        Err(error) => error,
    }
}

struct Pump<'a> {
    live: &'a Live,
    feed: Feed,
    states: dashboard::States,
    reread_at: Instant,
}

impl<'a> Pump<'a> {
    async fn connect(live: &'a Live, database: &PgConnectOptions) -> Result<Self, FeedError> {
        let hub = live.hub();
        let mut feed = Feed::connect(database).await?;
        let told = hub.cursor();
        let continues = match told.parse::<Cursor>() {
            Ok(told) => feed.resume_from(&told),
            Err(_) => Ok(()),
        };
        let mut pump = Self { live, feed, states: dashboard::States::default(), reread_at: Instant::now() };
        // Before the streams end: who comes back finds the new figures, and is judged by the new history.
        pump.reread().await?;
        if told.is_empty() {
            hub.stand_at(&pump.feed.cursor().to_string());
        } else if let Err(reason) = continues {
            let why = pump.feed.history().reread();
            tracing::warn!(?reason, why, "this does not continue what was told before: every stream starts afresh");
            hub.restart_at(&pump.feed.cursor().to_string());
        }
        Ok(pump)
    }

    async fn tick_in_time(&mut self) -> Result<(), FeedError> {
        let live = self.live;
        let mut tick = std::pin::pin!(self.tick());
        match tokio::time::timeout(STALE_AFTER, tick.as_mut()).await {
            Ok(outcome) => outcome,
            Err(_) => {
                live.set_fresh(false);
                tokio::time::timeout(TICK_TIMEOUT - STALE_AFTER, tick).await?
            }
        }
    }

    async fn tick(&mut self) -> Result<(), FeedError> {
        let began = Instant::now();
        let polled = self.feed.poll().await?;
        lock(&self.live.shared.pulse).sees(&self.feed.cursor().snapshot);
        match polled {
            Some(tick) => {
                let rows = tick.changes.len();
                self.tell(tick).await?;
                self.live.metrics().told_tick(began.elapsed(), rows);
            }
            None => self.live.metrics().idle_tick(began.elapsed()),
        }
        if Instant::now() >= self.reread_at {
            self.reread().await?;
        }
        self.answer_newcomers();
        // only now: what was missed while the database was away has been told
        self.live.set_fresh(true);
        self.live.shared.polls.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn tell(&mut self, tick: Tick) -> Result<(), FeedError> {
        let mut touched = BTreeSet::new();
        let mut messages = Vec::new();
        for change in &tick.changes {
            match change.table {
                // what a day says of its products are the totals, and those came along
                Table::Notifications | Table::Frames | Table::Lensas | Table::Aksesoris => {}
                _ => touched.extend(change.branch),
            }
            if let Table::Users | Table::Sessions = change.table {
                messages.push((Topic::Rights(UserId(change.id)), Message { event: "rights", json: "{}".into() }));
            }
            if change.table == Table::Streams {
                self.live.hub().cut(change.id, change.branch.map_or(Branches::All, Branches::One));
            }
            if change.table == Table::NotificationReads {
                messages.push((Topic::Reads(UserId(change.id)), Message { event: READS, json: "{}".into() }));
            }
        }
        let days = self.days_with(&touched, &tick.stock_totals).await?;
        messages.extend(stock::tick(&tick.changes, &days));
        messages.extend(orders::tick(&tick.changes));
        messages.extend(notifications::tick(&tick.changes, &days));
        touched.extend(tick.stock_totals.iter().map(|(branch, _)| *branch));
        messages.extend(self.state_news(&days, Some(&touched)));
        *lock(&self.live.shared.known) = Some(Known { history: self.feed.history().clone(), days });
        self.live.hub().publish(&tick.cursor.to_string(), messages);
        // in the order of updated_at; a cut-off is no row that a screen shows
        if let Some(newest) = tick.changes.iter().rfind(|change| change.table != Table::Streams) {
            lock(&self.live.shared.pulse).newest_change = Some(newest.updated_at);
            // the clocks of two machines may differ: then it was told at once
            let delay = Duration::try_from(now() - newest.updated_at).unwrap_or_default();
            self.live.metrics().change_told_after(delay);
        }
        Ok(())
    }

    /// The days, with those of the touched branches read again, and with these totals.
    async fn days_with(
        &mut self,
        touched: &BTreeSet<BranchId>,
        totals: &[(BranchId, String)],
    ) -> Result<Arc<Days>, FeedError> {
        let known = self.live.days().unwrap_or_default();
        if touched.is_empty() && totals.is_empty() {
            return Ok(known);
        }
        let mut days = Days::clone(&known);
        for (branch, totals) in totals {
            if let Some(day) = days.get_mut(branch) {
                day.stok = serde_json::from_str(totals).expect("as stock_totals in the schema builds it");
            }
        }
        if !touched.is_empty() {
            days.retain(|branch, _| !touched.contains(branch));
            let touched: Vec<BranchId> = touched.iter().copied().collect();
            days.extend(omset::sql::days(self.feed.connection(), Some(&touched)).await?);
        }
        Ok(Arc::new(days))
    }

    /// What the state topics have to say that they did not say yet: all of them, or those that these branches concern.
    fn state_news(&mut self, days: &Days, touched: Option<&BTreeSet<BranchId>>) -> Vec<(Topic, Message)> {
        if touched.is_some_and(BTreeSet::is_empty) {
            return Vec::new();
        }
        let topics = self.live.hub().state_topics();
        self.states.keep_only(&topics);
        let concerns = |topic: &Topic| match (touched, topic) {
            (
                Some(touched),
                Topic::KasirDashboard(_, branch) | Topic::Omset(_, branch) | Topic::Dashboard(Branches::One(branch)),
            ) => touched.contains(branch),
            _ => true,
        };
        let topics = topics.into_iter().filter(concerns);
        topics.filter_map(|topic| Some((topic, self.states.news(topic, days)?))).collect()
    }

    /// All figures again, and what they change.
    async fn reread(&mut self) -> Result<(), FeedError> {
        let days = Arc::new(omset::sql::days(self.feed.connection(), None).await?);
        *lock(&self.live.shared.known) = Some(Known { history: self.feed.history().clone(), days: days.clone() });
        let news = self.state_news(&days, None);
        self.live.hub().say(news);
        let until_midnight = match omset::sql::next_midnight(self.feed.connection()).await? {
            Some((midnight, now)) => Duration::try_from(midnight - now).unwrap_or_default() + Duration::from_millis(10),
            None => REREAD,
        };
        self.reread_at = Instant::now() + until_midnight.min(REREAD);
        Ok(())
    }

    /// State topics that somebody has just subscribed to and nobody was told before.
    fn answer_newcomers(&mut self) {
        let cold = self.live.hub().take_cold();
        if cold.is_empty() {
            return;
        }
        let days = self.live.days().unwrap_or_default();
        let news = cold.into_iter().filter_map(|topic| {
            self.states.forget(topic);
            Some((topic, self.states.news(topic, &days)?))
        });
        self.live.hub().say(news.collect());
    }
}
