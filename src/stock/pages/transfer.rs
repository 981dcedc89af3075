//! Goods to another branch: the documents, one of them, and its steps.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::App;
use crate::branches::{self, Branch};
use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock::catalog::amount;
use crate::stock::transfer::{Line, Status, Transfer, sql};
use crate::web::Error;
use crate::web::page::{Asked, MAY_USE_CAMERA, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/stok/transfer", get(list).post(create))
        .route("/stok/transfer/{id}", get(show))
        .route("/stok/transfer/{id}/baris", post(put))
        .route("/stok/transfer/{id}/kirim", post(send))
        .route("/stok/transfer/{id}/terima", post(receive))
        .route("/stok/transfer/{id}/tolak", post(refuse))
        .route("/stok/transfer/{id}/batal", post(call_back))
}

fn managers_only(viewer: &Viewer) -> Outcome<()> {
    if viewer.role == Role::Kasir { Err(Refusal::Forbidden) } else { Ok(()) }
}

fn address(id: i64) -> String {
    format!("/stok/transfer/{id}")
}

#[derive(Template)]
#[template(path = "stock/transfer_list.html")]
struct ListPage {
    shell: Shell,
    transfers: Vec<Transfer>,
    /// Where goods can come from: all, for who looks at all; else the branch looked at.
    senders: Vec<Branch>,
    branches: Vec<Branch>,
}

impl ListPage {
    fn is_incoming(&self, transfer: &Transfer) -> bool {
        self.shell.branch.as_ref().is_some_and(|branch| branch.id == transfer.to_branch)
    }
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Page<ListPage>, Error> {
    managers_only(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::Stock, "Kiriman antar cabang").await?;
    let transfers = sql::list(&app.pool, viewer.branches(), 100).await?;
    let all = branches::sql::all(&app.pool).await?;
    // what is left in a branch that is closed for good may be sent away
    let (senders, mut branches): (Vec<_>, Vec<_>) = match viewer.branches().one() {
        Some(one) => all.into_iter().partition(|branch| branch.id == one),
        None => (all.clone(), all),
    };
    branches.retain(|branch| !branch.is_retired);
    Ok(Page(ListPage { shell, transfers, senders, branches }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct New {
    dari: String,
    ke: String,
    catatan: String,
}

async fn create(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(form): Form<New>,
) -> Result<Response, Error> {
    managers_only(&viewer)?;
    let branch =
        |field: &str, text: &str| text.parse::<BranchId>().map_err(|_| Refusal::invalid(field, "Pilih cabangnya."));
    // who works in one branch sends from it, whatever the form says
    let from = match viewer.branches().one() {
        Some(one) => one,
        None => branch("dari", &form.dari)?,
    };
    let to = branch("ke", &form.ke)?;
    let id = sql::create(&app.pool, &viewer, from, to, note("catatan", &form.catatan)?).await?;
    Ok(asked.go(&address(id)))
}

fn note<'a>(field: &str, text: &'a str) -> Outcome<&'a str> {
    match text.trim() {
        text if text.chars().count() <= 200 => Ok(text),
        _ => Err(Refusal::invalid(field, "Paling panjang 200 huruf.")),
    }
}

#[derive(Template)]
#[template(path = "stock/transfer.html")]
struct ShowPage {
    shell: Shell,
    transfer: Transfer,
    lines: Vec<Line>,
    /// Of the next scan.
    scan: Uuid,
}

impl ShowPage {
    fn may_edit(&self) -> bool {
        self.transfer.may_edit(&self.shell.viewer)
    }

    fn may_receive(&self) -> bool {
        self.transfer.may_receive(&self.shell.viewer)
    }

    fn may_call_back(&self) -> bool {
        self.transfer.may_call_back(&self.shell.viewer)
    }
}

async fn show(State(app): State<App>, viewer: Viewer, Path(id): Path<i64>) -> Result<Response, Error> {
    let transfer = sql::find(&app.pool, &viewer, id).await?;
    let shell = Shell::load(&app, &viewer, Nav::Stock, transfer.kode.clone()).await?;
    Ok((
        MAY_USE_CAMERA,
        Page(ShowPage { shell, transfer, lines: sql::lines(&app.pool, id).await?, scan: Uuid::new_v4() }),
    )
        .into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Put {
    kode: String,
    jumlah: String,
    #[serde(rename = "ref")]
    scan: String,
}

async fn put(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<i64>,
    Form(form): Form<Put>,
) -> Result<Response, Error> {
    managers_only(&viewer)?;
    let quantity = match form.jumlah.trim() {
        "" => None,
        text => Some(amount("jumlah", text).map_err(|message| Refusal::invalid("jumlah", message))?),
    };
    let code: String = form.kode.trim().chars().take(60).collect();
    // a form that is sent without a number counts as a scan of its own
    let scan = form.scan.parse().unwrap_or_else(|_| Uuid::new_v4());
    let scanned = sql::put(&app.pool, &viewer, id, &code, quantity, scan).await?;
    if asked.page {
        return Ok(asked.go(&address(id)));
    }
    Ok(Json(json!({ "ok": true, "nama": scanned.nama, "jumlah": scanned.jumlah })).into_response())
}

async fn send(State(app): State<App>, viewer: Viewer, asked: Asked, Path(id): Path<i64>) -> Result<Response, Error> {
    sql::send(&app.pool, &viewer, id).await?;
    Ok(asked.go(&address(id)))
}

async fn receive(State(app): State<App>, viewer: Viewer, asked: Asked, Path(id): Path<i64>) -> Result<Response, Error> {
    sql::receive(&app.pool, &viewer, id).await?;
    Ok(asked.go(&address(id)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Back {
    alasan: String,
}

async fn refuse(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<i64>,
    Form(form): Form<Back>,
) -> Result<Response, Error> {
    managers_only(&viewer)?;
    let alasan = note("alasan", &form.alasan)?;
    if alasan.is_empty() {
        return Err(Refusal::invalid("alasan", "Tulis kenapa kiriman ini ditolak.").into());
    }
    sql::refuse(&app.pool, &viewer, id, alasan).await?;
    Ok(asked.go(&address(id)))
}

async fn call_back(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<i64>,
    Form(form): Form<Back>,
) -> Result<Response, Error> {
    managers_only(&viewer)?;
    sql::call_back(&app.pool, &viewer, id, note("alasan", &form.alasan)?).await?;
    Ok(asked.go(&address(id)))
}
