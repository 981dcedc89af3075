//! The three inventories: looking, restocking, correcting, pricing.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;

use super::sql::{self, Counts, Item, Movement};
use super::{Level, ProductRef, ProductType, Search, Sort};
use crate::App;
use crate::ids::ProductId;
use crate::money::Rupiah;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell, local_path, url_part};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/stok", get(list))
        .route("/stok/{jenis}/{id}", get(show))
        .route("/stok/{jenis}/{id}/restok", post(restock))
        .route("/stok/{jenis}/{id}/koreksi", post(correct))
        .route("/stok/{jenis}/{id}/harga", post(set_price))
}

const PER_PAGE: i64 = 50;

/// Of the address; whatever cannot be read is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    jenis: String,
    level: String,
    cari: String,
    urut: String,
    hal: String,
    /// The product whose form is open, and which form.
    buka: String,
    ubah: String,
}

impl Wanted {
    fn search(&self) -> Search {
        Search {
            jenis: ProductType::from_slug(&self.jenis).unwrap_or(ProductType::Frame),
            level: [Level::Low, Level::Medium, Level::Normal].into_iter().find(|level| level.name() == self.level),
            cari: self.cari.split_whitespace().collect::<Vec<_>>().join(" "),
            urut: Sort::ALL.into_iter().find(|sort| sort.name() == self.urut).unwrap_or(Sort::LeastStock),
            hal: self.hal.parse().unwrap_or(1).clamp(1, 10_000),
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
        let hal = if hal > 1 { hal.to_string() } else { String::new() };
        let mut address = format!("/stok?jenis={}", jenis.slug());
        for (name, value) in [
            ("level", level.map_or("", Level::name)),
            ("cari", &self.cari),
            ("urut", if urut == Sort::LeastStock { "" } else { urut.name() }),
            ("hal", &hal),
        ] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", url_part(value)));
            }
        }
        address
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
        (self.search.hal - 1) * PER_PAGE + 1
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
    let items = sql::list(&app.pool, viewer.branches(), &search, PER_PAGE).await?;
    let open = wanted.buka.parse().ok().map(|id| (id, Change::named(&wanted.ubah)));
    Ok(Page(ListPage { shell, search, counts, items, open }))
}

#[derive(Template)]
#[template(path = "stock/show.html")]
struct ShowPage {
    shell: Shell,
    item: Item,
    movements: Vec<Movement>,
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
    let movements = sql::movements(&app.pool, &item, MOVEMENTS).await?;
    let here = format!("/stok/{}/{}", product.product_type.slug(), product.product_id);
    Ok(Page(ShowPage { shell, item, movements, change: Change::named(&wanted.ubah), here }))
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
    sql::correct(&app.pool, &viewer, product(&path)?, counted, seen, form.catatan()?).await?;
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
