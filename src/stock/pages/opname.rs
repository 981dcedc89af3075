//! Counting: the counts of a branch, one of them, and each scan.

use std::borrow::Borrow;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::App;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock::ProductType;
use crate::stock::catalog::amount;
use crate::stock::opname::{Line, Opname, Status, Totals, Uncounted, View, sql};
use crate::web::Error;
use crate::web::page::{Asked, MAY_USE_CAMERA, Nav, Page, Shell, url_part};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/stok/opname", get(list).post(start))
        .route("/stok/opname/{id}", get(show))
        .route("/stok/opname/{id}/kabar", get(news))
        .route("/stok/opname/{id}/hitung", post(count))
        .route("/stok/opname/{id}/selesai", post(finish))
        .route("/stok/opname/{id}/batal", post(cancel))
}

#[derive(Template)]
#[template(path = "stock/opname_list.html")]
struct ListPage {
    shell: Shell,
    opnames: Vec<Opname>,
}

impl ListPage {
    fn can_manage(&self) -> bool {
        self.shell.viewer.role != Role::Kasir
    }

    /// The count of this inventory that is running; a second one cannot be begun.
    fn is_running(&self, product_type: &ProductType) -> bool {
        self.opnames.iter().any(|opname| opname.status == Status::Berjalan && opname.product_type == *product_type)
    }
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Stock, "Stok opname").await?;
    Ok(Page(ListPage { opnames: sql::list(&app.pool, viewer.branches(), 50).await?, shell }))
}

#[derive(Deserialize)]
struct Starting {
    #[serde(default)]
    jenis: String,
}

async fn start(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(form): Form<Starting>,
) -> Result<Response, Error> {
    if viewer.role == Role::Kasir {
        return Err(Refusal::Forbidden.into());
    }
    let product_type = ProductType::from_slug(&form.jenis)
        .ok_or_else(|| Refusal::invalid("jenis", "Pilih frame, lensa, atau aksesoris."))?;
    let id = sql::start(&app.pool, &viewer, asked.working_for(&viewer)?, product_type).await?;
    Ok(asked.go(&address(id)))
}

fn address(id: i64) -> String {
    format!("/stok/opname/{id}")
}

const PER_PAGE: i64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    lihat: String,
    hal: String,
    /// A code to be counted anew: it stands in the field already.
    kode: String,
    /// For [`news`]: microseconds of the epoch.
    sejak: String,
}

#[derive(Template)]
#[template(path = "stock/opname.html")]
struct ShowPage {
    shell: Shell,
    opname: Opname,
    totals: Totals,
    view: View,
    lines: Vec<Line>,
    hal: i64,
    kode: String,
    /// Of which the page's script makes rows.
    blank: Line,
    /// Of the next scan.
    scan: Uuid,
    since: i64,
}

impl ShowPage {
    fn can_manage(&self) -> bool {
        self.shell.viewer.may_manage(self.opname.branch_id)
    }

    fn is_running(&self) -> bool {
        self.opname.status == Status::Berjalan
    }

    fn at(&self, view: impl Borrow<View>, hal: i64) -> String {
        format!("{}?lihat={}&hal={hal}", address(self.opname.id), view.borrow().name())
    }

    fn found(&self) -> i64 {
        match self.view {
            View::Counted => self.totals.counted,
            View::Differences => self.totals.differences,
            View::Left => self.totals.left(),
        }
    }

    fn anew(&self, line: &Line) -> String {
        format!("{}&kode={}#pindai", self.at(self.view, self.hal), url_part(&line.kode))
    }
}

async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Error> {
    let opname = sql::find(&app.pool, &viewer, id).await?;
    let shell = Shell::load(&app, &viewer, Nav::Stock, format!("Opname {}", opname.product_type.slug())).await?;
    let view = View::ALL.into_iter().find(|view| view.name() == wanted.lihat).unwrap_or(View::Counted);
    let hal = wanted.hal.parse::<i64>().unwrap_or(1).clamp(1, 10_000);
    let (_, since) = sql::news(&app.pool, &opname, i64::MAX / 1_000_000).await?;
    let totals = sql::totals(&app.pool, &opname).await?;
    let lines = sql::lines(&app.pool, &opname, view, PER_PAGE, (hal - 1) * PER_PAGE).await?;
    let kode = wanted.kode.chars().take(60).collect();
    let blank = Line::blank(opname.product_type);
    Ok((
        MAY_USE_CAMERA,
        Page(ShowPage { shell, opname, totals, view, lines, hal, kode, blank, scan: Uuid::new_v4(), since }),
    )
        .into_response())
}

/// What others have counted meanwhile.
async fn news(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<serde_json::Value>, Error> {
    let opname = sql::find(&app.pool, &viewer, id).await?;
    // a year that no clock of ours shows would be too large for the database
    let since = wanted.sejak.parse::<i64>().unwrap_or(0).clamp(0, 4_000_000_000_000_000);
    let (lines, since) = sql::news(&app.pool, &opname, since).await?;
    let totals = sql::totals(&app.pool, &opname).await?;
    Ok(Json(json!({ "status": opname.status, "totals": totals, "lines": lines, "sejak": since })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Scan {
    kode: String,
    jumlah: String,
    #[serde(rename = "ref")]
    scan: String,
}

impl Scan {
    fn read(&self) -> Outcome<(&str, Option<i32>, Uuid)> {
        let code = self.kode.trim();
        if code.is_empty() || code.chars().count() > 60 {
            return Err(Refusal::invalid("kode", "Pindai atau ketik kode produknya."));
        }
        let amount = match self.jumlah.trim() {
            "" => None,
            text => Some(amount("jumlah", text).map_err(|message| Refusal::invalid("jumlah", message))?),
        };
        // a form that is sent without a number counts as a scan of its own
        Ok((code, amount, self.scan.parse().unwrap_or_else(|_| Uuid::new_v4())))
    }
}

async fn count(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<i64>,
    Form(form): Form<Scan>,
) -> Result<Response, Error> {
    let (code, amount, scan) = form.read()?;
    let line = sql::count(&app.pool, &viewer, id, code, amount, scan).await?;
    if asked.page {
        return Ok(asked.go(&format!("{}#pindai", address(id))));
    }
    let opname = sql::find(&app.pool, &viewer, id).await?;
    let totals = sql::totals(&app.pool, &opname).await?;
    Ok(Json(json!({ "ok": true, "line": line, "totals": totals })).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Finishing {
    belum: String,
}

async fn finish(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<i64>,
    Form(form): Form<Finishing>,
) -> Result<Response, Error> {
    let uncounted = if form.belum == "nol" { Uncounted::Zero } else { Uncounted::Leave };
    sql::finish(&app.pool, &viewer, id, uncounted).await?;
    Ok(asked.go(&format!("{}?lihat=selisih", address(id))))
}

async fn cancel(State(app): State<App>, viewer: Viewer, asked: Asked, Path(id): Path<i64>) -> Result<Response, Error> {
    sql::cancel(&app.pool, &viewer, id).await?;
    Ok(asked.go("/stok/opname"))
}
