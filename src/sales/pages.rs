//! The sales page and what it asks for, the list of sales, a sale with its work and payments, and the receipt.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use super::sql::{self, Filter, Head, Paid, Pick, Row, Sale, SoldLine};
use super::{Item, Metode, NewSale, Payment, PaymentStatus, Quote, TransactionStatus};
use crate::App;
use crate::branches::{self, working_for};
use crate::ids::{PatientId, SaleId};
use crate::money::Rupiah;
use crate::orders::{self, WorkStatus};
use crate::patients::{self, Resep, dioptres};
use crate::refusal::Refusal;
use crate::scope::Viewer;
use crate::stock::ProductType;
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell, Theme};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/penjualan", get(list).post(sell))
        .route("/penjualan/create", get(till))
        .route("/penjualan/hitung", post(quote))
        .route("/penjualan/{id}", get(detail))
        .route("/penjualan/{id}/struk", get(receipt))
        .route("/penjualan/{id}/status", post(advance))
        .route("/penjualan/{id}/bayar", post(pay))
        .route("/api/products", get(search_products))
}

// ---- the till ----

#[derive(Template)]
#[template(path = "sales/create.html")]
struct Till {
    shell: Shell,
    is_open: bool,
}

async fn till(State(app): State<App>, viewer: Viewer) -> Result<Page<Till>, Error> {
    working_for(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::Sell, "Penjualan baru").await?;
    let is_open = shell.today.as_ref().is_some_and(|today| today.is_open);
    Ok(Page(Till { shell, is_open }))
}

#[derive(Deserialize)]
struct ProductSearch {
    #[serde(default)]
    cari: String,
    #[serde(default)]
    jenis: String,
}

#[derive(Serialize)]
struct Products {
    products: Vec<Pick>,
}

async fn search_products(
    State(app): State<App>,
    viewer: Viewer,
    Query(wanted): Query<ProductSearch>,
) -> Result<Json<Products>, Error> {
    let jenis = match wanted.jenis.to_ascii_lowercase().as_str() {
        "" => None,
        "frame" => Some(ProductType::Frame),
        "lensa" => Some(ProductType::Lensa),
        "aksesoris" => Some(ProductType::Aksesoris),
        _ => return Err(Refusal::invalid("jenis", "Jenis barang: frame, lensa atau aksesoris.").into()),
    };
    let products = sql::search_products(&app.pool, working_for(&viewer)?, &wanted.cari, jenis).await?;
    Ok(Json(Products { products }))
}

#[derive(Deserialize)]
struct Cart {
    pasien_id: Option<PatientId>,
    items: Vec<Item>,
}

/// What the cart costs now; asked at every change of it, because only the server knows prices.
async fn quote(State(app): State<App>, viewer: Viewer, Json(cart): Json<Cart>) -> Result<Json<Quote>, Error> {
    let branch = working_for(&viewer)?;
    let items = super::merge(&cart.items)?;
    let mut db = app.pool.acquire().await?;
    Ok(Json(sql::quote(&mut db, branch, cart.pasien_id, &items).await?))
}

#[derive(Deserialize)]
struct SaleForm {
    client_ref: Uuid,
    pasien_id: Option<PatientId>,
    items: Vec<Item>,
    metode: Option<Metode>,
    /// What is paid now; nothing or 0 leaves everything owed.
    #[serde(default)]
    jumlah: Rupiah,
    #[serde(default)]
    diterima: Rupiah,
}

#[derive(Serialize)]
struct SoldJson {
    ok: bool,
    id: SaleId,
    kode_penjualan: String,
    redirect: String,
}

async fn sell(State(app): State<App>, viewer: Viewer, Json(form): Json<SaleForm>) -> Result<Response, Error> {
    let branch = working_for(&viewer)?;
    let pasien_id = form.pasien_id.ok_or_else(|| Refusal::invalid("pasien_id", "Pilih pasien dulu."))?;
    let payment = match form.metode {
        Some(metode) => Some(Payment { metode, jumlah: form.jumlah, diterima: form.diterima }),
        None if form.jumlah == Rupiah::ZERO => None,
        None => return Err(Refusal::invalid("metode", "Pilih cara bayar.").into()),
    };
    let sale = NewSale { client_ref: form.client_ref, branch, pasien_id, items: form.items, payment };
    let sold = sql::sell(&app.pool, &viewer, sale).await?;
    let status = if sold.repeated { StatusCode::OK } else { StatusCode::CREATED };
    let redirect = format!("/penjualan/{}", sold.id);
    Ok((status, Json(SoldJson { ok: true, id: sold.id, kode_penjualan: sold.kode_penjualan, redirect }))
        .into_response())
}

// ---- the list ----

#[derive(Template)]
#[template(path = "sales/list.html")]
struct ListPage {
    shell: Shell,
    wanted: Wanted,
    rows: Vec<Row>,
    next: Option<SaleId>,
}

/// As in the address; what cannot be read is as if it were not there.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    cari: String,
    status: String,
    pengerjaan: String,
    tanggal: String,
    sebelum: String,
}

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

impl Wanted {
    fn filter(&self) -> Filter {
        Filter {
            cari: self.cari.clone(),
            status: [PaymentStatus::Lunas, PaymentStatus::BelumLunas]
                .into_iter()
                .find(|s| s.to_string() == self.status),
            pengerjaan: WorkStatus::ALL.into_iter().find(|s| s.to_string() == self.pengerjaan),
            tanggal: Date::parse(&self.tanggal, DATE).ok(),
            before: self.sebelum.parse().ok(),
        }
    }

    fn is_filtered(&self) -> bool {
        [&self.cari, &self.status, &self.pengerjaan, &self.tanggal].into_iter().any(|text| !text.trim().is_empty())
    }
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Sales, "Penjualan").await?;
    let (rows, next) = sql::list(&app.pool, &viewer, &wanted.filter()).await?;
    Ok(Page(ListPage { shell, wanted, rows, next }))
}

// ---- one sale ----

#[derive(Template)]
#[template(path = "sales/detail.html")]
struct DetailPage {
    shell: Shell,
    sale: Head,
    lines: Vec<SoldLine>,
    payments: Vec<Paid>,
    resep: Resep,
}

async fn detail(State(app): State<App>, viewer: Viewer, Path(id): Path<SaleId>) -> Result<Page<DetailPage>, Error> {
    let mut shell = Shell::load(&app, &viewer, Nav::Sales, "Penjualan").await?;
    let (Sale { head: sale, lines, payments }, resep) = with_resep(&app, &viewer, id).await?;
    shell.title.clone_from(&sale.kode_penjualan);
    Ok(Page(DetailPage { shell, sale, lines, payments, resep }))
}

async fn with_resep(app: &App, viewer: &Viewer, id: SaleId) -> Result<(Sale, Resep), Error> {
    let sale = sql::get(&app.pool, viewer, id).await?;
    let resep = patients::sql::find(&app.pool, sale.head.branch_id, sale.head.pasien_id).await?.resep;
    Ok((sale, resep))
}

#[derive(Template)]
#[template(path = "sales/receipt.html")]
struct Receipt {
    theme: Theme,
    sale: Head,
    lines: Vec<SoldLine>,
    payments: Vec<Paid>,
    resep: Resep,
}

async fn receipt(State(app): State<App>, viewer: Viewer, Path(id): Path<SaleId>) -> Result<Page<Receipt>, Error> {
    let (Sale { head: sale, lines, payments }, resep) = with_resep(&app, &viewer, id).await?;
    Ok(Page(Receipt { theme: Theme::current(), sale, lines, payments, resep }))
}

impl Head {
    fn owes(&self) -> bool {
        self.kekurangan > Rupiah::ZERO
    }

    /// `WIB`
    fn zone(&self) -> &str {
        branches::zone(&self.timezone)
    }

    /// `BPJS II, Naik Kelas`
    fn layanan(&self) -> String {
        match self.transaction_status {
            TransactionStatus::Normal => self.service_type.to_string(),
            TransactionStatus::NaikKelas => format!("{}, Naik Kelas", self.service_type),
        }
    }
}

impl SoldLine {
    fn price_umum(&self) -> Rupiah {
        self.price - self.price_bpjs
    }
}

impl Paid {
    fn change(&self) -> Rupiah {
        self.diterima - self.jumlah
    }
}

impl Receipt {
    /// The rows of the prescription: eye, sphere, cylinder, axis, addition.
    fn eyes(&self) -> [[String; 5]; 2] {
        let cell = |hundredths: Option<i32>| hundredths.map_or_else(|| "–".to_owned(), dioptres);
        [("OD", self.resep.od), ("OS", self.resep.os)].map(|(name, eye)| {
            let axis = eye.axis.map_or_else(|| "–".to_owned(), |axis| axis.to_string());
            [name.to_owned(), cell(eye.sph), cell(eye.cyl), axis, cell(eye.add)]
        })
    }
}

#[derive(Deserialize)]
struct Step {
    from: WorkStatus,
    to: WorkStatus,
}

async fn advance(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<SaleId>,
    Form(step): Form<Step>,
) -> Result<Response, Error> {
    let from_board = asked.back.as_deref().is_some_and(|back| back.starts_with("/pesanan"));
    match orders::sql::advance(&app.pool, &viewer, id, step.from, step.to).await {
        Ok(()) if from_board => Ok(asked.go(&format!("/pesanan#pesanan-{id}"))),
        Ok(()) => Ok(asked.go(&format!("/penjualan/{id}"))),
        // the board says it at the card, where the hand was
        Err(Refusal::Conflict { code, .. }) if asked.page && from_board => {
            Ok(Redirect::to(&format!("/pesanan?ditolak={id}&sebab={code}#pesanan-{id}")).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

#[derive(Deserialize)]
struct PaymentForm {
    /// What the page said was owed.
    kekurangan: Rupiah,
    metode: Metode,
    jumlah: String,
    /// Empty: exactly what is paid.
    #[serde(default)]
    diterima: String,
}

async fn pay(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<SaleId>,
    Form(form): Form<PaymentForm>,
) -> Result<Response, Error> {
    let typed = |field: &str, text: &str| {
        text.parse::<Rupiah>().map_err(|_| Refusal::invalid(field, "Tulis angka rupiah, misalnya 250.000."))
    };
    let jumlah = typed("jumlah", &form.jumlah)?;
    let diterima = if form.diterima.trim().is_empty() { jumlah } else { typed("diterima", &form.diterima)? };
    let payment = Payment { metode: form.metode, jumlah, diterima };
    sql::pay(&app.pool, &viewer, id, form.kekurangan, payment).await?;
    Ok(asked.go(&format!("/penjualan/{id}")))
}
