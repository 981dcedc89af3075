//! Omset, the takings of a branch's own day: what the dashboards and the omset stream say.
//!
//! One rule for every role: a day counts once it has been opened. Before that everything is zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{BranchId, SaleId, UserId};
use crate::money::Rupiah;

pub mod sql;

mod span;
pub use span::{Span, SpanLine, Timeframe};

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

impl std::ops::AddAssign for Omset {
    fn add_assign(&mut self, other: Self) {
        self.omset_bpjs += other.omset_bpjs;
        self.omset_umum += other.omset_umum;
        self.jumlah_transaksi += other.jumlah_transaksi;
    }
}

impl std::iter::Sum for Omset {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut sum, part| {
            sum += part;
            sum
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
    /// Closed for good before today: it has no day any more, and no place among the others.
    #[serde(default)]
    pub is_retired: bool,
    pub open_day_status: bool,
    /// `08:02`, branch time; none while the day has not been opened.
    pub open_time: Option<String>,
    /// `17:04`, branch time; none unless the day was opened and is closed.
    pub close_time: Option<String>,
    /// `2026-11-21`, the branch's own.
    pub tanggal: String,
    /// The hour on the branch's clock.
    pub jam: u8,
    /// The takings of each hour of the day.
    pub per_jam: Hours,
    /// The takings up to this time of day, yesterday.
    pub kemarin: Rupiah,
    /// The same, on this weekday of last week.
    pub pekan_lalu: Rupiah,
    pub kasirs: Vec<KasirDay>,
    pub terbaru: Vec<LatestSale>,
    pub stok: StockTotals,
}

impl BranchDay {
    pub fn was_opened(&self) -> bool {
        self.open_time.is_some()
    }

    /// Yesterday's takings up to this time of day. None before the day is opened: nothing to compare yet.
    pub fn yesterday_so_far(&self) -> Option<Rupiah> {
        self.was_opened().then_some(self.kemarin)
    }

    pub fn last_week_so_far(&self) -> Option<Rupiah> {
        self.was_opened().then_some(self.pekan_lalu)
    }

    pub fn omset(&self) -> Omset {
        self.kasirs.iter().map(|kasir| kasir.omset).sum()
    }
}

/// All hours of a day. No zone of Indonesia skips or repeats one.
pub const HOURS: usize = 24;
pub type Hours = [Rupiah; HOURS];

/// What today's hours are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastHours {
    pub kemarin: Hours,
    pub pekan_lalu: Hours,
}

/// The takings of some branches at this time of day, and before. Several branches: each by its own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    pub per_jam: Hours,
    /// The hour that is running; none where the branches' clocks differ.
    pub jam: Option<u8>,
    /// The newest date among the branches.
    pub tanggal: String,
    /// None while no day has been opened: nothing to compare with yet.
    pub kemarin: Option<Rupiah>,
    pub pekan_lalu: Option<Rupiah>,
}

impl Pace {
    pub fn of<'a>(days: impl Iterator<Item = &'a BranchDay> + Clone) -> Self {
        let mut per_jam = [Rupiah::ZERO; HOURS];
        for day in days.clone() {
            per_jam.iter_mut().zip(day.per_jam).for_each(|(sum, hour)| *sum += hour);
        }
        let jam = days.clone().map(|day| day.jam).min();
        let is_open = days.clone().any(BranchDay::was_opened);
        Self {
            per_jam,
            jam: jam.filter(|jam| days.clone().all(|day| day.jam == *jam)),
            tanggal: days.clone().map(|day| day.tanggal.as_str()).max().unwrap_or_default().to_owned(),
            kemarin: is_open.then(|| days.clone().map(|day| day.kemarin).sum()),
            pekan_lalu: is_open.then(|| days.map(|day| day.pekan_lalu).sum()),
        }
    }
}

/// All branches' days, by id.
pub type Days = BTreeMap<BranchId, BranchDay>;
