//! The last days of a branch as a line beside its figures. `static/live/spark.js` draws the same when today's end of it moves.

use std::collections::BTreeMap;

use crate::ids::BranchId;
use crate::money::Rupiah;
use crate::omset::{Days, SpanLine};

/// A line's box is 100 wide and 30 high; it keeps this far from the top, and from the bottom, as it has a breadth itself.
const TOP: f64 = 2.0;
const BOTTOM: f64 = 28.0;

#[derive(Debug, Default)]
pub struct Spark {
    /// The days before today, the oldest first.
    past: Vec<Rupiah>,
    today: Rupiah,
}

/// A line for each of `days`, whose past `lines` hold.
pub fn sparks(lines: &[SpanLine], days: &Days) -> BTreeMap<BranchId, Spark> {
    let spark = |(id, day): (&BranchId, &crate::omset::BranchDay)| {
        let mut past: BTreeMap<String, Rupiah> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.branch_id == *id) {
            *past.entry(line.tanggal.to_string()).or_default() += line.omset_bpjs + line.omset_umum;
        }
        past.remove(&day.tanggal);
        (*id, Spark { past: past.into_values().collect(), today: day.omset().total() })
    };
    days.iter().map(spark).collect()
}

impl Spark {
    /// As `data-past` carries it to the script.
    pub fn listed(&self) -> String {
        self.past.iter().map(|amount| amount.0.to_string()).collect::<Vec<_>>().join(" ")
    }

    /// The path; empty for a branch that has no past.
    pub fn line(&self) -> String {
        if self.past.is_empty() {
            return String::new();
        }
        let amounts: Vec<f64> = self.past.iter().chain([&self.today]).map(|amount| amount.0 as f64).collect();
        let highest = amounts.iter().copied().fold(1.0, f64::max);
        let step = 100.0 / (amounts.len() - 1) as f64;
        let point = |(place, amount): (usize, &f64)| {
            format!("{:.1} {:.1}", place as f64 * step, BOTTOM - (BOTTOM - TOP) * amount / highest)
        };
        format!("M{}", amounts.iter().enumerate().map(point).collect::<Vec<_>>().join("L"))
    }

    /// What lies below the line.
    pub fn area(&self) -> String {
        let line = self.line();
        if line.is_empty() { line } else { format!("{line}L100 30L0 30z") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_day_touches_the_top_and_a_day_without_a_sale_the_bottom() {
        let spark = Spark { past: vec![Rupiah(500), Rupiah(0)], today: Rupiah(1_000) };
        assert_eq!(spark.line(), "M0.0 15.0L50.0 28.0L100.0 2.0");
        assert_eq!(spark.listed(), "500 0");
        assert_eq!(Spark::default().area(), "");
        assert_eq!(Spark { past: vec![Rupiah(0)], today: Rupiah(0) }.line(), "M0.0 28.0L100.0 28.0");
    }
}
