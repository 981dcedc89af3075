//! To spreadsheets and from them: the export, a sheet that is sent in, what it would do, and doing it.

use askama::Template;
use axum::extract::{FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use crate::App;
use crate::branches::{self, working_for};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock::ProductType;
use crate::stock::catalog::{Column, sql as catalog};
use crate::stock::sheet::{self, Import, LARGEST_BYTES, Plan, Reason, sql};
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/stok/ekspor", get(export))
        .route("/stok/impor", get(form).post(send))
        .route("/stok/impor/{id}", get(look).post(apply))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    jenis: String,
    alasan: String,
    isi: String,
}

impl Wanted {
    fn product_type(&self) -> ProductType {
        ProductType::from_slug(&self.jenis).unwrap_or(ProductType::Frame)
    }

    fn reason(&self) -> Reason {
        if self.alasan == Reason::Restok.name() { Reason::Restok } else { Reason::Koreksi }
    }
}

fn managers_only(viewer: &Viewer) -> Outcome<()> {
    if viewer.role == Role::Kasir { Err(Refusal::Forbidden) } else { Ok(()) }
}

async fn export(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    // it holds the purchase prices
    managers_only(&viewer)?;
    let branch = working_for(&viewer)?;
    let product_type = wanted.product_type();
    let shelf = catalog::shelf(&app.pool, branch, product_type).await?;
    let kode = branches::sql::find(&app.pool, branch).await?.map_or_else(String::new, |branch| branch.kode);
    let today = branches::sql::today(&app.pool, branch).await?.map_or_else(String::new, |day| day.tanggal.to_string());
    let name = format!("stok-{}-{kode}-{today}.csv", product_type.slug());
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, sheet::export(product_type, &shelf)).into_response())
}

#[derive(Template)]
#[template(path = "stock/import.html")]
struct FormPage {
    shell: Shell,
    product_type: ProductType,
    reason: Reason,
    refusal: Option<String>,
}

impl FormPage {
    fn columns(&self) -> Vec<&'static str> {
        Column::of(self.product_type).iter().map(|column| column.name(self.product_type)).collect()
    }
}

async fn form(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<FormPage>, Error> {
    managers_only(&viewer)?;
    working_for(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::Stock, "Impor stok").await?;
    Ok(Page(FormPage { shell, product_type: wanted.product_type(), reason: wanted.reason(), refusal: None }))
}

/// A sheet as it arrives: a file of a form, or its text.
#[derive(Default)]
struct Sent {
    wanted: Wanted,
    file_name: String,
    bytes: Vec<u8>,
}

async fn read(request: Request) -> Outcome<Sent> {
    let unreadable = || Refusal::invalid("berkas", "Kiriman ini tidak terbaca. Pilih berkasnya sekali lagi.");
    let is_multipart = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("multipart/form-data"));
    if !is_multipart {
        let Form(wanted) = Form::<Wanted>::from_request(request, &()).await.map_err(|_| unreadable())?;
        let bytes = wanted.isi.clone().into_bytes();
        return Ok(Sent { wanted, file_name: "tempelan".to_owned(), bytes });
    }
    let mut sent = Sent::default();
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| unreadable())?;
    while let Some(part) = parts.next_field().await.map_err(|_| unreadable())? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let bytes = part.bytes().await.map_err(|_| unreadable())?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            "jenis" => sent.wanted.jenis = text(),
            "alasan" => sent.wanted.alasan = text(),
            "berkas" => {
                let file_name = file_name.unwrap_or_default();
                sent.file_name = file_name.chars().filter(|c| !c.is_control()).take(100).collect();
                sent.bytes = bytes.to_vec();
            }
            _ => {}
        }
    }
    Ok(sent)
}

async fn send(State(app): State<App>, viewer: Viewer, asked: Asked, request: Request) -> Result<Response, Error> {
    managers_only(&viewer)?;
    let branch = asked.working_for(&viewer)?;
    let sent = read(request).await?;
    let (product_type, reason) = (sent.wanted.product_type(), sent.wanted.reason());
    let refusal = |message: &str| Refusal::invalid("berkas", message);
    let text = match sent.bytes.len() {
        0 => Err(refusal("Pilih dulu berkasnya.")),
        1..=LARGEST_BYTES => sheet::text_of(&sent.bytes).map_err(refusal),
        _ => Err(refusal("Berkas ini lebih dari 1,9 MB. Bagi menjadi beberapa berkas.")),
    };
    match text {
        Ok(text) => {
            let id = sql::keep(&app.pool, &viewer, branch, product_type, reason, &sent.file_name, text).await?;
            Ok(asked.go(&format!("/stok/impor/{id}")))
        }
        Err(Refusal::Invalid(wrong)) if asked.page => {
            let shell = Shell::load(&app, &viewer, Nav::Stock, "Impor stok").await?;
            let page = FormPage { shell, product_type, reason, refusal: wrong.into_values().next() };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(refused) => Err(refused.into()),
    }
}

/// So many changes are shown one by one.
const SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "stock/import_look.html")]
struct LookPage {
    shell: Shell,
    import: Import,
    plan: Plan,
    refusal: Option<String>,
}

impl LookPage {
    fn shown(&self) -> &[sheet::Change] {
        &self.plan.changes[..self.plan.changes.len().min(SHOWN)]
    }

    /// A change in words: `Harga jual: Rp 650.000 → Rp 685.000`.
    fn words(&self, change: &sheet::Change) -> Vec<String> {
        let product_type = self.import.product_type;
        let Some(was) = &change.was else {
            return vec![format!("{} · stok {}", change.now.harga_jual, change.delta)];
        };
        let columns = change.now.differences(product_type, &was.details).into_iter().map(|column| {
            let (before, after) = (was.details.shown(column), change.now.shown(column));
            format!("{}: {before} → {after}", column.label(product_type))
        });
        let stok = (change.delta != 0).then(|| format!("Stok: {} → {}", was.stok, change.stok()));
        columns.chain(stok).collect()
    }
}

async fn look_page(app: &App, viewer: &Viewer, id: i64, refusal: Option<String>) -> Result<LookPage, Error> {
    let import = sql::find(&app.pool, viewer, id).await?;
    let shell = Shell::load(app, viewer, Nav::Stock, "Pratinjau impor").await?;
    let plan = if import.is_applied { Plan::default() } else { sql::look(&app.pool, &import).await? };
    Ok(LookPage { shell, import, plan, refusal })
}

async fn look(State(app): State<App>, viewer: Viewer, Path(id): Path<i64>) -> Result<Page<LookPage>, Error> {
    managers_only(&viewer)?;
    Ok(Page(look_page(&app, &viewer, id, None).await?))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Agreed {
    rencana: String,
}

async fn apply(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<i64>,
    Form(agreed): Form<Agreed>,
) -> Result<Response, Error> {
    managers_only(&viewer)?;
    match sql::apply(&app.pool, &viewer, id, &agreed.rencana).await {
        Ok(()) => Ok(asked.go(&format!("/stok/impor/{id}"))),
        Err(Refusal::Conflict { message, .. }) if asked.page => {
            let page = look_page(&app, &viewer, id, Some(message)).await?;
            Ok((StatusCode::CONFLICT, Page(page)).into_response())
        }
        Err(refused) => Err(refused.into()),
    }
}
