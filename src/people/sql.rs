//! The SQL of accounts.

use std::net::IpAddr;

use sqlx::PgPool;

use super::{Device, Limit, NewUser, SignedIn, check_password, counted, password};
use crate::audit;
use crate::ids::UserId;
use crate::refusal::{Outcome, Refusal};

/// The person behind a session that has not expired. The choice in the branch switcher counts only for a super admin
/// ([`crate::scope`]), and only if the branch is still there.
pub async fn signed_in(pool: &PgPool, session: &str) -> sqlx::Result<Option<SignedIn>> {
    sqlx::query_as(
        "SELECT u.id, u.name, u.role, u.branch_id, u.is_active, u.must_change_password,
                s.created_at < u.rights_changed_at AS has_new_rights, coalesce((s.data ->> 'seen_at')::bigint, 0) AS seen_at,
                (SELECT b.id FROM branches b WHERE b.id = (s.data ->> 'chosen_branch')::bigint) AS chosen
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = $1 AND s.expires_at > now()",
    )
    .bind(session)
    .fetch_optional(pool)
    .await
}

/// Id and password hash of an active account.
pub async fn credentials(pool: &PgPool, email: &str) -> sqlx::Result<Option<(UserId, String)>> {
    sqlx::query_as("SELECT id, password FROM users WHERE email = lower($1) AND is_active")
        .bind(email)
        .fetch_optional(pool)
        .await
}

pub async fn add_user(pool: &PgPool, user: NewUser) -> Outcome<UserId> {
    user.check()?;
    let hash = password::hash(user.password).await;
    sqlx::query_scalar(
        // A super admin is made at the server itself, by the one whose password it is. Of everyone else's somebody else knows.
        "INSERT INTO users (name, email, password, role, branch_id, must_change_password)
         VALUES ($1, lower($2), $3, $4, $5, $4 <> 'super_admin') RETURNING id",
    )
    .bind(user.name.trim())
    .bind(user.email.trim())
    .bind(hash)
    .bind(user.role)
    .bind(user.branch_id)
    .fetch_one(pool)
    .await
    .map_err(|error| match &error {
        sqlx::Error::Database(refused) if refused.is_unique_violation() => {
            Refusal::invalid("email", "Surel ini sudah dipakai akun lain.")
        }
        sqlx::Error::Database(refused) if refused.is_foreign_key_violation() => {
            Refusal::invalid("branch_id", "Cabang itu tidak ada.")
        }
        _ => error.into(),
    })
}

/// A password given by somebody else: to be changed at the next sign-in (but for super admins, as with [`add_user`]). Ends
/// every session of the account, as every change of a password does: the database sees to it.
pub async fn set_password(pool: &PgPool, email: &str, new: String) -> Outcome<()> {
    check_password(&new, email.trim())?;
    let hash = password::hash(new).await;
    sqlx::query("UPDATE users SET password = $2, must_change_password = role <> 'super_admin' WHERE email = lower($1) RETURNING id")
        .bind(email.trim())
        .bind(hash)
        .fetch_optional(pool)
        .await?
        .ok_or(Refusal::NotFound)?;
    Ok(())
}

/// Address and password hash of an account.
pub async fn own_credentials(pool: &PgPool, user: UserId) -> sqlx::Result<(String, String)> {
    sqlx::query_as("SELECT email, password FROM users WHERE id = $1").bind(user).fetch_one(pool).await
}

/// A password of one's own choice.
pub async fn change_password(pool: &PgPool, user: UserId, email: &str, new: String) -> Outcome<()> {
    check_password(&new, email)?;
    let hash = password::hash(new).await;
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, user).await?;
    sqlx::query("UPDATE users SET password = $2, must_change_password = false WHERE id = $1")
        .bind(user)
        .bind(hash)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// The browsers that `user` is signed in with, on the clock of `timezone`.
pub async fn devices(pool: &PgPool, user: UserId, this: &str, timezone: &str) -> sqlx::Result<Vec<Device>> {
    sqlx::query_as(
        "SELECT coalesce(data ->> 'device', '') AS device, coalesce(data ->> 'address', '') AS address,
                to_char(to_timestamp((data ->> 'signed_in_at')::bigint) AT TIME ZONE $3, 'DD/MM HH24:MI') AS signed_in,
                to_char(to_timestamp((data ->> 'seen_at')::bigint) AT TIME ZONE $3, 'DD/MM HH24:MI') AS seen,
                id = $2 AS is_this
         FROM sessions WHERE user_id = $1 AND expires_at > now() AND data ? 'signed_in_at' AND data ? 'seen_at'
         ORDER BY is_this DESC, data ->> 'seen_at' DESC LIMIT 50",
    )
    .bind(user)
    .bind(this)
    .bind(timezone)
    .fetch_all(pool)
    .await
}

/// Every session of an account, this one with them.
pub async fn end_sessions(pool: &PgPool, user: UserId) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user).execute(pool).await?;
    Ok(())
}

/// What tries are counted by. Of an account only a digest: nothing that somebody types belongs in this table.
#[derive(Debug, Clone)]
pub struct Tried {
    pub account: String,
    pub address: String,
}

pub async fn tried(pool: &PgPool, email: &str, address: IpAddr) -> sqlx::Result<Tried> {
    let address = counted(address).to_string();
    let account = sqlx::query_scalar(
        "SELECT 'account ' || encode(sha256(convert_to(lower($1), 'UTF8')), 'hex') || CASE WHEN EXISTS (
             SELECT FROM audit_log a JOIN users u ON u.id = a.actor_id
             WHERE a.action = 'sign_in' AND u.email = lower($1) AND a.address <<= set_masklen($2::inet, CASE family($2::inet) WHEN 4 THEN 32 ELSE 64 END)
               AND a.at > now() - interval '30 days') THEN ' at ' || $2 ELSE '' END",
    )
    .bind(email)
    .bind(&address)
    .fetch_one(pool)
    .await?;
    Ok(Tried { account, address: format!("address {address}") })
}

/// Takes one try. It counts before it is known how it ends, so that a hundred at once are a hundred. `Err`: how many seconds
/// to wait. What lies an hour back is forgotten.
pub async fn take_try(pool: &PgPool, key: &str, limit: Limit) -> sqlx::Result<Result<(), u32>> {
    let taken = sqlx::query(
        "INSERT INTO sign_in_limits AS l (key, tries, last_at, blocked_until) VALUES ($1, 1, clock_timestamp(), '-infinity')
         ON CONFLICT (key) DO UPDATE SET
             tries = CASE WHEN l.last_at < clock_timestamp() - interval '1 hour' THEN 1 ELSE l.tries + 1 END,
             last_at = clock_timestamp(),
             blocked_until = CASE WHEN l.last_at < clock_timestamp() - interval '1 hour' OR l.tries + 1 < $2 THEN '-infinity'
                 ELSE clock_timestamp() + make_interval(secs => least(power(2, least(l.tries + 1 - $2, 20)), $3)) END
         WHERE l.blocked_until <= clock_timestamp()",
    )
    .bind(key)
    .bind(limit.free_tries)
    .bind(limit.longest_wait_seconds)
    .execute(pool)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(Ok(()));
    }
    let seconds: Option<i32> = sqlx::query_scalar(
        "SELECT ceil(extract(epoch FROM blocked_until - clock_timestamp()))::integer FROM sign_in_limits WHERE key = $1",
    )
    .bind(key)
    .fetch_optional(pool)
    .await?;
    Ok(Err(seconds.unwrap_or(1).max(1).unsigned_abs()))
}

/// The try was right: it does not count, and those before it at the account are forgiven. Counts that nobody asks for any
/// more go with them.
pub async fn forgive(pool: &PgPool, tried: &Tried) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sign_in_limits WHERE key = $1 OR last_at < clock_timestamp() - interval '2 hours'")
        .bind(&tried.account)
        .execute(pool)
        .await?;
    sqlx::query("UPDATE sign_in_limits SET tries = greatest(tries - 1, 0), blocked_until = '-infinity' WHERE key = $1")
        .bind(&tried.address)
        .execute(pool)
        .await?;
    Ok(())
}
