//! The demo: a chain of eight branches with ninety days behind it, and a simulator that keeps it busy.

use std::time::Instant;

use anyhow::{Context, bail};
use argon2::password_hash::PasswordHasher;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use chain::Chain;

mod chain;
mod names;
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
    let rates = sql::rates(&mut tx, now - Duration::days(91)).await.context("the BPJS rates are missing")?;
    let hash = tokio::task::spawn_blocking(|| argon2::Argon2::default().hash_password(PASSWORD.as_bytes()));
    let chain = Chain::grow(seed, now, rates);
    let hash = hash.await?.map_err(|error| anyhow::anyhow!("cannot hash the demo password: {error}"))?;
    sql::load(&mut tx, &chain, &hash.to_string()).await.context("cannot write the demo chain")?;
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
