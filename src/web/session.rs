//! Who is asking: the session cookie, and the [`Viewer`] behind it.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use time::OffsetDateTime;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use crate::App;
use crate::ids::{BranchId, UserId};
use crate::people::SignedIn;
use crate::postgres::sessions::{self, SIGNED_IN_AT, Sessions, USER_ID};
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::client::Client;
use crate::web::page::Asked;

/// A shift with its breaks: a tablet that nobody touched for longer asks who it is.
const IDLE_HOURS: i64 = 12;

/// A session is moved on at most this often; otherwise every request of every tab would write.
const EXTEND_EVERY_MINUTES: i64 = 10;

const SEEN_AT: &str = "seen_at";
const ADDRESS: &str = "address";
const DEVICE: &str = "device";
/// As the database counts them (migrations/0019_guard.sql).
const EPOCH: &str = "epoch";

pub fn layer(app: &App) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(Sessions::new(app.pool.clone()))
        // `__Host-`: no subdomain and no page over plain http can set it for us. Browsers allow it over TLS only
        .with_name(if app.config.secure_cookies { "__Host-melati_session" } else { "melati_session" })
        .with_http_only(true)
        // Lax, not Strict: a link to a sale in a chat message should open it
        .with_same_site(SameSite::Lax)
        .with_secure(app.config.secure_cookies)
        .with_expiry(Expiry::OnInactivity(time::Duration::hours(IDLE_HOURS)))
}

/// From here on this browser is `user`, until the `epoch` ends in which their password was read. The id is a new one:
/// whoever knew the old one knows nothing.
pub async fn sign_in(session: &Session, user: UserId, epoch: i32, client: &Client) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    session.clear().await;
    session.insert(USER_ID, user).await?;
    session.insert(EPOCH, epoch).await?;
    session.insert(SIGNED_IN_AT, now).await?;
    session.insert(SEEN_AT, now).await?;
    session.insert(ADDRESS, client.address).await?;
    session.insert(DEVICE, &client.device).await?;
    session.cycle_id().await?;
    Ok(())
}

pub async fn sign_out(session: &Session) -> Result<(), Error> {
    Ok(session.flush().await?)
}

/// What a super admin looks at; none for all branches.
pub async fn choose_branch(app: &App, session: &Session, branch: Option<BranchId>) -> Result<(), Error> {
    let id = session.id().ok_or(Error::SignIn)?;
    Ok(sessions::choose(&app.pool, &id, branch.map(|branch| branch.0)).await?)
}

/// Whoever is signed in, also with a password that must be changed before anything else.
pub struct Newcomer(pub Viewer);

impl FromRequestParts<App> for Newcomer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(signed_in(parts, app).await?.viewer()))
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let signed_in = signed_in(parts, app).await?;
        if signed_in.must_change_password {
            return Err(Error::ChangePassword);
        }
        Ok(signed_in.viewer())
    }
}

async fn signed_in(parts: &Parts, app: &App) -> Result<SignedIn, Error> {
    // The row is read here in one statement together with the user; the session itself loads only when it is written.
    let session = parts.extensions.get::<Session>().expect("the sessions layer lies around every route").clone();
    let id = session.id().ok_or(Error::SignIn)?;
    let signed_in = app.sign_ins.of(&id.to_string()).await?.ok_or(Error::SignIn)?;
    if !signed_in.is_active {
        sign_out(&session).await?;
        return Err(Error::SignIn);
    }
    let asked = Asked::of(&parts.method, &parts.uri, &parts.headers);
    // With a page, not with what its script asks for besides: of two requests at once the second would come with an id that
    // is no more.
    if signed_in.has_new_rights && asked.page && parts.method == Method::GET {
        renew(&session).await?;
    }
    // A stream is opened by a script every few minutes: that nobody sits before the screen any more it cannot know.
    let is_somebody_there = !parts.uri.path().starts_with("/realtime/") && parts.uri.path() != "/api/session";
    let unseen = OffsetDateTime::now_utc().unix_timestamp() - signed_in.seen_at;
    if is_somebody_there && unseen > EXTEND_EVERY_MINUTES * 60 {
        session.insert(SEEN_AT, OffsetDateTime::now_utc().unix_timestamp()).await?;
    }
    Ok(signed_in)
}

/// Whether the session is still there, and its person still what they were when `viewer` was read.
pub async fn is_still(app: &App, session: &Session, viewer: &Viewer) -> Result<(), Error> {
    let id = session.id().ok_or(Error::SignIn)?;
    let now = app.sign_ins.of(&id.to_string()).await?.ok_or(Error::SignIn)?;
    if !now.is_active || now.must_change_password {
        return Err(Error::SignIn);
    }
    let now = now.viewer();
    if (now.id, now.role, now.home) != (viewer.id, viewer.role, viewer.home) {
        // the next try finds the new rights
        return Err(Error::Draining { retry_after_seconds: 1 });
    }
    Ok(())
}

/// The same session under a new id, after a change of rights.
async fn renew(session: &Session) -> Result<(), Error> {
    if session.get_value(USER_ID).await?.is_none() {
        // signed out since the row was read
        return Err(Error::SignIn);
    }
    Ok(session.cycle_id().await?)
}
