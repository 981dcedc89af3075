//! Low stock that somebody has to do something about. The database opens an alert when a product becomes low and closes it
//! when the level rises (migration 0010); here people answer it or put it off.

use time::PrimitiveDateTime;

use crate::ids::{AlertId, ProductId};
use crate::stock::{Level, ProductRef, ProductType};

pub mod pages;
pub mod sql;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum State {
    /// Nobody has answered yet.
    Open,
    /// Put off, and the time has not come.
    Snoozed,
    /// Somebody sees to it.
    Acked,
    /// The shelf is filled again, or the product has left.
    Closed,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Open, Self::Snoozed, Self::Acked, Self::Closed];

    /// As in addresses: `/peringatan?keadaan=ditunda`.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Open => "terbuka",
            Self::Snoozed => "ditunda",
            Self::Acked => "ditangani",
            Self::Closed => "selesai",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "Terbuka",
            Self::Snoozed => "Ditunda",
            Self::Acked => "Ditangani",
            Self::Closed => "Selesai",
        }
    }

    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.slug() == slug)
    }
}

/// An alert as a row on screen. Times are on the clock of its branch.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Alert {
    pub id: AlertId,
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub branch_name: String,
    pub kode: String,
    pub product_name: String,
    /// Now, and what counts as low.
    pub stok: i32,
    pub stok_minimum: i32,
    pub alert_level: Level,
    pub state: State,
    pub opened: String,
    /// Since it opened, until somebody answered or the shelf was filled; of one that waits, until now.
    pub took: String,
    pub acked: Option<String>,
    pub acked_by: Option<String>,
    pub snoozed_until: Option<String>,
    pub snoozed_by: Option<String>,
    pub closed: Option<String>,
}

impl Alert {
    pub fn product(&self) -> ProductRef {
        ProductRef { product_type: self.product_type, product_id: self.product_id }
    }
}

/// Until when one is put off. Both times are on the clock of the alert's branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    InAnHour,
    /// When the shops open.
    TomorrowMorning,
    At(PrimitiveDateTime),
}

/// Whoever puts an alert off for longer wants a lower limit for the product instead.
pub const LONGEST_SNOOZE_DAYS: i64 = 31;
