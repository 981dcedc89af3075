//! Melati: live screens for a chain of optical shops. Start with ARCHITECTURE.md; this is the map of the rooms.

pub mod csv;
pub mod device;
pub mod gather;
pub mod ids;
pub mod money;
pub mod refusal;
pub mod scope;

pub mod alerts;
pub mod audit;
pub mod branches;
pub mod monitoring;
pub mod notifications;
pub mod omset;
pub mod orders;
pub mod patients;
pub mod people;
pub mod rates;
pub mod reports;
pub mod sales;
pub mod stock;

pub mod config;
pub mod demo;
pub mod feed;
pub mod hub;
pub mod metrics;
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
    pub sign_ins: people::SignIns,
    pub catch_up: realtime::catch_up::CatchUp,
}

impl App {
    /// And the task that answers what its handlers ask together; without it no session is known and no stream opens.
    pub fn new(pool: sqlx::PgPool, config: Arc<config::Config>) -> (Self, impl Future<Output = ()> + Send) {
        let (sign_ins, asking_who) = people::SignIns::new(pool.clone());
        let (catch_up, catching_up) = realtime::catch_up::CatchUp::new(pool.clone());
        let answering = async {
            tokio::join!(asking_who, catching_up);
        };
        let app = Self {
            pool,
            config,
            live: realtime::Live::default(),
            integrity: feed::integrity::Integrity::default(),
            sign_ins,
            catch_up,
        };
        (app, answering)
    }
}

/// Serves until `stop`, then ends: no new connections, streams told when to come back, running requests finished within
/// `config.drain_seconds`, and nothing left behind.
pub async fn run(
    listener: TcpListener,
    config: Arc<config::Config>,
    pool: sqlx::PgPool,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (app, answering) = App::new(pool.clone(), config.clone());
    let (live, integrity) = (app.live.clone(), app.integrity.clone());
    let answering = Box::pin(answering); // it holds the statements being answered: too large to be carried about
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
    background.spawn(realtime::monitoring::watch(live.clone(), pool.clone(), background_stop.clone()));
    let check = Duration::from_secs(config.integrity_check_seconds);
    background.spawn(background_stop.clone().run_until_cancelled_owned(answering));
    background.spawn(integrity.watch(pool.clone(), check, background_stop.clone()));
    background.spawn(reports::rollups::keep(pool.clone(), background_stop.clone()));
    background.spawn(feed::housekeeping::keep_house(pool, Keep::of(&config), background_stop.clone()));

    if let Some(address) = config.metrics_listen.0 {
        background.spawn(web::telemetry::serve(address, app.clone(), background_stop.clone()));
    }

    if stop.run_until_cancelled(live.ready()).await.is_some() {
        let accepting = CancellationToken::new();
        let drain = async {
            stop.cancelled().await;
            // red first: a proxy that asks sends nobody here any more when connections are refused
            live.leave();
            tokio::time::sleep(Duration::from_secs(config.drain_notice_seconds)).await;
            live.hub().drain();
            accepting.cancel();
        };
        let most = config.max_connections.unwrap_or_else(web::accept::room_for);
        let drain_time = Duration::from_secs(config.drain_seconds);
        let serving = web::accept::serve(listener, web::routes(app), most, accepting.clone(), drain_time);
        tokio::join!(serving, drain);
    }
    background.close();
    background_stop.cancel();
    background.wait().await;
    Ok(())
}
