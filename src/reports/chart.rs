//! Charts drawn on the server: they need no script, print as they are, and the table below has the same numbers in words.

use time::Date;

use super::Period;
use crate::money::Rupiah;

/// Bars of one or two parts on top of each other, in the order of time.
#[derive(Debug)]
pub struct Bars {
    /// What a screen reader says of it.
    pub label: String,
    /// The word and the colour (a class of the style sheet) of each part.
    pub parts: Vec<(&'static str, &'static str)>,
    pub bars: Vec<Bar>,
    /// Four lines across, from the top: what they stand for.
    pub scale: [String; 5],
    /// Under the axis, evenly.
    pub ticks: Vec<String>,
}

#[derive(Debug)]
pub struct Bar {
    /// For the pointer: `Senin, 3 November: Rp 1.000`.
    pub title: String,
    pub pieces: Vec<Piece>,
}

/// In thousandths of the chart's width and height.
#[derive(Debug)]
pub struct Piece {
    pub class: &'static str,
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
}

#[derive(Debug, Clone, Copy)]
pub enum Unit {
    Rupiah,
    Pieces,
}

impl Unit {
    fn full(self, value: i64) -> String {
        match self {
            Self::Rupiah => Rupiah(value).to_string(),
            Self::Pieces => Rupiah(value).grouped(),
        }
    }

    /// `1,5 jt`: an axis has little room.
    fn short(self, value: i64) -> String {
        let (divisor, word) = match value {
            1_000_000_000.. => (1_000_000_000, " M"),
            1_000_000.. => (1_000_000, " jt"),
            10_000.. => (1_000, " rb"),
            _ => return Rupiah(value).grouped(),
        };
        match (value % divisor) * 10 / divisor {
            0 => format!("{}{word}", value / divisor),
            tenths => format!("{},{tenths}{word}", value / divisor),
        }
    }
}

/// The least round number (1, 2, 4 or 8 and zeros) that is not below `value`: its quarters are readable.
fn round_up(value: i64) -> i64 {
    let mut magnitude = 1;
    loop {
        for step in [1, 2, 4, 8] {
            // a quarter of less than four is no whole piece
            let round = step * magnitude;
            if round >= value && round >= 4 {
                return round;
            }
        }
        magnitude *= 10;
    }
}

/// The bars of a period: a day each, or a week, or a month, so that there are never too many to tell apart. `values` has the
/// parts of each day that has any.
pub fn bars(
    label: &str,
    unit: Unit,
    parts: Vec<(&'static str, &'static str)>,
    period: Period,
    values: &[(Date, Vec<i64>)],
) -> Bars {
    let steps = steps(period);
    let mut sums = vec![vec![0_i64; parts.len()]; steps.len()];
    for (day, values) in values {
        // the last step that does not begin after the day
        let place = steps.partition_point(|step| step.since <= *day).saturating_sub(1);
        for (sum, value) in sums[place].iter_mut().zip(values) {
            *sum += value;
        }
    }
    let highest = round_up(sums.iter().map(|sums| sums.iter().sum()).max().unwrap_or(0));
    let slot = 1_000 * 100 / steps.len().max(1) as i64;
    let bars = steps.iter().zip(&sums).enumerate().map(|(place, (step, sums))| {
        let mut y = 1_000;
        let pieces = sums.iter().zip(&parts).map(|(sum, (_, class))| {
            // in hundredths first, so that a hundred bars do not add up to a gap
            let height = 1_000 * sum / highest;
            y -= height;
            Piece { class, x: (place as i64 * slot + slot / 8) / 100, y, width: (slot * 3 / 4) / 100, height }
        });
        let pieces = pieces.filter(|piece| piece.height > 0).collect();
        let said = sums.iter().zip(&parts).map(|(sum, (word, _))| format!("{word} {}", unit.full(*sum)));
        Bar { title: format!("{}: {}", step.label(), Vec::from_iter(said).join(", ")), pieces }
    });
    let every = steps.len().div_ceil(8).max(1);
    Bars {
        label: format!("{label}, {}", period.label()),
        bars: bars.collect(),
        scale: [4, 3, 2, 1, 0].map(|quarters| unit.short(highest * quarters / 4)),
        ticks: steps.iter().step_by(every).map(|step| step.tick()).collect(),
        parts,
    }
}

#[derive(Debug, Clone, Copy)]
struct Step {
    since: Date,
    until: Date,
    is_month: bool,
}

impl Step {
    fn label(&self) -> String {
        Period { since: self.since, until: self.until }.label()
    }

    fn tick(&self) -> String {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"];
        let month = MONTHS[usize::from(u8::from(self.since.month())) - 1];
        if self.is_month {
            format!("{month} {}", self.since.year() % 100)
        } else {
            format!("{} {month}", self.since.day())
        }
    }
}

fn steps(period: Period) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut since = period.since;
    while since <= period.until {
        let is_month = period.days() > 190;
        let next = match period.days() {
            ..=45 => since.next_day(),
            46..=190 => since.checked_add(time::Duration::days(7)),
            _ => {
                let month = since.month().next();
                let year = since.year() + i32::from(month == time::Month::January);
                Date::from_calendar_date(year, month, 1).ok()
            }
        };
        let last = next.and_then(Date::previous_day).unwrap_or(period.until).min(period.until);
        steps.push(Step { since, until: last, is_month });
        let Some(next) = next else { break };
        since = next;
    }
    steps
}

/// Lying bars, the longest first: who or what has most.
#[derive(Debug)]
pub struct Ranks {
    pub title: &'static str,
    pub rows: Vec<Rank>,
}

#[derive(Debug)]
pub struct Rank {
    pub name: String,
    /// In thousandths of the longest.
    pub length: i64,
    pub value: String,
}

/// The first ten of `values`, as they come.
pub fn ranks(title: &'static str, unit: Unit, values: impl IntoIterator<Item = (String, i64)>) -> Ranks {
    let values: Vec<(String, i64)> = values.into_iter().take(10).collect();
    let most = values.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    let rows = values.into_iter().map(|(name, value)| Rank {
        name,
        length: 1_000 * value.max(0) / most,
        value: unit.full(value),
    });
    Ranks { title, rows: rows.collect() }
}

/// A table of numbers with a colour for each: weekdays down, hours across.
#[derive(Debug)]
pub struct Heat {
    pub hours: Vec<i32>,
    pub rows: Vec<HeatRow>,
}

#[derive(Debug)]
pub struct HeatRow {
    pub day: &'static str,
    pub cells: Vec<HeatCell>,
}

#[derive(Debug, Clone, Copy)]
pub struct HeatCell {
    pub count: i64,
    /// 0 (nothing) to 5 (the most).
    pub level: i64,
}

pub const WEEKDAYS: [&str; 7] = ["Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"];

/// From the first to the last hour in which anything was sold; empty if nothing was.
pub fn heat(counts: &[(i32, i32, i64)]) -> Heat {
    let hours = counts.iter().map(|(_, hour, _)| *hour);
    let (Some(first), Some(last)) = (hours.clone().min(), hours.max()) else {
        return Heat { hours: Vec::new(), rows: Vec::new() };
    };
    let most = counts.iter().map(|(_, _, count)| *count).max().unwrap_or(0).max(1);
    let row = |(place, day)| HeatRow {
        day,
        cells: (first..=last)
            .map(|hour| {
                let is_here = |&&(weekday, at, _): &&(i32, i32, i64)| (weekday, at) == (place as i32 + 1, hour);
                let count = counts.iter().find(is_here).map_or(0, |(_, _, count)| *count);
                HeatCell { count, level: (5 * count + most - 1) / most }
            })
            .collect(),
    };
    Heat { hours: (first..=last).collect(), rows: WEEKDAYS.into_iter().enumerate().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (value, end) in [(0, 4), (3, 4), (5, 8), (9, 10), (11, 20), (85, 100), (1_200_000, 2_000_000)] {
            assert_eq!(round_up(value), end, "{value}");
        }
        assert_eq!(Unit::Rupiah.short(1_500_000), "1,5 jt");
        assert_eq!(Unit::Rupiah.short(2_000_000_000), "2 M");
    }

    #[test]
    fn every_day_of_a_period_is_in_one_bar() {
        for days in [1_i64, 30, 45, 46, 190, 191, 365, 1_100] {
            let until = date!(2026 - 11 - 21);
            let period = Period { since: until - time::Duration::days(days - 1), until };
            let values: Vec<_> = (0..days).map(|n| (period.since + time::Duration::days(n), vec![1, 2])).collect();
            let steps = steps(period);
            let lengths = steps.iter().map(|step| (step.until - step.since).whole_days() + 1);
            assert_eq!(lengths.sum::<i64>(), days);
            let chart = bars("x", Unit::Pieces, vec![("a", "a"), ("b", "b")], period, &values);
            assert_eq!(chart.bars.len(), steps.len());
            assert!(chart.bars.len() <= 45 && chart.ticks.len() <= 8, "{days}");
            let is_inside = |p: &Piece| p.y >= 0 && p.y + p.height <= 1_000 && p.width > 0 && p.x + p.width <= 1_000;
            assert!(chart.bars.iter().all(|bar| bar.pieces.iter().all(is_inside)), "{days}");
        }
    }

    #[test]
    fn the_busiest_hour_is_the_darkest() {
        let heat = heat(&[(1, 9, 1), (1, 11, 40), (7, 10, 8)]);
        assert_eq!(heat.hours, [9, 10, 11]);
        let levels: Vec<i64> = heat.rows[0].cells.iter().map(|cell| cell.level).collect();
        assert_eq!((levels, heat.rows[6].cells[1].level), (vec![1, 0, 5], 1));
        assert!(super::heat(&[]).rows.is_empty());
    }
}
