//! Melati: live screens for a chain of optical shops. Start with ARCHITECTURE.md; this is the map of the rooms.

pub mod ids;
pub mod money;
pub mod refusal;
pub mod scope;

pub mod audit;
pub mod branches;
pub mod notifications;
pub mod omset;
pub mod orders;
pub mod patients;
pub mod people;
pub mod sales;
pub mod stock;

pub mod config;
pub mod demo;
pub mod feed;
pub mod hub;
pub mod postgres;
pub mod realtime;
pub mod web;

use std::sync::Arc;
use std::time::Duration;

use feed::housekeeping::Keep;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What every handler holds. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub pool: sqlx::PgPool,
    pub config: Arc<config::Config>,
    pub live: realtime::Live,
    pub integrity: feed::integrity::Integrity,
}

/// Serves until `stop`, then ends: no new connections, streams told when to come back, running requests finished within
/// `config.drain_seconds`, and nothing left behind.
pub async fn run(
    listener: TcpListener,
    config: Arc<config::Config>,
    pool: sqlx::PgPool,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let live = realtime::Live::default();
    let integrity = feed::integrity::Integrity::default();
    let app = App { pool: pool.clone(), config: config.clone(), live: live.clone(), integrity: integrity.clone() };
    let database = pool.connect_options().as_ref().clone();
    let poll_interval = Duration::from_millis(config.poll_interval_ms);
    let heartbeat = Duration::from_secs(config.heartbeat_seconds);

    // Before the first stream: what happened while no process ran would otherwise end it again at once.
    stop.run_until_cancelled(integrity.look(&pool)).await;

    // These outlive the streams: their last frames must still be told.
    let background = TaskTracker::new();
    let background_stop = CancellationToken::new();
    background.spawn(realtime::pump(live.clone(), database, poll_interval, background_stop.clone()));
    background.spawn(realtime::heartbeats(live.clone(), heartbeat, background_stop.clone()));
    let check = Duration::from_secs(config.integrity_check_seconds);
    background.spawn(integrity.watch(pool.clone(), check, background_stop.clone()));
    background.spawn(feed::housekeeping::keep_house(pool, Keep::of(&config), background_stop.clone()));

    if stop.run_until_cancelled(live.ready()).await.is_some() {
        let drain = async {
            stop.cancelled().await;
            live.hub().drain();
        };
        let serving =
            web::accept::serve(listener, web::routes(app), stop.clone(), Duration::from_secs(config.drain_seconds));
        tokio::join!(serving, drain);
    }
    background.close();
    background_stop.cancel();
    background.wait().await;
    Ok(())
}
