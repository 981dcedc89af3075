//! What a delivery costs in memory: nothing of its own. A message is encoded once for all who hear it; handing it to a
//! connection allocates nothing, however many there are.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test
#![allow(unsafe_code)] // an allocator that counts is one

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use melati::hub::{Hub, Message, Naming, Subscription, Topic, Wanted};
use melati::ids::{BranchId, UserId};
use melati::realtime::presence::{StreamSet, Who};
use melati::scope::{Branches, Role};

/// Counts what this thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is handed on
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const BRANCH: Branches = Branches::One(BranchId(1));

fn subscribe(hub: &Arc<Hub>, user: i64) -> Subscription {
    let topics = [Topic::Dashboard(BRANCH), Topic::Stock(BRANCH), Topic::Notifications(BRANCH, Role::Admin)];
    let (role, streams) = (Role::Admin, StreamSet::default());
    let who = Who { user: UserId(user), role, branches: BRANCH, streams, tabs: 1, browser: 0 };
    let lifetime = Duration::from_secs(600);
    hub.subscribe(Wanted { who, topics: &topics, naming: Naming::Named, lifetime }).unwrap().0
}

/// How many chunks the connections took, and what that allocated.
fn deliver(connections: &mut [Subscription]) -> (usize, usize) {
    let mut cx = Context::from_waker(Waker::noop());
    let before = ALLOCATIONS.get();
    let mut taken = 0;
    for connection in connections {
        while let Poll::Ready(chunk) = connection.poll_next(&mut cx) {
            drop(chunk.expect("nobody ended it").into_framed());
            taken += 1;
        }
    }
    (taken, ALLOCATIONS.get() - before)
}

fn say(hub: &Hub, cursor: &str, topics: &[Topic]) {
    let message = Message { event: "stock-updates", json: r#"{"updates":[]}"#.into() };
    hub.publish(cursor, topics.iter().map(|topic| (*topic, message.clone())).collect());
}

#[test]
fn handing_a_message_to_a_connection_allocates_nothing() {
    const CONNECTIONS: usize = 1_000;
    let hub: Arc<Hub> = Arc::default();
    hub.stand_at("1.a");
    let mut connections: Vec<Subscription> = (0..CONNECTIONS).map(|user| subscribe(&hub, user as i64)).collect();
    // the first poll enrols the connection: that is part of opening
    assert_eq!(deliver(&mut connections).0, 0);

    say(&hub, "1.b", &[Topic::Stock(BRANCH)]);
    let (taken, allocated) = deliver(&mut connections);
    assert_eq!(taken, CONNECTIONS);
    // the first connection encodes the message, for all
    assert!(allocated <= 8, "{allocated} allocations for {taken} deliveries");

    say(&hub, "1.c", &[Topic::Stock(BRANCH)]);
    let few = ALLOCATIONS.get();
    let (taken, allocated) = deliver(&mut connections);
    assert_eq!(taken, CONNECTIONS);
    assert!(allocated <= 8, "{allocated} allocations for {taken} deliveries");
    assert!(ALLOCATIONS.get() >= few, "the allocator counts");

    // Several at once wait in a queue of the connection, which is given back afterwards: two blocks, as one that is not there must
    // take no room.
    say(&hub, "1.d", &[Topic::Dashboard(BRANCH), Topic::Stock(BRANCH), Topic::Notifications(BRANCH, Role::Admin)]);
    let (taken, allocated) = deliver(&mut connections);
    assert_eq!(taken, 3 * CONNECTIONS);
    assert!(
        (2 * CONNECTIONS..=2 * CONNECTIONS + 24).contains(&allocated),
        "{allocated} allocations for {taken} deliveries"
    );
}
