//! Products on the shelf: frames, lensas, aksesoris.

use crate::ids::ProductId;

pub mod alerts;
pub mod catalog;
pub mod opname;
pub mod pages;
pub mod sheet;
pub mod sql;
pub mod transfer;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type,
)]
#[sqlx(type_name = "text")]
pub enum ProductType {
    Frame,
    Lensa,
    Aksesoris,
}

/// The same word as in SQL and JSON.
impl std::fmt::Display for ProductType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Frame => "Frame",
            Self::Lensa => "Lensa",
            Self::Aksesoris => "Aksesoris",
        })
    }
}

/// One product: the table and the id in it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::FromRow,
)]
pub struct ProductRef {
    pub product_type: ProductType,
    pub product_id: ProductId,
}

/// `Frame:12`, the name of a product in pages (`data-product`) and refusals.
impl std::fmt::Display for ProductRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.product_type, self.product_id)
    }
}

/// Written by the database (`alert_level`), read everywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Level {
    Low,
    Medium,
    Normal,
}

impl Level {
    /// The word beside the number.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "Rendah",
            Self::Medium => "Menipis",
            Self::Normal => "Aman",
        }
    }

    /// The level a chip shows. Made to order is normal with nothing on the shelf; only a product that alerts can be sold out.
    pub fn shown(self, stok: i32) -> &'static str {
        if stok <= 0 && self != Self::Normal { "out" } else { self.name() }
    }

    /// As in `alert_level` and `data-level`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Normal => "normal",
        }
    }
}

impl ProductType {
    pub const ALL: [Self; 3] = [Self::Frame, Self::Lensa, Self::Aksesoris];

    /// As in addresses: `/stok?jenis=frame`.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Lensa => "lensa",
            Self::Aksesoris => "aksesoris",
        }
    }

    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.slug() == slug)
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::Frame => "glasses",
            Self::Lensa => "lens",
            Self::Aksesoris => "tag",
        }
    }
}

/// The order of a stock list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Name,
    NameDown,
    Kind,
    KindDown,
    LowestMinimum,
    HighestMinimum,
    LeastStock,
    MostStock,
    Cheapest,
    Dearest,
    LongestStill,
    LastMoved,
}

impl Sort {
    const ALL: [Self; 12] = [
        Self::Name,
        Self::NameDown,
        Self::Kind,
        Self::KindDown,
        Self::LowestMinimum,
        Self::HighestMinimum,
        Self::LeastStock,
        Self::MostStock,
        Self::Cheapest,
        Self::Dearest,
        Self::LongestStill,
        Self::LastMoved,
    ];

    /// As in addresses and in the SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "nama",
            Self::NameDown => "-nama",
            Self::Kind => "jenis",
            Self::KindDown => "-jenis",
            Self::LowestMinimum => "batas",
            Self::HighestMinimum => "-batas",
            Self::LeastStock => "stok",
            Self::MostStock => "-stok",
            Self::Cheapest => "harga",
            Self::Dearest => "-harga",
            Self::LongestStill => "gerak",
            Self::LastMoved => "-gerak",
        }
    }
}

/// What a stock page shows of the shelf.
#[derive(Debug, Clone)]
pub struct Search {
    pub jenis: ProductType,
    pub level: Option<Level>,
    pub cari: String,
    pub urut: Sort,
    /// From 1.
    pub hal: i64,
    /// Rows a page.
    pub per: i64,
}
