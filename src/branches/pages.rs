//! Opening and closing the day, and the super admin's branch switcher.

use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Form, Router};
use serde::Deserialize;
use tower_sessions::Session;

use super::{sql, working_for};
use crate::App;
use crate::refusal::Refusal;
use crate::scope::{Role, Viewer};
use crate::web::page::Asked;
use crate::web::{Error, session};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/hari/buka", post(open_day))
        .route("/hari/tutup", post(close_day))
        .route("/cabang/pilih", post(choose))
}

async fn open_day(State(app): State<App>, viewer: Viewer, asked: Asked) -> Result<Response, Error> {
    let branch = working_for(&viewer)?;
    if !sql::open_day(&app.pool, branch, viewer.id).await? {
        return Err(Refusal::conflict(
            "day_already_open",
            "Hari ini sudah dibuka. Muat ulang halaman untuk melihatnya.",
        )
        .into());
    }
    Ok(asked.go("/"))
}

async fn close_day(State(app): State<App>, viewer: Viewer, asked: Asked) -> Result<Response, Error> {
    let branch = working_for(&viewer)?;
    if !sql::close_day(&app.pool, branch, viewer.id).await? {
        return Err(Refusal::conflict("day_not_open", "Hari ini belum dibuka, atau sudah ditutup rekan Anda.").into());
    }
    Ok(asked.go("/"))
}

#[derive(Deserialize)]
struct Choice {
    /// Empty for all branches.
    #[serde(default)]
    branch_id: String,
}

async fn choose(
    State(app): State<App>,
    viewer: Viewer,
    session: Session,
    asked: Asked,
    Form(choice): Form<Choice>,
) -> Result<Response, Error> {
    if viewer.role != Role::SuperAdmin {
        return Err(Refusal::Forbidden.into());
    }
    let branch = match choice.branch_id.trim() {
        "" => None,
        id => {
            let id = id.parse().map_err(|_| Refusal::NotFound)?;
            Some(sql::find(&app.pool, id).await?.ok_or(Refusal::NotFound)?.id)
        }
    };
    session::choose_branch(&session, branch).await?;
    Ok(asked.go("/"))
}
