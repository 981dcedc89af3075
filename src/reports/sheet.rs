//! A table of a report: the same rows for the page, where people read them, and for the file, where programs do.

use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::csv;
use crate::money::Rupiah;

pub const ISO: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const SHORT: &[BorrowedFormatItem<'_>] = format_description!("[day]/[month]/[year]");

#[derive(Debug, Clone)]
pub enum Cell {
    Text(String),
    /// What leads somewhere.
    Link {
        text: String,
        href: String,
    },
    Count(i64),
    Money(Rupiah),
    /// Hundredths; none where there is nothing to divide by.
    Percent(Option<i64>),
    /// How much more than before, in hundredths; none: there was nothing before.
    Change(Option<i64>),
    Day(Option<Date>),
    /// A length of time in minutes; none: it has not happened.
    Minutes(Option<i64>),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// `part` of `whole`.
    pub fn share(part: i64, whole: i64) -> Self {
        Self::Percent((whole > 0).then(|| (100 * part + whole / 2) / whole))
    }

    pub fn change(now: Rupiah, before: Rupiah) -> Self {
        Self::Change((before.0 > 0).then(|| {
            let difference = 100 * (now.0 - before.0);
            (difference + difference.signum() * before.0 / 2) / before.0
        }))
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) | Self::Link { text, .. } => text.clone(),
            Self::Count(count) => Rupiah(*count).grouped(),
            Self::Money(amount) => amount.to_string(),
            Self::Percent(Some(percent)) => format!("{percent}%"),
            Self::Change(Some(percent)) if *percent < 0 => format!("−{}%", -percent),
            Self::Change(Some(percent)) => format!("+{percent}%"),
            Self::Day(Some(day)) => day.format(SHORT).expect("the format names only parts that every date has"),
            Self::Minutes(Some(minutes)) => length(*minutes),
            Self::Percent(None) | Self::Change(None) | Self::Day(None) | Self::Minutes(None) => "–".to_owned(),
        }
    }

    pub fn href(&self) -> Option<&str> {
        match self {
            Self::Link { href, .. } => Some(href),
            _ => None,
        }
    }

    pub fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Link { .. } | Self::Day(_))
    }

    /// `up`, `down` or nothing, for the colour; the sign says it, too.
    pub fn way(&self) -> &'static str {
        match self {
            Self::Change(Some(1..)) => "up",
            Self::Change(Some(..=-1)) => "down",
            _ => "",
        }
    }

    /// For programs: plain numbers, dates as 2026-11-21.
    fn plain(&self) -> String {
        match self {
            Self::Text(text) | Self::Link { text, .. } => text.clone(),
            Self::Count(number) | Self::Money(Rupiah(number)) => number.to_string(),
            Self::Percent(number) | Self::Change(number) | Self::Minutes(number) => {
                number.map(|number| number.to_string()).unwrap_or_default()
            }
            Self::Day(day) => day.map(iso).unwrap_or_default(),
        }
    }
}

pub fn iso(day: Date) -> String {
    day.format(ISO).expect("the format names only parts that every date has")
}

/// `5 menit`, `2 jam 5 menit`, `3 hari 4 jam`.
pub fn length(minutes: i64) -> String {
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours, minutes) {
        (0, 0, minutes) => format!("{minutes} menit"),
        (0, hours, 0) => format!("{hours} jam"),
        (0, hours, minutes) => format!("{hours} jam {minutes} menit"),
        (days, 0, _) => format!("{days} hari"),
        (days, hours, _) => format!("{days} hari {hours} jam"),
    }
}

#[derive(Debug, Clone)]
pub struct Sheet {
    /// As in `?tabel=`.
    pub slug: &'static str,
    pub title: &'static str,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
    /// Below a line, if there is something to add up.
    pub total: Option<Vec<Cell>>,
    /// What the page shows of it; the file has all.
    pub shown: usize,
}

impl Sheet {
    pub fn new(slug: &'static str, title: &'static str, columns: &[&'static str], rows: Vec<Vec<Cell>>) -> Self {
        Self { slug, title, columns: columns.to_vec(), rows, total: None, shown: 50 }
    }

    pub fn total(self, total: Vec<Cell>) -> Self {
        Self { total: Some(total), ..self }
    }

    pub fn shown(&self) -> impl Iterator<Item = &Vec<Cell>> {
        self.rows.iter().take(self.shown)
    }

    /// How many rows are only in the file.
    pub fn hidden(&self) -> usize {
        self.rows.len().saturating_sub(self.shown)
    }

    /// Whether the numbers of a column stand at its right.
    pub fn is_number(&self, column: &usize) -> bool {
        self.rows.first().and_then(|row| row.get(*column)).is_some_and(Cell::is_number)
    }

    pub fn csv(&self) -> String {
        let mut file = csv::BOM.to_owned();
        csv::line(&mut file, &self.columns);
        for row in &self.rows {
            csv::line(&mut file, row.iter().map(Cell::plain));
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_changes_are_rounded_to_the_nearest() {
        assert_eq!(Cell::share(1, 3).shown(), "33%");
        assert_eq!(Cell::share(2, 3).shown(), "67%");
        assert_eq!(Cell::share(0, 0).shown(), "–");
        assert_eq!(Cell::change(Rupiah(150), Rupiah(100)).shown(), "+50%");
        assert_eq!(Cell::change(Rupiah(1), Rupiah(3)).shown(), "−67%");
        assert_eq!(Cell::change(Rupiah(1), Rupiah(0)).shown(), "–");
        assert_eq!([length(5), length(125), length(1440 * 3 + 240)], ["5 menit", "2 jam 5 menit", "3 hari 4 jam"]);
    }

    #[test]
    fn the_file_has_plain_numbers_and_no_formulas() {
        let rows = vec![vec![Cell::text("=HYPERLINK(1)"), Cell::Money(Rupiah(-1_500)), Cell::Percent(None)]];
        let sheet = Sheet::new("x", "X", &["Nama", "Rupiah", "Bagian"], rows);
        assert_eq!(sheet.csv(), "\u{feff}Nama;Rupiah;Bagian\r\n\"'=HYPERLINK(1)\";-1500;\r\n");
    }
}
