//! What an admin writes down about a product: names, class, prices, minimum. One set of columns, read in the same way from a
//! form's fields and from a sheet's cells. The stock itself is not among it; that only moves through the ledger.

use std::collections::BTreeMap;

use super::ProductType;
use crate::ids::ProductId;
use crate::money::Rupiah;

pub mod sql;

/// The classes a frame can be made for, as in the table.
pub const FRAME_CLASSES: [&str; 4] = ["Umum", "BPJS I", "BPJS II", "BPJS III"];

/// More than any shelf holds: a mistyped amount is caught, and no sum overflows.
pub const MOST: i32 = 100_000;
pub const HIGHEST_PRICE: Rupiah = Rupiah(1_000_000_000);
const LONGEST_CODE: usize = 40;
const LONGEST_NAME: usize = 120;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, sqlx::FromRow)]
pub struct Details {
    /// Empty for accessories that are new: theirs is made of their id.
    pub kode: String,
    /// The make (merk), or what an accessory is called.
    pub nama: String,
    /// Of a frame: its class.
    pub jenis: String,
    /// Of a lens, with the next two.
    pub tipe: String,
    pub indeks: String,
    pub coating: String,
    pub harga_beli: Rupiah,
    pub harga_jual: Rupiah,
    pub stok_minimum: i32,
    pub is_custom_order: bool,
}

/// A product as it stands on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Shelved {
    pub id: ProductId,
    #[sqlx(flatten)]
    pub details: Details,
    pub stok: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    Kode,
    Nama,
    Jenis,
    Tipe,
    Indeks,
    Coating,
    HargaBeli,
    HargaJual,
    Minimum,
    PesananKhusus,
}

use Column::*;

impl Column {
    pub fn of(product_type: ProductType) -> &'static [Self] {
        match product_type {
            ProductType::Frame => &[Kode, Nama, Jenis, HargaBeli, HargaJual, Minimum],
            ProductType::Lensa => &[Kode, Nama, Tipe, Indeks, Coating, HargaBeli, HargaJual, Minimum, PesananKhusus],
            ProductType::Aksesoris => &[Kode, Nama, HargaBeli, HargaJual, Minimum],
        }
    }

    /// As a sheet's head has it, and the name of the field in the form.
    pub fn name(self, product_type: ProductType) -> &'static str {
        match (self, product_type) {
            (Nama, ProductType::Aksesoris) => "nama",
            (Nama, _) => "merk",
            (Kode, _) => "kode",
            (Jenis, _) => "jenis",
            (Tipe, _) => "tipe",
            (Indeks, _) => "indeks",
            (Coating, _) => "coating",
            (HargaBeli, _) => "harga_beli",
            (HargaJual, _) => "harga_jual",
            (Minimum, _) => "minimum",
            (PesananKhusus, _) => "pesanan_khusus",
        }
    }

    /// As people call it.
    pub fn label(self, product_type: ProductType) -> &'static str {
        match (self, product_type) {
            (Nama, ProductType::Aksesoris) => "Nama",
            (Nama, _) => "Merk",
            (Kode, _) => "Kode",
            (Jenis, _) => "Jenis",
            (Tipe, _) => "Tipe",
            (Indeks, _) => "Indeks",
            (Coating, _) => "Coating",
            (HargaBeli, _) => "Harga beli",
            (HargaJual, _) => "Harga jual",
            (Minimum, _) => "Batas stok rendah",
            (PesananKhusus, _) => "Pesanan khusus",
        }
    }

    /// An empty cell of a sheet leaves the value as it is.
    pub fn may_be_left_empty(self) -> bool {
        matches!(self, Jenis | HargaBeli | HargaJual | Minimum | PesananKhusus)
    }
}

impl Details {
    /// What a new product is before anything is said of it.
    pub fn new(product_type: ProductType) -> Self {
        let jenis = if product_type == ProductType::Frame { FRAME_CLASSES[0] } else { "" };
        Self { stok_minimum: 5, jenis: jenis.to_owned(), ..Self::default() }
    }

    pub fn text(&self, column: Column) -> String {
        match column {
            Kode => self.kode.clone(),
            Nama => self.nama.clone(),
            Jenis => self.jenis.clone(),
            Tipe => self.tipe.clone(),
            Indeks => self.indeks.clone(),
            Coating => self.coating.clone(),
            HargaBeli => self.harga_beli.0.to_string(),
            HargaJual => self.harga_jual.0.to_string(),
            Minimum => self.stok_minimum.to_string(),
            PesananKhusus => if self.is_custom_order { "ya" } else { "tidak" }.to_owned(),
        }
    }

    /// As people read it.
    pub fn shown(&self, column: Column) -> String {
        match column {
            HargaBeli => self.harga_beli.to_string(),
            HargaJual => self.harga_jual.to_string(),
            _ => self.text(column),
        }
    }

    /// Reads what was typed. Otherwise: a sentence that says what to do.
    pub fn set(&mut self, product_type: ProductType, column: Column, typed: &str) -> Result<(), String> {
        let text = typed.trim();
        let label = column.label(product_type);
        match column {
            Kode if product_type == ProductType::Aksesoris => {
                return Err("Kode aksesoris dibuat otomatis. Kosongkan untuk produk baru.".to_owned());
            }
            Kode => self.kode = line(label, text, LONGEST_CODE)?,
            Nama => self.nama = line(label, text, LONGEST_NAME)?,
            Tipe => self.tipe = line(label, text, LONGEST_NAME)?,
            Indeks => self.indeks = short(label, text)?,
            Coating => self.coating = short(label, text)?,
            Jenis => {
                let class = FRAME_CLASSES.into_iter().find(|class| class.eq_ignore_ascii_case(text));
                self.jenis = class.ok_or("Pilih jenis: Umum, BPJS I, BPJS II, atau BPJS III.")?.to_owned();
            }
            HargaBeli if text.is_empty() => self.harga_beli = Rupiah::ZERO,
            HargaBeli => self.harga_beli = price(label, text, Rupiah::ZERO)?,
            HargaJual => self.harga_jual = price(label, text, Rupiah(1))?,
            Minimum => self.stok_minimum = amount(label, text)?,
            PesananKhusus => {
                self.is_custom_order = match text.to_lowercase().as_str() {
                    "ya" | "y" | "1" | "true" => true,
                    "tidak" | "t" | "0" | "false" => false,
                    _ => return Err("Isi pesanan khusus dengan ya atau tidak.".to_owned()),
                }
            }
        }
        Ok(())
    }

    /// What must be there before a new product can be written.
    pub fn missing(&self, product_type: ProductType) -> Vec<(Column, String)> {
        Column::of(product_type)
            .iter()
            .filter(|column| match column {
                Kode => self.kode.is_empty() && product_type != ProductType::Aksesoris,
                Nama => self.nama.is_empty(),
                Tipe => self.tipe.is_empty(),
                HargaJual => self.harga_jual == Rupiah::ZERO,
                _ => false,
            })
            .map(|column| (*column, format!("Isi {}.", column.label(product_type).to_lowercase())))
            .collect()
    }

    /// Those columns that read otherwise in `other`.
    pub fn differences(&self, product_type: ProductType, other: &Self) -> Vec<Column> {
        Column::of(product_type).iter().copied().filter(|column| self.text(*column) != other.text(*column)).collect()
    }

    /// Reads a form. What is typed as it stood is as it stood, however odd: only what somebody changes is judged.
    pub fn read(
        product_type: ProductType,
        was: Option<&Self>,
        typed: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BTreeMap<String, String>> {
        let mut details = was.cloned().unwrap_or_else(|| Self::new(product_type));
        let mut wrong = BTreeMap::new();
        for column in Column::of(product_type) {
            let name = column.name(product_type);
            let Some(text) = typed(name) else { continue };
            if was.is_some_and(|was| was.text(*column) == text)
                || (*column == Kode && text.trim().is_empty() && was.is_none())
            {
                continue;
            }
            if let Err(message) = details.set(product_type, *column, &text) {
                wrong.insert(name.to_owned(), message);
            }
        }
        // an old product may lack what a new one must have
        let missing = if was.is_none() { details.missing(product_type) } else { Vec::new() };
        for (column, message) in missing {
            wrong.entry(column.name(product_type).to_owned()).or_insert(message);
        }
        if wrong.is_empty() { Ok(details) } else { Err(wrong) }
    }
}

/// One line of text that says something.
fn line(label: &str, text: &str, longest: usize) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("Isi {}.", label.to_lowercase()));
    }
    if text.chars().any(char::is_control) || text.chars().count() > longest {
        return Err(format!("{label} paling panjang {longest} huruf, dalam satu baris."));
    }
    Ok(text.to_owned())
}

fn short(label: &str, text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { line(label, text, LONGEST_CODE) }
}

fn price(label: &str, text: &str, least: Rupiah) -> Result<Rupiah, String> {
    // spreadsheets like to add cents that nobody pays
    let price = text.strip_suffix(",00").unwrap_or(text).parse::<Rupiah>().ok();
    price
        .filter(|price| (least..=HIGHEST_PRICE).contains(price))
        .ok_or_else(|| format!("Isi {} dalam rupiah, contoh: 685.000.", label.to_lowercase()))
}

/// How many pieces.
pub fn amount(label: &str, text: &str) -> Result<i32, String> {
    let digits = text.trim().replace('.', "");
    let amount = digits.parse::<i32>().ok().filter(|amount| (0..=MOST).contains(amount));
    amount.ok_or_else(|| format!("Isi {} dengan angka, 0 sampai 100.000.", label.to_lowercase()))
}
