//! The demo: a chain of eight branches with ninety days behind it, and a simulator that keeps it busy.

use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use chain::Chain;
pub use simulator::{Event, Simulator, simulate};

use crate::people;

mod chain;
mod models;
mod names;
mod simulator;
mod sql;

/// Every demo account's address ends on it. `.test` can never be somebody's real one (RFC 2606).
const DOMAIN: &str = "melati.test";

/// The password of every demo account.
pub const PASSWORD: &str = "melati-demo";

/// Fills an empty database with the demo chain. One that holds the demo already stays as it is; one that holds anything else is
/// refused, because the simulator would sell a real shop's stock.
pub async fn fill(pool: &PgPool, seed: u64) -> anyhow::Result<()> {
    let now = sql::now(&mut *pool.acquire().await?).await?;
    fill_as_of(pool, seed, now).await
}

/// As [`fill`], with the ninety days ending at `now`: the same seed and `now` give the same rows.
pub async fn fill_as_of(pool: &PgPool, seed: u64, now: OffsetDateTime) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut tx = pool.begin().await?;
    sql::lock_out_other_fillers(&mut tx).await?;
    let tenants = sql::tenants(&mut tx, DOMAIN).await?;
    if tenants.demo_users < tenants.users || (tenants.branches > 0 && tenants.demo_users == 0) {
        bail!("this database holds a real shop (users that are not @{DOMAIN}): the demo wants a database of its own");
    }
    if tenants.branches > 0 {
        return Ok(());
    }
    let rates = sql::rates(&mut tx, now - Duration::days(91)).await?;
    let rates = rates.try_into().map_err(|rates| anyhow!("three BPJS classes have a rate, not {rates:?}"))?;
    let chain = Chain::grow(seed, now, rates);
    let hash = people::password::hash(PASSWORD.to_owned()).await;
    sql::load(&mut tx, &chain, &hash).await.context("cannot write the demo chain")?;
    tx.commit().await?;
    sql::analyze(pool).await?;
    tracing::info!(sales = chain.sales.len(), seconds = begun.elapsed().as_secs_f32(), "demo chain generated");
    Ok(())
}

/// Who can sign in: address and what they are, for the command line to print.
pub fn accounts() -> Vec<(String, String)> {
    let mut accounts = vec![(chain::email("superadmin"), "Pusat, semua cabang".to_owned())];
    for (i, plan) in names::BRANCHES.iter().enumerate() {
        accounts.push((chain::email(&format!("admin{}", i + 1)), format!("Admin {}", plan.name)));
        accounts.push((chain::email(&format!("kasir{}", i + 1)), format!("Kasir {}", plan.name)));
    }
    accounts
}
