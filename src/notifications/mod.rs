//! What the shop tells its people. Written by the database's triggers and by the nouns; read here.

use std::collections::BTreeMap;

use serde_json::Value;
use time::Date;

use crate::ids::{AlertId, BranchId, NotificationId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::Role;

pub mod pages;
pub mod sql;

/// Types that are asked for, and muted, together.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// As in addresses: `/notifikasi?jenis=siap`.
    pub slug: &'static str,
    /// In the row of filters, where there is little room.
    pub short: &'static str,
    pub label: &'static str,
    pub icon: &'static str,
    pub types: &'static [&'static str],
}

#[rustfmt::skip] // a table
pub const GROUPS: &[Group] = &[
    Group { slug: "stok", short: "Stok", label: "Stok rendah", icon: "level-low", types: &["stock_alert"] },
    Group { slug: "transaksi", short: "Transaksi", label: "Transaksi baru", icon: "sale", types: &["new_transaction"] },
    Group { slug: "siap", short: "Siap diambil", label: "Siap diambil", icon: "work-taken", types: &["ready_for_pickup"] },
    Group { slug: "bayar", short: "Pembayaran", label: "Pembayaran dan perubahan transaksi", icon: "cash", types: &["payment_processed", "transaction_updated"] },
    Group { slug: "harga", short: "Harga", label: "Perubahan harga", icon: "tag", types: &["price_updated"] },
    Group { slug: "kiriman", short: "Kiriman", label: "Kiriman antar cabang", icon: "swap", types: &["stock_transfer"] },
    Group { slug: "hari", short: "Buka tutup", label: "Hari dibuka dan ditutup", icon: "sun", types: &["day_opened", "day_closed"] },
    Group { slug: "pengumuman", short: "Pengumuman", label: "Pengumuman", icon: "megaphone", types: &["announcement"] },
];

impl Group {
    pub fn from_slug(slug: &str) -> Option<&'static Self> {
        GROUPS.iter().find(|group| group.slug == slug)
    }

    /// Whether somebody of this role is ever told such a thing.
    pub fn is_for(&self, role: Role) -> bool {
        role != Role::Kasir || !["transaksi", "kiriman"].contains(&self.slug)
    }

    /// Muted as a whole, or not.
    pub fn is_muted(&self, muted: &[String]) -> bool {
        self.types.iter().all(|one| muted.iter().any(|muted| muted == one))
    }
}

/// How far back the centre looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Period {
    #[default]
    Ever,
    Today,
    Week,
    Month,
}

impl Period {
    pub const ALL: [Self; 4] = [Self::Ever, Self::Today, Self::Week, Self::Month];

    pub fn slug(self) -> &'static str {
        match self {
            Self::Ever => "",
            Self::Today => "hari",
            Self::Week => "7",
            Self::Month => "30",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Ever => "Kapan saja",
            Self::Today => "Hari ini",
            Self::Week => "7 hari",
            Self::Month => "30 hari",
        }
    }

    /// Today and this many days before it.
    fn days_before(self) -> Option<i32> {
        match self {
            Self::Ever => None,
            Self::Today => Some(0),
            Self::Week => Some(6),
            Self::Month => Some(29),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    #[default]
    All,
    Unread,
}

/// What somebody asks of the centre.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub group: Option<&'static Group>,
    pub reading: Reading,
    pub period: Period,
}

/// A notification as a row on screen.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Notice {
    pub id: NotificationId,
    #[sqlx(rename = "type")]
    pub kind: String,
    pub title: String,
    pub message: String,
    pub data: Value,
    pub created_at: time::OffsetDateTime,
    /// `14:05`, `Kemarin 14:05` or `21/11 14:05`, on the reader's clock.
    pub waktu: String,
    pub is_unread: bool,
    /// What became of low stock: `Ditangani Hendra setelah 4 menit`.
    pub answer: Option<String>,
    /// Of low stock that still waits for an answer.
    pub alert_id: Option<AlertId>,
}

impl Notice {
    pub fn is_about_stock(&self) -> bool {
        self.kind == "stock_alert"
    }

    pub fn icon(&self) -> &'static str {
        match self.kind.as_str() {
            "stock_alert" => "alert",
            "ready_for_pickup" => "work-taken",
            "new_transaction" => "sale",
            "payment_processed" => "cash",
            "transaction_updated" => "pencil",
            "price_updated" => "tag",
            "day_opened" => "sun",
            "day_closed" => "moon",
            "stock_transfer" => "swap",
            _ => "megaphone",
        }
    }

    pub fn tone(&self) -> &'static str {
        match self.kind.as_str() {
            "stock_alert" => "danger",
            "ready_for_pickup" | "payment_processed" => "success",
            "new_transaction" | "price_updated" | "transaction_updated" | "stock_transfer" => "accent",
            _ => "none",
        }
    }

    /// The page of what it is about.
    pub fn href(&self) -> Option<String> {
        if let Some(id) = self.data.get("transaction_id").and_then(Value::as_i64) {
            return Some(format!("/penjualan/{id}"));
        }
        if let Some(id) = self.data.get("transfer_id").and_then(Value::as_i64) {
            return Some(format!("/stok/transfer/{id}"));
        }
        if self.kind == "announcement" {
            return Some("/notifikasi?jenis=pengumuman".to_owned());
        }
        let jenis = self.data.get("product_type")?.as_str()?.to_lowercase();
        let id = self.data.get("product_id")?.as_i64()?;
        Some(format!("/stok/{jenis}/{id}"))
    }

    /// Who wrote an announcement.
    pub fn from(&self) -> Option<&str> {
        self.data.get("from").and_then(Value::as_str).filter(|_| self.kind == "announcement")
    }

    /// RFC 3339, for `<time datetime>`.
    pub fn at(&self) -> String {
        self.created_at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
    }
}

/// What the bell shows.
#[derive(Debug, Clone)]
pub struct Inbox {
    pub unread: i64,
    pub latest: Vec<Notice>,
    /// The types by which this person does not want to be interrupted.
    pub muted: Vec<String>,
}

impl Inbox {
    pub fn badge(&self) -> String {
        match self.unread {
            count @ ..=99 => count.to_string(),
            _ => "99+".to_owned(),
        }
    }
}

/// An announcement before it is sent. Whether the writer may send it there is `Viewer::may_announce_to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// None: every branch.
    pub branch: Option<BranchId>,
    /// None: everyone there.
    pub audience: Option<Role>,
    pub title: String,
    pub message: String,
    /// The last day on which it is shown.
    pub until: Option<Date>,
}

/// A toast and a phone's lock screen show so much of a line.
const LONGEST_TITLE: usize = 80;
const LONGEST_MESSAGE: usize = 1_000;

impl Announcement {
    /// All that is wrong with it, at once. `today` is the day of the branches it is for.
    pub fn checked(self, today: Date) -> Outcome<Self> {
        let mut wrong = BTreeMap::new();
        let mut refuse = |field: &str, message: &str| drop(wrong.insert(field.to_owned(), message.to_owned()));
        match self.title.chars().count() {
            0 => refuse("title", "Beri judul, supaya terbaca di lonceng."),
            length if length > LONGEST_TITLE => refuse("title", "Judul paling panjang 80 huruf."),
            _ => {}
        }
        match self.message.chars().count() {
            0 => refuse("message", "Tulis pesannya."),
            length if length > LONGEST_MESSAGE => refuse("message", "Pesan paling panjang 1.000 huruf."),
            _ => {}
        }
        if self.until.is_some_and(|until| until < today) {
            refuse("until", "Tanggal ini sudah lewat. Pilih hari ini atau sesudahnya.");
        }
        if wrong.is_empty() { Ok(self) } else { Err(Refusal::Invalid(wrong)) }
    }
}

/// One that was sent, as a row on screen.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Sent {
    pub id: NotificationId,
    pub title: String,
    pub message: String,
    pub from: Option<String>,
    pub branch_name: Option<String>,
    pub audience: Option<Role>,
    pub waktu: String,
    pub until: Option<String>,
    pub has_ended: bool,
    pub readers: i64,
}

impl Sent {
    /// `Semua cabang`, `Kemang, kasir`.
    pub fn to(&self) -> String {
        let place = self.branch_name.as_deref().unwrap_or("Semua cabang");
        match self.audience {
            Some(role) => format!("{place}, {}", role.label().to_lowercase()),
            None => place.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn every_type_of_the_schema_is_in_one_group() {
        let schema = include_str!("../../migrations/0001_shop.sql");
        let list = schema.split("type       text        NOT NULL CHECK (type IN (").nth(1).unwrap();
        let mut types: Vec<_> = list.split("))").next().unwrap().split('\'').skip(1).step_by(2).collect();
        types.push("stock_transfer"); // migrations/0008_stock.sql
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|group| group.types).copied().collect();
        types.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, types);
    }

    #[test]
    fn an_announcement_says_all_that_is_wrong_with_it_at_once() {
        let good = Announcement {
            branch: None,
            audience: None,
            title: "Stok opname".into(),
            message: "Sabtu malam.".into(),
            until: Some(date!(2026 - 11 - 21)),
        };
        assert_eq!(good.clone().checked(date!(2026 - 11 - 21)).unwrap(), good);
        let bad = Announcement { title: "é".repeat(81), message: String::new(), ..good };
        let Err(Refusal::Invalid(wrong)) = bad.checked(date!(2026 - 11 - 22)) else { panic!("it was taken") };
        assert_eq!(wrong.into_keys().collect::<Vec<_>>(), ["message", "title", "until"]);
    }
}
