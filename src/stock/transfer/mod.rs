//! Goods from one branch to another: one document. Written by the sender as a draft; sending takes the goods off the sender's
//! stock, receiving puts them into the receiver's, and a transfer that is refused or called back puts them back where they were.

use super::ProductType;
use crate::ids::{BranchId, ProductId};
use crate::scope::Viewer;

pub mod sql;

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Status {
    Draf,
    Dikirim,
    Diterima,
    Ditolak,
    Batal,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Draf => "Draf",
            Self::Dikirim => "Di jalan",
            Self::Diterima => "Diterima",
            Self::Ditolak => "Ditolak",
            Self::Batal => "Dibatalkan",
        }
    }

    /// A ring that fills, as for orders.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Draf => "waiting",
            Self::Dikirim => "doing",
            Self::Diterima | Self::Ditolak | Self::Batal => "taken",
        }
    }
}

#[derive(Debug, sqlx::FromRow)]
pub struct Transfer {
    pub id: i64,
    pub kode: String,
    pub from_branch: BranchId,
    pub from_name: String,
    pub to_branch: BranchId,
    pub to_name: String,
    pub status: Status,
    pub catatan: String,
    pub alasan: String,
    /// What happened last, on the sender's clock, and by whom.
    pub waktu: String,
    pub by: Option<String>,
    pub pieces: i64,
}

impl Transfer {
    /// Drafts are the sender's own.
    pub fn is_visible_to(&self, viewer: &Viewer) -> bool {
        viewer.may_manage(self.from_branch) || (self.status != Status::Draf && viewer.may_manage(self.to_branch))
    }

    pub fn may_edit(&self, viewer: &Viewer) -> bool {
        self.status == Status::Draf && viewer.may_manage(self.from_branch)
    }

    pub fn may_call_back(&self, viewer: &Viewer) -> bool {
        matches!(self.status, Status::Draf | Status::Dikirim) && viewer.may_manage(self.from_branch)
    }

    pub fn may_receive(&self, viewer: &Viewer) -> bool {
        self.status == Status::Dikirim && viewer.may_manage(self.to_branch)
    }
}

/// What a scan made of a line.
#[derive(Debug, serde::Serialize)]
pub struct Scanned {
    pub nama: String,
    /// In all; none when the line was taken away.
    pub jumlah: i32,
}

#[derive(Debug, sqlx::FromRow)]
pub struct Line {
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub kode: String,
    pub nama: String,
    pub quantity: i32,
    /// What the sender has of it now.
    pub stok: i32,
    pub alert_level: super::Level,
}
