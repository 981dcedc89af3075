//! The SQL of accounts.

use std::collections::HashMap;
use std::net::IpAddr;

use sqlx::{FromRow, PgConnection, PgPool, Postgres, Transaction};

use super::{Account, Device, Limit, NewUser, Person, SignedIn, check_password, counted, first_password, password};
use crate::audit::{self, Action};
use crate::ids::{BranchId, UserId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Branches, Role, Viewer};

/// The people behind these sessions, as far as they have not expired. The choice in the branch switcher counts only for a super admin
/// ([`crate::scope`]), and only if the branch is still there.
pub async fn signed_in(pool: &PgPool, sessions: &[String]) -> sqlx::Result<HashMap<String, SignedIn>> {
    let rows: Vec<SignedInRow> = sqlx::query_as(
        "SELECT s.id AS session, u.id, u.name, u.role, u.branch_id, u.is_active, u.must_change_password,
                s.created_at < u.rights_changed_at AS has_new_rights, coalesce((s.data ->> 'seen_at')::bigint, 0) AS seen_at,
                (SELECT b.id FROM branches b WHERE b.id = (s.data ->> 'chosen_branch')::bigint) AS chosen
         FROM sessions s JOIN users u ON u.id = s.user_id AND u.sessions_epoch = coalesce((s.data ->> 'epoch')::integer, 0)
         WHERE s.id = ANY($1) AND s.expires_at > now()",
    )
    .bind(sessions)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.session, row.signed_in)).collect())
}

#[derive(FromRow)]
struct SignedInRow {
    session: String,
    #[sqlx(flatten)]
    signed_in: SignedIn,
}

/// Who somebody says they are: the password has still to be checked.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Claimed {
    pub id: UserId,
    /// The epoch in which the hash was read: a session that comes of it counts in no later one.
    #[sqlx(rename = "sessions_epoch")]
    pub epoch: i32,
    /// It was given out by somebody else, and nobody made it their own in time.
    pub has_ended: bool,
}

/// An active account and its password hash.
pub async fn credentials(pool: &PgPool, email: &str) -> sqlx::Result<Option<(Claimed, String)>> {
    let row: Option<CredentialsRow> = sqlx::query_as(
        "SELECT id, sessions_epoch, password, coalesce(password_ends_at <= now(), false) AS has_ended
             FROM users WHERE email = lower($1) AND is_active",
    )
    .bind(email)
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| (row.claimed, row.password)))
}

#[derive(FromRow)]
struct CredentialsRow {
    #[sqlx(flatten)]
    claimed: Claimed,
    password: String,
}

/// An account made at the server itself. A super admin is made there by the one whose password it is; of everyone else's
/// somebody else knows.
pub async fn add_user(pool: &PgPool, user: NewUser) -> Outcome<UserId> {
    user.check()?;
    let hash = password::hash(user.password).await;
    sqlx::query_scalar(
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
    .map_err(in_words)
}

/// What the database refuses of an account, beside the field.
fn in_words(error: sqlx::Error) -> Refusal {
    match &error {
        sqlx::Error::Database(refused) if refused.is_unique_violation() => {
            Refusal::invalid("email", "Surel ini sudah dipakai akun lain.")
        }
        sqlx::Error::Database(refused) if refused.is_foreign_key_violation() => {
            Refusal::invalid("branch_id", "Cabang itu tidak ada.")
        }
        sqlx::Error::Database(refused) if refused.constraint() == Some("branch_is_retired") => {
            Refusal::invalid("branch_id", "Cabang itu sudah ditutup untuk seterusnya. Pilih cabang lain.")
        }
        sqlx::Error::Database(refused) if refused.constraint() == Some("users_last_super_admin") => Refusal::conflict(
            "last_super_admin",
            "Ini akun pusat terakhir yang aktif. Buat atau aktifkan akun pusat lain dulu.",
        ),
        _ => error.into(),
    }
}

/// An account made by somebody in a page. The password is theirs to hand on, and to be changed at the first sign-in.
pub async fn hire(pool: &PgPool, viewer: &Viewer, person: &Person) -> Outcome<(UserId, String)> {
    if !viewer.may_manage_account(person.role, person.branch_id) {
        return Err(Refusal::Forbidden);
    }
    let first = first_password();
    let hash = password::hash(first.clone()).await;
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let id = sqlx::query_scalar(
        "INSERT INTO users (name, email, password, role, branch_id, must_change_password)
         VALUES ($1, $2, $3, $4, $5, true) RETURNING id",
    )
    .bind(&person.name)
    .bind(&person.email)
    .bind(hash)
    .bind(person.role)
    .bind(person.branch_id)
    .fetch_one(&mut *transaction)
    .await
    .map_err(in_words)?;
    transaction.commit().await?;
    Ok((id, first))
}

/// Which accounts a list shows.
#[derive(Debug, Default)]
pub struct Filter {
    /// Words of the name or of the address.
    pub cari: String,
    pub role: Option<Role>,
    /// None: whether active or not.
    pub is_active: Option<bool>,
}

/// Accounts of the branches, by name; with how many there are in all.
pub async fn accounts(
    pool: &PgPool,
    branches: Branches,
    filter: &Filter,
    limit: i64,
    offset: i64,
) -> sqlx::Result<(Vec<Account>, i64)> {
    let found = sqlx::query_as(
        "SELECT u.id, u.name, u.email, u.role, u.branch_id, b.name AS branch, u.is_active, u.must_change_password,
                (SELECT to_char(to_timestamp(max((s.data ->> 'seen_at')::bigint)) AT TIME ZONE coalesce(b.timezone, 'Asia/Jakarta'), 'DD/MM/YYYY HH24:MI')
                 FROM sessions s WHERE s.user_id = u.id) AS seen,
                (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.expires_at > now()) AS sessions
         FROM users u LEFT JOIN branches b ON b.id = u.branch_id
         WHERE ($1::bigint IS NULL OR u.branch_id = $1)
           AND NOT EXISTS (SELECT FROM unnest(string_to_array(lower($2), ' ')) AS word
                           WHERE position(word IN lower(u.name || ' ' || u.email)) = 0)
           AND ($3::text IS NULL OR u.role = $3) AND ($4::boolean IS NULL OR u.is_active = $4)
         ORDER BY u.is_active DESC, lower(u.name), u.id LIMIT $5 OFFSET $6",
    )
    .bind(branches.one())
    .bind(&filter.cari)
    .bind(filter.role)
    .bind(filter.is_active)
    .bind(limit)
    .bind(offset)
    .fetch_all(pool)
    .await?;
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM users u
         WHERE ($1::bigint IS NULL OR u.branch_id = $1)
           AND NOT EXISTS (SELECT FROM unnest(string_to_array(lower($2), ' ')) AS word
                           WHERE position(word IN lower(u.name || ' ' || u.email)) = 0)
           AND ($3::text IS NULL OR u.role = $3) AND ($4::boolean IS NULL OR u.is_active = $4)",
    )
    .bind(branches.one())
    .bind(&filter.cari)
    .bind(filter.role)
    .bind(filter.is_active)
    .fetch_one(pool)
    .await?;
    Ok((found, count))
}

/// An account that the viewer looks after.
pub async fn account(pool: &PgPool, viewer: &Viewer, id: UserId) -> Outcome<Account> {
    let account: Account = sqlx::query_as(
        "SELECT u.id, u.name, u.email, u.role, u.branch_id, b.name AS branch, u.is_active, u.must_change_password,
                (SELECT to_char(to_timestamp(max((s.data ->> 'seen_at')::bigint)) AT TIME ZONE coalesce(b.timezone, 'Asia/Jakarta'), 'DD/MM/YYYY HH24:MI')
                 FROM sessions s WHERE s.user_id = u.id) AS seen,
                (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.expires_at > now()) AS sessions
         FROM users u LEFT JOIN branches b ON b.id = u.branch_id
         WHERE u.id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?
    .ok_or(Refusal::NotFound)?;
    guard(viewer, account.role, account.branch_id)?;
    Ok(account)
}

fn guard(viewer: &Viewer, role: Role, branch: Option<BranchId>) -> Outcome<()> {
    match viewer.may_manage_account(role, branch) {
        true => Ok(()),
        // whose role may manage nobody learns nothing of who there is
        false if !viewer.may_manage_people() => Err(Refusal::Forbidden),
        false => Err(Refusal::NotFound),
    }
}

/// Begins a change of somebody's account: signed, the row held, and the viewer one who may.
async fn change_of<'a>(pool: &'a PgPool, viewer: &Viewer, id: UserId) -> Outcome<(Transaction<'a, Postgres>, Held)> {
    let mut transaction = pool.begin().await?;
    // both rows in the same order for everybody: two who change each other's accounts would wait in a circle
    sqlx::query("SELECT FROM users WHERE id IN ($1, $2) ORDER BY id FOR NO KEY UPDATE")
        .bind(viewer.id)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let held: Held = sqlx::query_as("SELECT role, branch_id, is_active FROM users WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or_else(|| if viewer.may_manage_people() { Refusal::NotFound } else { Refusal::Forbidden })?;
    guard(viewer, held.role, held.branch_id)?;
    Ok((transaction, held))
}

#[derive(sqlx::FromRow)]
struct Held {
    role: Role,
    branch_id: Option<BranchId>,
    is_active: bool,
}

/// One's own rights are given and taken by others.
fn not_oneself(viewer: &Viewer, id: UserId) -> Outcome<()> {
    match viewer.id == id {
        false => Ok(()),
        true => Err(Refusal::conflict("oneself", "Hak akses Anda sendiri diubah oleh rekan lain, bukan oleh Anda.")),
    }
}

/// Name, address, role, branch. A changed role or branch ends the streams of the account; the database sees to its sessions.
pub async fn change_account(pool: &PgPool, viewer: &Viewer, id: UserId, person: &Person) -> Outcome<()> {
    let (mut transaction, held) = change_of(pool, viewer, id).await?;
    if (held.role, held.branch_id) != (person.role, person.branch_id) {
        not_oneself(viewer, id)?;
    }
    if !viewer.may_manage_account(person.role, person.branch_id) {
        return Err(Refusal::Forbidden);
    }
    sqlx::query("UPDATE users SET name = $2, email = $3, role = $4, branch_id = $5 WHERE id = $1")
        .bind(id)
        .bind(&person.name)
        .bind(&person.email)
        .bind(person.role)
        .bind(person.branch_id)
        .execute(&mut *transaction)
        .await
        .map_err(in_words)?;
    Ok(transaction.commit().await?)
}

/// Nobody signs in with it any more, and who is, is out. What they did stays theirs.
pub async fn deactivate(pool: &PgPool, viewer: &Viewer, id: UserId) -> Outcome<()> {
    let (mut transaction, _) = change_of(pool, viewer, id).await?;
    not_oneself(viewer, id)?;
    sqlx::query("UPDATE users SET is_active = false WHERE id = $1")
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(in_words)?;
    Ok(transaction.commit().await?)
}

pub async fn activate(pool: &PgPool, viewer: &Viewer, id: UserId) -> Outcome<()> {
    let (mut transaction, _) = change_of(pool, viewer, id).await?;
    sqlx::query("UPDATE users SET is_active = true WHERE id = $1")
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(in_words)?;
    Ok(transaction.commit().await?)
}

/// A new first password for somebody who has forgotten theirs, or should not be in any more.
pub async fn reset_password(pool: &PgPool, viewer: &Viewer, id: UserId) -> Outcome<String> {
    if viewer.id == id {
        return Err(Refusal::conflict("oneself", "Kata sandi sendiri diganti di halaman Akun."));
    }
    let first = first_password();
    let hash = password::hash(first.clone()).await;
    let (mut transaction, held) = change_of(pool, viewer, id).await?;
    if !held.is_active {
        return Err(Refusal::conflict("inactive", "Akun ini tidak aktif. Aktifkan dulu, lalu buat kata sandi baru."));
    }
    sqlx::query("UPDATE users SET password = $2, must_change_password = true WHERE id = $1")
        .bind(id)
        .bind(hash)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(first)
}

/// A tablet was lost: everything that is signed in with the account is out.
pub async fn end_sessions_of(pool: &PgPool, viewer: &Viewer, id: UserId) -> Outcome<()> {
    let (mut transaction, _) = change_of(pool, viewer, id).await?;
    end_epoch(&mut transaction, id).await?;
    audit::sql::record_of(&mut transaction, Action::SessionsEnded, viewer.id, id).await?;
    Ok(transaction.commit().await?)
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

/// Address and password hash of an account, and the epoch in which they were read.
pub async fn own_credentials(pool: &PgPool, user: UserId) -> sqlx::Result<(String, String, i32)> {
    sqlx::query_as("SELECT email, password, sessions_epoch FROM users WHERE id = $1").bind(user).fetch_one(pool).await
}

/// A password of one's own choice. The epoch that begins with it; none if the one is over in which the old password was
/// checked: somebody else has given a new one meanwhile, and that holds.
pub async fn change_password(
    pool: &PgPool,
    user: UserId,
    email: &str,
    new: String,
    checked_in: i32,
) -> Outcome<Option<i32>> {
    check_password(&new, email)?;
    let hash = password::hash(new).await;
    let mut transaction = pool.begin().await?;
    audit::sql::name_writer(&mut transaction, user).await?;
    let epoch = sqlx::query_scalar(
        "UPDATE users SET password = $2, must_change_password = false WHERE id = $1 AND sessions_epoch = $3
         RETURNING sessions_epoch",
    )
    .bind(user)
    .bind(hash)
    .bind(checked_in)
    .fetch_optional(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(epoch)
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
    let mut transaction = pool.begin().await?;
    audit::sql::name_writer(&mut transaction, user).await?;
    end_epoch(&mut transaction, user).await?;
    transaction.commit().await
}

/// Ends the sessions there are, and those that are just being written: signed in or renewed in this very moment.
async fn end_epoch(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET sessions_epoch = sessions_epoch + 1 WHERE id = $1")
        .bind(user)
        .execute(&mut *db)
        .await?;
    sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user).execute(db).await?;
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

/// What a try that was taken leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    More,
    /// If it was wrong, there is a wait now.
    None,
}

/// Takes one try. It counts before it is known how it ends, so that a hundred at once are a hundred. `Err`: how many seconds
/// to wait. What lies an hour back is forgotten.
pub async fn take_try(pool: &PgPool, key: &str, limit: Limit) -> sqlx::Result<Result<Left, u32>> {
    let taken: Option<bool> = sqlx::query_scalar(
        "INSERT INTO sign_in_limits AS l (key, tries, last_at, blocked_until) VALUES ($1, 1, clock_timestamp(), '-infinity')
         ON CONFLICT (key) DO UPDATE SET
             tries = CASE WHEN l.last_at < clock_timestamp() - interval '1 hour' THEN 1 ELSE l.tries + 1 END,
             last_at = clock_timestamp(),
             blocked_until = CASE WHEN l.last_at < clock_timestamp() - interval '1 hour' OR l.tries + 1 < $2 THEN '-infinity'
                 ELSE clock_timestamp() + make_interval(secs => least(power(2, least(l.tries + 1 - $2, 20)), $3)) END
         WHERE l.blocked_until <= clock_timestamp()
         RETURNING blocked_until > clock_timestamp()",
    )
    .bind(key)
    .bind(limit.free_tries)
    .bind(limit.longest_wait_seconds)
    .fetch_optional(pool)
    .await?;
    match taken {
        Some(true) => return Ok(Ok(Left::None)),
        Some(false) => return Ok(Ok(Left::More)),
        None => {}
    }
    let seconds: Option<i32> = sqlx::query_scalar(
        "SELECT ceil(extract(epoch FROM blocked_until - clock_timestamp()))::integer FROM sign_in_limits WHERE key = $1",
    )
    .bind(key)
    .fetch_optional(pool)
    .await?;
    Ok(Err(seconds.unwrap_or(1).max(1).unsigned_abs()))
}

/// The tries at an account are forgiven. Counts that nobody asks for any more go with them.
pub async fn forgive_account(pool: &PgPool, tried: &Tried) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sign_in_limits WHERE key = $1 OR last_at < clock_timestamp() - interval '2 hours'")
        .bind(&tried.account)
        .execute(pool)
        .await?;
    Ok(())
}

/// The try was right: it does not count, and those before it at the account are forgiven. Only for who has taken a try of
/// the address, too: what was not taken cannot be given back.
pub async fn forgive(pool: &PgPool, tried: &Tried) -> sqlx::Result<()> {
    forgive_account(pool, tried).await?;
    sqlx::query("UPDATE sign_in_limits SET tries = greatest(tries - 1, 0), blocked_until = '-infinity' WHERE key = $1")
        .bind(&tried.address)
        .execute(pool)
        .await?;
    Ok(())
}
