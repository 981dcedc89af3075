//! Omset, the takings of a branch's own day: what the dashboards and the omset stream say.
//!
//! One rule for every role: a day counts once it has been opened. Before that everything is zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{BranchId, SaleId, UserId};
use crate::money::Rupiah;

pub mod sql;

/// Takings by who pays. `omset_kasir` is always the sum of the other two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omset {
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub jumlah_transaksi: i64,
}

impl Omset {
    pub fn total(self) -> Rupiah {
        self.omset_bpjs + self.omset_umum
    }
}

impl std::iter::Sum for Omset {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            omset_bpjs: sum.omset_bpjs + part.omset_bpjs,
            omset_umum: sum.omset_umum + part.omset_umum,
            jumlah_transaksi: sum.jumlah_transaksi + part.jumlah_transaksi,
        })
    }
}

/// A line of `transaksi_terbaru`. Date and time are the branch's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestSale {
    pub id: SaleId,
    pub no_transaksi: String,
    pub nama_pasien: String,
    pub service_type: String,
    pub total: Rupiah,
    /// The work status.
    pub status: String,
    pub tanggal: String,
    pub waktu: String,
    /// Only for ordering over branches of several time zones: microseconds since 1970.
    #[serde(skip_serializing)]
    pub at: i64,
}

/// How many of the newest sales are shown.
pub const LATEST: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KasirDay {
    pub user_id: UserId,
    pub name: String,
    #[serde(flatten)]
    pub omset: Omset,
    pub terbaru: Vec<LatestSale>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockTotals {
    pub low: i64,
    pub medium: i64,
}

/// A branch today. A kasir without a sale has a line, too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BranchDay {
    pub branch_id: BranchId,
    pub branch_name: String,
    pub open_day_status: bool,
    /// `08:02`, branch time; none while the day has not been opened.
    pub open_time: Option<String>,
    pub kasirs: Vec<KasirDay>,
    pub terbaru: Vec<LatestSale>,
    pub stok: StockTotals,
}

impl BranchDay {
    pub fn omset(&self) -> Omset {
        self.kasirs.iter().map(|kasir| kasir.omset).sum()
    }
}

/// All branches' days, by id.
pub type Days = BTreeMap<BranchId, BranchDay>;
