//! demo
// Placeholder of the branch "host", so that the command line compiles; the branch "demo" holds the real one.

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub async fn fill(_pool: &PgPool, _seed: u64) -> anyhow::Result<()> {
    Ok(())
}

pub async fn simulate(_pool: PgPool, _sales_per_minute: u32, _seed: u64, stop: CancellationToken) {
    stop.cancelled().await;
}
