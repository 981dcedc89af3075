//! Products on the shelf: frames, lensas, aksesoris.

use crate::ids::ProductId;

pub mod alerts;
pub mod sql;

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

    /// As in `alert_level` and `data-level`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Normal => "normal",
        }
    }
}

/// How many products need looking after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Totals {
    pub low: i64,
    pub medium: i64,
}
