//! Melati: live screens for a chain of optical shops. Start with ARCHITECTURE.md; this is the map of the rooms.

pub mod ids;
pub mod money;
pub mod refusal;
pub mod scope;

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

/// What every handler holds. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub pool: sqlx::PgPool,
    pub config: std::sync::Arc<config::Config>,
    pub live: realtime::Live,
}

/// Placeholder of the branch "host", until the real one is merged.
pub async fn run(
    _listener: tokio::net::TcpListener,
    _config: std::sync::Arc<config::Config>,
    _pool: sqlx::PgPool,
    stop: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    stop.cancelled().await;
    Ok(())
}
