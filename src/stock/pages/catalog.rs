//! New products, and what is written of those there are.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};

use super::{address, product};
use crate::App;
use crate::branches::working_for;
use crate::ids::ProductId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock::catalog::sql;
use crate::stock::catalog::{Column, Details, FRAME_CLASSES, amount};
use crate::stock::{ProductRef, ProductType};
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/stok/{jenis}/baru", get(new_form).post(create))
        .route("/stok/{jenis}/{id}/ubah", get(edit_form).post(edit))
        .route("/stok/{jenis}/{id}/hapus", post(remove))
}

/// By the names of the columns.
type Typed = HashMap<String, String>;

#[derive(Template)]
#[template(path = "stock/product.html")]
struct ProductPage {
    shell: Shell,
    product_type: ProductType,
    /// None: it is new.
    id: Option<ProductId>,
    fields: Vec<Field>,
    /// Only of what is new: how many stand on the shelf already.
    stok: String,
    wrong: BTreeMap<String, String>,
    /// Why it was not saved, beyond a field.
    refusal: Option<String>,
    seen: String,
}

struct Field {
    column: Column,
    name: &'static str,
    label: &'static str,
    value: String,
}

impl ProductPage {
    fn action(&self) -> String {
        match self.id {
            Some(id) => format!("{}/ubah", address(ProductRef { product_type: self.product_type, product_id: id })),
            None => format!("/stok/{}/baru{}", self.product_type.slug(), self.shell.here()),
        }
    }

    fn back(&self) -> String {
        match self.id {
            Some(id) => address(ProductRef { product_type: self.product_type, product_id: id }),
            None => format!("/stok?jenis={}", self.product_type.slug()),
        }
    }

    fn wrong_of(&self, name: &str) -> Option<&String> {
        self.wrong.get(name)
    }
}

/// What the form shows: what was typed, else what is.
fn fields(product_type: ProductType, id: Option<ProductId>, details: &Details, typed: &Typed) -> Vec<Field> {
    Column::of(product_type)
        .iter()
        .filter(|column| **column != Column::Kode || product_type != ProductType::Aksesoris)
        .map(|column| {
            let name = column.name(product_type);
            let value = match (column, id) {
                (Column::HargaBeli, Some(_)) => details.harga_beli.grouped(),
                (Column::HargaJual, Some(_)) => details.harga_jual.grouped(),
                (Column::HargaBeli | Column::HargaJual, None) => String::new(),
                _ => details.text(*column),
            };
            let value = typed.get(name).cloned().unwrap_or(value);
            Field { column: *column, name, label: column.label(product_type), value }
        })
        .collect()
}

fn slug(jenis: &str) -> Outcome<ProductType> {
    ProductType::from_slug(jenis).ok_or(Refusal::NotFound)
}

fn managers_only(viewer: &Viewer) -> Outcome<()> {
    if viewer.role == Role::Kasir { Err(Refusal::Forbidden) } else { Ok(()) }
}

async fn new_page(app: &App, viewer: &Viewer, product_type: ProductType, typed: Typed) -> Result<ProductPage, Error> {
    let shell = Shell::load(app, viewer, Nav::Stock, format!("{product_type} baru")).await?;
    Ok(ProductPage {
        shell,
        product_type,
        id: None,
        fields: fields(product_type, None, &Details::new(product_type), &typed),
        stok: typed.get("stok").cloned().unwrap_or_else(|| "0".to_owned()),
        wrong: BTreeMap::new(),
        refusal: None,
        seen: String::new(),
    })
}

async fn new_form(
    State(app): State<App>,
    viewer: Viewer,
    Path(jenis): Path<String>,
    Query(typed): Query<Typed>,
) -> Result<Page<ProductPage>, Error> {
    managers_only(&viewer)?;
    let product_type = slug(&jenis)?;
    working_for(&viewer)?;
    Ok(Page(new_page(&app, &viewer, product_type, typed).await?))
}

/// The refusals of a form that a person sent without scripts: the form again, with what they typed.
fn again(mut page: ProductPage, refused: Refusal) -> Result<Response, Error> {
    let status = match refused {
        Refusal::Invalid(wrong) => {
            page.wrong = wrong;
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Refusal::Conflict { message, .. } => {
            page.refusal = Some(message);
            StatusCode::CONFLICT
        }
        other => return Err(other.into()),
    };
    Ok((status, Page(page)).into_response())
}

async fn create(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(jenis): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response, Error> {
    managers_only(&viewer)?;
    let product_type = slug(&jenis)?;
    let branch = asked.working_for(&viewer)?;
    let read = || {
        let details = Details::read(product_type, None, |name| typed.get(name).cloned()).map_err(Refusal::Invalid)?;
        let stok = typed.get("stok").map_or("0", |stok| stok.trim());
        let stok = amount("stok awal", if stok.is_empty() { "0" } else { stok })
            .map_err(|message| Refusal::invalid("stok", message))?;
        Ok::<_, Refusal>((details, stok))
    };
    let done = match read() {
        Ok((details, stok)) => sql::create(&app.pool, &viewer, branch, product_type, &details, stok).await,
        Err(refused) => Err(refused),
    };
    match done {
        Ok(id) => Ok(asked.go(&address(ProductRef { product_type, product_id: id }))),
        Err(refused) if asked.page => again(new_page(&app, &viewer, product_type, typed).await?, refused),
        Err(refused) => Err(refused.into()),
    }
}

async fn edit_page(app: &App, viewer: &Viewer, product: ProductRef, typed: Typed) -> Result<ProductPage, Error> {
    // in the scope of the viewer first: what another branch has is not there
    let item = crate::stock::sql::find(&app.pool, viewer.branches(), product).await?.ok_or_else(Error::not_found)?;
    let shell = Shell::load(app, viewer, Nav::Stock, format!("Ubah {}", item.nama)).await?;
    let found = sql::find(&mut *app.pool.acquire().await?, product).await?.ok_or_else(Error::not_found)?;
    Ok(ProductPage {
        shell,
        product_type: product.product_type,
        id: Some(product.product_id),
        fields: fields(product.product_type, Some(product.product_id), &found.details, &typed),
        stok: String::new(),
        wrong: BTreeMap::new(),
        refusal: None,
        seen: sql::mark(&found.details),
    })
}

async fn edit_form(
    State(app): State<App>,
    viewer: Viewer,
    Path(path): Path<(String, i64)>,
) -> Result<Page<ProductPage>, Error> {
    managers_only(&viewer)?;
    Ok(Page(edit_page(&app, &viewer, product(&path)?, Typed::new()).await?))
}

async fn edit(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(path): Path<(String, i64)>,
    Form(typed): Form<Typed>,
) -> Result<Response, Error> {
    managers_only(&viewer)?;
    let product = product(&path)?;
    let seen = typed.get("seen").cloned().unwrap_or_default();
    let read = |was: &Details| {
        Details::read(product.product_type, Some(was), |name| typed.get(name).cloned()).map_err(Refusal::Invalid)
    };
    match sql::edit(&app.pool, &viewer, product, &seen, read).await {
        Ok(()) => Ok(asked.go(&address(product))),
        Err(refused @ (Refusal::Invalid(_) | Refusal::Conflict { .. })) if asked.page => {
            again(edit_page(&app, &viewer, product, typed).await?, refused)
        }
        Err(refused) => Err(refused.into()),
    }
}

async fn remove(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(path): Path<(String, i64)>,
) -> Result<Response, Error> {
    let product = product(&path)?;
    sql::remove(&app.pool, &viewer, product).await?;
    Ok(asked.go(&format!("/stok?jenis={}", product.product_type.slug())))
}
