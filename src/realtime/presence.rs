//! Who is connected: an entry a stream, for the metrics, for those who look after the process, and for cutting one off.
//!
//! An entry is some hundred bytes and holds no text: names are read from the database when somebody looks. A connection
//! writes its own entry and nobody else's, so that counting a delivery is two stores to memory that no other core wants.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::ids::{BranchId, UserId};
use crate::metrics::Metrics;
use crate::scope::{Branches, Role};

/// What can be listened to, by the names of the streams; a listener's are bits of a byte or two.
pub const STREAMS: [&str; 6] = ["dashboard", "omset-kasir", "stock-updates", "orders", "notifications", "monitoring"];

/// A set of [`STREAMS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamSet(u16);

impl StreamSet {
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let bit = |name| STREAMS.iter().position(|known| *known == name).map_or(0, |at| 1 << at);
        Self(names.into_iter().fold(0, |set, name| set | bit(name)))
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        STREAMS.into_iter().enumerate().filter(move |(at, _)| self.0 & 1 << at != 0).map(|(_, name)| name)
    }
}

/// Who opens a stream.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub user: UserId,
    pub role: Role,
    pub branches: Branches,
    pub streams: StreamSet,
    /// Tabs of the browser that share it, as far as it says so.
    pub tabs: u8,
    /// Which browser of the user: [`Roll::browser`].
    pub browser: u32,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// The client went, or its connection broke.
    Left,
    /// It was old enough.
    Lifetime,
    /// This process goes.
    Drain,
    /// Its user's rights may have changed.
    Rights,
    /// The feed could not go on from where it was: everybody starts afresh.
    Restart,
    /// The ring has left it behind.
    Overrun,
    /// Somebody cut it off.
    Cut,
}

impl End {
    const ALL: [Self; 7] =
        [Self::Left, Self::Lifetime, Self::Drain, Self::Rights, Self::Restart, Self::Overrun, Self::Cut];

    fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lifetime => "lifetime",
            Self::Drain => "drain",
            Self::Rights => "rights",
            Self::Restart => "restart",
            Self::Overrun => "overrun",
            Self::Cut => "cut",
        }
    }
}

/// One open stream.
#[derive(Debug)]
pub struct Listener {
    id: i64,
    key: u32,
    who: Who,
    /// Times are milliseconds on the roll's clock.
    opened_ms: u64,
    frames: AtomicU64,
    heard_ms: AtomicU64,
    told_ms: AtomicU64,
    /// Since when its socket takes nothing; 0 while it does.
    blocked_ms: AtomicU64,
    /// What its browser last said of its own delays.
    screen_ms: AtomicU32,
    tabs: AtomicU8,
    end: AtomicU8,
    is_cut: AtomicBool,
}

impl Listener {
    /// `frames` more were handed out to be written; `news`: not only heartbeats.
    pub fn was_told(&self, frames: usize, news: News, roll: &Roll) {
        // one task at a time polls a connection: nobody else writes these
        let now = roll.coarse_ms.load(Relaxed);
        self.frames.store(self.frames.load(Relaxed) + frames as u64, Relaxed);
        self.heard_ms.store(now, Relaxed);
        if news == News::Some {
            self.told_ms.store(now, Relaxed);
        }
        if self.blocked_ms.load(Relaxed) != 0 {
            self.blocked_ms.store(0, Relaxed);
        }
    }

    /// Its socket is full.
    pub fn is_blocked(&self, roll: &Roll) {
        if self.blocked_ms.load(Relaxed) == 0 {
            self.blocked_ms.store(roll.now_ms().max(1), Relaxed);
        }
    }

    pub fn ends(&self, why: End) {
        self.end.store(why as u8, Relaxed);
    }

    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Relaxed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    None,
    Some,
}

/// A listener as it was when somebody looked.
#[derive(Debug, Clone)]
pub struct Seen {
    pub id: i64,
    pub who: Who,
    pub tabs: u8,
    pub open_for: Duration,
    pub frames: u64,
    /// Since the last frame of any kind, heartbeats included: so old is the client's cursor.
    pub silent_for: Duration,
    /// Since the last frame that was no heartbeat; none was sent yet if `None`.
    pub untold_for: Option<Duration>,
    /// Since when its socket takes nothing.
    pub blocked_for: Option<Duration>,
    /// The middle delay that its browser measured last, from a row's stamp to the painted screen.
    pub screen: Option<Duration>,
}

/// All listeners of this process.
#[derive(Debug)]
pub struct Roll {
    inside: Mutex<Inside>,
    metrics: Metrics,
    /// The first half of every id: another for each process, so that an id names one stream of all processes.
    process: i64,
    /// What browsers are told apart by: another for each process.
    browsers: RandomState,
    began: Instant,
    /// The time of the last publication: near enough, and read without asking the clock.
    coarse_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Inside {
    open: Slab<Arc<Listener>>,
    opened: u32,
    /// Frames of those that have gone.
    frames: u64,
}

impl Default for Roll {
    fn default() -> Self {
        Self {
            inside: Mutex::default(),
            metrics: Metrics::default(),
            process: i64::from(rand::random_range(1..i32::MAX)) << 32,
            browsers: RandomState::new(),
            began: Instant::now(),
            coarse_ms: AtomicU64::new(0),
        }
    }
}

impl Roll {
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Something is being published.
    pub fn tick(&self) {
        self.coarse_ms.store(self.now_ms(), Relaxed);
    }

    pub fn enter(&self, who: Who) -> Arc<Listener> {
        let now = self.now_ms();
        let mut inside = self.inside();
        inside.opened = inside.opened.wrapping_add(1);
        let id = self.process | i64::from(inside.opened);
        let entry = inside.open.vacant_entry();
        let listener = Arc::new(Listener {
            id,
            key: u32::try_from(entry.key()).expect("so many files cannot be open"),
            who,
            opened_ms: now,
            frames: AtomicU64::new(0),
            heard_ms: AtomicU64::new(now),
            told_ms: AtomicU64::new(0),
            blocked_ms: AtomicU64::new(0),
            screen_ms: AtomicU32::new(0),
            tabs: AtomicU8::new(who.tabs),
            end: AtomicU8::new(End::Left as u8),
            is_cut: AtomicBool::new(false),
        });
        entry.insert(listener.clone());
        drop(inside);
        tracing::debug!(stream = id, user = who.user.0, "a stream opened");
        listener
    }

    pub fn leave(&self, listener: &Listener) {
        let end = End::ALL.into_iter().find(|end| *end as u8 == listener.end.load(Relaxed)).unwrap_or(End::Left);
        let mut inside = self.inside();
        inside.open.remove(listener.key as usize);
        inside.frames += listener.frames.load(Relaxed);
        drop(inside);
        self.metrics.stream_closed(end.name());
        if end == End::Overrun {
            self.metrics.ring_overrun();
        }
        tracing::debug!(stream = listener.id, user = listener.who.user.0, why = end.name(), "a stream ended");
    }

    /// Frames handed out by all, those that have gone included. Under the lock that leaving takes, or one could be missed, and
    /// a counter must not fall.
    pub fn frames(&self) -> u64 {
        let inside = self.inside();
        inside.frames + inside.open.iter().map(|(_, listener)| listener.frames.load(Relaxed)).sum::<u64>()
    }

    pub fn count(&self) -> usize {
        self.inside().open.len()
    }

    pub fn look(&self) -> Vec<Seen> {
        let now = self.now_ms();
        let since = |ms: u64| Duration::from_millis(now.saturating_sub(ms));
        let some = |ms: u64| (ms != 0).then(|| since(ms));
        let seen = |listener: &Arc<Listener>| Seen {
            id: listener.id,
            who: listener.who,
            tabs: listener.tabs.load(Relaxed),
            open_for: since(listener.opened_ms),
            frames: listener.frames.load(Relaxed),
            silent_for: since(listener.heard_ms.load(Relaxed)),
            untold_for: some(listener.told_ms.load(Relaxed)),
            blocked_for: some(listener.blocked_ms.load(Relaxed)),
            screen: match listener.screen_ms.load(Relaxed) {
                0 => None,
                ms => Some(Duration::from_millis(ms.into())),
            },
        };
        self.inside().open.iter().map(|(_, listener)| seen(listener)).collect()
    }

    /// Marks one to be cut off, and says whose it is: they are to be woken.
    pub fn cut(&self, id: i64, branches: Branches) -> Option<UserId> {
        let inside = self.inside();
        let is_meant = |listener: &Listener| listener.id == id && is_of(listener.who.branches, branches);
        let (_, listener) = inside.open.iter().find(|(_, listener)| is_meant(listener))?;
        listener.is_cut.store(true, Relaxed);
        Some(listener.who.user)
    }

    /// Whether a stream of this id would be here, were it open.
    pub fn is_ours(&self, id: i64) -> bool {
        id >> 32 == self.process >> 32
    }

    /// A session is a browser. What is remembered of it is a digest, from which nobody gets the session.
    pub fn browser(&self, session: &str) -> u32 {
        self.browsers.hash_one(session) as u32
    }

    /// What a browser of this user says of itself: of its own streams, not of those of the user's other devices.
    pub fn browser_says(&self, user: UserId, browser: u32, tabs: u8, screen: Duration) {
        let screen = u32::try_from(screen.as_millis()).unwrap_or(u32::MAX).max(1);
        let is_its = |listener: &Listener| (listener.who.user, listener.who.browser) == (user, browser);
        for (_, listener) in self.inside().open.iter().filter(|(_, listener)| is_its(listener)) {
            listener.tabs.store(tabs.max(1), Relaxed);
            listener.screen_ms.store(screen, Relaxed);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a stream for `theirs` is among those that whoever sees `branches` looks after.
pub fn is_of(theirs: Branches, branches: Branches) -> bool {
    branches == Branches::All || theirs == branches
}

/// The branch of a metric's label: 0 is all of them.
pub fn label(branches: Branches) -> i64 {
    branches.one().unwrap_or(BranchId(0)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        // ten thousand of them; with the count of its Arc and its place in the slab
        assert!(size_of::<Listener>() + 16 + 16 <= 150, "{}", size_of::<Listener>());
    }

    #[test]
    fn streams_are_told_by_name() {
        let set = StreamSet::of(["orders", "dashboard", "nonsense"]);
        assert_eq!(set.names().collect::<Vec<_>>(), ["dashboard", "orders"]);
    }
}
