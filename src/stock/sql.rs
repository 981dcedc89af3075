//! The SQL of stock: what is on the shelf, and the ways it changes.

use sqlx::PgPool;

use super::Totals;
use crate::scope::Branches;

/// For the navbar's badge. The products at a level have partial indexes of their own; the rest is never read.
pub async fn totals(pool: &PgPool, scope: Branches) -> sqlx::Result<Totals> {
    sqlx::query_as(
        "SELECT count(*) FILTER (WHERE alert_level = 'low') AS low, count(*) FILTER (WHERE alert_level = 'medium') AS medium
         FROM (SELECT branch_id, alert_level FROM frames WHERE alert_level <> 'normal'
               UNION ALL SELECT branch_id, alert_level FROM lensas WHERE alert_level <> 'normal'
               UNION ALL SELECT branch_id, alert_level FROM aksesoris WHERE alert_level <> 'normal') alerts
         WHERE $1::bigint IS NULL OR branch_id = $1",
    )
    .bind(scope.one())
    .fetch_one(pool)
    .await
}
