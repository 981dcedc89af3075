//! Insight: what many days of sales and stock say, by branch and period. How the sums are kept: [`rollups`].

use time::{Date, Duration, Month};

use crate::ids::BranchId;
use crate::money::Rupiah;
use sheet::{Cell, Sheet};

pub mod chart;
pub mod pages;
pub mod rollups;
pub mod sheet;
pub mod sql;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    Comparison,
    Peaks,
    Payers,
    Receivables,
    Products,
    DeadStock,
    LowStock,
    Movements,
}

impl Report {
    pub const ALL: [Self; 8] = [
        Self::Comparison,
        Self::Peaks,
        Self::Payers,
        Self::Receivables,
        Self::Products,
        Self::DeadStock,
        Self::LowStock,
        Self::Movements,
    ];

    /// As in addresses.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Comparison => "perbandingan",
            Self::Peaks => "jam-ramai",
            Self::Payers => "bpjs-umum",
            Self::Receivables => "kekurangan",
            Self::Products => "produk",
            Self::DeadStock => "stok-mati",
            Self::LowStock => "stok-rendah",
            Self::Movements => "pergerakan-stok",
        }
    }

    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|report| report.slug() == slug)
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Comparison => "Cabang dan kasir",
            Self::Peaks => "Jam ramai",
            Self::Payers => "BPJS dan umum",
            Self::Receivables => "Kekurangan pasien",
            Self::Products => "Cepat dan lambat laku",
            Self::DeadStock => "Stok mati",
            Self::LowStock => "Stok rendah",
            Self::Movements => "Pergerakan stok",
        }
    }

    /// The question that it answers.
    pub fn question(self) -> &'static str {
        match self {
            Self::Comparison => "Siapa menjual berapa, dan naik atau turun dari masa sebelumnya.",
            Self::Peaks => "Hari dan jam mana pasien paling banyak membeli.",
            Self::Payers => "Berapa dibayar BPJS, berapa dibayar pasien, dan berapa yang Naik Kelas.",
            Self::Receivables => "Berapa yang belum dilunasi, dan sudah berapa lama.",
            Self::Products => "Barang yang paling cepat laku, dan yang jalannya pelan.",
            Self::DeadStock => "Barang yang lama tidak laku, dan modal yang tertahan di dalamnya.",
            Self::LowStock => "Seberapa sering dan berapa lama barang rendah, dan secepat apa ditanggapi.",
            Self::Movements => "Berapa barang masuk dan keluar, dan karena apa.",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::Comparison => "shop",
            Self::Peaks => "clock",
            Self::Payers => "shield",
            Self::Receivables => "cash",
            Self::Products => "trend-up",
            Self::DeadStock => "box",
            Self::LowStock => "alert",
            Self::Movements => "swap",
        }
    }

    /// Some tell how things stand now, whatever happened when.
    pub fn has_period(self) -> bool {
        !matches!(self, Self::Receivables | Self::DeadStock)
    }
}

/// Days of the branches' own calendars, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub since: Date,
    pub until: Date,
}

/// Three years and a bit: longer ones are better asked year by year.
pub const LONGEST_DAYS: i64 = 1_100;

impl Period {
    pub fn days(self) -> i64 {
        (self.until - self.since).whole_days() + 1
    }

    /// The one of the same length that ends where this one begins.
    pub fn before(self) -> Self {
        let until = self.since - Duration::DAY;
        Self { since: until - Duration::days(self.days() - 1), until }
    }

    /// `1–21 November 2026`, as people write it.
    pub fn label(self) -> String {
        let (since, until) = (self.since, self.until);
        let end = crate::branches::long_date(until);
        let end = end.split_once(", ").map_or(end.as_str(), |(_, date)| date);
        if since == until {
            return end.to_owned();
        }
        if (since.year(), since.month()) == (until.year(), until.month()) {
            return format!("{}–{end}", since.day());
        }
        let begin = crate::branches::long_date(since);
        let begin = begin.split_once(", ").map_or(begin.as_str(), |(_, date)| date);
        format!("{begin} – {end}")
    }
}

/// A part of what is asked for: of which branches (none: all), which is their today, and over which days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub scope: Option<BranchId>,
    pub today: Date,
    pub period: Period,
}

impl Span {
    /// "Today" and "this month" are each branch's own: two hours a day it is tomorrow already in Jayapura and not yet in Jakarta.
    /// While all have one date, and that is most of the day, one statement answers for all; else one for each branch.
    pub fn of(
        scope: Option<BranchId>,
        todays: &[(BranchId, Date)],
        period: impl Fn(Date) -> Period,
    ) -> Option<Vec<Self>> {
        let span = |scope, today| Self { scope, today, period: period(today) };
        let (_, first) = todays.first()?;
        if todays.iter().all(|(_, today)| today == first) {
            return Some(vec![span(scope, *first)]);
        }
        Some(todays.iter().map(|(branch, today)| span(Some(*branch), *today)).collect())
    }
}

/// The periods that people ask for most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Today,
    Week,
    Days30,
    ThisMonth,
    LastMonth,
    Days90,
    ThisYear,
    Year,
}

impl Preset {
    pub const ALL: [Self; 8] = [
        Self::Today,
        Self::Week,
        Self::Days30,
        Self::ThisMonth,
        Self::LastMonth,
        Self::Days90,
        Self::ThisYear,
        Self::Year,
    ];

    /// As in addresses.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Today => "hari-ini",
            Self::Week => "7-hari",
            Self::Days30 => "30-hari",
            Self::ThisMonth => "bulan-ini",
            Self::LastMonth => "bulan-lalu",
            Self::Days90 => "90-hari",
            Self::ThisYear => "tahun-ini",
            Self::Year => "12-bulan",
        }
    }

    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.slug() == slug)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Today => "Hari ini",
            Self::Week => "7 hari",
            Self::Days30 => "30 hari",
            Self::ThisMonth => "Bulan ini",
            Self::LastMonth => "Bulan lalu",
            Self::Days90 => "90 hari",
            Self::ThisYear => "Tahun ini",
            Self::Year => "12 bulan",
        }
    }

    pub fn of(self, today: Date) -> Period {
        let first_of = |date: Date| date - Duration::days(i64::from(date.day()) - 1);
        let back = |days: i64| Period { since: today - Duration::days(days - 1), until: today };
        match self {
            Self::Today => back(1),
            Self::Week => back(7),
            Self::Days30 => back(30),
            Self::Days90 => back(90),
            Self::Year => back(365),
            Self::ThisMonth => Period { since: first_of(today), until: today },
            Self::LastMonth => {
                let until = first_of(today) - Duration::DAY;
                Period { since: first_of(until), until }
            }
            Self::ThisYear => {
                let since = Date::from_calendar_date(today.year(), Month::January, 1);
                Period { since: since.expect("every year has a first of January"), until: today }
            }
        }
    }
}

/// What patients paid and owe on one day of one branch, and who took it: signed when the day is closed.
#[derive(Debug)]
pub struct Closing {
    pub head: sql::DayHead,
    pub classes: Vec<sql::ClassLine>,
    pub kasirs: Vec<sql::KasirLine>,
    pub money: Vec<sql::MoneyLine>,
    pub cancelled: Vec<sql::CancelledLine>,
}

impl Closing {
    /// Of sales that stand.
    pub fn total(&self) -> Rupiah {
        self.classes.iter().map(|class| class.total).sum()
    }

    pub fn count(&self) -> i64 {
        self.classes.iter().map(|class| class.jumlah).sum()
    }

    pub fn bpjs(&self) -> Rupiah {
        self.classes.iter().map(|class| class.omset_bpjs).sum()
    }

    pub fn umum(&self) -> Rupiah {
        self.classes.iter().map(|class| class.omset_umum).sum()
    }

    /// What that day's sales still owe, as of now.
    pub fn owed(&self) -> Rupiah {
        self.classes.iter().map(|class| class.kekurangan).sum()
    }

    fn money(&self, counts: impl Fn(&sql::MoneyLine) -> bool) -> Rupiah {
        self.money.iter().filter(|line| counts(line)).map(|line| line.jumlah).sum()
    }

    /// Received in one way of paying: for sales of the day, for older ones (instalments, DP), and paid back.
    pub fn by_method(&self, metode: &str) -> [Rupiah; 4] {
        let of = |kind| self.money(|line| line.metode == metode && line.kind == kind);
        let parts = [of(sql::MoneyKind::OfToday), of(sql::MoneyKind::OfOlder), of(sql::MoneyKind::PaidBack)];
        [parts[0], parts[1], parts[2], parts.into_iter().sum()]
    }

    /// The same over all ways.
    pub fn received(&self) -> [Rupiah; 4] {
        METHODS.iter().map(|(metode, _)| self.by_method(metode)).fold([Rupiah::ZERO; 4], |sum, line| {
            [sum[0] + line[0], sum[1] + line[1], sum[2] + line[2], sum[3] + line[3]]
        })
    }

    /// What a kasir took in cash, less what they paid back.
    pub fn cash_of(&self, kasir: &sql::KasirLine) -> Rupiah {
        self.money(|line| line.metode == "tunai" && line.user_id == kasir.user_id)
    }

    pub fn received_by(&self, kasir: &sql::KasirLine) -> Rupiah {
        self.money(|line| line.user_id == kasir.user_id)
    }

    /// The same facts as on the page, a line each, for a spreadsheet.
    pub fn sheet(&self) -> Sheet {
        let mut rows = Vec::new();
        let mut line = |part: &str, of: &str, what: &str, count: Option<i64>, amount: Option<Rupiah>| {
            rows.push(vec![
                Cell::Day(Some(self.head.tanggal)),
                Cell::text(&self.head.cabang),
                Cell::text(part),
                Cell::text(of),
                Cell::text(what),
                count.map_or_else(|| Cell::text(""), Cell::Count),
                amount.map_or_else(|| Cell::text(""), Cell::Money),
            ]);
        };
        for class in &self.classes {
            let of = class.service_type.as_str();
            line("Penjualan", of, "Omset", Some(class.jumlah), Some(class.total));
            line("Penjualan", of, "Klaim BPJS", None, Some(class.omset_bpjs));
            line("Penjualan", of, "Pasien", None, Some(class.omset_umum));
            line("Penjualan", of, "Masih kurang", None, Some(class.kekurangan));
            line("Penjualan", of, "Naik Kelas", Some(class.naik_kelas), None);
        }
        for (metode, word) in METHODS {
            let [today, older, back, all] = self.by_method(metode);
            line("Uang", word, "Penjualan hari ini", None, Some(today));
            line("Uang", word, "DP dan pelunasan penjualan lama", None, Some(older));
            line("Uang", word, "Dikembalikan", None, Some(back));
            line("Uang", word, "Jumlah", None, Some(all));
        }
        for kasir in &self.kasirs {
            line("Kasir", &kasir.kasir, "Omset", Some(kasir.jumlah), Some(kasir.total));
            line("Kasir", &kasir.kasir, "Diterima", None, Some(self.received_by(kasir)));
            line("Kasir", &kasir.kasir, "Di antaranya tunai", None, Some(self.cash_of(kasir)));
        }
        for sale in &self.cancelled {
            line("Dibatalkan", &sale.kode_penjualan, &sale.alasan, None, Some(sale.total));
            line("Dibatalkan", &sale.kode_penjualan, "Dikembalikan", None, Some(sale.kembali));
        }
        let columns = ["Tanggal", "Cabang", "Bagian", "Dari", "Uraian", "Banyak", "Rupiah"];
        Sheet::new("hari", "Laporan harian", &columns, rows)
    }

    /// To be counted in the drawer, beside what lay in it in the morning.
    pub fn cash(&self) -> Rupiah {
        self.by_method("tunai")[3]
    }
}

/// `pembayarans.metode`, and its word.
pub const METHODS: [(&str, &str); 3] = [("tunai", "Tunai"), ("transfer", "Transfer"), ("qris", "QRIS")];

/// By `kunci` of the roll-up's `kelas`.
pub const CLASSES: [&str; 4] = ["UMUM", "BPJS I", "BPJS II", "BPJS III"];

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn periods_are_what_people_mean_by_them() {
        let today = date!(2026 - 11 - 21);
        for (preset, since, until) in [
            (Preset::Today, today, today),
            (Preset::Week, date!(2026 - 11 - 15), today),
            (Preset::ThisMonth, date!(2026 - 11 - 01), today),
            (Preset::LastMonth, date!(2026 - 10 - 01), date!(2026 - 10 - 31)),
            (Preset::ThisYear, date!(2026 - 01 - 01), today),
            (Preset::Year, date!(2025 - 11 - 22), today),
        ] {
            assert_eq!(preset.of(today), Period { since, until }, "{}", preset.slug());
        }
        let march = Preset::LastMonth.of(date!(2024 - 03 - 31));
        assert_eq!((march.since, march.days()), (date!(2024 - 02 - 01), 29));
        assert_eq!(march.before(), Period { since: date!(2024 - 01 - 03), until: date!(2024 - 01 - 31) });
    }

    #[test]
    fn branches_have_their_own_today() {
        let (eve, day) = (date!(2026 - 10 - 31), date!(2026 - 11 - 01));
        let month = |today| Preset::ThisMonth.of(today);
        let one = Span { scope: None, today: day, period: month(day) };
        assert_eq!(Span::of(None, &[(BranchId(1), day), (BranchId(2), day)], month), Some(vec![one]));
        let of = |branch, today| Span { scope: Some(BranchId(branch)), today, period: month(today) };
        assert_eq!(
            Span::of(None, &[(BranchId(1), eve), (BranchId(2), day)], month),
            Some(vec![of(1, eve), of(2, day)]),
            "in one of them a month has begun"
        );
        assert_eq!(Span::of(None, &[], month), None);
    }

    #[test]
    fn a_period_reads_as_people_write_it() {
        let label = |since, until| Period { since, until }.label();
        assert_eq!(label(date!(2026 - 11 - 01), date!(2026 - 11 - 21)), "1–21 November 2026");
        assert_eq!(label(date!(2026 - 11 - 21), date!(2026 - 11 - 21)), "21 November 2026");
        assert_eq!(label(date!(2026 - 10 - 23), date!(2026 - 11 - 21)), "23 Oktober 2026 – 21 November 2026");
    }
}
