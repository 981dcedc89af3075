//! The sales page and what it asks for, the list of sales, a sale with its work and payments, and the receipt.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use super::sql::{self, Filter, Head, Paid, Pick, Row, Sale, SoldLine};
use super::{Agreed, Cancellation, Item, Metode, NewSale, Payment, Quote, Standing, TransactionStatus};
use crate::App;
use crate::branches::{self, working_for};
use crate::csv;
use crate::ids::{PatientId, SaleId, UserId};
use crate::money::Rupiah;
use crate::orders::{self, WorkStatus};
use crate::patients::dioptres;
use crate::refusal::Refusal;
use crate::scope::Viewer;
use crate::stock::ProductType;
use crate::web::Error;
use crate::web::page::{self, Asked, Nav, Page, Shell, Theme};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/penjualan", get(list).post(sell))
        .route("/penjualan/create", get(till))
        .route("/penjualan/hitung", post(quote))
        .route("/penjualan/ekspor", get(export))
        .route("/penjualan/{id}", get(detail))
        .route("/penjualan/{id}/struk", get(receipt))
        .route("/penjualan/{id}/status", post(advance))
        .route("/penjualan/{id}/bayar", post(pay))
        .route("/penjualan/{id}/batal", post(cancel))
        .route("/api/products", get(search_products))
}

// ---- the till ----

#[derive(Template)]
#[template(path = "sales/create.html")]
struct Till {
    shell: Shell,
    is_open: bool,
}

async fn till(State(app): State<App>, viewer: Viewer) -> Result<Response, Error> {
    working_for(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::Sell, "Penjualan baru").await?;
    let is_open = shell.today.as_ref().is_some_and(|today| today.is_open);
    Ok((page::MAY_USE_CAMERA, Page(Till { shell, is_open })).into_response())
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
async fn quote(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Json(cart): Json<Cart>,
) -> Result<Json<Quote>, Error> {
    let branch = asked.working_for(&viewer)?;
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
    /// The quote that the patient agreed to; another price by now is refused.
    disepakati: Option<Agreed>,
}

#[derive(Serialize)]
struct SoldJson {
    ok: bool,
    id: SaleId,
    kode_penjualan: String,
    redirect: String,
}

async fn sell(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Json(form): Json<SaleForm>,
) -> Result<Response, Error> {
    let branch = asked.working_for(&viewer)?;
    let pasien_id = form.pasien_id.ok_or_else(|| Refusal::invalid("pasien_id", "Pilih pasien dulu."))?;
    let payment = match form.metode {
        Some(metode) => Some(Payment { metode, jumlah: form.jumlah, diterima: form.diterima }),
        None if form.jumlah == Rupiah::ZERO => None,
        None => return Err(Refusal::invalid("metode", "Pilih cara bayar.").into()),
    };
    let agreed = form.disepakati;
    let sale = NewSale { client_ref: form.client_ref, branch, pasien_id, items: form.items, payment, agreed };
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
    sellers: Vec<(UserId, String)>,
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
    /// One day: the first and the last at once.
    tanggal: String,
    dari: String,
    sampai: String,
    kasir: String,
    sebelum: String,
}

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

fn date(text: &str) -> Option<Date> {
    Date::parse(text, DATE).ok()
}

impl Wanted {
    fn tidy(mut self) -> Self {
        if date(&self.tanggal).is_some() {
            self.dari.clone_from(&self.tanggal);
            self.sampai = std::mem::take(&mut self.tanggal);
        }
        // whoever names the days the wrong way round means the days between them
        if date(&self.sampai).is_some_and(|last| date(&self.dari).is_some_and(|first| first > last)) {
            std::mem::swap(&mut self.dari, &mut self.sampai);
        }
        self
    }

    fn filter(&self) -> Filter {
        Filter {
            cari: self.cari.clone(),
            status: Standing::ALL.into_iter().find(|one| one.to_string() == self.status),
            pengerjaan: WorkStatus::ALL.into_iter().find(|s| s.to_string() == self.pengerjaan),
            dari: date(&self.dari),
            sampai: date(&self.sampai),
            kasir: self.kasir.parse().ok(),
            before: self.sebelum.parse().ok(),
        }
    }

    fn is_filtered(&self) -> bool {
        self.query_parts().next().is_some()
    }

    fn is_kasir(&self, id: &UserId) -> bool {
        self.kasir.parse() == Ok(*id)
    }

    fn query_parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("cari", &self.cari),
            ("status", &self.status),
            ("pengerjaan", &self.pengerjaan),
            ("dari", &self.dari),
            ("sampai", &self.sampai),
            ("kasir", &self.kasir),
        ]
        .into_iter()
        .map(|(name, text)| (name, text.trim()))
        .filter(|(_, text)| !text.is_empty())
    }

    /// `path` with this filter in its query.
    fn link(&self, path: &str) -> String {
        let query: Vec<String> =
            self.query_parts().map(|(name, text)| format!("{name}={}", page::url_part(text))).collect();
        format!("{path}?{}", query.join("&"))
    }

    fn link_to_older(&self, than: &SaleId) -> String {
        let link = self.link("/penjualan");
        let and = if link.ends_with('?') { "" } else { "&" };
        format!("{link}{and}sebelum={than}")
    }
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Sales, "Penjualan").await?;
    let wanted = wanted.tidy();
    let (rows, next) = sql::list(&app.pool, &viewer, &wanted.filter()).await?;
    let sellers = sql::sellers(&app.pool, &viewer).await?;
    Ok(Page(ListPage { shell, wanted, sellers, rows, next }))
}

/// What the list shows, as a sheet: the newest [`sql::EXPORT`]. The takings of colleagues are not a kasir's to carry away: of
/// theirs it has their own sales.
async fn export(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    let wanted = wanted.tidy();
    let filter = wanted.filter();
    let filter = Filter { before: None, kasir: viewer.omset_of().or(filter.kasir), ..filter };
    let rows = sql::find(&app.pool, &viewer, &filter, sql::EXPORT).await?;
    let mut sheet = csv::BOM.to_owned();
    csv::line(
        &mut sheet,
        [
            "Nomor",
            "Tanggal",
            "Jam",
            "Cabang",
            "Kasir",
            "Pasien",
            "Layanan",
            "Transaksi",
            "Total",
            "BPJS membayar",
            "Pasien membayar",
            "Dibayar",
            "Kurang",
            "Pembayaran",
            "Pengerjaan",
            "Alasan batal",
        ],
    );
    for row in rows {
        let money =
            [row.total, row.omset_bpjs, row.omset_umum, row.bayar, row.kekurangan].map(|amount| amount.0.to_string());
        let [total, bpjs, umum, bayar, kurang] = money;
        csv::line(
            &mut sheet,
            [
                row.kode_penjualan,
                row.tanggal,
                row.jam,
                row.cabang,
                row.kasir,
                row.nama_pasien,
                row.service_type.to_string(),
                row.transaction_status.to_string(),
                total,
                bpjs,
                umum,
                bayar,
                kurang,
                row.standing.to_string(),
                row.status_pengerjaan.to_string(),
                row.alasan_batal.unwrap_or_default(),
            ],
        );
    }
    let name = ["penjualan", wanted.dari.as_str(), wanted.sampai.as_str()];
    let name: Vec<_> = name.into_iter().filter(|part| *part == "penjualan" || date(part).is_some()).collect();
    let disposition = format!("attachment; filename=\"{}.csv\"", name.join("-"));
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)],
        sheet,
    )
        .into_response())
}

// ---- one sale ----

#[derive(Template)]
#[template(path = "sales/detail.html")]
struct DetailPage {
    shell: Shell,
    sale: Head,
    lines: Vec<SoldLine>,
    payments: Vec<Paid>,
}

async fn detail(State(app): State<App>, viewer: Viewer, Path(id): Path<SaleId>) -> Result<Page<DetailPage>, Error> {
    let mut shell = Shell::load(&app, &viewer, Nav::Sales, "Penjualan").await?;
    let Sale { head: sale, lines, payments } = sql::get(&app.pool, &viewer, id).await?;
    shell.title.clone_from(&sale.kode_penjualan);
    Ok(Page(DetailPage { shell, sale, lines, payments }))
}

#[derive(Template)]
#[template(path = "sales/receipt.html")]
struct Receipt {
    theme: Theme,
    paper: Paper,
    can_sell: bool,
    sale: Head,
    lines: Vec<SoldLine>,
    payments: Vec<Paid>,
}

/// What it is printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paper {
    /// A roll 80 mm wide.
    Roll,
    A5,
}

impl Paper {
    /// As in `?kertas=`, in the cookie and in the style sheet (`data-paper`).
    fn name(self) -> &'static str {
        match self {
            Self::Roll => "80mm",
            Self::A5 => "a5",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Roll => "80 mm",
            Self::A5 => "A5",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Roll, Self::A5].into_iter().find(|paper| paper.name() == name)
    }
}

#[derive(Deserialize)]
struct WantedPaper {
    #[serde(default)]
    kertas: String,
}

/// The paper of the printer beside this screen: once chosen, it stays.
const PAPER_COOKIE: &str = "kertas";

async fn receipt(
    State(app): State<App>,
    viewer: Viewer,
    headers: HeaderMap,
    Path(id): Path<SaleId>,
    Query(wanted): Query<WantedPaper>,
) -> Result<Response, Error> {
    let Sale { head: sale, lines, payments } = sql::get(&app.pool, &viewer, id).await?;
    let chosen = Paper::named(&wanted.kertas);
    let paper = chosen.or_else(|| page::cookie(&headers, PAPER_COOKIE).and_then(Paper::named)).unwrap_or(Paper::Roll);
    let page =
        Page(Receipt { theme: Theme::current(), paper, can_sell: working_for(&viewer).is_ok(), sale, lines, payments });
    Ok(match chosen {
        Some(paper) => {
            let cookie =
                format!("{PAPER_COOKIE}={}; Path=/penjualan; Max-Age=31536000; SameSite=Lax; HttpOnly", paper.name());
            ([(header::SET_COOKIE, cookie)], page).into_response()
        }
        None => page.into_response(),
    })
}

impl Head {
    fn is_cancelled(&self) -> bool {
        self.dibatalkan.is_some()
    }

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

    /// Money that went back to the patient.
    fn is_back(&self) -> bool {
        self.jumlah < Rupiah::ZERO
    }
}

impl Receipt {
    /// Millimetres of the roll: the shortest page of `struk.css` that holds it. The parts were measured, each rounded up.
    fn length(&self) -> u16 {
        let optional = |is_there: bool, length: usize| if is_there { length } else { 0 };
        let resep = optional(!self.sale.resep.is_empty(), 24) + optional(self.sale.resep.pd.is_some(), 5);
        let void = optional(self.sale.is_cancelled(), 20);
        // a long name takes a second line
        let lines: usize = self.lines.iter().map(|line| 12 + 5 * (line.nama.chars().count() / 34)).sum();
        let needed = 104 + lines + 11 * self.payments.len() + resep + void;
        [120, 150, 180, 220].into_iter().find(|length| usize::from(*length) >= needed).unwrap_or(297)
    }

    /// The rows of the prescription: eye, sphere, cylinder, axis, addition.
    fn eyes(&self) -> [[String; 5]; 2] {
        let cell = |hundredths: Option<i32>| hundredths.map_or_else(|| "–".to_owned(), dioptres);
        [("OD", self.sale.resep.od), ("OS", self.sale.resep.os)].map(|(name, eye)| {
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
    let board = asked.back.as_deref().filter(|back| back.starts_with("/pesanan"));
    match (orders::sql::advance(&app.pool, &viewer, id, step.from, step.to).await, board) {
        (Ok(()), Some(board)) => Ok(asked.go(&board_again(board, id, None))),
        (Ok(()), None) => Ok(asked.go(&format!("/penjualan/{id}"))),
        // the board says it at the card, where the hand was
        (Err(Refusal::Conflict { code, .. }), Some(board)) if asked.page => {
            Ok(Redirect::to(&board_again(board, id, Some(code))).into_response())
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// The board as it was looked at, its filter and search included, and why the last press did nothing; an earlier refusal is over.
fn board_again(board: &str, id: SaleId, code: Option<&str>) -> String {
    let query = board.split_once('?').map_or("", |(_, query)| query);
    let stays = |part: &&str| !part.is_empty() && !part.starts_with("ditolak=") && !part.starts_with("sebab=");
    let mut parts: Vec<String> = query.split('&').filter(stays).map(str::to_owned).collect();
    parts.extend(code.map(|code| format!("ditolak={id}&sebab={code}")));
    let mark = if parts.is_empty() { "" } else { "?" };
    format!("/pesanan{mark}{}#pesanan-{id}", parts.join("&"))
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

#[derive(Deserialize)]
struct CancellationForm {
    /// What the page said was paid.
    bayar: Rupiah,
    #[serde(default)]
    alasan: String,
    #[serde(default = "cash")]
    metode: Metode,
}

fn cash() -> Metode {
    Metode::Tunai
}

async fn cancel(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<SaleId>,
    Form(form): Form<CancellationForm>,
) -> Result<Response, Error> {
    let cancellation = Cancellation { alasan: form.alasan, metode: form.metode, bayar: form.bayar };
    sql::cancel(&app.pool, &viewer, id, &cancellation).await?;
    Ok(asked.go(&format!("/penjualan/{id}")))
}
