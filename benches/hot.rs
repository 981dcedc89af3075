//! What is done ten thousand times: `cargo bench --bench hot`. Figures and what they mean: docs/performance.md.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use melati::feed::{Cursor, Snapshot};
use melati::hub::{Chunk, Hub, Message, Naming, Subscription, Topic, Wanted};
use melati::ids::{BranchId, UserId};
use melati::realtime::presence::{StreamSet, Who};
use melati::scope::{Branches, Role, Viewer};

/// A stock update of one product, about as long as they are.
const JSON: &[u8] = br#"{"timestamp":"2026-11-21T03:04:05.678901Z","total_updates":1,"low_stock_alerts":0,"medium_stock_alerts":1,"updates":[{"type":"frame_stock_update","product_type":"Frame","product_id":12,"product_name":"Sendja Oval - Umum","new_stock":9,"kode":"FR000012","branch_id":3,"branch_name":"Kemang","price":685000,"updated_at":"2026-11-21T03:04:05.670001Z","alert_level":"medium"}],"summary":{"frames_updated":1,"lensas_updated":0,"aksesoris_updated":0},"totals":{"low":4,"medium":17}}"#;
const CURSOR: &str = "1.1a2b3c4d5e6f7.1.1z141z3.2bcd.a.1.2";

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Bytes(JSON.len() as u64));
    group.bench_function("one event, framed for HTTP/1.1", |b| {
        b.iter(|| Chunk::event(Some("stock-updates"), black_box(JSON), black_box(CURSOR)))
    });
    group.finish();
}

fn connections(hub: &Arc<Hub>, branch: Branches, many: i64) -> Vec<Subscription> {
    let open = |user| {
        let who = Who {
            user: UserId(user),
            role: Role::Admin,
            branches: branch,
            streams: StreamSet::default(),
            tabs: 1,
            browser: 0,
        };
        let topics = [Topic::Dashboard(branch), Topic::Stock(branch), Topic::Notifications(branch, Role::Admin)];
        let wanted = Wanted { who, topics: &topics, naming: Naming::Named, lifetime: Duration::from_secs(3_600) };
        hub.subscribe(wanted).expect("it does not drain").0
    };
    let mut open: Vec<Subscription> = (0..many).map(open).collect();
    take(&mut open);
    open
}

/// Every connection takes what there is for it.
fn take(connections: &mut [Subscription]) {
    let mut cx = Context::from_waker(Waker::noop());
    for connection in connections {
        while let Poll::Ready(Some(chunk)) = connection.poll_next(&mut cx) {
            black_box(chunk.into_framed());
        }
    }
}

fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan-out");
    for many in [100, 10_000] {
        let hub: Arc<Hub> = Arc::default();
        hub.stand_at(CURSOR);
        let branch = Branches::One(BranchId(1));
        let mut connections = connections(&hub, branch, many);
        group.throughput(Throughput::Elements(many as u64));
        group.bench_function(format!("one message to {many} connections, without the sockets"), |b| {
            b.iter(|| {
                let message = Message { event: "stock-updates", json: JSON.into() };
                hub.publish(CURSOR, vec![(Topic::Stock(branch), message)]);
                take(&mut connections);
            })
        });
    }
    group.finish();
}

fn cursor(c: &mut Criterion) {
    let mut group = c.benchmark_group("cursor");
    let text = "1.1a2b3c4d5e6f7.1.1z141z3.2bcd.a.1.2";
    let cursor: Cursor = text.parse().expect("it is one");
    group.bench_function("read", |b| b.iter(|| black_box(text).parse::<Cursor>()));
    group.bench_function("write", |b| b.iter(|| black_box(&cursor).to_string()));
    let crowd: Vec<Snapshot> = (0..1_000)
        .map(|n| Snapshot { xmin: 1_000 + n % 50, xmax: 1_100 + n % 50, xip: vec![1_060 + n % 30] })
        .collect();
    group.bench_function("from where to read for a thousand at once", |b| {
        b.iter(|| Snapshot::floor(black_box(&crowd).iter()))
    });
    group.finish();
}

fn scope(c: &mut Criterion) {
    let viewer = Viewer {
        id: UserId(7),
        name: "Rina Wulandari".into(),
        role: Role::Admin,
        home: Some(BranchId(3)),
        chosen: Some(BranchId(4)),
    };
    c.bench_function("scope: the branches of a viewer", |b| b.iter(|| black_box(&viewer).branches()));
    let hub: Arc<Hub> = Arc::default();
    hub.stand_at(CURSOR);
    let branch = viewer.branches();
    c.bench_function("scope: a connection subscribes and goes", |b| {
        b.iter_batched(|| (), |()| connections(&hub, branch, 1), BatchSize::SmallInput)
    });
}

criterion_group!(hot, encode, fan_out, cursor, scope);
criterion_main!(hot);
