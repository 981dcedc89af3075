//! Stock opname: an inventory of a branch is counted, by scanner or by hand, by as many people as want to help, while the shop
//! goes on selling. Each product is judged against what the books said when it was counted; what is sold afterwards stays
//! sold. Only finishing writes to the stock, through the ledger.

use super::{Level, ProductType};
use crate::ids::{BranchId, ProductId};

pub mod sql;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Status {
    Berjalan,
    Selesai,
    Batal,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Berjalan => "Berjalan",
            Self::Selesai => "Selesai",
            Self::Batal => "Dibatalkan",
        }
    }
}

#[derive(Debug, sqlx::FromRow)]
pub struct Opname {
    pub id: i64,
    pub kode: String,
    pub branch_id: BranchId,
    pub branch_name: String,
    pub product_type: ProductType,
    pub status: Status,
    pub started_by: Option<String>,
    /// On the branch's clock.
    pub started_at: String,
    pub ended_by: Option<String>,
    pub ended_at: Option<String>,
}

/// How far a count has come.
#[derive(Debug, Clone, Copy, serde::Serialize, sqlx::FromRow)]
pub struct Totals {
    /// To be counted: what is not made to order.
    pub products: i64,
    pub counted: i64,
    pub differences: i64,
    /// Moved between two scans: to be counted anew.
    pub moved: i64,
}

impl Totals {
    pub fn left(&self) -> i64 {
        (self.products - self.counted).max(0)
    }
}

/// A product in a count.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct Line {
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub kode: String,
    pub nama: String,
    /// In the books now.
    pub stok: i32,
    pub alert_level: Level,
    /// Nothing of it has been counted yet: none, in these.
    pub counted: Option<i32>,
    pub stok_counted: Option<i32>,
    pub is_moved: bool,
    pub counted_by: Option<String>,
}

impl Line {
    pub fn blank(product_type: ProductType) -> Self {
        let product_id = ProductId(0);
        let alert_level = Level::Normal;
        let (kode, nama) = (String::new(), String::new());
        Self {
            product_type,
            product_id,
            kode,
            nama,
            stok: 0,
            alert_level,
            counted: None,
            stok_counted: None,
            is_moved: false,
            counted_by: None,
        }
    }

    pub fn difference(&self) -> i32 {
        self.counted.zip(self.stok_counted).map_or(0, |(counted, stok)| counted - stok)
    }
}

/// Which products of a count are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    Counted,
    Differences,
    Left,
}

impl View {
    pub const ALL: [Self; 3] = [Self::Counted, Self::Differences, Self::Left];

    /// As in addresses and in the SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counted => "dihitung",
            Self::Differences => "selisih",
            Self::Left => "belum",
        }
    }
}

/// What becomes of products that nobody has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    Leave,
    /// They are not there.
    Zero,
}
