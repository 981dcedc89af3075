//! The SQL of the log.

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool};
use time::Date;

use super::Action;
use crate::ids::UserId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;

/// Begins every write of somebody: says for this transaction who writes, and from where (the triggers put it beside what they
/// record), and holds the writer's rights as they were when the request read them. Whoever takes them away waits for the end of
/// this transaction; where they are gone already, nothing is written.
pub async fn sign(db: &mut PgConnection, viewer: &Viewer) -> Outcome<()> {
    let held: Option<(bool, bool)> = sqlx::query_as(
        "SELECT is_active, (role, branch_id) IS NOT DISTINCT FROM ($2::text, $3::bigint) FROM users WHERE id = $1 FOR SHARE",
    )
    .bind(viewer.id)
    .bind(viewer.role)
    .bind(viewer.home)
    .fetch_optional(&mut *db)
    .await?;
    match held {
        Some((true, true)) => Ok(name_writer(db, viewer.id).await?),
        Some((true, false)) => Err(Refusal::conflict(
            "rights_changed",
            "Peran atau cabang Anda baru saja diubah, jadi ini belum disimpan. Muat ulang halaman, lalu coba lagi.",
        )),
        Some((false, _)) | None => Err(Refusal::SignedOut),
    }
}

/// Only says who and from where: for what everybody may do with their own account.
pub async fn name_writer(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('melati.user_id', $1, true), set_config('melati.address', $2, true)")
        .bind(user.to_string())
        .bind(super::address().map(|address| address.to_string()).unwrap_or_default())
        .execute(db)
        .await?;
    Ok(())
}

/// Records what changes no row that a trigger watches. `user` is whose account it concerns, none where there is none; who
/// failed to sign in is unknown.
pub async fn record(pool: &PgPool, action: Action, user: Option<UserId>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO audit_log (action, actor_id, address, branch_id, subject)
         SELECT $1, CASE WHEN $1 NOT IN ('sign_in_failed', 'sign_in_limited') THEN $2 END, $3::inet, u.branch_id, coalesce(u.email, '')
         FROM (SELECT) one LEFT JOIN users u ON u.id = $2",
    )
    .bind(action)
    .bind(user)
    .bind(super::address().map(|address| address.to_string()))
    .execute(pool)
    .await?;
    Ok(())
}

/// The same, done by somebody to the account of somebody else.
pub async fn record_of(db: &mut PgConnection, action: Action, by: UserId, user: UserId) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO audit_log (action, actor_id, address, branch_id, subject)
         SELECT $1, $2, $3::inet, branch_id, email FROM users WHERE id = $4",
    )
    .bind(action)
    .bind(by)
    .bind(super::address().map(|address| address.to_string()))
    .bind(user)
    .execute(db)
    .await?;
    Ok(())
}

/// What the page asks for.
#[derive(Debug, Default)]
pub struct Filter {
    pub action: Option<Action>,
    /// Words that stand in who did it, or to what.
    pub cari: String,
    /// A day of the head office, Jakarta.
    pub tanggal: Option<Date>,
    /// Older than this entry.
    pub before: Option<i64>,
}

#[derive(Debug, FromRow)]
pub struct Entry {
    pub id: i64,
    pub waktu: String,
    pub action: Action,
    pub actor: Option<String>,
    pub address: Option<String>,
    pub branch: Option<String>,
    pub subject: String,
    pub before: Option<Json<Value>>,
    pub after: Option<Json<Value>>,
}

/// Newest first.
pub async fn list(pool: &PgPool, filter: &Filter, limit: i64) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as(
        "SELECT a.id, to_char(a.at AT TIME ZONE 'Asia/Jakarta', 'DD/MM/YYYY HH24:MI:SS') AS waktu, a.action,
                coalesce(u.name, '#' || a.actor_id) AS actor, host(a.address) AS address, b.name AS branch, a.subject,
                a.before, a.after
         FROM audit_log a LEFT JOIN users u ON u.id = a.actor_id LEFT JOIN branches b ON b.id = a.branch_id
         WHERE ($1::text IS NULL OR a.action = $1)
           AND NOT EXISTS (SELECT FROM unnest(string_to_array(lower($2), ' ')) AS word
                           WHERE position(word IN lower(concat_ws(' ', u.name, u.email, a.subject, host(a.address)))) = 0)
           AND ($3::date IS NULL OR (a.at >= $3::date::timestamp AT TIME ZONE 'Asia/Jakarta'
                                     AND a.at < ($3::date + 1)::timestamp AT TIME ZONE 'Asia/Jakarta'))
           AND ($4::bigint IS NULL OR a.id < $4)
         ORDER BY a.id DESC LIMIT $5",
    )
    .bind(filter.action)
    .bind(&filter.cari)
    .bind(filter.tanggal)
    .bind(filter.before)
    .bind(limit)
    .fetch_all(pool)
    .await
}
