//! The list of notifications, and reading them.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;

use super::{Notice, sql};
use crate::App;
use crate::refusal::Refusal;
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new().route("/notifikasi", get(list)).route("/notifikasi/baca", post(mark_read))
}

const PER_PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "notifications/list.html")]
struct ListPage {
    shell: Shell,
    notices: Vec<Notice>,
    hal: i64,
    has_older: bool,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    hal: String,
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Notifications, "Notifikasi").await?;
    // no further back than a person would page
    let hal = wanted.hal.parse::<i64>().unwrap_or(1).clamp(1, 1000);
    let mut notices = sql::list(&app.pool, &viewer, PER_PAGE + 1, (hal - 1) * PER_PAGE).await?;
    let has_older = notices.len() > PER_PAGE as usize;
    notices.truncate(PER_PAGE as usize);
    Ok(Page(ListPage { shell, notices, hal, has_older }))
}

#[derive(Deserialize)]
struct Reading {
    /// Empty for all.
    #[serde(default)]
    id: String,
}

async fn mark_read(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(reading): Form<Reading>,
) -> Result<Response, Error> {
    match reading.id.trim() {
        "" => sql::mark_all_read(&app.pool, &viewer).await?,
        id => sql::mark_read(&app.pool, &viewer, id.parse().map_err(|_| Refusal::NotFound)?).await?,
    }
    if asked.page {
        return Ok(asked.go(asked.back.as_deref().unwrap_or("/notifikasi")));
    }
    let unread = sql::unread(&app.pool, &viewer).await?;
    Ok(Json(serde_json::json!({ "ok": true, "unread": unread })).into_response())
}
