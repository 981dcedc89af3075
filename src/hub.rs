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

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;
use smallvec::SmallVec;

use crate::ids::{BranchId, UserId};
use crate::realtime::presence::{End, Listener, News, Roll, Who};
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
    /// How the process is, for those who look after it.
    Monitoring(Branches),
    /// That somebody has read notifications, on whichever device: their others count again.
    Reads(UserId),
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
            Self::Dashboard(_)
            | Self::KasirDashboard(..)
            | Self::Omset(..)
            | Self::Monitoring(_)
            | Self::Reads(_)
            | Self::Heartbeat(_)
            | Self::Rights(_) => Keeps::Latest,
            Self::Stock(_) | Self::Orders(_) | Self::Notifications(..) => Keeps::Ring,
        }
    }

    /// A state has to be computed when its first subscriber comes; the other topics just wait for what happens.
    fn is_state(self) -> bool {
        matches!(self, Self::Dashboard(_) | Self::KasirDashboard(..) | Self::Omset(..) | Self::Monitoring(_))
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
        let named = naming == Naming::Named || event == HEARTBEAT || event == READS;
        let id = if last_of_tick == LastOfTick::Yes { &self.after } else { &self.before };
        let slot = usize::from(named) * 2 + usize::from(last_of_tick == LastOfTick::Yes);
        self.encoded[slot].get_or_init(|| Chunk::event(named.then_some(event), &self.message.json, id)).clone()
    }
}

/// The event name of heartbeats: named on every stream, for an unnamed one would be taken for data.
pub const HEARTBEAT: &str = "heartbeat";

/// What is said to everybody's rights when the feed starts anew.
const RESTART: &str = "restart";
/// Named on every stream, too: among unnamed messages each is a notification.
pub const READS: &str = "reads";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastOfTick {
    Yes,
    No,
}

struct Channel {
    topic: Topic,
    /// How many frames there have been: who has had as many need not look inside, and nearly every topic of a connection that
    /// is woken has nothing for it.
    published: AtomicU64,
    inside: Mutex<Inside>,
}

impl Channel {
    fn new(topic: Topic) -> Arc<Self> {
        Arc::new(Self { topic, published: AtomicU64::new(0), inside: Mutex::default() })
    }
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
    roll: Roll,
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
            roll: Roll::default(),
        }
    }
}

impl Hub {
    /// Who is connected.
    pub fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Ends one stream, if it is one of ours, and of `branches`.
    pub fn cut(&self, stream: i64, branches: Branches) {
        let Some(user) = self.roll.cut(stream, branches) else { return };
        let channel = lock(&self.directory).channels.get(&Topic::Rights(user)).cloned();
        for (_, waker) in channel.iter().flat_map(|channel| lock(&channel.inside).wakers.clone()) {
            waker.wake();
        }
    }

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
            users.map(|topic| (*topic, Message { event: RESTART, json: Bytes::from_static(b"{}") })).collect()
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
        self.roll.tick();
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
                let mut inside = lock(&channel.inside);
                if inside.frames.back().is_none_or(|newest| newest.tick != tick) {
                    touched.push(channel.clone());
                }
                inside.push(topic.keeps(), frame);
                channel.published.store(inside.next(), Ordering::Release);
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
    pub fn state_topics(&self) -> HashSet<Topic> {
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
    pub fn subscribe(self: &Arc<Self>, wanted: Wanted<'_>) -> Option<(Subscription, Entry)> {
        let shard = rand::random_range(0..HEARTBEAT_SHARDS);
        let mut directory = lock(&self.directory);
        if directory.draining {
            return None;
        }
        // Rights first (they end the stream before anything else is said), heartbeats last of their tick.
        let topics = std::iter::once(Topic::Rights(wanted.who.user))
            .chain(wanted.topics.iter().copied())
            .chain(std::iter::once(Topic::Heartbeat(shard)));
        let mut parts = Vec::with_capacity(wanted.topics.len() + 2);
        let mut latest = Vec::new();
        for topic in topics {
            let channel = directory.channels.entry(topic).or_insert_with(|| Channel::new(topic)).clone();
            let mut inside = lock(&channel.inside);
            inside.subscribers += 1;
            match (topic.is_state(), inside.frames.back()) {
                (true, Some(frame)) => latest.push(frame.message.clone()),
                (true, None) if !directory.cold.contains(&topic) => directory.cold.push(topic),
                _ => {}
            }
            let next = inside.next();
            drop(inside);
            parts.push(Part { channel, next, enrolled: usize::MAX });
        }
        directory.subscriptions += 1;
        let subscription = Subscription {
            hub: self.clone(),
            parts: parts.into(),
            ready: None,
            listener: self.roll.enter(wanted.who),
            waker: None,
            naming: wanted.naming,
            ends: Some(Instant::now() + wanted.lifetime),
        };
        Some((subscription, Entry { cursor: directory.cursor.clone(), latest }))
    }
}

/// What a connection asks of the hub.
pub struct Wanted<'a> {
    pub who: Who,
    pub topics: &'a [Topic],
    pub naming: Naming,
    /// The stream ends at the first heartbeat after this; jittered by the caller.
    pub lifetime: Duration,
}

struct Part {
    channel: Arc<Channel>,
    next: u64,
    /// The key among the channel's wakers, once the subscription has one.
    enrolled: usize,
}

impl Part {
    fn has_news(&self) -> bool {
        self.channel.published.load(Ordering::Acquire) != self.next
    }
}

/// Where a subscription begins.
pub struct Entry {
    /// Everything after it will come, nothing before it.
    pub cursor: Arc<str>,
    /// What the state topics say now, for those that have been computed; the others follow by themselves.
    pub latest: Vec<Message>,
}

/// One connection's place in its topics. Polled by one task at a time. Small, for there are ten thousand of these.
pub struct Subscription {
    hub: Arc<Hub>,
    parts: Box<[Part]>,
    /// To be written before anything else. Nearly always nothing, and then it takes no room.
    #[expect(clippy::box_collection, reason = "a queue that is not there takes eight bytes and not thirty-two")]
    ready: Option<Box<VecDeque<Chunk>>>,
    listener: Arc<Listener>,
    /// Whom the channels wake: the task that polls, and that is the same one for life.
    waker: Option<Waker>,
    naming: Naming,
    /// When its life is over; `None` once the last words are in `ready`.
    ends: Option<Instant>,
}

impl Subscription {
    /// Before the live frames come these.
    pub fn begin_with(&mut self, backlog: Vec<Chunk>) {
        self.listener.was_told(backlog.len(), News::Some, &self.hub.roll);
        self.ready = Some(Box::new(backlog.into()));
    }

    /// The next frames to write; `None` when the stream is over. Ends by itself when drained, when the user's rights may
    /// have changed, at the end of its lifetime, and when the ring has left it behind.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        // The reader may have been slow enough for its rights to change before it had all this. The last words are for all.
        if self.ready.is_some() && self.ends.is_some() && self.is_over(cx) {
            self.ready = None;
        }
        if let Some(chunk) = self.ready.as_mut().and_then(|ready| ready.pop_front()) {
            return Poll::Ready(Some(chunk));
        }
        self.ready = None;
        if self.ends.is_none() {
            return Poll::Ready(None);
        }
        self.enrol(cx);
        match self.collect() {
            Collected::Nothing => Poll::Pending,
            Collected::Frames { first } => Poll::Ready(Some(first)),
            Collected::End { why, retry } => {
                self.listener.ends(why);
                self.ends = None;
                Poll::Ready(Some(Chunk::retry(retry)))
            }
        }
    }

    /// Asked while the reader's socket is full: whether there is no use in waiting for it.
    pub fn is_lost(&mut self, cx: &Context<'_>) -> bool {
        self.listener.is_blocked(&self.hub.roll);
        self.is_over(cx)
    }

    /// The ring has left this reader behind, its rights have changed, or we are going away. It resumes by its own cursor.
    fn is_over(&mut self, cx: &Context<'_>) -> bool {
        // the wakes of what is published let the caller look again
        self.enrol(cx);
        let over = |part: &Part| match part.channel.topic {
            _ if !part.has_news() => None,
            Topic::Rights(_) => Some(End::Rights),
            topic => {
                (topic.keeps() == Keeps::Ring && part.next < lock(&part.channel.inside).first).then_some(End::Overrun)
            }
        };
        let end = match (self.hub.is_draining(), self.listener.is_cut()) {
            (true, _) => Some(End::Drain),
            (_, true) => Some(End::Cut),
            _ => self.parts.iter().find_map(over),
        };
        if let Some(end) = end {
            self.listener.ends(end);
        }
        end.is_some()
    }

    /// Enrols before looking: a frame published between looking and enrolling would be slept through.
    fn enrol(&mut self, cx: &Context<'_>) {
        let waker = cx.waker();
        if self.waker.as_ref().is_some_and(|enrolled| enrolled.will_wake(waker)) {
            return;
        }
        for part in &mut self.parts {
            let mut inside = lock(&part.channel.inside);
            match &self.waker {
                Some(_) => inside.wakers[part.enrolled].clone_from(waker),
                None => part.enrolled = inside.wakers.insert(waker.clone()),
            }
        }
        self.waker = Some(waker.clone());
    }

    fn collect(&mut self) -> Collected {
        if self.hub.is_draining() {
            return Collected::End {
                why: End::Drain,
                retry: jitter(Duration::from_millis(500), Duration::from_secs(5)),
            };
        }
        if self.listener.is_cut() {
            return Collected::End { why: End::Cut, retry: jitter(Duration::from_secs(4), Duration::from_secs(6)) };
        }
        // Frames beyond this tick may be half published: they wait for the wake that follows.
        let whole = self.hub.tick.load(Ordering::Acquire);
        // One frame is what nearly every wake brings: for it, nothing is allocated.
        let mut frames: SmallVec<[Arc<Frame>; 4]> = SmallVec::new();
        for part in &mut self.parts {
            if !part.has_news() {
                continue;
            }
            let inside = lock(&part.channel.inside);
            if part.next < inside.first {
                match part.channel.topic.keeps() {
                    Keeps::Latest => part.next = inside.first,
                    Keeps::Ring => {
                        let retry = jitter(Duration::ZERO, Duration::from_millis(500));
                        return Collected::End { why: End::Overrun, retry };
                    }
                }
            }
            let skip = usize::try_from(part.next - inside.first).unwrap_or(usize::MAX);
            for frame in inside.frames.iter().skip(skip).take_while(|frame| frame.tick <= whole) {
                if let Topic::Rights(_) = part.channel.topic {
                    let why = if frame.message.event == RESTART { End::Restart } else { End::Rights };
                    return Collected::End { why, retry: jitter(Duration::ZERO, Duration::from_millis(200)) };
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
        let mut first = None;
        let mut over = false;
        let mut news = News::None;
        for (i, frame) in frames.iter().enumerate() {
            let last_of_tick = match frames.get(i + 1) {
                Some(next) if next.tick == frame.tick => LastOfTick::No,
                _ => LastOfTick::Yes,
            };
            let chunk = frame.chunk(self.naming, last_of_tick);
            match first {
                None => first = Some(chunk),
                Some(_) => self.ready.get_or_insert_default().push_back(chunk),
            }
            if frame.message.event != HEARTBEAT {
                news = News::Some;
            }
            over |= may_end && frame.message.event == HEARTBEAT && self.ends.is_some_and(|end| Instant::now() >= end);
        }
        self.listener.was_told(frames.len(), news, &self.hub.roll);
        if over {
            self.listener.ends(End::Lifetime);
            let retry = jitter(Duration::ZERO, Duration::from_secs(1));
            self.ready.get_or_insert_default().push_back(Chunk::retry(retry));
            self.ends = None;
        }
        first.map_or(Collected::Nothing, |first| Collected::Frames { first })
    }
}

enum Collected {
    Nothing,
    /// The others are in `ready`.
    Frames {
        first: Chunk,
    },
    End {
        why: End,
        retry: Duration,
    },
}

/// A moment between the two, so that what happens to all clients at once does not bring them back at once.
pub fn jitter(least: Duration, most: Duration) -> Duration {
    least + (most - least).mul_f64(rand::random())
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.roll.leave(&self.listener);
        let mut directory = lock(&self.hub.directory);
        directory.subscriptions -= 1;
        for part in &self.parts {
            let mut inside = lock(&part.channel.inside);
            if self.waker.is_some() {
                inside.wakers.remove(part.enrolled);
            }
            inside.subscribers -= 1;
            // Nobody listens: nothing is kept. The next one to come finds a fresh channel.
            if inside.subscribers == 0 {
                directory.channels.remove(&part.channel.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::presence::StreamSet;

    #[test]
    fn a_backlog_that_was_not_sent_yet_is_dropped_with_the_rights_it_was_read_by() {
        let hub = Arc::new(Hub::default());
        hub.stand_at("1");
        let open = |user| {
            let (user, role, branches) = (UserId(user), Role::SuperAdmin, Branches::All);
            let who = Who { user, role, branches, streams: StreamSet::default(), tabs: 1, browser: 0 };
            let wanted = Wanted { who, topics: &[], naming: Naming::Named, lifetime: Duration::from_secs(60) };
            let (mut subscription, _) = hub.subscribe(wanted).expect("not draining");
            let backlog = (1..=3).map(|n| Chunk::event(None, format!("{{\"row\":{n}}}").as_bytes(), "1"));
            subscription.begin_with(backlog.collect());
            subscription
        };
        let next = |frames: &mut Subscription| match frames.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(chunk) => chunk.map(|chunk| String::from_utf8_lossy(&chunk.into_payload()).into_owned()),
            Poll::Pending => panic!("something was ready"),
        };
        let (mut changed, mut other) = (open(1), open(2));
        for frames in [&mut changed, &mut other] {
            assert!(next(frames).unwrap().contains("\"row\":1"));
        }
        hub.publish("2", vec![(Topic::Rights(UserId(1)), Message { event: "rights", json: "{}".into() })]);
        let rest: Vec<String> = std::iter::from_fn(|| next(&mut changed)).collect();
        assert!(rest.iter().all(|chunk| !chunk.contains("row")), "{rest:?}");
        assert!(next(&mut other).unwrap().contains("\"row\":2"), "whose rights stayed reads on");
    }

    #[test]
    fn a_reader_that_is_left_behind_and_one_that_is_sent_away_are_counted_as_such() {
        let hub = Arc::new(Hub::default());
        hub.stand_at("1");
        let topics = [Topic::Orders(Branches::All)];
        let open = || {
            let (user, role, branches) = (UserId(1), Role::SuperAdmin, Branches::All);
            let who = Who { user, role, branches, streams: StreamSet::default(), tabs: 1, browser: 0 };
            let wanted = Wanted { who, topics: &topics, naming: Naming::Named, lifetime: Duration::from_secs(60) };
            hub.subscribe(wanted).expect("not draining").0
        };
        let closed = || {
            let mut registry = prometheus_client::registry::Registry::default();
            hub.roll().metrics().register(&mut registry);
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).expect("numbers are text");
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let lines =
                lines.filter(|line| line.starts_with("melati_streams_closed") || line.starts_with("melati_ring"));
            lines.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
        };
        let rest = |frames: &mut Subscription| {
            let mut context = Context::from_waker(Waker::noop());
            while !matches!(frames.poll_next(&mut context), Poll::Ready(None) | Poll::Pending) {}
        };
        let mut slow = open();
        for n in 0..=RING_FRAMES {
            let message = Message { event: "orders", json: "{}".into() };
            hub.publish(&(n + 2).to_string(), vec![(topics[0], message)]);
        }
        rest(&mut slow);
        drop(slow);
        assert!(closed().contains("melati_streams_closed_total{reason=\"overrun\"} 1"), "{:?}", closed());
        assert!(closed().contains("melati_ring_overruns_total 1"), "{:?}", closed());
        let mut last = open();
        hub.drain();
        rest(&mut last);
        drop(last);
        assert!(closed().contains("melati_streams_closed_total{reason=\"drain\"} 1"), "{:?}", closed());
    }

    #[test]
    fn a_subscription_is_small() {
        // with its socket (40), what is unsent (32) and what tokio and its tracker add (104) that is a task of 256 bytes
        assert!(size_of::<Subscription>() <= 80, "{}", size_of::<Subscription>());
    }
}
