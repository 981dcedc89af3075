//! The `monitoring` stream: how this process is, once a second while somebody looks, and otherwise nothing but a sample now and
//! then. What a branch's admin sees is of their branch; how the machine is, only the head office.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::PgPool;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::presence::{Seen, is_of, label};
use super::{Live, lock, now, rfc3339};
use crate::device;
use crate::hub::{Message, Topic};
use crate::ids::{BranchId, UserId};
use crate::metrics::Window;
use crate::metrics::process::{Process, uptime};
use crate::monitoring::{Holder, Person, delay, length, sql};
use crate::scope::{Branches, Role};

/// How often those who look are told.
const EVERY: Duration = Duration::from_secs(1);
/// The chart's past: an hour, a sample every ten seconds.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
const SAMPLES: usize = 360;
/// Rows of one message; who has more connections than this is told how many are not shown.
const MOST_SHOWN: usize = 100;
/// A browser whose middle delay is longer lags.
const LAGGING: Duration = Duration::from_secs(1);
/// A socket that takes nothing for so long is slow, not just busy.
const BLOCKED: Duration = Duration::from_secs(2);
/// A transaction that is open for so long is named.
const HELD_SECONDS: f64 = 5.0;
/// Whoever asks the database for names does not wait longer for them.
const NAMES_WITHIN: Duration = Duration::from_secs(2);
/// Names change seldom; who looks need not ask for them every second.
const NAMES_KEPT: Duration = Duration::from_secs(30);
/// A browser may say something about itself this often.
const BEACON_EVERY: Duration = Duration::from_secs(5);
/// Users whose last beacon is remembered; the oldest give way.
const BEACONS: usize = 20_000;

/// What is remembered between two looks: all of it a restart may forget.
#[derive(Debug, Default)]
pub struct Memory {
    samples: Mutex<VecDeque<Sample>>,
    /// By branch; 0 is the head office.
    screens: Mutex<HashMap<i64, Window>>,
    names: Mutex<Names>,
    beacons: Mutex<HashMap<(UserId, u32), Instant>>,
}

/// As the database says them.
#[derive(Debug, Clone, Default)]
struct Names {
    read: Option<Instant>,
    people: HashMap<UserId, Person>,
    /// `Chrome · Android`, by [`super::presence::Roll::browser`].
    browsers: HashMap<(UserId, u32), String>,
}

#[derive(Debug, Clone)]
struct Sample {
    unix: i64,
    streams: Box<[(i64, u32)]>,
    requests: u64,
    failures: u64,
    frames: u64,
}

/// What a browser measured of itself.
#[derive(Debug, Clone)]
pub struct Painted {
    pub browser: u32,
    /// From a row's stamp to the painted screen.
    pub delays: Vec<Duration>,
    pub tabs: u8,
}

/// Series for the chart, oldest first.
#[derive(Debug, Serialize)]
pub struct History {
    unix: Vec<i64>,
    streams: Vec<u32>,
    branches: Vec<BranchSeries>,
    /// Answers with a status of 500 or above, since the start. Only with all branches: requests are not counted by branch.
    failed: Option<Vec<u64>>,
}

#[derive(Debug, Serialize)]
struct BranchSeries {
    branch_id: i64,
    name: String,
    streams: Vec<u32>,
}

#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    unix: i64,
    pub streams: usize,
    pub people: usize,
    pub tabs: usize,
    pub slow: usize,
    pub lagging: usize,
    pub branches: Vec<BranchLine>,
    pub online: Vec<PersonLine>,
    pub listeners: Vec<ListenerLine>,
    pub not_shown: usize,
    pub feed: FeedLine,
    pub screen: Delays,
    /// Only with all branches.
    pub machine: Option<Machine>,
    pub holders: Vec<Holder>,
}

#[derive(Debug, Default, Serialize)]
pub struct BranchLine {
    pub branch_id: i64,
    pub name: String,
    pub streams: usize,
    pub people: usize,
    #[serde(flatten)]
    pub screen: Delays,
    pub lagging: usize,
}

/// `–` where nothing was measured.
#[derive(Debug, Default, Serialize)]
pub struct Delays {
    pub p50: String,
    pub p95: String,
    pub p99: String,
    pub measured: u64,
}

#[derive(Debug, Default, Serialize)]
pub struct PersonLine {
    pub user_id: i64,
    pub name: String,
    pub role: &'static str,
    pub branch: String,
    pub since: String,
    pub streams: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct ListenerLine {
    /// As text: a number of a script is not that long.
    pub id: String,
    pub name: String,
    pub place: String,
    pub browser: String,
    pub streams: String,
    pub since: String,
    pub cursor: String,
    pub told: String,
    pub tabs: u8,
    pub frames: u64,
    pub state: &'static str,
    /// The level of a chip: `normal`, `medium` or `low`.
    pub level: &'static str,
}

#[derive(Debug, Serialize)]
pub struct FeedLine {
    pub fresh: bool,
    pub word: &'static str,
    pub tick: String,
    pub tick_p99: String,
    pub lag: String,
    pub newest: String,
    pub snapshot_age: String,
    /// Whether a transaction keeps the horizon from moving.
    pub held: bool,
}

#[derive(Debug, Serialize)]
pub struct Machine {
    pub memory: String,
    pub uptime: String,
    pub pool_used: u32,
    pub pool_most: u32,
    pub requests: String,
    pub failures: String,
    /// Answers with a status of 500 or above, since the start.
    pub failed: u64,
    pub frames: String,
}

impl Delays {
    fn of(window: &Window) -> Self {
        let told = |share| window.percentile(share).map_or_else(|| "–".to_owned(), delay);
        Self { p50: told(0.5), p95: told(0.95), p99: told(0.99), measured: window.count() }
    }
}

impl Memory {
    /// Takes what a browser of `user` says; false if it speaks too often.
    pub fn hear(&self, live: &Live, user: UserId, home: Option<BranchId>, mut painted: Painted) -> bool {
        {
            let mut beacons = lock(&self.beacons);
            let browser = (user, painted.browser);
            if beacons.get(&browser).is_some_and(|last| last.elapsed() < BEACON_EVERY) {
                return false;
            }
            if beacons.len() >= BEACONS {
                beacons.retain(|_, last| last.elapsed() < BEACON_EVERY);
            }
            beacons.insert(browser, Instant::now());
        }
        let branch = label(home.map_or(Branches::All, Branches::One));
        let mut screens = lock(&self.screens);
        let window = screens.entry(branch).or_default();
        for delay in &painted.delays {
            window.observe(delay.as_secs_f64());
            live.metrics().painted(branch, *delay);
        }
        drop(screens);
        painted.delays.sort_unstable();
        if let Some(middle) = painted.delays.get(painted.delays.len() / 2) {
            live.roll().browser_says(user, painted.browser, painted.tabs, *middle);
        }
        true
    }

    fn history(&self, branches: Branches, names: Vec<(i64, String)>) -> History {
        let samples = lock(&self.samples);
        let of = |sample: &Sample, wanted: i64| {
            sample.streams.iter().find(|(branch, _)| *branch == wanted).map_or(0, |(_, streams)| *streams)
        };
        let series = |(branch_id, name)| {
            let streams = samples.iter().map(|sample| of(sample, branch_id)).collect();
            BranchSeries { branch_id, name, streams }
        };
        let all = |sample: &Sample| {
            let counts = sample.streams.iter();
            counts.filter(|(branch, _)| branches.contain(BranchId(*branch))).map(|(_, streams)| streams).sum()
        };
        History {
            unix: samples.iter().map(|sample| sample.unix).collect(),
            streams: samples.iter().map(all).collect(),
            branches: names.into_iter().map(series).collect(),
            failed: (branches == Branches::All).then(|| samples.iter().map(|sample| sample.failures).collect()),
        }
    }

    fn sample(&self, live: &Live) {
        let mut streams: BTreeMap<i64, u32> = BTreeMap::new();
        for seen in live.roll().look() {
            *streams.entry(label(seen.who.branches)).or_default() += 1;
        }
        let served = live.metrics().served();
        let sample = Sample {
            unix: now().unix_timestamp(),
            streams: streams.into_iter().collect(),
            requests: served.requests,
            failures: served.failures,
            frames: live.roll().frames(),
        };
        let mut samples = lock(&self.samples);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
        lock(&self.screens).values_mut().for_each(Window::turn);
    }

    /// The oldest sample of the last five minutes.
    fn before(&self) -> Option<Sample> {
        let samples = lock(&self.samples);
        samples.iter().nth(samples.len().saturating_sub(30)).cloned()
    }
}

/// Samples and tells, until `stop`.
pub async fn watch(live: Live, pool: PgPool, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sampled: Option<Instant> = None;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if sampled.is_none_or(|at| at.elapsed() >= SAMPLE_EVERY) {
            sampled = Some(Instant::now());
            live.monitoring().sample(&live);
        }
        let topics = live.hub().state_topics();
        let watched = topics.into_iter().filter_map(|topic| match topic {
            Topic::Monitoring(branches) => Some(branches),
            _ => None,
        });
        for branches in watched {
            let Some(report) = stop.run_until_cancelled(live.report(&pool, branches)).await else { return };
            let json = serde_json::to_vec(&report).expect("strings and numbers always serialise").into();
            live.hub().say(vec![(Topic::Monitoring(branches), Message { event: "monitoring", json })]);
        }
    }
}

impl Live {
    /// How it is now, for whoever sees `branches`.
    pub async fn report(&self, pool: &PgPool, branches: Branches) -> Report {
        let mut seen = self.roll().look();
        seen.retain(|seen| is_of(seen.who.branches, branches));
        seen.sort_by_key(|seen| (std::cmp::Reverse(rank(seen)), seen.open_for));
        let names = self.names(pool, &seen).await;
        let holders = match branches {
            Branches::All => self.holders(pool).await,
            Branches::One(_) => Vec::new(),
        };
        let users: BTreeSet<UserId> = seen.iter().map(|seen| seen.who.user).collect();
        let memory = self.monitoring();
        let mut screen = Window::default();
        let screens = lock(&memory.screens).clone();
        let lines = self.branch_lines(&seen, &screens, branches);
        screens.iter().filter(|(branch, _)| branches.contain(BranchId(**branch))).for_each(|(_, of)| screen.add(of));
        Report {
            kind: "monitoring_update",
            timestamp: rfc3339(now()),
            unix: now().unix_timestamp(),
            streams: seen.len(),
            people: users.len(),
            tabs: seen.iter().map(|seen| usize::from(seen.tabs)).sum(),
            slow: seen.iter().filter(|seen| is_slow(seen)).count(),
            lagging: seen.iter().filter(|seen| is_lagging(seen)).count(),
            branches: lines,
            online: people(&seen, &names.people),
            listeners: seen.iter().take(MOST_SHOWN).map(|seen| listener(seen, &names)).collect(),
            not_shown: seen.len().saturating_sub(MOST_SHOWN),
            feed: self.feed_line(),
            screen: Delays::of(&screen),
            machine: (branches == Branches::All).then(|| self.machine(pool)),
            holders,
        }
    }

    /// Names from the database; where it is away, those that were read before.
    async fn names(&self, pool: &PgPool, seen: &[Seen]) -> Names {
        let browsers: BTreeSet<(UserId, u32)> = seen.iter().map(|seen| (seen.who.user, seen.who.browser)).collect();
        let browsers: Vec<(UserId, u32)> = browsers.into_iter().take(10 * MOST_SHOWN).collect();
        let users: BTreeSet<UserId> = browsers.iter().map(|(user, _)| *user).collect();
        let users = Vec::from_iter(users);
        let is_known = {
            let names = lock(&self.monitoring().names);
            let is_young = names.read.is_some_and(|read| read.elapsed() < NAMES_KEPT);
            is_young && browsers.iter().all(|browser| names.browsers.contains_key(browser))
        };
        let read = async { tokio::try_join!(sql::people(pool, &users), sql::browsers(pool, &users)) };
        if !is_known && let Ok(Ok((people, sessions))) = tokio::time::timeout(NAMES_WITHIN, read).await {
            // a session that is gone has no name, and need not be asked for again at once
            let unnamed = browsers.into_iter().map(|browser| (browser, String::new()));
            let named = sessions
                .into_iter()
                .map(|(user, session, agent)| ((user, self.roll().browser(&session)), device::name(&agent)));
            *lock(&self.monitoring().names) = Names {
                read: Some(Instant::now()),
                people: people.into_iter().map(|person| (person.id, person)).collect(),
                browsers: unnamed.chain(named).collect(),
            };
        }
        lock(&self.monitoring().names).clone()
    }

    async fn holders(&self, pool: &PgPool) -> Vec<Holder> {
        let found = tokio::time::timeout(NAMES_WITHIN, sql::holders(pool, HELD_SECONDS)).await;
        let Ok(Ok(mut holders)) = found else { return Vec::new() };
        // the feed sees its number a little later than it began, and a little longer
        let is_held = self.feed_pulse().snapshot_age().as_secs_f64() > 2.0 * HELD_SECONDS;
        if is_held && !holders.iter().any(|holder| holder.is_writing) {
            holders.push(Holder::unseen());
        }
        holders
    }

    /// The last hour of those that whoever sees `branches` looks after.
    pub fn history_of(&self, branches: Branches) -> History {
        self.monitoring().history(branches, self.branch_names(branches))
    }

    /// By id; 0 is the head office.
    fn branch_names(&self, branches: Branches) -> Vec<(i64, String)> {
        let days = self.days().unwrap_or_default();
        let known = days.values().filter(|day| branches.contain(day.branch_id));
        let mut names: Vec<(i64, String)> = known.map(|day| (day.branch_id.0, day.branch_name.clone())).collect();
        if branches == Branches::All {
            names.push((0, "Pusat".to_owned()));
        }
        names
    }

    fn branch_lines(&self, seen: &[Seen], screens: &HashMap<i64, Window>, branches: Branches) -> Vec<BranchLine> {
        let line = |(branch_id, name)| {
            let here = || seen.iter().filter(move |seen| label(seen.who.branches) == branch_id);
            let users: BTreeSet<UserId> = here().map(|seen| seen.who.user).collect();
            BranchLine {
                branch_id,
                name,
                streams: here().count(),
                people: users.len(),
                screen: Delays::of(screens.get(&branch_id).unwrap_or(&Window::default())),
                lagging: here().filter(|seen| is_lagging(seen)).count(),
            }
        };
        self.branch_names(branches).into_iter().map(line).collect()
    }

    fn feed_line(&self) -> FeedLine {
        let (pulse, fresh, ticks) = (self.feed_pulse(), self.is_fresh(), self.metrics().recent_ticks());
        let since = |when| length(Duration::try_from(now() - when).unwrap_or_default());
        let told = |share| ticks.percentile(share).map_or_else(|| "–".to_owned(), delay);
        FeedLine {
            fresh,
            word: if fresh { "Langsung" } else { "Tertinggal" },
            tick: told(0.5),
            tick_p99: told(0.99),
            lag: if fresh { "0 dtk".to_owned() } else { since(self.as_of()) },
            newest: pulse.newest_change.map_or_else(|| "belum ada".to_owned(), |at| format!("{} lalu", since(at))),
            snapshot_age: length(pulse.snapshot_age()),
            held: pulse.snapshot_age().as_secs_f64() > HELD_SECONDS,
        }
    }

    fn machine(&self, pool: &PgPool) -> Machine {
        let served = self.metrics().served();
        let frames = self.roll().frames();
        let before = self.monitoring().before();
        let (requests, failures, told, seconds) = before.map_or((0, 0, 0, 1.0), |before| {
            let seconds = (now().unix_timestamp() - before.unix).max(1) as f64;
            (served.requests - before.requests, served.failures - before.failures, frames - before.frames, seconds)
        });
        let share = if requests > 0 { 100.0 * failures as f64 / requests as f64 } else { 0.0 };
        let comma = |text: String| text.replace('.', ",");
        Machine {
            memory: Process::now().map_or_else(|| "–".to_owned(), |of| format!("{} MB", of.resident_bytes >> 20)),
            uptime: length(uptime()),
            pool_used: pool.size().saturating_sub(u32::try_from(pool.num_idle()).unwrap_or(u32::MAX)),
            pool_most: pool.options().get_max_connections(),
            requests: comma(format!("{:.1}", requests as f64 / seconds)),
            failures: comma(format!("{share:.1}%")),
            failed: served.failures,
            frames: comma(format!("{:.1}", told as f64 / seconds)),
        }
    }
}

fn is_slow(seen: &Seen) -> bool {
    seen.blocked_for.is_some_and(|blocked| blocked >= BLOCKED)
}

fn is_lagging(seen: &Seen) -> bool {
    seen.screen.is_some_and(|screen| screen >= LAGGING)
}

/// What needs looking at comes first.
fn rank(seen: &Seen) -> u8 {
    2 * u8::from(is_slow(seen)) + u8::from(is_lagging(seen))
}

fn place(seen: &Seen, names: &Names) -> String {
    match names.people.get(&seen.who.user) {
        Some(Person { branch: Some(branch), role, .. }) => format!("{}, {branch}", role.label()),
        _ => seen.who.role.label().to_owned(),
    }
}

fn name(user: UserId, names: &HashMap<UserId, Person>) -> String {
    names.get(&user).map_or_else(|| format!("Akun {user}"), |person| person.name.clone())
}

fn people(seen: &[Seen], names: &HashMap<UserId, Person>) -> Vec<PersonLine> {
    let mut by_user: BTreeMap<UserId, (Duration, usize, Role)> = BTreeMap::new();
    for seen in seen {
        let (since, streams, _) = by_user.entry(seen.who.user).or_insert((seen.open_for, 0, seen.who.role));
        *since = seen.open_for.max(*since);
        *streams += 1;
    }
    let line = |(user_id, (since, streams, role)): (UserId, (Duration, usize, Role))| PersonLine {
        user_id: user_id.0,
        name: name(user_id, names),
        role: role.label(),
        branch: names
            .get(&user_id)
            .and_then(|person| person.branch.clone())
            .unwrap_or_else(|| "Semua cabang".to_owned()),
        since: length(since),
        streams,
    };
    let mut people: Vec<_> = by_user.into_iter().map(line).collect();
    people.sort_by(|a, b| a.branch.cmp(&b.branch).then(a.name.cmp(&b.name)).then(a.user_id.cmp(&b.user_id)));
    people.truncate(MOST_SHOWN);
    people
}

fn listener(seen: &Seen, names: &Names) -> ListenerLine {
    let (state, level) = match (is_slow(seen), is_lagging(seen)) {
        (true, _) => ("Tersendat", "low"),
        (_, true) => ("Lambat", "medium"),
        _ => ("Lancar", "normal"),
    };
    ListenerLine {
        id: seen.id.to_string(),
        name: name(seen.who.user, &names.people),
        place: place(seen, names),
        browser: names.browsers.get(&(seen.who.user, seen.who.browser)).cloned().unwrap_or_default(),
        streams: seen.who.streams.names().collect::<Vec<_>>().join(", "),
        since: length(seen.open_for),
        cursor: length(seen.silent_for),
        told: seen.untold_for.map_or_else(|| "belum".to_owned(), length),
        tabs: seen.tabs,
        frames: seen.frames,
        state,
        level,
    }
}
