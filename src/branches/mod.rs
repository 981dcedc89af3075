//! The shops of the chain, and their days.

use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;

pub mod pages;
pub mod sql;

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Branch {
    pub id: BranchId,
    pub name: String,
    pub kode: String,
    pub timezone: String,
}

impl Branch {
    /// See [`zone`].
    pub fn zone(&self) -> &str {
        zone(&self.timezone)
    }
}

/// What people call a zone: WIB, WITA or WIT. Indonesia has no others; elsewhere the zone's own name.
pub fn zone(timezone: &str) -> &str {
    match timezone {
        "Asia/Jakarta" | "Asia/Pontianak" => "WIB",
        "Asia/Makassar" | "Asia/Ujung_Pandang" => "WITA",
        "Asia/Jayapura" => "WIT",
        other => other,
    }
}

/// The branch that someone works for now. Somebody who looks at all branches must say first which one they mean.
pub fn working_for(viewer: &Viewer) -> Outcome<BranchId> {
    viewer.branches().one().ok_or_else(|| Refusal::conflict("choose_branch", "Pilih dulu cabangnya, lalu coba lagi."))
}

/// A branch's own day: open, closed, or not opened yet.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Today {
    /// `2026-11-21`, branch time.
    pub tanggal: time::Date,
    pub is_open: bool,
    /// `08:02`, branch time; none while the day has not been opened.
    pub opened_at: Option<String>,
    pub opened_by: Option<String>,
    pub closed_at: Option<String>,
    /// The hour on the branch's clock, for a greeting.
    pub hour: i32,
}

impl Today {
    pub fn long_date(&self) -> String {
        long_date(self.tanggal)
    }

    pub fn greeting(&self) -> &'static str {
        match self.hour {
            4..=10 => "Selamat pagi",
            11..=14 => "Selamat siang",
            15..=17 => "Selamat sore",
            _ => "Selamat malam",
        }
    }
}

/// `Sabtu, 21 November 2026`.
pub fn long_date(date: time::Date) -> String {
    const DAYS: [&str; 7] = ["Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"];
    const MONTHS: [&str; 12] = [
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ];
    let day = DAYS[usize::from(date.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(date.month())) - 1];
    format!("{day}, {} {month} {}", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_people_say_them() {
        let date = time::Date::from_calendar_date(2026, time::Month::November, 21).unwrap();
        assert_eq!(long_date(date), "Sabtu, 21 November 2026");
    }
}
