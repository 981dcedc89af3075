//! The SQL of branches and of their days.

use sqlx::PgPool;

use super::{Branch, Today};
use crate::ids::{BranchId, UserId};

pub async fn all(pool: &PgPool) -> sqlx::Result<Vec<Branch>> {
    sqlx::query_as("SELECT id, name, kode, timezone FROM branches ORDER BY name").fetch_all(pool).await
}

pub async fn find(pool: &PgPool, id: BranchId) -> sqlx::Result<Option<Branch>> {
    sqlx::query_as("SELECT id, name, kode, timezone FROM branches WHERE id = $1").bind(id).fetch_optional(pool).await
}

pub async fn today(pool: &PgPool, branch: BranchId) -> sqlx::Result<Option<Today>> {
    sqlx::query_as(
        "SELECT d.tanggal, coalesce(o.is_open, false) AS is_open,
                to_char(o.opened_at AT TIME ZONE b.timezone, 'HH24:MI') AS opened_at, u.name AS opened_by,
                to_char(o.closed_at AT TIME ZONE b.timezone, 'HH24:MI') AS closed_at,
                extract(hour FROM now() AT TIME ZONE b.timezone)::integer AS hour
         FROM branches b
         JOIN branch_days d ON d.branch_id = b.id
         LEFT JOIN open_days o ON o.branch_id = b.id AND o.tanggal = d.tanggal
         LEFT JOIN users u ON u.id = o.opened_by
         WHERE b.id = $1",
    )
    .bind(branch)
    .fetch_optional(pool)
    .await
}

/// Opens the branch's today, for the first time or again. False: it is open already. A day opened again (closed by mistake, a
/// late patient) keeps the hour of its first opening, which is what people read it for; `opened_by` is who did it last.
pub async fn open_day(pool: &PgPool, branch: BranchId, by: UserId) -> sqlx::Result<bool> {
    let opened = sqlx::query(
        "INSERT INTO open_days (branch_id, tanggal, opened_by) SELECT branch_id, tanggal, $2 FROM branch_days WHERE branch_id = $1
         ON CONFLICT (branch_id, tanggal) DO UPDATE
         SET is_open = true, opened_by = excluded.opened_by, closed_by = NULL, closed_at = NULL
         WHERE NOT open_days.is_open",
    )
    .bind(branch)
    .bind(by)
    .execute(pool)
    .await?;
    Ok(opened.rows_affected() == 1)
}

/// Closes the branch's today. False: it is not open.
pub async fn close_day(pool: &PgPool, branch: BranchId, by: UserId) -> sqlx::Result<bool> {
    let closed = sqlx::query(
        "UPDATE open_days o SET is_open = false, closed_by = $2, closed_at = now()
         FROM branch_days d
         WHERE d.branch_id = $1 AND o.branch_id = d.branch_id AND o.tanggal = d.tanggal AND o.is_open",
    )
    .bind(branch)
    .bind(by)
    .execute(pool)
    .await?;
    Ok(closed.rows_affected() == 1)
}
