//! The three inventories: looking, restocking, correcting, pricing. Beside it: `catalog` (new products, and what is written of
//! them), `sheet` (to and from spreadsheets), `opname` (counting), `transfer` (to another branch).

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;

use crate::App;
use crate::alerts::{self, Alert, State as Standing};
use crate::ids::ProductId;
use crate::money::Rupiah;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::stock::catalog::Details;
use crate::stock::catalog::sql as catalog_sql;
use crate::stock::sql::{self, Counts, Item, Movement};
use crate::stock::{Level, ProductRef, ProductType, Search, Sort};
use crate::web::Error;
use crate::web::page::{ASKED_ANEW, Asked, Nav, Page, Shell, local_path, url_part};

mod catalog;
mod opname;
mod sheet;
mod transfer;

pub fn routes() -> Router<App> {
    Router::new()
        .merge(catalog::routes())
        .merge(sheet::routes())
        .merge(opname::routes())
        .merge(transfer::routes())
        .route("/stok", get(list))
        .route("/api/stok/jumlah", get(count))
        .route("/stok/{jenis}/{id}", get(show))
        .route("/stok/{jenis}/{id}/restok", post(restock))
        .route("/stok/{jenis}/{id}/koreksi", post(correct))
        .route("/stok/{jenis}/{id}/harga", post(set_price))
}

/// The first where nobody asks for another. The last is "all of them": more than that no one reads, and no tablet shows.
const PER_PAGE: [(i64, &str); 4] = [(50, "50"), (100, "100"), (250, "250"), (5_000, "semua")];

/// Of the address; whatever cannot be read is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    jenis: String,
    level: String,
    cari: String,
    urut: String,
    hal: String,
    per: String,
    /// The reason that a ledger is narrowed to.
    alasan: String,
    /// The product whose form is open, and which form.
    buka: String,
    ubah: String,
}

impl Wanted {
    fn hal(&self) -> i64 {
        self.hal.parse().unwrap_or(1).clamp(1, 10_000)
    }

    fn search(&self) -> Search {
        Search {
            jenis: ProductType::from_slug(&self.jenis).unwrap_or(ProductType::Frame),
            level: [Level::Low, Level::Medium, Level::Normal].into_iter().find(|level| level.name() == self.level),
            cari: self.cari.split_whitespace().collect::<Vec<_>>().join(" "),
            urut: Sort::ALL.into_iter().find(|sort| sort.name() == self.urut).unwrap_or(Sort::LeastStock),
            hal: self.hal(),
            per: PER_PAGE.into_iter().find(|(_, name)| *name == self.per).unwrap_or(PER_PAGE[0]).0,
        }
    }
}

/// Which of the forms of a product is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Restock,
    Correct,
    Price,
}

impl Change {
    fn named(name: &str) -> Self {
        match name {
            "koreksi" => Self::Correct,
            "harga" => Self::Price,
            _ => Self::Restock,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Restock => "restok",
            Self::Correct => "koreksi",
            Self::Price => "harga",
        }
    }
}

impl Search {
    /// The address of this list with parts of it changed.
    fn at(&self, jenis: ProductType, level: Option<Level>, urut: Sort, hal: i64) -> String {
        let per = PER_PAGE.iter().skip(1).find(|(per, _)| *per == self.per).map_or("", |(_, name)| name);
        let hal = if hal > 1 { hal.to_string() } else { String::new() };
        let mut address = format!("/stok?jenis={}", jenis.slug());
        for (name, value) in [
            ("level", level.map_or("", Level::name)),
            ("cari", &self.cari),
            ("urut", if urut == Sort::LeastStock { "" } else { urut.name() }),
            ("per", per),
            ("hal", &hal),
        ] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", url_part(value)));
            }
        }
        address
    }

    fn is_by(&self, per: &i64) -> bool {
        self.per == *per
    }

    fn is_by_default(&self) -> bool {
        self.per == PER_PAGE[0].0
    }

    fn per_name(&self) -> &'static str {
        PER_PAGE.iter().find(|(per, _)| *per == self.per).map_or("", |(_, name)| name)
    }

    pub fn here(&self) -> String {
        self.at(self.jenis, self.level, self.urut, self.hal)
    }

    /// Another inventory: a level still makes sense there, a page number does not.
    fn of(&self, jenis: &ProductType) -> String {
        self.at(*jenis, self.level, self.urut, 1)
    }

    fn at_level(&self, level: Option<Level>) -> String {
        self.at(self.jenis, level, self.urut, 1)
    }

    fn page(&self, hal: i64) -> String {
        self.at(self.jenis, self.level, self.urut, hal)
    }

    /// As many rows a page as that.
    fn by(&self, per: &i64) -> String {
        Self { per: *per, ..self.clone() }.page(1)
    }

    /// Pressing a column's head again turns its order around.
    fn sorted(&self, first: Sort, then: Sort) -> String {
        self.at(self.jenis, self.level, if self.urut == first { then } else { first }, 1)
    }
}

#[derive(Template)]
#[template(path = "stock/list.html")]
struct ListPage {
    shell: Shell,
    search: Search,
    counts: Counts,
    items: Vec<Item>,
    /// The product whose form stands open, and the form.
    open: Option<(ProductId, Change)>,
}

impl ListPage {
    fn found(&self) -> i64 {
        let Counts { low, medium, normal } = self.counts;
        match self.search.level {
            None => low + medium + normal,
            Some(Level::Low) => low,
            Some(Level::Medium) => medium,
            Some(Level::Normal) => normal,
        }
    }

    fn first(&self) -> i64 {
        (self.search.hal - 1) * self.search.per + 1
    }

    fn pages(&self) -> i64 {
        ((self.found() - 1) / self.search.per + 1).max(1)
    }

    /// The whole inventory in one page: rows that are not in sight are not laid out.
    fn is_long(&self) -> bool {
        self.items.len() > 250
    }

    fn last(&self) -> i64 {
        self.first() - 1 + self.items.len() as i64
    }

    fn can_manage(&self) -> bool {
        self.shell.viewer.role != Role::Kasir
    }

    fn opened(&self, item: &Item) -> Option<Change> {
        self.open.filter(|(id, _)| *id == item.id).map(|(_, change)| change)
    }

    fn opening(&self, item: &Item, change: &str) -> String {
        format!("{}&buka={}&ubah={change}#produk-{}", self.search.here(), item.id, item.id)
    }

    fn sort_mark(&self, ascending: Sort, descending: Sort) -> &'static str {
        match self.search.urut {
            urut if urut == ascending => "ascending",
            urut if urut == descending => "descending",
            _ => "none",
        }
    }
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Stock, "Stok").await?;
    let search = wanted.search();
    let counts = sql::counts(&app.pool, viewer.branches(), &search).await?;
    let items = sql::list(&app.pool, viewer.branches(), &search, search.per).await?;
    let open = wanted.buka.parse().ok().map(|id| (id, Change::named(&wanted.ubah)));
    Ok(Page(ListPage { shell, search, counts, items, open }))
}

/// How many there are at each level now, for the list's filter: a live page shows live counts.
async fn count(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    let counts = sql::counts(&app.pool, viewer.branches(), &wanted.search()).await?;
    Ok((ASKED_ANEW, Json(counts)).into_response())
}

#[derive(Template)]
#[template(path = "stock/show.html")]
struct ShowPage {
    shell: Shell,
    item: Item,
    /// What is written of it, for those who may change that.
    details: Option<Details>,
    /// It is low, and somebody has to answer.
    alert: Option<Alert>,
    movements: Vec<Movement>,
    /// The reasons in its ledger, and how many lines each has.
    reasons: Vec<(String, i64)>,
    alasan: Option<String>,
    hal: i64,
    change: Change,
    here: String,
}

impl ShowPage {
    fn can_manage(&self) -> bool {
        self.shell.viewer.may_manage(self.item.branch_id)
    }

    fn opening(&self, _: &Item, change: &str) -> String {
        format!("{}?ubah={change}", self.here)
    }

    /// Its ledger narrowed to a reason, from a page on.
    fn ledger(&self, alasan: Option<&String>, hal: i64) -> String {
        let alasan = alasan.map(|alasan| format!("alasan={}", url_part(alasan)));
        let hal = (hal > 1).then(|| format!("hal={hal}"));
        let query: Vec<String> = alasan.into_iter().chain(hal).collect();
        format!("{}?{}#riwayat", self.here, query.join("&"))
    }

    fn all(&self) -> i64 {
        self.reasons.iter().map(|(_, count)| count).sum()
    }

    fn found(&self) -> i64 {
        match &self.alasan {
            None => self.all(),
            Some(alasan) => self.reasons.iter().filter(|(reason, _)| reason == alasan).map(|(_, count)| count).sum(),
        }
    }

    fn first(&self) -> i64 {
        (self.hal - 1) * MOVEMENTS + 1
    }

    fn last(&self) -> i64 {
        self.first() - 1 + self.movements.len() as i64
    }
}

const MOVEMENTS: i64 = 50;

async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(path): Path<(String, i64)>,
    Query(wanted): Query<Wanted>,
) -> Result<Page<ShowPage>, Error> {
    let product = product(&path)?;
    let item = sql::find(&app.pool, viewer.branches(), product).await?.ok_or_else(Error::not_found)?;
    let shell = Shell::load(&app, &viewer, Nav::Stock, item.nama.clone()).await?;
    // again, now that the cursor is taken: what changed in between would otherwise be on neither the page nor the stream
    let item = sql::find(&app.pool, viewer.branches(), product).await?.ok_or_else(Error::not_found)?;
    let reasons = sql::movement_counts(&app.pool, &item).await?;
    let alasan = reasons.iter().map(|(reason, _)| reason).find(|reason| **reason == wanted.alasan).cloned();
    let hal = wanted.hal();
    let movements = sql::movements(&app.pool, &item, alasan.as_deref(), MOVEMENTS, (hal - 1) * MOVEMENTS).await?;
    let details = match viewer.may_manage(item.branch_id) {
        true => catalog_sql::find(&mut *app.pool.acquire().await?, product).await?.map(|found| found.details),
        false => None,
    };
    let alert = alerts::sql::of_product(&app.pool, &viewer, product).await?;
    let here = address(product);
    let change = Change::named(&wanted.ubah);
    Ok(Page(ShowPage { shell, item, details, alert, movements, reasons, alasan, hal, change, here }))
}

fn address(product: ProductRef) -> String {
    format!("/stok/{}/{}", product.product_type.slug(), product.product_id)
}

fn product((jenis, id): &(String, i64)) -> Outcome<ProductRef> {
    let product_type = ProductType::from_slug(jenis).ok_or(Refusal::NotFound)?;
    Ok(ProductRef { product_type, product_id: ProductId(*id) })
}

/// The fields of the three forms. Text, so that what people type is refused in our words beside the field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changing {
    quantity: String,
    counted: String,
    seen_stok: String,
    price: String,
    seen_price: String,
    catatan: String,
    /// The list to go back to.
    kembali: String,
}

impl Changing {
    fn back(&self) -> &str {
        local_path(&self.kembali).unwrap_or("/stok")
    }

    fn catatan(&self) -> Outcome<&str> {
        let catatan = self.catatan.trim();
        match catatan.chars().count() {
            ..=200 => Ok(catatan),
            _ => Err(Refusal::invalid("catatan", "Catatan paling panjang 200 huruf.")),
        }
    }
}

/// A whole number as people type it: `1.250.000`, `Rp 1.250.000`, ` 12 `.
fn whole<T: std::str::FromStr>(field: &str, text: &str, otherwise: &str) -> Outcome<T> {
    let digits: String =
        text.trim().trim_start_matches("Rp").chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    digits.parse().map_err(|_| Refusal::invalid(field, otherwise))
}

async fn restock(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(path): Path<(String, i64)>,
    Form(form): Form<Changing>,
) -> Result<Response, Error> {
    let quantity = whole("quantity", &form.quantity, "Isi jumlah yang masuk dengan angka.")?;
    sql::restock(&app.pool, &viewer, product(&path)?, quantity, form.catatan()?).await?;
    Ok(asked.go(form.back()))
}

async fn correct(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(path): Path<(String, i64)>,
    Form(form): Form<Changing>,
) -> Result<Response, Error> {
    let counted = whole("counted", &form.counted, "Isi hasil hitungan dengan angka.")?;
    let seen = whole("counted", &form.seen_stok, "Muat ulang halaman, lalu hitung lagi.")?;
    let why = form.catatan()?;
    if why.is_empty() {
        return Err(Refusal::invalid("catatan", "Tulis kenapa dikoreksi, misalnya hilang atau rusak.").into());
    }
    sql::correct(&app.pool, &viewer, product(&path)?, counted, seen, why).await?;
    Ok(asked.go(form.back()))
}

async fn set_price(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(path): Path<(String, i64)>,
    Form(form): Form<Changing>,
) -> Result<Response, Error> {
    let price = whole("price", &form.price, "Isi harga dalam rupiah, contoh: 685.000.").map(Rupiah)?;
    let seen = whole("price", &form.seen_price, "Muat ulang halaman, lalu isi lagi.").map(Rupiah)?;
    sql::set_price(&app.pool, &viewer, product(&path)?, price, seen).await?;
    Ok(asked.go(form.back()))
}
