//! Who is asking: the session cookie, and the [`Viewer`] behind it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use time::OffsetDateTime;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use crate::App;
use crate::ids::{BranchId, UserId};
use crate::people;
use crate::postgres::sessions::{CHOSEN_BRANCH, Sessions, USER_ID};
use crate::scope::Viewer;
use crate::web::Error;

/// A shift with its breaks: a tablet that nobody touched for longer asks who it is.
const IDLE_HOURS: i64 = 12;

/// A session is moved on at most this often; otherwise every request of every tab would write.
const EXTEND_EVERY_MINUTES: i64 = 10;

const EXTENDED_AT: &str = "extended_at";

pub fn layer(app: &App) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(Sessions::new(app.pool.clone()))
        .with_name("melati_session")
        .with_http_only(true)
        // Lax, not Strict: a link to a sale in a chat message should open it
        .with_same_site(SameSite::Lax)
        .with_secure(app.config.secure_cookies)
        .with_expiry(Expiry::OnInactivity(time::Duration::hours(IDLE_HOURS)))
}

/// From here on this browser is `user`. The id is a new one: whoever knew the old one knows nothing.
pub async fn sign_in(session: &Session, user: UserId) -> Result<(), Error> {
    session.clear().await;
    session.insert(USER_ID, user).await?;
    session.insert(EXTENDED_AT, OffsetDateTime::now_utc().unix_timestamp()).await?;
    session.cycle_id().await?;
    Ok(())
}

pub async fn sign_out(session: &Session) -> Result<(), Error> {
    Ok(session.flush().await?)
}

/// What a super admin looks at; none for all branches.
pub async fn choose_branch(session: &Session, branch: Option<BranchId>) -> Result<(), Error> {
    match branch {
        Some(branch) => session.insert(CHOSEN_BRANCH, branch).await?,
        None => drop(session.remove_value(CHOSEN_BRANCH).await?),
    }
    Ok(())
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        // The row is read here in one statement together with the user; the session itself loads only when it is written.
        let session = parts.extensions.get::<Session>().expect("the sessions layer lies around every route").clone();
        let id = session.id().ok_or(Error::SignIn)?;
        let signed_in = people::sql::signed_in(&app.pool, &id.to_string()).await?.ok_or(Error::SignIn)?;
        if !signed_in.is_active {
            sign_out(&session).await?;
            return Err(Error::SignIn);
        }
        let since_extended = time::Duration::hours(IDLE_HOURS) - (signed_in.expires_at - OffsetDateTime::now_utc());
        if since_extended > time::Duration::minutes(EXTEND_EVERY_MINUTES) {
            session.insert(EXTENDED_AT, OffsetDateTime::now_utc().unix_timestamp()).await?;
        }
        Ok(signed_in.viewer())
    }
}
