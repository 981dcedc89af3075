//! The chart of a day's hours as the server draws it: an SVG and a table, for whoever has no script. `static/live/chart.js`
//! draws the same, and goes on with it.

use std::ops::RangeInclusive;

use crate::money::Rupiah;
use crate::omset::{HOURS, Hours, Pace, PastHours};

/// A shop is open between these; a day that is longer is drawn longer.
const FIRST: usize = 8;
const LAST: usize = 19;

pub struct HourChart {
    pub today: Hours,
    pub past: PastHours,
    /// The hour that is running.
    pub jam: Option<usize>,
    first: usize,
    last: usize,
    /// The amounts at the lines of the grid, from the top down to zero.
    grid: Vec<i64>,
}

pub struct Bar {
    pub class: &'static str,
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

pub struct Row {
    pub hour: usize,
    pub today: Rupiah,
    pub kemarin: Rupiah,
    pub pekan_lalu: Rupiah,
    /// Outside of the hours that the chart shows.
    pub is_hidden: bool,
}

impl HourChart {
    pub fn new(pace: &Pace, past: PastHours) -> Self {
        let all = [&pace.per_jam, &past.kemarin, &past.pekan_lalu];
        let busy = |hour: &usize| all.iter().any(|hours| hours[*hour] != Rupiah::ZERO);
        let highest = all.iter().flat_map(|hours| hours.iter()).max().map_or(0, |amount| amount.0);
        Self {
            today: pace.per_jam,
            past,
            jam: pace.jam.map(usize::from),
            first: (0..HOURS).find(busy).map_or(FIRST, |hour| hour.min(FIRST)),
            last: (0..HOURS).rfind(busy).map_or(LAST, |hour| hour.max(LAST)),
            grid: grid(highest),
        }
    }

    pub fn hours(&self) -> RangeInclusive<usize> {
        self.first..=self.last
    }

    fn slot(&self) -> f64 {
        100.0 / (self.last - self.first + 1) as f64
    }

    fn height(&self, amount: Rupiah) -> f64 {
        100.0 * amount.0 as f64 / self.grid[0] as f64
    }

    pub fn bars(&self) -> Vec<Bar> {
        let bar = |hour: usize| Bar {
            class: if Some(hour) == self.jam { "running" } else { "today" },
            x: ((hour - self.first) as f64 + 0.2) * self.slot(),
            y: 100.0 - self.height(self.today[hour]),
            width: 0.6 * self.slot(),
            height: self.height(self.today[hour]),
        };
        self.hours().map(bar).collect()
    }

    /// The path of a line through the middle of each hour.
    pub fn path(&self, hours: &Hours) -> String {
        let point = |hour: usize| {
            let x = ((hour - self.first) as f64 + 0.5) * self.slot();
            format!("{x:.2} {:.2}", 100.0 - self.height(hours[hour]))
        };
        format!("M{}", self.hours().map(point).collect::<Vec<_>>().join("L"))
    }

    /// Where the lines of the grid are, and what stands beside them.
    pub fn grid_lines(&self) -> Vec<(f64, String)> {
        self.grid.iter().map(|amount| (100.0 - self.height(Rupiah(*amount)), short(*amount))).collect()
    }

    /// Every hour, so that a sale at an unusual one has its row.
    pub fn rows(&self) -> Vec<Row> {
        let row = |hour: usize| Row {
            hour,
            today: self.today[hour],
            kemarin: self.past.kemarin[hour],
            pekan_lalu: self.past.pekan_lalu[hour],
            is_hidden: !(self.first..=self.last).contains(&hour),
        };
        (0..HOURS).map(row).collect()
    }

    /// What the picture says, in a sentence. The script says it in the same words.
    pub fn summary(&self) -> String {
        let best = (0..HOURS).rev().max_by_key(|hour| self.today[*hour]).unwrap_or_default();
        if self.today[best] <= Rupiah::ZERO {
            return "Omset per jam. Belum ada omset hari ini.".to_owned();
        }
        format!(
            "Omset per jam. Hari ini tertinggi pukul {best:02}.00, {}; kemarin pada jam yang sama {}.",
            self.today[best], self.past.kemarin[best]
        )
    }
}

/// The amounts as `data-hours` carries them to the script.
pub fn listed(hours: &Hours) -> String {
    hours.iter().map(|amount| amount.0.to_string()).collect::<Vec<_>>().join(" ")
}

/// At most five equal steps of a round amount, from above `highest` down to zero.
fn grid(highest: i64) -> Vec<i64> {
    let mut power = 10_000;
    let step = loop {
        if let Some(step) = [1, 2, 5].map(|digit| digit * power).into_iter().find(|step| highest <= 5 * step) {
            break step;
        }
        power *= 10;
    };
    let steps = highest.div_euclid(step) + i64::from(highest % step > 0);
    (0..=steps.max(1)).rev().map(|line| line * step).collect()
}

/// `1,5 jt`, `500 rb`: an amount where there is little room.
fn short(amount: i64) -> String {
    let (unit, word) = match amount {
        0 => return "0".to_owned(),
        1_000_000_000.. => (1_000_000_000, "M"),
        1_000_000.. => (1_000_000, "jt"),
        _ => (1_000, "rb"),
    };
    match 10 * (amount % unit) / unit {
        0 => format!("{} {word}", amount / unit),
        tenth => format!("{},{tenth} {word}", amount / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_round_and_reaches_above_the_highest_hour() {
        assert_eq!(grid(0), [10_000, 0]);
        assert_eq!(grid(3_905_000), [4_000_000, 3_000_000, 2_000_000, 1_000_000, 0]);
        assert_eq!(grid(5_000_001), [6_000_000, 4_000_000, 2_000_000, 0]);
        for highest in [1, 9_999, 10_000, 123_456, 999_999_999, 54_321_000_000] {
            let lines = grid(highest);
            assert!(lines[0] >= highest && lines.len() <= 6, "{highest}: {lines:?}");
        }
        let labels: Vec<String> = grid(2_400_000).into_iter().map(short).collect();
        assert_eq!(labels, ["2,5 jt", "2 jt", "1,5 jt", "1 jt", "500 rb", "0"]);
    }

    #[test]
    fn a_sale_at_night_widens_the_chart() {
        let mut per_jam = [Rupiah::ZERO; HOURS];
        let past = PastHours { kemarin: per_jam, pekan_lalu: per_jam };
        let mut pace = Pace { per_jam, jam: Some(9), tanggal: String::new(), kemarin: None, pekan_lalu: None };
        assert_eq!(HourChart::new(&pace, past).hours(), 8..=19);
        assert_eq!(HourChart::new(&pace, past).summary(), "Omset per jam. Belum ada omset hari ini.");
        per_jam[22] = Rupiah(500_000);
        pace.per_jam = per_jam;
        let chart = HourChart::new(&pace, past);
        assert_eq!(chart.hours(), 8..=22);
        assert!(chart.summary().contains("pukul 22.00"));
        assert_eq!(chart.bars()[1].class, "running");
    }
}
