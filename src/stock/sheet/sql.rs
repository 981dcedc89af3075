//! The SQL of sheets that come in.

use sqlx::PgPool;

use super::{Import, Plan, Reason, plan};
use crate::audit;
use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;
use crate::stock::ProductType;
use crate::stock::catalog::sql::{Written, add, change, hold_shelf, shelf};
use crate::stock::sql::give_reason;

/// Keeps a sheet so that its sender can look at what it would do. Their older ones that were not taken go.
pub async fn keep(
    pool: &PgPool,
    viewer: &Viewer,
    branch: BranchId,
    product_type: ProductType,
    reason: Reason,
    file_name: &str,
    body: &str,
) -> Outcome<i64> {
    if !viewer.may_manage(branch) {
        return Err(Refusal::Forbidden);
    }
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let id = sqlx::query_scalar(
        "WITH old AS (DELETE FROM stock_imports
                      WHERE applied_at IS NULL AND (user_id = $2 OR created_at < now() - interval '1 day'))
         INSERT INTO stock_imports (branch_id, user_id, product_type, reason, file_name, body)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(branch)
    .bind(viewer.id)
    .bind(product_type)
    .bind(reason)
    .bind(file_name)
    .bind(body)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(id)
}

/// A sheet of the viewer's own.
pub async fn find(pool: &PgPool, viewer: &Viewer, id: i64) -> Outcome<Import> {
    let import: Option<Import> = sqlx::query_as(
        "SELECT id, branch_id, product_type, reason, file_name, body, applied_at IS NOT NULL AS is_applied, added, changed
         FROM stock_imports WHERE id = $1 AND user_id = $2",
    )
    .bind(id)
    .bind(viewer.id)
    .fetch_optional(pool)
    .await?;
    import.filter(|import| viewer.may_manage(import.branch_id)).ok_or(Refusal::NotFound)
}

/// What it would do now.
pub async fn look(pool: &PgPool, import: &Import) -> sqlx::Result<Plan> {
    let shelf = shelf(pool, import.branch_id, import.product_type).await?;
    Ok(plan(import.product_type, import.reason, &import.body, &shelf))
}

/// Does it, all or nothing, if it is still what its sender has seen.
pub async fn apply(pool: &PgPool, viewer: &Viewer, id: i64, seen: &str) -> Outcome<()> {
    let mut tx = pool.begin().await?;
    audit::sql::sign(&mut tx, viewer).await?;
    let import: Option<Import> = sqlx::query_as(
        "SELECT id, branch_id, product_type, reason, file_name, body, applied_at IS NOT NULL AS is_applied, added, changed
         FROM stock_imports WHERE id = $1 AND user_id = $2 FOR UPDATE",
    )
    .bind(id)
    .bind(viewer.id)
    .fetch_optional(&mut *tx)
    .await?;
    let import = import.filter(|import| viewer.may_manage(import.branch_id)).ok_or(Refusal::NotFound)?;
    if import.is_applied {
        // pressed twice, or the first answer was lost
        return Ok(());
    }
    let shelf = hold_shelf(&mut tx, import.branch_id, import.product_type).await?;
    let plan = plan(import.product_type, import.reason, &import.body, &shelf);
    if let Some(problem) = plan.problems.first() {
        return Err(Refusal::conflict("import_problems", format!("Baris {}: {}", problem.line, problem.message)));
    }
    if plan.mark() != seen {
        let message = "Sejak pratinjau ada produk di berkas ini yang berubah. Periksa pratinjau yang baru, lalu impor.";
        return Err(Refusal::conflict("import_changed", message));
    }
    let (mut new, mut old, mut prices) = (Vec::new(), Vec::new(), 0_i64);
    for change in &plan.changes {
        let id = change.was.as_ref().map(|was| was.id);
        let written = Written { id, details: &change.now, delta: change.delta };
        if id.is_some() {
            old.push(written)
        } else {
            new.push(written)
        }
        prices += i64::from(change.was.as_ref().is_some_and(|was| was.details.harga_jual != change.now.harga_jual));
    }
    give_reason(&mut tx, import.reason.name(), &format!("Impor {}", import.file_name)).await?;
    change(&mut tx, import.branch_id, import.product_type, &old).await?;
    add(&mut tx, import.branch_id, import.product_type, &new).await?;
    sqlx::query(
        "UPDATE stock_imports SET applied_at = clock_timestamp(), added = $2, changed = $3, body = '' WHERE id = $1",
    )
    .bind(id)
    .bind(i32::try_from(new.len()).unwrap_or(i32::MAX))
    .bind(i32::try_from(old.len()).unwrap_or(i32::MAX))
    .execute(&mut *tx)
    .await?;
    if prices > 0 {
        // one for all: a bell that rings a thousand times tells nobody anything
        sqlx::query(
            "SELECT notify_people($1, NULL, 'price_updated', 'Harga Diubah', $2::bigint || ' harga ' || $3 || ' diubah lewat impor', '{}')",
        )
        .bind(import.branch_id)
        .bind(prices)
        .bind(import.product_type.slug())
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.commit().await?)
}
