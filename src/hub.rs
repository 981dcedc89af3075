//! Who is listening, and to what. The feed publishes each message once a topic; every connection that subscribes to the
//! topic shares its bytes. Nobody waits for a slow reader, and nothing is remembered that the database does not hold.
//!
//! Two promises make resuming exact:
//!
//! * **A tick is published whole.** Its frames enter all topics and the tick number rises under one lock, so a
//!   subscription starts between two ticks, never inside one.
//! * **The last frame of a tick carries the tick's cursor, those before it the cursor of the tick before.** Which frame is
//!   the last depends on the topics of the connection, so a frame is encoded both ways (at most once each, when first
//!   needed). A connection cut anywhere has therefore never been told a cursor beyond what it was sent.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;

use crate::ids::{BranchId, UserId};
use crate::scope::{Branches, Role};

/// What can be subscribed to: a stream and the scope it is told for. A connection's topics are chosen from its viewer's
/// scope when it opens, which is why no message is ever filtered on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The dashboard of a branch, or of the chain.
    Dashboard(Branches),
    /// The dashboard of one kasir.
    KasirDashboard(UserId, BranchId),
    Omset(UserId, BranchId),
    Stock(Branches),
    /// Sales as orders: which have come, moved, been paid.
    Orders(Branches),
    Notifications(Branches, Role),
    /// Heartbeats, in shards so that ten thousand connections are not woken in the same instant.
    Heartbeat(u8),
    /// Whatever is published here ends the user's streams: their rights may have changed.
    Rights(UserId),
}

/// How many shards of heartbeats there are.
pub const HEARTBEAT_SHARDS: u8 = 16;

impl Topic {
    fn keeps(self) -> Keeps {
        match self {
            Self::Dashboard(_) | Self::KasirDashboard(..) | Self::Omset(..) | Self::Heartbeat(_) | Self::Rights(_) => {
                Keeps::Latest
            }
            Self::Stock(_) | Self::Orders(_) | Self::Notifications(..) => Keeps::Ring,
        }
    }

    /// A state has to be computed when its first subscriber comes; the other topics just wait for what happens.
    fn is_state(self) -> bool {
        matches!(self, Self::Dashboard(_) | Self::KasirDashboard(..) | Self::Omset(..))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// The newest frame only: a slow reader skips to it.
    Latest,
    /// A bounded ring: a reader whom it leaves behind is ended, and resumes from Postgres by its own cursor.
    Ring,
}

/// A ring holds at most so many frames, and at most so many bytes, whichever is reached first.
const RING_FRAMES: usize = 512;
const RING_BYTES: usize = 4 << 20;

/// How a frame is written for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Single streams: data without an event name, so that `onmessage` gets it.
    Unnamed,
    /// The combined stream: every message under its stream's name.
    Named,
}

/// One message of one stream: its event name and its JSON.
#[derive(Debug, Clone)]
pub struct Message {
    pub event: &'static str,
    pub json: Bytes,
}

struct Frame {
    tick: u64,
    message: Message,
    /// The cursors of the tick before and of this tick.
    before: Arc<str>,
    after: Arc<str>,
    encoded: [OnceLock<Chunk>; 4],
}

/// One piece of a stream, already framed as a chunk of HTTP/1.1: `<length in hex>\r\n<payload>\r\n`. Framing once, when it is
/// encoded, costs nothing each time it is written; who frames for itself takes the payload.
#[derive(Debug, Clone)]
pub struct Chunk {
    framed: Bytes,
    payload_starts: u8,
}

impl Chunk {
    fn of(payload: &[&[u8]]) -> Self {
        let length: usize = payload.iter().map(|part| part.len()).sum();
        let head = format!("{length:x}\r\n");
        let mut framed = Vec::with_capacity(head.len() + length + 2);
        framed.extend_from_slice(head.as_bytes());
        payload.iter().for_each(|part| framed.extend_from_slice(part));
        framed.extend_from_slice(b"\r\n");
        let payload_starts = u8::try_from(head.len()).expect("a length has at most 16 hexadecimal digits");
        Self { framed: framed.into(), payload_starts }
    }

    /// One event. `event:` is left out for the unnamed streams; `id:` comes last, which the format allows.
    pub fn event(name: Option<&str>, json: &[u8], id: &str) -> Self {
        let data: [&[u8]; 5] = [b"data: ", json, b"\nid: ", id.as_bytes(), b"\n\n"];
        match name {
            Some(name) => Self::of(&[b"event: ", name.as_bytes(), b"\n", data[0], data[1], data[2], data[3], data[4]]),
            None => Self::of(&data),
        }
    }

    /// How soon the client may come back once this connection has ended.
    pub fn retry(after: Duration) -> Self {
        Self::of(&[b"retry: ", after.as_millis().to_string().as_bytes(), b"\n\n"])
    }

    pub fn into_framed(self) -> Bytes {
        self.framed
    }

    pub fn into_payload(self) -> Bytes {
        self.framed.slice(usize::from(self.payload_starts)..self.framed.len() - 2)
    }
}

impl Frame {
    fn chunk(&self, naming: Naming, last_of_tick: LastOfTick) -> Chunk {
        let event = self.message.event;
        let named = naming == Naming::Named || event == HEARTBEAT;
        let id = if last_of_tick == LastOfTick::Yes { &self.after } else { &self.before };
        let slot = usize::from(named) * 2 + usize::from(last_of_tick == LastOfTick::Yes);
        self.encoded[slot].get_or_init(|| Chunk::event(named.then_some(event), &self.message.json, id)).clone()
    }
}

/// The event name of heartbeats: named on every stream, for an unnamed one would be taken for data.
pub const HEARTBEAT: &str = "heartbeat";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastOfTick {
    Yes,
    No,
}

struct Channel {
    topic: Topic,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    frames: VecDeque<Arc<Frame>>,
    /// The number of `frames[0]`; numbers only rise.
    first: u64,
    bytes: usize,
    subscribers: usize,
    wakers: Slab<Waker>,
}

impl Inside {
    fn next(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    fn push(&mut self, keeps: Keeps, frame: Arc<Frame>) {
        self.bytes += frame.message.json.len();
        self.frames.push_back(frame);
        let most = if keeps == Keeps::Latest { 1 } else { RING_FRAMES };
        while self.frames.len() > most || (self.bytes > RING_BYTES && self.frames.len() > 1) {
            if let Some(gone) = self.frames.pop_front() {
                self.bytes -= gone.message.json.len();
                self.first += 1;
            }
        }
    }
}

/// A lock held by a thread that panicked still guards whole data: nothing here panics between two writes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Directory {
    channels: HashMap<Topic, Arc<Channel>>,
    cursor: Arc<str>,
    tick: u64,
    /// State topics that somebody waits for and that have nothing to say yet.
    cold: Vec<Topic>,
    subscriptions: usize,
    draining: bool,
}

pub struct Hub {
    directory: Mutex<Directory>,
    /// The same number as `Directory::tick`, for readers that need no lock.
    tick: AtomicU64,
    draining: AtomicBool,
    lifetimes_wait: AtomicBool,
}

/// What happens to a stream at the end of its lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetimes {
    End,
    /// No stream could be opened in its place: it goes on, and with it the word that its figures are old.
    WaitForTheDatabase,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            directory: Mutex::default(),
            tick: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            lifetimes_wait: AtomicBool::new(false),
        }
    }
}

impl Hub {
    /// Sets where the feed stands without telling anyone: at the start, and after a reset.
    pub fn stand_at(&self, cursor: &str) {
        let mut directory = lock(&self.directory);
        directory.cursor = cursor.into();
        directory.tick += 1;
        self.tick.store(directory.tick, Ordering::Release);
    }

    /// The cursor of the last tick published. Empty until the feed first stood somewhere.
    pub fn cursor(&self) -> Arc<str> {
        lock(&self.directory).cursor.clone()
    }

    /// The feed goes on from a place that does not continue the last one: every stream ends, and its client's cursor is
    /// judged when it comes back.
    pub fn restart_at(&self, cursor: &str) {
        self.publish_at(Some(cursor), |directory| {
            let users = directory.channels.keys().filter(|topic| matches!(topic, Topic::Rights(_)));
            users.map(|topic| (*topic, Message { event: "restart", json: Bytes::from_static(b"{}") })).collect()
        });
    }

    /// Something to say between ticks: it advances no cursor.
    pub fn say(&self, messages: Vec<(Topic, Message)>) {
        if !messages.is_empty() {
            self.publish_at(None, |_| messages);
        }
    }

    /// One tick: its cursor, and what it has to say. Messages for topics without subscribers are dropped here, under the
    /// lock that subscribing takes, and nowhere earlier: a subscriber who comes meanwhile gets either this tick's
    /// frames or a starting point after it.
    pub fn publish(&self, cursor: &str, messages: Vec<(Topic, Message)>) {
        self.publish_at(Some(cursor), |_| messages);
    }

    /// `messages` are asked for under the lock, so that a restart misses no stream that opens at the same moment.
    fn publish_at(&self, cursor: Option<&str>, messages: impl FnOnce(&Directory) -> Vec<(Topic, Message)>) {
        let mut touched: Vec<Arc<Channel>> = Vec::new();
        {
            let mut directory = lock(&self.directory);
            let messages = messages(&directory);
            let before = directory.cursor.clone();
            let after = cursor.map_or_else(|| before.clone(), Arc::from);
            let tick = directory.tick + 1;
            for (topic, message) in messages {
                let Some(channel) = directory.channels.get(&topic) else { continue };
                let (before, after) = (before.clone(), after.clone());
                let frame = Arc::new(Frame { tick, message, before, after, encoded: Default::default() });
                lock(&channel.inside).push(topic.keeps(), frame);
                if !touched.iter().any(|known| Arc::ptr_eq(known, channel)) {
                    touched.push(channel.clone());
                }
            }
            directory.cursor = after;
            directory.tick = tick;
            self.tick.store(tick, Ordering::Release);
        }
        for channel in touched {
            for (_, waker) in &lock(&channel.inside).wakers {
                waker.wake_by_ref();
            }
        }
    }

    /// State topics that have a subscriber and no state yet. Each is named once.
    pub fn take_cold(&self) -> Vec<Topic> {
        std::mem::take(&mut lock(&self.directory).cold)
    }

    /// The state topics that somebody is subscribed to.
    pub fn state_topics(&self) -> Vec<Topic> {
        lock(&self.directory).channels.keys().filter(|topic| topic.is_state()).copied().collect()
    }

    /// Ends every stream, each with a `retry` of its own so that the clients come back spread out. None can be opened after.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        let channels: Vec<_> = {
            let mut directory = lock(&self.directory);
            directory.draining = true;
            directory.channels.values().cloned().collect()
        };
        for channel in channels {
            for (_, waker) in &lock(&channel.inside).wakers {
                waker.wake_by_ref();
            }
        }
    }

    pub fn let_lifetimes(&self, lifetimes: Lifetimes) {
        self.lifetimes_wait.store(lifetimes == Lifetimes::WaitForTheDatabase, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// How many streams are open, and how many of them are this user's.
    pub fn open_streams(&self, user: UserId) -> (usize, usize) {
        let directory = lock(&self.directory);
        let own = directory.channels.get(&Topic::Rights(user)).map_or(0, |channel| lock(&channel.inside).subscribers);
        (directory.subscriptions, own)
    }

    /// Subscribes one connection to its topics, from the tick that is the last one now. `None` while draining.
    pub fn subscribe(self: &Arc<Self>, wanted: Wanted<'_>) -> Option<Subscription> {
        let shard = rand::random_range(0..HEARTBEAT_SHARDS);
        let mut directory = lock(&self.directory);
        if directory.draining {
            return None;
        }
        // Rights first (they end the stream before anything else is said), heartbeats last of their tick.
        let topics = std::iter::once(Topic::Rights(wanted.user))
            .chain(wanted.topics.iter().copied())
            .chain(std::iter::once(Topic::Heartbeat(shard)));
        let mut parts = Vec::with_capacity(wanted.topics.len() + 2);
        let mut latest = Vec::new();
        for topic in topics {
            let channel = directory
                .channels
                .entry(topic)
                .or_insert_with(|| Arc::new(Channel { topic, inside: Mutex::default() }))
                .clone();
            let mut inside = lock(&channel.inside);
            inside.subscribers += 1;
            match (topic.is_state(), inside.frames.back()) {
                (true, Some(frame)) => latest.push(frame.message.clone()),
                (true, None) if !directory.cold.contains(&topic) => directory.cold.push(topic),
                _ => {}
            }
            let next = inside.next();
            drop(inside);
            parts.push(Part { channel, next, waker: None });
        }
        directory.subscriptions += 1;
        Some(Subscription {
            hub: self.clone(),
            parts: parts.into(),
            cursor: directory.cursor.clone(),
            latest,
            ready: VecDeque::new(),
            naming: wanted.naming,
            ends: Ends::At(Instant::now() + wanted.lifetime),
        })
    }
}

/// What a connection asks of the hub.
pub struct Wanted<'a> {
    pub user: UserId,
    pub topics: &'a [Topic],
    pub naming: Naming,
    /// The stream ends at the first heartbeat after this; jittered by the caller.
    pub lifetime: Duration,
}

struct Part {
    channel: Arc<Channel>,
    next: u64,
    waker: Option<usize>,
}

enum Ends {
    At(Instant),
    /// The last words are in `ready`; then it is over.
    Said,
}

/// One connection's place in its topics. Polled by one task at a time.
pub struct Subscription {
    hub: Arc<Hub>,
    parts: Box<[Part]>,
    cursor: Arc<str>,
    latest: Vec<Message>,
    ready: VecDeque<Chunk>,
    naming: Naming,
    ends: Ends,
}

impl Subscription {
    /// The cursor this subscription starts from: everything after it will come, nothing before it.
    pub fn starts_at(&self) -> &Arc<str> {
        &self.cursor
    }

    /// What the state topics say now, for those that have been computed; the others follow by themselves.
    pub fn take_latest(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.latest)
    }

    /// The next frames to write; `None` when the stream is over. Ends by itself when drained, when the user's rights may
    /// have changed, at the end of its lifetime, and when the ring has left it behind.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        if let Some(chunk) = self.ready.pop_front() {
            return Poll::Ready(Some(chunk));
        }
        // most connections are quiet most of the time: the room that a burst took is given back
        self.ready = VecDeque::new();
        if let Ends::Said = self.ends {
            return Poll::Ready(None);
        }
        self.enrol(cx);
        match self.collect() {
            Collected::Nothing => Poll::Pending,
            Collected::Frames => Poll::Ready(self.ready.pop_front()),
            Collected::End { retry } => {
                self.ends = Ends::Said;
                Poll::Ready(Some(Chunk::retry(retry)))
            }
        }
    }

    /// Whether there is no use in waiting for a reader whose socket is full: the ring has left it behind, its rights have
    /// changed, or we are going away. It resumes by its own cursor.
    pub fn is_over(&mut self, cx: &Context<'_>) -> bool {
        // the wakes of what is published let the caller look again
        self.enrol(cx);
        let over = |part: &Part| {
            let inside = lock(&part.channel.inside);
            match part.channel.topic {
                Topic::Rights(_) => inside.next() > part.next,
                topic => topic.keeps() == Keeps::Ring && part.next < inside.first,
            }
        };
        self.hub.is_draining() || self.parts.iter().any(over)
    }

    /// Enrols before looking: a frame published between looking and enrolling would be slept through.
    fn enrol(&mut self, cx: &Context<'_>) {
        for part in &mut self.parts {
            let mut inside = lock(&part.channel.inside);
            match part.waker {
                Some(key) if inside.wakers[key].will_wake(cx.waker()) => {}
                Some(key) => inside.wakers[key].clone_from(cx.waker()),
                None => part.waker = Some(inside.wakers.insert(cx.waker().clone())),
            }
        }
    }

    fn collect(&mut self) -> Collected {
        if self.hub.is_draining() {
            return Collected::End { retry: jitter(Duration::from_millis(500), Duration::from_secs(5)) };
        }
        // Frames beyond this tick may be half published: they wait for the wake that follows.
        let whole = self.hub.tick.load(Ordering::Acquire);
        let mut frames: Vec<Arc<Frame>> = Vec::new();
        for part in &mut self.parts {
            let inside = lock(&part.channel.inside);
            if part.next < inside.first {
                match part.channel.topic.keeps() {
                    Keeps::Latest => part.next = inside.first,
                    Keeps::Ring => return Collected::End { retry: jitter(Duration::ZERO, Duration::from_millis(500)) },
                }
            }
            let skip = usize::try_from(part.next - inside.first).unwrap_or(usize::MAX);
            for frame in inside.frames.iter().skip(skip).take_while(|frame| frame.tick <= whole) {
                if let Topic::Rights(_) = part.channel.topic {
                    return Collected::End { retry: jitter(Duration::ZERO, Duration::from_millis(200)) };
                }
                frames.push(frame.clone());
                part.next += 1;
            }
        }
        if frames.is_empty() {
            return Collected::Nothing;
        }
        // Stable, so that within a tick the order of the topics holds.
        frames.sort_by_key(|frame| frame.tick);
        let may_end = !self.hub.lifetimes_wait.load(Ordering::Acquire);
        let mut over = false;
        for (i, frame) in frames.iter().enumerate() {
            let last_of_tick = match frames.get(i + 1) {
                Some(next) if next.tick == frame.tick => LastOfTick::No,
                _ => LastOfTick::Yes,
            };
            self.ready.push_back(frame.chunk(self.naming, last_of_tick));
            over |= may_end
                && frame.message.event == HEARTBEAT
                && matches!(self.ends, Ends::At(end) if Instant::now() >= end);
        }
        if over {
            let retry = jitter(Duration::ZERO, Duration::from_secs(1));
            self.ready.push_back(Chunk::retry(retry));
            self.ends = Ends::Said;
        }
        Collected::Frames
    }
}

enum Collected {
    Nothing,
    Frames,
    End { retry: Duration },
}

/// A moment between the two, so that what happens to all clients at once does not bring them back at once.
pub fn jitter(least: Duration, most: Duration) -> Duration {
    least + (most - least).mul_f64(rand::random())
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut directory = lock(&self.hub.directory);
        directory.subscriptions -= 1;
        for part in &self.parts {
            let mut inside = lock(&part.channel.inside);
            if let Some(key) = part.waker {
                inside.wakers.remove(key);
            }
            inside.subscribers -= 1;
            // Nobody listens: nothing is kept. The next one to come finds a fresh channel.
            if inside.subscribers == 0 {
                directory.channels.remove(&part.channel.topic);
            }
        }
    }
}
