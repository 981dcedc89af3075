//! Signing in and out, and the page about oneself.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use tower_sessions::Session;

use super::{initials, password, sql};
use crate::App;
use crate::refusal::Refusal;
use crate::scope::Viewer;
use crate::web::page::{Asked, Nav, Page, Shell, Theme, local_path};
use crate::web::{Error, session};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/login", get(login).post(sign_in))
        .route("/logout", post(sign_out))
        .route("/api/session", get(is_signed_in))
        .route("/akun", get(account))
        .route("/akun/tampilan", post(choose_theme))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    theme: Theme,
    email: String,
    next: String,
    is_refused: bool,
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn login(viewer: Result<Viewer, Error>, Query(Next { next }): Query<Next>) -> Result<Response, Error> {
    match viewer {
        Ok(_) => Ok(Redirect::to("/").into_response()),
        Err(Error::SignIn) => {
            Ok(Page(LoginPage { theme: Theme::current(), email: String::new(), next, is_refused: false })
                .into_response())
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

/// One answer, after the same time, for an unknown address, a wrong password and a deactivated account.
async fn sign_in(
    State(app): State<App>,
    session: Session,
    asked: Asked,
    Form(form): Form<Credentials>,
) -> Result<Response, Error> {
    let (user, hash) = sql::credentials(&app.pool, form.email.trim()).await?.unzip();
    let is_right = password::verify(form.password, hash).await;
    match user.filter(|_| is_right) {
        Some(user) => {
            session::sign_in(&session, user).await?;
            Ok(match asked.page {
                true => Redirect::to(local_path(&form.next).unwrap_or("/")).into_response(),
                false => Json(serde_json::json!({ "ok": true })).into_response(),
            })
        }
        None if asked.page => {
            let page = LoginPage { theme: Theme::current(), email: form.email, next: form.next, is_refused: true };
            Ok((StatusCode::UNAUTHORIZED, Page(page)).into_response())
        }
        None => {
            let body = serde_json::json!({ "error": { "code": "wrong_credentials", "message": REFUSED } });
            Ok((StatusCode::UNAUTHORIZED, Json(body)).into_response())
        }
    }
}

async fn sign_out(session: Session, asked: Asked) -> Result<Response, Error> {
    session::sign_out(&session).await?;
    Ok(asked.go("/login"))
}

/// For the pages' script: after a stream was refused, is it the session?
async fn is_signed_in(_: Viewer) -> StatusCode {
    StatusCode::NO_CONTENT
}

#[derive(Template)]
#[template(path = "people/account.html")]
struct AccountPage {
    shell: Shell,
    theme: &'static str,
}

async fn account(State(app): State<App>, viewer: Viewer, headers: HeaderMap) -> Result<Page<AccountPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Account, "Akun").await?;
    Ok(Page(AccountPage { shell, theme: Theme::chosen(&headers) }))
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

/// The theme belongs to the device, not to the person: a cookie of its own, that outlives the session. "system" is resolved
/// by the pages' script.
async fn choose_theme(_: Viewer, Form(choice): Form<ThemeChoice>) -> Result<Response, Error> {
    let theme = ["light", "dark", "system"]
        .into_iter()
        .find(|theme| *theme == choice.theme)
        .ok_or_else(|| Refusal::invalid("theme", "Pilih terang, gelap, atau ikut perangkat."))?;
    let kept = format!("theme={theme}; Path=/; Max-Age=31536000; SameSite=Lax");
    let shown = "theme_shown=; Path=/; Max-Age=0; SameSite=Lax".to_owned();
    let cookies = AppendHeaders([(header::SET_COOKIE, kept), (header::SET_COOKIE, shown)]);
    Ok((cookies, Redirect::to("/akun")).into_response())
}
