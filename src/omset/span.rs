//! Takings over several days: the same breakdown as today's, from one statement, so that its parts add up.

use std::collections::BTreeMap;

use time::Date;

use super::Omset;
use crate::ids::{BranchId, UserId};
use crate::money::Rupiah;

/// How far back a dashboard looks, today included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeframe {
    Today,
    Week,
    Month,
}

impl Timeframe {
    pub const ALL: [Self; 3] = [Self::Today, Self::Week, Self::Month];

    /// As in addresses (`?rentang=7`). Whatever is none of them is today.
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|one| one.days().to_string() == name).unwrap_or(Self::Today)
    }

    pub fn days(self) -> i32 {
        match self {
            Self::Today => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Today => "Hari ini",
            Self::Week => "7 hari",
            Self::Month => "30 hari",
        }
    }
}

/// What a kasir took in a branch on a day; without a kasir: that there was this day.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SpanLine {
    pub branch_id: BranchId,
    pub branch_name: String,
    pub tanggal: Date,
    pub user_id: Option<UserId>,
    pub name: Option<String>,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub jumlah_transaksi: i64,
}

/// The lines added up in each way that a dashboard shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    pub omset: Omset,
    /// The newest first.
    pub per_day: Vec<(Date, Omset)>,
    /// The best first.
    pub per_branch: Vec<(BranchId, String, Omset)>,
    /// The best first; who sold in two branches has a line for each.
    pub per_kasir: Vec<(UserId, String, String, Omset)>,
}

impl Span {
    pub fn of(lines: &[SpanLine]) -> Self {
        let mut days: BTreeMap<Date, Omset> = BTreeMap::new();
        let mut branches: BTreeMap<(BranchId, &str), Omset> = BTreeMap::new();
        let mut kasirs: BTreeMap<(UserId, &str, &str), Omset> = BTreeMap::new();
        for line in lines {
            let omset = Omset {
                omset_bpjs: line.omset_bpjs,
                omset_umum: line.omset_umum,
                jumlah_transaksi: line.jumlah_transaksi,
            };
            *days.entry(line.tanggal).or_default() += omset;
            *branches.entry((line.branch_id, &line.branch_name)).or_default() += omset;
            if let (Some(user), Some(name)) = (line.user_id, &line.name) {
                *kasirs.entry((user, name, &line.branch_name)).or_default() += omset;
            }
        }
        let mut per_branch: Vec<_> =
            branches.into_iter().map(|((id, name), omset)| (id, name.to_owned(), omset)).collect();
        per_branch.sort_by(|(_, a, one), (_, b, other)| other.total().cmp(&one.total()).then_with(|| a.cmp(b)));
        let mut per_kasir: Vec<_> = kasirs
            .into_iter()
            .map(|((id, name, branch), omset)| (id, name.to_owned(), branch.to_owned(), omset))
            .collect();
        per_kasir.sort_by(|(_, a, _, one), (_, b, _, other)| other.total().cmp(&one.total()).then_with(|| a.cmp(b)));
        Self { omset: days.values().copied().sum(), per_day: days.into_iter().rev().collect(), per_branch, per_kasir }
    }

    /// The best day: what the bars of the days are drawn against.
    pub fn best_day(&self) -> Rupiah {
        self.per_day.iter().map(|(_, omset)| omset.total()).max().unwrap_or(Rupiah::ZERO)
    }

    pub fn best_branch(&self) -> Rupiah {
        self.per_branch.first().map_or(Rupiah::ZERO, |(_, _, omset)| omset.total())
    }
}
