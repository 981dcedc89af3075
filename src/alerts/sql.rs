//! The SQL of alerts.

use sqlx::{FromRow, PgConnection, PgPool};
use time::OffsetDateTime;

use super::{Alert, LONGEST_SNOOZE_DAYS, State, Until};
use crate::audit;
use crate::ids::{AlertId, BranchId, ProductId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock::{ProductRef, ProductType};

/// Of a branch that is not closed for good: what is low in one is nobody's concern any more.
macro_rules! stands {
    () => {
        "a.branch_id NOT IN (SELECT id FROM branches WHERE retired_at IS NOT NULL)"
    };
}

/// The state of the alert `a`.
macro_rules! state {
    () => {
        "CASE WHEN a.closed_at IS NOT NULL THEN 'closed' WHEN a.acked_at IS NOT NULL THEN 'acked'
              WHEN a.snoozed_until > now() THEN 'snoozed' ELSE 'open' END"
    };
}

/// The alerts of `page`, as people read them.
macro_rules! shown {
    () => {
        "
         SELECT a.id, a.product_type, a.product_id, b.name AS branch_name, a.state,
                coalesce(p.kode, '') AS kode, coalesce(p.product_name, 'Produk yang sudah dihapus') AS product_name,
                coalesce(p.stok, 0) AS stok, coalesce(p.stok_minimum, 0) AS stok_minimum, coalesce(p.alert_level, 'normal') AS alert_level,
                waktu(a.opened_at, b.timezone) AS opened, lama(coalesce(a.responded_at, now()) - a.opened_at) AS took,
                waktu(a.acked_at, b.timezone) AS acked, who.name AS acked_by,
                waktu(a.snoozed_until, b.timezone) AS snoozed_until, later.name AS snoozed_by, waktu(a.closed_at, b.timezone) AS closed
         FROM page a JOIN branches b ON b.id = a.branch_id
         LEFT JOIN users who ON who.id = a.acked_by LEFT JOIN users later ON later.id = a.snoozed_by
         LEFT JOIN LATERAL (SELECT * FROM products p WHERE p.product_type = a.product_type AND p.product_id = a.product_id) p ON true"
    };
}

#[derive(Debug, Clone, Copy, FromRow)]
pub struct Counts {
    pub open: i64,
    pub snoozed: i64,
    pub acked: i64,
}

impl Counts {
    pub fn of(&self, state: State) -> Option<i64> {
        match state {
            State::Open => Some(self.open),
            State::Snoozed => Some(self.snoozed),
            State::Acked => Some(self.acked),
            // all there ever were: a number that says nothing
            State::Closed => None,
        }
    }
}

pub async fn counts(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<Counts> {
    sqlx::query_as(concat!(
        "SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'snoozed') AS snoozed,
                count(*) FILTER (WHERE state = 'acked') AS acked
         FROM (SELECT ",
        state!(),
        " AS state FROM stock_alerts a WHERE closed_at IS NULL AND ($1::bigint IS NULL OR branch_id = $1) AND ",
        stands!(),
        ") alerts"
    ))
    .bind(viewer.branches().one())
    .fetch_one(pool)
    .await
}

/// How soon alerts of the last 30 days were answered: half of them within this. None where there were none.
pub async fn usual_response(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "SELECT lama(percentile_cont(0.5) WITHIN GROUP (ORDER BY responded_at - opened_at)) FROM stock_alerts
         WHERE responded_at IS NOT NULL AND opened_at > now() - interval '30 days' AND ($1::bigint IS NULL OR branch_id = $1)",
    )
    .bind(viewer.branches().one())
    .fetch_one(pool)
    .await
}

/// What waits longest comes first; of those that are closed, what closed last. A product that was deleted has no name any more.
pub async fn list(pool: &PgPool, viewer: &Viewer, state: State, limit: i64, offset: i64) -> sqlx::Result<Vec<Alert>> {
    sqlx::query_as(concat!(
        "WITH page AS (
             SELECT a.*, s.state FROM stock_alerts a CROSS JOIN LATERAL (SELECT ",
        state!(),
        " AS state) s
             WHERE ($1::bigint IS NULL OR a.branch_id = $1) AND (a.closed_at IS NULL) = ($2 <> 'closed') AND s.state = $2
               AND (a.closed_at IS NOT NULL OR ",
        stands!(),
        ")
             ORDER BY a.closed_at DESC NULLS FIRST, a.opened_at, a.id LIMIT $3 OFFSET $4
         )",
        shown!(),
        " ORDER BY a.closed_at DESC NULLS FIRST, a.opened_at, a.id"
    ))
    .bind(viewer.branches().one())
    .bind(state)
    .bind(limit)
    .bind(offset)
    .fetch_all(pool)
    .await
}

/// The open alert of a product, if there is one that concerns this viewer.
pub async fn of_product(pool: &PgPool, viewer: &Viewer, product: ProductRef) -> sqlx::Result<Option<Alert>> {
    sqlx::query_as(concat!(
        "WITH page AS (
             SELECT a.*, s.state FROM stock_alerts a CROSS JOIN LATERAL (SELECT ",
        state!(),
        " AS state) s
             WHERE a.product_type = $1 AND a.product_id = $2 AND a.closed_at IS NULL AND ($3::bigint IS NULL OR a.branch_id = $3) AND ",
        stands!(),
        ")",
        shown!()
    ))
    .bind(product.product_type)
    .bind(product.product_id)
    .bind(viewer.branches().one())
    .fetch_optional(pool)
    .await
}

/// One that nobody has answered, as the pages' script needs it.
#[derive(Debug, FromRow, serde::Serialize)]
pub struct Waiting {
    pub id: AlertId,
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub kode: String,
    pub product_name: String,
    pub stok: i32,
    pub stok_minimum: i32,
    /// It fell; else it was entered like that, which is no news to anyone.
    pub fell: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub snoozed_until: Option<OffsetDateTime>,
}

/// Nobody reads more of them in a popup.
const MOST_WAITING: i64 = 500;

/// Also those that are put off: the script wakes when their time has come.
pub async fn waiting(pool: &PgPool, viewer: &Viewer) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as(concat!(
        "SELECT a.id, a.product_type, a.product_id, p.kode, p.product_name, p.stok, p.stok_minimum, a.fell, a.opened_at, a.snoozed_until
         FROM stock_alerts a
         CROSS JOIN LATERAL (SELECT * FROM products p WHERE p.product_type = a.product_type AND p.product_id = a.product_id) p
         WHERE a.closed_at IS NULL AND a.acked_at IS NULL AND ($1::bigint IS NULL OR a.branch_id = $1) AND ",
        stands!(),
        " ORDER BY a.id DESC LIMIT $2"
    ))
    .bind(viewer.branches().one())
    .bind(MOST_WAITING)
    .fetch_all(pool)
    .await
}

/// Whoever answers first has it. Returns the product's name.
pub async fn acknowledge(pool: &PgPool, viewer: &Viewer, id: AlertId) -> Outcome<String> {
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let held = hold(&mut transaction, viewer, id).await?;
    sqlx::query(
        "UPDATE stock_alerts SET acked_at = greatest(clock_timestamp(), opened_at), acked_by = $2 WHERE id = $1",
    )
    .bind(id)
    .bind(viewer.id)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(held.product_name)
}

/// Returns the product's name.
pub async fn snooze(pool: &PgPool, viewer: &Viewer, id: AlertId, until: Until) -> Outcome<String> {
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let held = hold(&mut transaction, viewer, id).await?;
    let at: OffsetDateTime = sqlx::query_scalar(
        "SELECT CASE $2 WHEN 'hour' THEN now() + interval '1 hour'
                        WHEN 'morning' THEN ((now() AT TIME ZONE timezone)::date + 1 + time '08:00') AT TIME ZONE timezone
                        ELSE $3::timestamp AT TIME ZONE timezone END
         FROM branches WHERE id = $1",
    )
    .bind(held.branch_id)
    .bind(match until {
        Until::InAnHour => "hour",
        Until::TomorrowMorning => "morning",
        Until::At(_) => "at",
    })
    .bind(match until {
        Until::At(at) => Some(at),
        Until::InAnHour | Until::TomorrowMorning => None,
    })
    .fetch_one(&mut *transaction)
    .await?;
    let ahead = at - OffsetDateTime::now_utc();
    if ahead <= time::Duration::ZERO {
        return Err(Refusal::invalid("kapan", "Pilih waktu yang belum lewat."));
    }
    if ahead > time::Duration::days(LONGEST_SNOOZE_DAYS) {
        return Err(Refusal::invalid("kapan", "Paling lama sebulan. Untuk seterusnya, turunkan batas produk ini."));
    }
    sqlx::query("UPDATE stock_alerts SET snoozed_until = $2, snoozed_by = $3 WHERE id = $1")
        .bind(id)
        .bind(at)
        .bind(viewer.id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(held.product_name)
}

#[derive(FromRow)]
struct Held {
    branch_id: BranchId,
    product_type: ProductType,
    product_id: ProductId,
}

struct Answerable {
    branch_id: BranchId,
    product_name: String,
}

/// Holds an alert that can still be answered, by somebody who may.
async fn hold(db: &mut PgConnection, viewer: &Viewer, id: AlertId) -> Outcome<Answerable> {
    // before it is looked up: a role that may not do it anywhere learns nothing
    if viewer.role == Role::Kasir {
        return Err(Refusal::Forbidden);
    }
    let found: Option<Held> =
        sqlx::query_as("SELECT branch_id, product_type, product_id FROM stock_alerts WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
    let held = found.filter(|held| viewer.may_manage(held.branch_id)).ok_or(Refusal::NotFound)?;
    // Its product's row first, as a sale does. This is the first write, so that of two who answer at once the second waits
    // here, and then sees what the first has done.
    sqlx::query("SELECT touch_product($1, $2)").bind(held.product_type).bind(held.product_id).execute(&mut *db).await?;
    let (state, who, when): (State, Option<String>, Option<String>) = sqlx::query_as(concat!(
        "SELECT ",
        state!(),
        " AS state, u.name, waktu(a.acked_at, b.timezone)
         FROM stock_alerts a JOIN branches b ON b.id = a.branch_id LEFT JOIN users u ON u.id = a.acked_by WHERE a.id = $1"
    ))
    .bind(id)
    .fetch_one(&mut *db)
    .await?;
    match state {
        State::Closed => return Err(Refusal::conflict("alert_closed", "Stoknya sudah terisi lagi.")),
        State::Acked => {
            let (who, when) = (who.unwrap_or_else(|| "yang lain".to_owned()), when.unwrap_or_default());
            return Err(Refusal::conflict("alert_acked", format!("Sudah ditangani {who}, {when}.")));
        }
        State::Open | State::Snoozed => {}
    }
    let product_name =
        sqlx::query_scalar("SELECT product_name FROM products WHERE product_type = $1 AND product_id = $2")
            .bind(held.product_type)
            .bind(held.product_id)
            .fetch_one(db)
            .await?;
    Ok(Answerable { branch_id: held.branch_id, product_name })
}
