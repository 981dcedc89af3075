//! The SQL of rates.

use sqlx::PgPool;
use time::Date;

use super::{NewRate, Rate};
use crate::audit;
use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;

pub async fn all(pool: &PgPool) -> sqlx::Result<Vec<Rate>> {
    sqlx::query_as(
        "SELECT id, service_type, price, effective_from FROM bpjs_rates ORDER BY service_type, effective_from",
    )
    .fetch_all(pool)
    .await
}

/// The date of the branch; of all of them, that of head office.
pub async fn today(pool: &PgPool, branch: Option<BranchId>) -> sqlx::Result<Date> {
    sqlx::query_scalar(
        "SELECT coalesce((SELECT tanggal FROM branch_days WHERE branch_id = $1), (now() AT TIME ZONE 'Asia/Jakarta')::date)",
    )
    .bind(branch)
    .fetch_one(pool)
    .await
}

/// The latest date that it can be in a branch now: in the east it is tomorrow first.
pub async fn latest_today(pool: &PgPool) -> sqlx::Result<Date> {
    sqlx::query_scalar(
        "SELECT greatest((SELECT max(tanggal) FROM branch_days), (now() AT TIME ZONE 'Asia/Jayapura')::date)",
    )
    .fetch_one(pool)
    .await
}

pub async fn add(pool: &PgPool, viewer: &Viewer, rate: &NewRate) -> Outcome<()> {
    if !viewer.may_manage_chain() {
        return Err(Refusal::Forbidden);
    }
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    sqlx::query("INSERT INTO bpjs_rates (service_type, price, effective_from) VALUES ($1, $2, $3)")
        .bind(rate.service_type)
        .bind(rate.price)
        .bind(rate.effective_from)
        .execute(&mut *transaction)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(refused) if refused.is_unique_violation() => Refusal::invalid(
                "effective_from",
                format!("Sudah ada tarif {} mulai tanggal itu. Hapus dulu yang itu.", rate.service_type),
            ),
            _ => error.into(),
        })?;
    Ok(transaction.commit().await?)
}

/// Takes back a rate that is not in force anywhere yet. One that is stays: sales were made by it.
pub async fn remove(pool: &PgPool, viewer: &Viewer, id: i64) -> Outcome<()> {
    if !viewer.may_manage_chain() {
        return Err(Refusal::Forbidden);
    }
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let removed = sqlx::query(
        "DELETE FROM bpjs_rates
         WHERE id = $1 AND effective_from > greatest((SELECT max(tanggal) FROM branch_days), (now() AT TIME ZONE 'Asia/Jayapura')::date)",
    )
    .bind(id)
    .execute(&mut *transaction)
    .await?;
    if removed.rows_affected() == 0 {
        let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM bpjs_rates WHERE id = $1)")
            .bind(id)
            .fetch_one(&mut *transaction)
            .await?;
        return Err(match is_there {
            true => Refusal::conflict(
                "rate_in_force",
                "Tarif ini sudah berlaku, jadi tidak bisa dihapus. Tambahkan tarif baru mulai besok.",
            ),
            false => Refusal::NotFound,
        });
    }
    Ok(transaction.commit().await?)
}
