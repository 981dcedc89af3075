//! The SQL of branches and of their days.

use sqlx::PgPool;

use super::{Branch, NewBranch, Shop, Today, Unfinished};
use crate::audit;
use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;

/// Those that are closed for good come last.
pub async fn all(pool: &PgPool) -> sqlx::Result<Vec<Branch>> {
    sqlx::query_as(
        "SELECT id, name, kode, timezone, alamat, telepon, retired_at IS NOT NULL AS is_retired
         FROM branches ORDER BY is_retired, name",
    )
    .fetch_all(pool)
    .await
}

/// Where people work.
pub async fn standing(pool: &PgPool) -> sqlx::Result<Vec<Branch>> {
    Ok(all(pool).await?.into_iter().filter(|branch| !branch.is_retired).collect())
}

pub async fn find(pool: &PgPool, id: BranchId) -> sqlx::Result<Option<Branch>> {
    sqlx::query_as(
        "SELECT id, name, kode, timezone, alamat, telepon, retired_at IS NOT NULL AS is_retired FROM branches WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await
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
pub async fn open_day(pool: &PgPool, viewer: &Viewer, branch: BranchId) -> Outcome<bool> {
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let opened = sqlx::query(
        "INSERT INTO open_days (branch_id, tanggal, opened_by) SELECT branch_id, tanggal, $2 FROM branch_days WHERE branch_id = $1
         ON CONFLICT (branch_id, tanggal) DO UPDATE
         SET is_open = true, opened_by = excluded.opened_by, closed_by = NULL, closed_at = NULL
         WHERE NOT open_days.is_open",
    )
    .bind(branch)
    .bind(viewer.id)
    .execute(&mut *transaction)
    .await
    .map_err(in_words)?;
    transaction.commit().await?;
    Ok(opened.rows_affected() == 1)
}

/// Closes the branch's today. False: it is not open.
pub async fn close_day(pool: &PgPool, viewer: &Viewer, branch: BranchId) -> Outcome<bool> {
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let closed = sqlx::query(
        "UPDATE open_days o SET is_open = false, closed_by = $2, closed_at = now()
         FROM branch_days d
         WHERE d.branch_id = $1 AND o.branch_id = d.branch_id AND o.tanggal = d.tanggal AND o.is_open",
    )
    .bind(branch)
    .bind(viewer.id)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(closed.rows_affected() == 1)
}

/// Every branch with its day, by name.
pub async fn shops(pool: &PgPool) -> sqlx::Result<Vec<Shop>> {
    sqlx::query_as(
        "SELECT b.id, b.name, b.kode, b.timezone, b.alamat, b.telepon, b.retired_at IS NOT NULL AS is_retired,
                (b.retired_at AT TIME ZONE b.timezone)::date AS retired_on, coalesce(o.is_open, false) AS is_open,
                to_char(o.opened_at AT TIME ZONE b.timezone, 'HH24:MI') AS opened_at,
                to_char(o.closed_at AT TIME ZONE b.timezone, 'HH24:MI') AS closed_at,
                (SELECT count(*) FROM users u WHERE u.branch_id = b.id AND u.is_active) AS people,
                EXISTS (SELECT FROM penjualans p WHERE p.branch_id = b.id) AS has_sold
         FROM branches b
         JOIN branch_days d ON d.branch_id = b.id
         LEFT JOIN open_days o ON o.branch_id = b.id AND o.tanggal = d.tanggal
         ORDER BY is_retired, b.name",
    )
    .fetch_all(pool)
    .await
}

pub async fn add(pool: &PgPool, viewer: &Viewer, branch: &NewBranch) -> Outcome<BranchId> {
    if !viewer.may_manage_chain() {
        return Err(Refusal::Forbidden);
    }
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let id = sqlx::query_scalar(
        "INSERT INTO branches (name, kode, timezone, alamat, telepon) VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(&branch.name)
    .bind(&branch.kode)
    .bind(&branch.timezone)
    .bind(&branch.alamat)
    .bind(&branch.telepon)
    .fetch_one(&mut *transaction)
    .await
    .map_err(in_words)?;
    transaction.commit().await?;
    Ok(id)
}

pub async fn change(pool: &PgPool, viewer: &Viewer, id: BranchId, branch: &NewBranch) -> Outcome<()> {
    if !viewer.may_manage_chain() {
        return Err(Refusal::Forbidden);
    }
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let changed =
        sqlx::query("UPDATE branches SET name = $2, kode = $3, timezone = $4, alamat = $5, telepon = $6 WHERE id = $1")
            .bind(id)
            .bind(&branch.name)
            .bind(&branch.kode)
            .bind(&branch.timezone)
            .bind(&branch.alamat)
            .bind(&branch.telepon)
            .execute(&mut *transaction)
            .await
            .map_err(in_words)?;
    if changed.rows_affected() == 0 {
        return Err(Refusal::NotFound);
    }
    Ok(transaction.commit().await?)
}

/// What stands in the way of closing it for good.
const UNFINISHED: &str = "
    SELECT EXISTS (SELECT FROM open_days o JOIN branch_days d USING (branch_id, tanggal) WHERE branch_id = $1 AND o.is_open) AS is_open,
           (SELECT count(*) FROM users WHERE branch_id = $1 AND is_active) AS people,
           (SELECT count(*) FROM penjualans WHERE branch_id = $1 AND dibatalkan_at IS NULL AND status_pengerjaan <> 'Sudah Diambil') AS orders,
           (SELECT count(*) FROM stock_transfers WHERE status = 'dikirim' AND $1 IN (from_branch, to_branch)) AS transfers,
           (SELECT count(*) FROM stock_opnames WHERE branch_id = $1 AND status = 'berjalan') AS opnames";

pub async fn unfinished(pool: &PgPool, id: BranchId) -> sqlx::Result<Unfinished> {
    sqlx::query_as(UNFINISHED).bind(id).fetch_one(pool).await
}

/// Closes a branch for good, once nothing is unfinished there. What it was stays: its sales, its stock, its people's names.
///
/// # Errors
/// `branch_unfinished`, with all that is to be done first.
pub async fn retire(pool: &PgPool, viewer: &Viewer, id: BranchId) -> Outcome<()> {
    if !viewer.may_manage_chain() {
        return Err(Refusal::Forbidden);
    }
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    // Whoever is selling or hiring there holds the row (migration 0022): they finish first, and are counted.
    let held: Option<bool> = sqlx::query_scalar("SELECT retired_at IS NOT NULL FROM branches WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?;
    if held.ok_or(Refusal::NotFound)? {
        return Ok(());
    }
    let unfinished: Unfinished = sqlx::query_as(UNFINISHED).bind(id).fetch_one(&mut *transaction).await?;
    let left = unfinished.in_words();
    if !left.is_empty() {
        let message = format!("Cabang ini belum bisa ditutup untuk seterusnya: {}.", left.join("; "));
        return Err(Refusal::conflict("branch_unfinished", message));
    }
    sqlx::query("UPDATE branches SET retired_at = now() WHERE id = $1").bind(id).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// It was closed by mistake, or begins anew.
pub async fn revive(pool: &PgPool, viewer: &Viewer, id: BranchId) -> Outcome<()> {
    if !viewer.may_manage_chain() {
        return Err(Refusal::Forbidden);
    }
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let revived =
        sqlx::query("UPDATE branches SET retired_at = NULL WHERE id = $1").bind(id).execute(&mut *transaction).await?;
    if revived.rows_affected() == 0 {
        return Err(Refusal::NotFound);
    }
    Ok(transaction.commit().await?)
}

/// What the database refuses of a branch, beside the field.
pub(super) fn in_words(error: sqlx::Error) -> Refusal {
    match error.as_database_error().and_then(|refused| refused.constraint()) {
        Some("branches_name_key") => Refusal::invalid("name", "Sudah ada cabang dengan nama ini."),
        Some("branches_kode_key") => Refusal::invalid("kode", "Kode ini sudah dipakai cabang lain."),
        Some("branches_code_stays") => {
            Refusal::invalid("kode", "Kode ini sudah ada di nomor penjualan, jadi tidak bisa diganti lagi.")
        }
        Some("branch_is_retired") => Refusal::conflict("branch_retired", "Cabang ini sudah ditutup untuk seterusnya."),
        _ => error.into(),
    }
}
