//! The SQL of accounts.

use sqlx::PgPool;

use super::{NewUser, SignedIn, check_password, password};
use crate::ids::UserId;
use crate::refusal::{Outcome, Refusal};

/// The person behind a session that has not expired. The choice in the branch switcher counts only for a super admin
/// ([`crate::scope`]), and only if the branch is still there.
pub async fn signed_in(pool: &PgPool, session: &str) -> sqlx::Result<Option<SignedIn>> {
    sqlx::query_as(
        "SELECT u.id, u.name, u.role, u.branch_id, u.is_active, s.expires_at,
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
        "INSERT INTO users (name, email, password, role, branch_id) VALUES ($1, lower($2), $3, $4, $5) RETURNING id",
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

/// Changes a password and ends every session of the account: whoever knew the old one is out.
pub async fn set_password(pool: &PgPool, email: &str, new: String) -> Outcome<()> {
    check_password(&new)?;
    let hash = password::hash(new).await;
    let mut transaction = pool.begin().await?;
    let user: UserId = sqlx::query_scalar("UPDATE users SET password = $2 WHERE email = lower($1) RETURNING id")
        .bind(email.trim())
        .bind(hash)
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(Refusal::NotFound)?;
    sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
