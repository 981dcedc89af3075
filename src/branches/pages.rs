//! Opening and closing the day, the super admin's branch switcher, and the branches themselves.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use tower_sessions::Session;

use super::{Branch, BranchForm, Shop, ZONES, sql};
use crate::App;
use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::web::page::{Asked, Nav, Page, Shell};
use crate::web::{Error, session};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/hari/buka", post(open_day))
        .route("/hari/tutup", post(close_day))
        .route("/cabang/pilih", post(choose))
        .route("/cabang", get(list).post(add))
        .route("/cabang/baru", get(blank))
        .route("/cabang/{id}", get(show).post(save))
        .route("/cabang/{id}/pensiun", post(retire))
        .route("/cabang/{id}/hidupkan", post(revive))
}

async fn open_day(State(app): State<App>, viewer: Viewer, asked: Asked) -> Result<Response, Error> {
    let branch = asked.working_for(&viewer)?;
    if !sql::open_day(&app.pool, &viewer, branch).await? {
        return Err(Refusal::conflict(
            "day_already_open",
            "Hari ini sudah dibuka. Muat ulang halaman untuk melihatnya.",
        )
        .into());
    }
    Ok(asked.go("/"))
}

async fn close_day(State(app): State<App>, viewer: Viewer, asked: Asked) -> Result<Response, Error> {
    let branch = asked.working_for(&viewer)?;
    if !sql::close_day(&app.pool, &viewer, branch).await? {
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
    session::choose_branch(&app, &session, branch).await?;
    Ok(asked.go("/"))
}

fn only_head_office(viewer: &Viewer) -> Outcome<()> {
    if viewer.may_manage_chain() { Ok(()) } else { Err(Refusal::Forbidden) }
}

#[derive(Template)]
#[template(path = "branches/list.html")]
struct ListPage {
    shell: Shell,
    shops: Vec<Shop>,
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Page<ListPage>, Error> {
    only_head_office(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::Branches, "Cabang").await?;
    Ok(Page(ListPage { shell, shops: sql::shops(&app.pool).await? }))
}

/// A new branch (`branch` is none), or one that there is.
#[derive(Template)]
#[template(path = "branches/edit.html")]
struct EditPage {
    shell: Shell,
    branch: Option<Branch>,
    /// Of a branch that there is: what must end before it can be closed for good.
    left: Vec<String>,
    form: BranchForm,
    wrong: BTreeMap<String, String>,
}

impl EditPage {
    async fn load(
        app: &App,
        viewer: &Viewer,
        branch: Option<Branch>,
        form: BranchForm,
        wrong: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let title = branch.as_ref().map_or("Cabang baru", |branch| &branch.name).to_owned();
        let left = match &branch {
            Some(branch) => sql::unfinished(&app.pool, branch.id).await?.in_words(),
            None => Vec::new(),
        };
        Ok(Self { shell: Shell::load(app, viewer, Nav::Branches, title).await?, branch, left, form, wrong })
    }

    fn is_in(&self, zone: &str) -> bool {
        self.form.timezone == zone
    }

    /// The zone of a branch that somebody gave another one than the three.
    fn own_zone(&self) -> Option<&str> {
        let kept = self.branch.as_ref()?.timezone.as_str();
        (!ZONES.iter().any(|(zone, _)| *zone == kept)).then_some(kept)
    }
}

async fn blank(State(app): State<App>, viewer: Viewer) -> Result<Page<EditPage>, Error> {
    only_head_office(&viewer)?;
    let form = BranchForm { timezone: ZONES[0].0.to_owned(), ..BranchForm::default() };
    Ok(Page(EditPage::load(&app, &viewer, None, form, BTreeMap::new()).await?))
}

async fn show(State(app): State<App>, viewer: Viewer, Path(id): Path<BranchId>) -> Result<Page<EditPage>, Error> {
    only_head_office(&viewer)?;
    let branch = sql::find(&app.pool, id).await?.ok_or(Refusal::NotFound)?;
    let Branch { name, kode, timezone, alamat, telepon, .. } = branch.clone();
    let form = BranchForm { name, kode, timezone, alamat, telepon };
    Ok(Page(EditPage::load(&app, &viewer, Some(branch), form, BTreeMap::new()).await?))
}

async fn add(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(form): Form<BranchForm>,
) -> Result<Response, Error> {
    only_head_office(&viewer)?;
    let added = match form.read(None) {
        Ok(branch) => sql::add(&app.pool, &viewer, &branch).await.map(drop),
        Err(refusal) => Err(refusal),
    };
    answer(&app, &viewer, &asked, None, form, added).await
}

async fn save(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<BranchId>,
    Form(form): Form<BranchForm>,
) -> Result<Response, Error> {
    only_head_office(&viewer)?;
    let branch = sql::find(&app.pool, id).await?.ok_or(Refusal::NotFound)?;
    let saved = match form.read(Some(&branch.timezone)) {
        Ok(new) => sql::change(&app.pool, &viewer, id, &new).await,
        Err(refusal) => Err(refusal),
    };
    answer(&app, &viewer, &asked, Some(branch), form, saved).await
}

async fn retire(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<BranchId>,
) -> Result<Response, Error> {
    sql::retire(&app.pool, &viewer, id).await?;
    Ok(asked.go("/cabang"))
}

async fn revive(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<BranchId>,
) -> Result<Response, Error> {
    sql::revive(&app.pool, &viewer, id).await?;
    Ok(asked.go(&format!("/cabang/{id}")))
}

/// The list; or the form again, with what was typed and what is wrong with it.
async fn answer(
    app: &App,
    viewer: &Viewer,
    asked: &Asked,
    branch: Option<Branch>,
    form: BranchForm,
    outcome: Outcome<()>,
) -> Result<Response, Error> {
    match outcome {
        Ok(()) => Ok(asked.go("/cabang")),
        Err(Refusal::Invalid(wrong)) if asked.page => {
            let page = EditPage::load(app, viewer, branch, form, wrong).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}
