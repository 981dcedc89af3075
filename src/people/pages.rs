//! Signing in and out, and the page about oneself.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use tower_sessions::Session;

use super::sql::Left;
use super::{Device, OF_AN_ACCOUNT, OF_AN_ADDRESS, initials, password, sql};
use crate::App;
use crate::audit::{self, Action};
use crate::metrics::SignIn;
use crate::refusal::Refusal;
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::client::Client;
use crate::web::page::{Asked, Nav, Page, Shell, Theme, local_path};
use crate::web::session::{self, Newcomer};

mod accounts;

pub fn routes() -> Router<App> {
    accounts::routes()
        .route("/login", get(login).post(sign_in))
        .route("/logout", post(sign_out))
        .route("/api/session", get(is_signed_in))
        .route("/lainnya", get(more))
        .route("/akun", get(account))
        .route("/akun/tampilan", post(choose_theme))
        .route("/akun/sandi", get(password_form).post(change_password))
        .route("/akun/keluar-semua", post(sign_out_everywhere))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    theme: Theme,
    email: String,
    next: String,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Coming {
    #[serde(default)]
    next: String,
    /// `berakhir`: a page's script brought them here, because the session had ended.
    #[serde(default)]
    sesi: String,
}

async fn login(viewer: Result<Viewer, Error>, Query(Coming { next, sesi }): Query<Coming>) -> Result<Response, Error> {
    match viewer {
        Ok(_) => Ok(Redirect::to("/").into_response()),
        Err(Error::SignIn) => {
            let refusal = (sesi == "berakhir").then(|| "Sesi Anda sudah berakhir. Silakan masuk lagi.".to_owned());
            Ok(Page(LoginPage { theme: Theme::current(), email: String::new(), next, refusal }).into_response())
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

const REFUSED: &str = "Surel atau kata sandi tidak cocok.";
/// The first password, three days after it was given out (migrations/0024_first_password.sql).
const ENDED: &str =
    "Kata sandi pertama ini hanya berlaku tiga hari, dan sudah lewat. Minta yang baru ke admin cabang atau pusat.";

/// How soon to come back when more people sign in at once than can be checked.
const BUSY_SECONDS: u32 = 3;

/// One answer, after the same time, for an unknown address, a wrong password and a deactivated account; and the same limits.
async fn sign_in(
    State(app): State<App>,
    session: Session,
    client: Client,
    asked: Asked,
    Form(form): Form<Credentials>,
) -> Result<Response, Error> {
    let tried = sql::tried(&app.pool, form.email.trim(), client.address).await?;
    let mut was_last = false;
    for (key, limit) in [(&tried.address, OF_AN_ADDRESS), (&tried.account, OF_AN_ACCOUNT)] {
        match sql::take_try(&app.pool, key, limit).await? {
            Ok(left) => was_last |= left == Left::None,
            Err(seconds) => {
                app.live.metrics().sign_in(SignIn::Limited);
                return Ok(not_now(form, &asked, seconds));
            }
        }
    }
    let (claimed, hash) = sql::credentials(&app.pool, form.email.trim()).await?.unzip();
    let Ok(is_right) = password::verify(form.password.clone(), hash).await else {
        return Ok(not_now(form, &asked, BUSY_SECONDS));
    };
    match claimed.filter(|_| is_right) {
        Some(sql::Claimed { has_ended: true, .. }) => {
            // only to whom it was given: to everybody else it is a wrong password like any other
            app.live.metrics().sign_in(SignIn::Refused);
            audit::sql::record(&app.pool, Action::SignInFailed, claimed.map(|claimed| claimed.id)).await?;
            if asked.json {
                let body = serde_json::json!({ "error": { "code": "password_ended", "message": ENDED } });
                return Ok((StatusCode::UNAUTHORIZED, Json(body)).into_response());
            }
            Ok((StatusCode::UNAUTHORIZED, again(form, ENDED.to_owned())).into_response())
        }
        Some(sql::Claimed { id: user, epoch, .. }) => {
            audit::sql::record(&app.pool, Action::SignIn, Some(user)).await?;
            sql::forgive(&app.pool, &tried).await?;
            session::sign_in(&session, user, epoch, &client).await?;
            app.live.metrics().sign_in(SignIn::Welcome);
            Ok(match asked.json {
                false => Redirect::to(local_path(&form.next).unwrap_or("/")).into_response(),
                true => Json(serde_json::json!({ "ok": true })).into_response(),
            })
        }
        None => {
            app.live.metrics().sign_in(SignIn::Refused);
            let claimed = claimed.map(|claimed| claimed.id);
            audit::sql::record(&app.pool, Action::SignInFailed, claimed).await?;
            if was_last {
                // once a wait, and not with every try that it turns away: those cost an attacker nothing, and us a row each
                audit::sql::record(&app.pool, Action::SignInLimited, claimed).await?;
            }
            if asked.json {
                let body = serde_json::json!({ "error": { "code": "wrong_credentials", "message": REFUSED } });
                return Ok((StatusCode::UNAUTHORIZED, Json(body)).into_response());
            }
            Ok((StatusCode::UNAUTHORIZED, again(form, REFUSED.to_owned())).into_response())
        }
    }
}

/// The form with what was typed, but for the password.
fn again(form: Credentials, refusal: String) -> Page<LoginPage> {
    Page(LoginPage { theme: Theme::current(), email: form.email, next: form.next, refusal: Some(refusal) })
}

fn not_now(form: Credentials, asked: &Asked, seconds: u32) -> Response {
    if asked.json {
        return Error::TooMany { retry_after_seconds: seconds }.into_response();
    }
    let page = again(form, format!("Terlalu banyak percobaan. Tunggu {seconds} detik, lalu coba lagi."));
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], page).into_response()
}

async fn sign_out(
    State(app): State<App>,
    viewer: Result<Newcomer, Error>,
    session: Session,
    asked: Asked,
) -> Result<Response, Error> {
    session::sign_out(&session).await?;
    if let Ok(Newcomer(viewer)) = viewer {
        audit::sql::record(&app.pool, Action::SignOut, Some(viewer.id)).await?;
    }
    Ok(asked.go("/login"))
}

async fn sign_out_everywhere(
    State(app): State<App>,
    Newcomer(viewer): Newcomer,
    session: Session,
    asked: Asked,
) -> Result<Response, Error> {
    sql::end_sessions(&app.pool, viewer.id).await?;
    audit::sql::record(&app.pool, Action::SessionsEnded, Some(viewer.id)).await?;
    session::sign_out(&session).await?;
    Ok(asked.go("/login"))
}

#[derive(Template)]
#[template(path = "people/password.html")]
struct PasswordPage {
    theme: Theme,
    viewer: Viewer,
    refusal: Option<String>,
}

async fn password_form(Newcomer(viewer): Newcomer) -> Page<PasswordPage> {
    Page(PasswordPage { theme: Theme::current(), viewer, refusal: None })
}

#[derive(Deserialize)]
struct NewPassword {
    current: String,
    new: String,
    repeated: String,
}

async fn change_password(
    State(app): State<App>,
    Newcomer(viewer): Newcomer,
    session: Session,
    client: Client,
    asked: Asked,
    Form(form): Form<NewPassword>,
) -> Result<Response, Error> {
    match new_password(&app, &viewer, &client, form).await {
        Ok(epoch) => {
            // the change ended all sessions, this one with them; the person stays, under a new id
            session::sign_in(&session, viewer.id, epoch, &client).await?;
            Ok(asked.go("/akun"))
        }
        Err(Error::Refused(Refusal::Invalid(fields))) if !asked.json => {
            let refusal = fields.into_values().next();
            let page = Page(PasswordPage { theme: Theme::current(), viewer, refusal });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

/// The old one is asked for: a tablet left unlocked is not enough to take an account over. And like a sign-in: it is a place
/// to guess at. The address is not counted here: who knows one password could have all guesses from it forgiven.
async fn new_password(app: &App, viewer: &Viewer, client: &Client, form: NewPassword) -> Result<i32, Error> {
    let (email, hash, epoch) = sql::own_credentials(&app.pool, viewer.id).await?;
    let tried = sql::tried(&app.pool, &email, client.address).await?;
    let left = sql::take_try(&app.pool, &tried.account, OF_AN_ACCOUNT).await?;
    let left = left.map_err(|retry_after_seconds| Error::TooMany { retry_after_seconds })?;
    let is_same = form.current == form.new;
    match password::verify(form.current, Some(hash)).await {
        Ok(true) => {}
        Ok(false) => {
            if left == Left::None {
                audit::sql::record(&app.pool, Action::SignInLimited, Some(viewer.id)).await?;
            }
            return Err(Refusal::invalid("current", "Kata sandi yang sekarang tidak cocok.").into());
        }
        Err(password::Busy) => return Err(Error::TooMany { retry_after_seconds: BUSY_SECONDS }),
    }
    if is_same {
        return Err(Refusal::invalid("new", "Pilih kata sandi yang lain dari yang sekarang.").into());
    }
    if form.new != form.repeated {
        return Err(Refusal::invalid("repeated", "Kedua kata sandi baru tidak sama.").into());
    }
    let changed = sql::change_password(&app.pool, viewer.id, &email, form.new, epoch).await?;
    let epoch = changed.ok_or(Error::SignIn)?;
    sql::forgive_account(&app.pool, &tried).await?;
    Ok(epoch)
}

/// For the pages' script: after a stream was refused, is it the session?
async fn is_signed_in(_: Viewer) -> StatusCode {
    StatusCode::NO_CONTENT
}

#[derive(Template)]
#[template(path = "people/account.html")]
struct AccountPage {
    shell: Shell,
    devices: Vec<Device>,
}

async fn account(State(app): State<App>, viewer: Viewer, session: Session) -> Result<Page<AccountPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Account, "Akun").await?;
    let this = session.id().map(|id| id.to_string()).unwrap_or_default();
    let timezone = shell.branch.as_ref().map_or("Asia/Jakarta", |branch| &branch.timezone);
    let devices = sql::devices(&app.pool, viewer.id, &this, timezone).await?;
    Ok(Page(AccountPage { devices, shell }))
}

#[derive(Template)]
#[template(path = "people/more.html")]
struct MorePage {
    shell: Shell,
}

/// What a phone's tab bar has no room for.
async fn more(State(app): State<App>, viewer: Viewer) -> Result<Page<MorePage>, Error> {
    Ok(Page(MorePage { shell: Shell::load(&app, &viewer, Nav::More, "Lainnya").await? }))
}

impl Shell {
    pub fn initials(&self) -> String {
        initials(&self.viewer.name)
    }
}

#[derive(Deserialize)]
struct ThemeChoice {
    theme: String,
}

/// The theme belongs to the device, not to the person: a cookie of its own, that outlives the session.
async fn choose_theme(State(app): State<App>, _: Viewer, Form(choice): Form<ThemeChoice>) -> Result<Response, Error> {
    let theme = Theme::named(&choice.theme)
        .ok_or_else(|| Refusal::invalid("theme", "Pilih terang, gelap, atau ikut perangkat."))?;
    let secure = if app.config.secure_cookies { "; Secure" } else { "" };
    let kept = format!("theme={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly{secure}", theme.name());
    Ok((AppendHeaders([(header::SET_COOKIE, kept)]), Redirect::to("/akun")).into_response())
}
