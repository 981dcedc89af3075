//! The dashboards: what a kasir, a branch's admin and the head office open first, today or over some days; and the navbar's
//! worst products. The server draws the first state, the `dashboard` stream goes on with it; both come from the same
//! statement ([`crate::omset`]).

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::Error;
use super::page::{Nav, Page, Shell};
use crate::App;
use crate::branches;
use crate::ids::BranchId;
use crate::money::Rupiah;
use crate::omset::{self, BranchDay, Days, KasirDay, LATEST, LatestSale, Omset, Pace, Span, Timeframe};
use crate::orders::sql::LaneSummary;
use crate::orders::{self, WorkStatus};
use crate::scope::{Branches, Role, Viewer};
use crate::stock::alerts::{self, WorstRow};

mod chart;
mod spark;
use chart::HourChart;
use spark::{Spark, sparks};

pub fn routes() -> Router<App> {
    Router::new().route("/", get(home)).route("/stok/terendah", get(worst))
}

/// As many products as fit beside the newest sales.
const WORST: i64 = 6;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    rentang: String,
    /// `omset`: the branches side by side, the best first.
    #[serde(default)]
    urut: String,
}

async fn home(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    let scope = viewer.branches();
    let title = if scope == Branches::All { "Semua cabang" } else { "Beranda" };
    let shell = Shell::load(&app, &viewer, Nav::Home, title).await?;
    let mut db = app.pool.acquire().await?;
    let timeframe = Timeframe::named(&wanted.rentang);
    if timeframe != Timeframe::Today {
        let lines = omset::sql::span(&mut db, scope, viewer.omset_of(), timeframe.days()).await?;
        return Ok(Page(SpanPage { shell, timeframe, span: Span::of(&lines) }).into_response());
    }
    let worst = alerts::worst(&mut db, scope, WORST).await?;
    let mut days = match scope.one() {
        Some(branch) => omset::sql::days(&mut db, Some(&[branch])).await?,
        None => omset::sql::days(&mut db, None).await?,
    };
    if viewer.role == Role::Kasir {
        let day = scope.one().and_then(|branch| days.remove(&branch)).ok_or_else(Error::not_found)?;
        let own = day.kasirs.into_iter().find(|kasir| kasir.user_id == viewer.id);
        let omset = own.as_ref().map_or(Omset::default(), |own| own.omset);
        let lanes = orders::sql::summary(&mut db, scope).await?;
        let ready =
            lanes.into_iter().find(|lane| lane.status_pengerjaan == WorkStatus::Ready).ok_or_else(Error::not_found)?;
        return Ok(Page(KasirPage { shell, timeframe, tanggal: day.tanggal, omset, own, ready, worst }).into_response());
    }
    let pace = Pace::of(days.values());
    let past = omset::sql::past_hours(&mut db, scope).await?;
    let lanes = orders::sql::summary(&mut db, scope).await?;
    let omset: Omset = days.values().map(BranchDay::omset).sum();
    let chart = HourChart::new(&pace, past);
    Ok(match scope.one() {
        Some(branch) => {
            let day = days.remove(&branch).ok_or_else(Error::not_found)?;
            Page(BranchPage { shell, timeframe, omset, pace, chart, lanes, worst, day }).into_response()
        }
        None => {
            let lines = omset::sql::span(&mut db, scope, None, Timeframe::Week.days()).await?;
            let (latest, sparks, by_omset) = (latest(&days), sparks(&lines, &days), wanted.urut == "omset");
            let online: BTreeSet<_> = app.live.roll().look().iter().map(|seen| seen.who.user).collect();
            let online = online.len();
            Page(ChainPage {
                shell,
                timeframe,
                omset,
                online,
                pace,
                chart,
                lanes,
                worst,
                latest,
                days,
                sparks,
                by_omset,
            })
            .into_response()
        }
    })
}

/// The navbar's list. It is asked for when somebody opens it, and again when something on it moves.
async fn worst(State(app): State<App>, viewer: Viewer) -> Result<Response, Error> {
    let scope = viewer.branches();
    let mut db = app.pool.acquire().await?;
    let rows = alerts::worst(&mut db, scope, super::page::WORST).await?;
    Ok(Page(WorstList { rows }).into_response())
}

/// Rows of products that need attention, the worst first.
#[derive(Template)]
#[template(path = "home/_worst.html")]
struct WorstList {
    rows: Vec<WorstRow>,
}

#[derive(Template)]
#[template(path = "home/kasir.html")]
struct KasirPage {
    shell: Shell,
    timeframe: Timeframe,
    tanggal: String,
    omset: Omset,
    own: Option<KasirDay>,
    /// What waits for its patient in the shop, whoever sold it.
    ready: LaneSummary,
    worst: Vec<WorstRow>,
}

impl KasirPage {
    fn latest(&self) -> &[LatestSale] {
        self.own.as_ref().map_or(&[], |own| &own.terbaru)
    }
}

#[derive(Template)]
#[template(path = "home/branch.html")]
struct BranchPage {
    shell: Shell,
    timeframe: Timeframe,
    omset: Omset,
    pace: Pace,
    chart: HourChart,
    lanes: Vec<LaneSummary>,
    worst: Vec<WorstRow>,
    day: BranchDay,
}

impl BranchPage {
    fn key(&self, kasir: &KasirDay) -> String {
        row_key(&self.day, kasir)
    }
}

/// The list's `data-key="user_id branch_name"`, as the script builds it.
fn row_key(day: &BranchDay, kasir: &KasirDay) -> String {
    format!("{}|{}", kasir.user_id, day.branch_name)
}

#[derive(Template)]
#[template(path = "home/chain.html")]
struct ChainPage {
    shell: Shell,
    timeframe: Timeframe,
    omset: Omset,
    /// People with a stream to this process, as the `monitoring` stream goes on to say.
    online: usize,
    pace: Pace,
    chart: HourChart,
    lanes: Vec<LaneSummary>,
    worst: Vec<WorstRow>,
    latest: Vec<LatestSale>,
    days: Days,
    /// Of each branch in `days`.
    sparks: BTreeMap<BranchId, Spark>,
    by_omset: bool,
}

/// The newest of all branches.
fn latest(days: &Days) -> Vec<LatestSale> {
    let mut sales: Vec<_> = days.values().flat_map(|day| &day.terbaru).collect();
    sales.sort_by_key(|sale| std::cmp::Reverse((sale.at, sale.id)));
    sales.into_iter().take(LATEST).cloned().collect()
}

impl ChainPage {
    fn branches(&self) -> Vec<(&BranchDay, &Spark)> {
        let mut branches: Vec<_> =
            self.days.values().zip(self.sparks.values()).filter(|(day, _)| !day.is_retired).collect();
        if self.by_omset {
            branches.sort_by_key(|(day, _)| std::cmp::Reverse(day.omset().total()));
        }
        branches
    }

    /// `7 dari 8`; `static/live/day.js` writes the same.
    fn open_branches(&self) -> String {
        let standing = || self.days.values().filter(|day| !day.is_retired);
        format!("{} dari {}", standing().filter(|day| day.open_day_status).count(), standing().count())
    }

    /// The takings that the branches' bars are held against.
    fn best(&self) -> Rupiah {
        self.days.values().map(|day| day.omset().total()).max().unwrap_or(Rupiah::ZERO)
    }

    /// The best first, as the stream orders them.
    fn kasirs(&self) -> Vec<(&BranchDay, &KasirDay)> {
        let mut kasirs: Vec<_> =
            self.days.values().flat_map(|day| day.kasirs.iter().map(move |kasir| (day, kasir))).collect();
        kasirs.sort_by(|(_, a), (_, b)| {
            b.omset.total().cmp(&a.omset.total()).then(a.name.cmp(&b.name)).then(a.user_id.cmp(&b.user_id))
        });
        kasirs
    }
}

/// A dashboard over several days. All of it is drawn again when today's part changes.
#[derive(Template)]
#[template(path = "home/span.html")]
struct SpanPage {
    shell: Shell,
    timeframe: Timeframe,
    span: Span,
}

impl SpanPage {
    fn whose(&self) -> &'static str {
        match (self.shell.viewer.role, self.shell.viewer.branches()) {
            (Role::Kasir, _) => "Omset saya",
            (_, Branches::One(_)) => "Omset cabang",
            (_, Branches::All) => "Omset semua cabang",
        }
    }

    fn day(&self, date: &time::Date) -> String {
        branches::short_date(*date)
    }

    fn shows_kasirs(&self) -> bool {
        self.shell.viewer.role != Role::Kasir
    }
}

impl Timeframe {
    fn href(self) -> String {
        match self {
            Self::Today => "/".to_owned(),
            days => format!("/?rentang={}", days.days()),
        }
    }
}

impl Omset {
    fn count(self) -> String {
        Rupiah(self.jumlah_transaksi).grouped()
    }

    fn average(self) -> Rupiah {
        // rounded as the script rounds it
        let (total, count) = (self.total().0, self.jumlah_transaksi);
        if count > 0 { Rupiah((2 * total + count) / (2 * count)) } else { Rupiah::ZERO }
    }

    /// Where BPJS ends and the patients' part begins in a bar, in percent.
    fn split(self) -> Split {
        self.split_of(self.total())
    }

    /// The same in a bar as long as `whole`, to be held against others.
    fn split_of(self, whole: Rupiah) -> Split {
        if whole.0 <= 0 {
            return Split { bpjs: 0.0, x: 0.0, umum: 0.0 };
        }
        let share = |amount: Rupiah| 100.0 * amount.0 as f64 / whole.0 as f64;
        let (bpjs, umum) = (share(self.omset_bpjs), share(self.omset_umum));
        // a hair between the parts, where there are two
        let gap = if bpjs > 0.0 && umum > 0.0 { 0.4 } else { 0.0 };
        Split { bpjs, x: bpjs + gap, umum: (umum - gap).max(0.0) }
    }
}

struct Split {
    bpjs: f64,
    x: f64,
    umum: f64,
}

/// How much more or less than before. `static/live/delta.js` writes the same.
struct Delta {
    /// `up`, `down` or `flat`; nothing where there is nothing to compare with.
    way: &'static str,
    text: String,
    /// For who does not see the arrow.
    word: &'static str,
}

fn delta(now: Rupiah, before: Option<Rupiah>) -> Delta {
    let Some(before) = before.filter(|before| *before > Rupiah::ZERO) else {
        return Delta { way: "", text: "–".to_owned(), word: " belum ada pembanding" };
    };
    let change = now.0 - before.0;
    let percent = (200 * change.abs() + before.0) / (2 * before.0);
    let (way, word) = match change {
        _ if percent == 0 => ("flat", " sama"),
        1.. => ("up", " naik"),
        _ => ("down", " turun"),
    };
    let text = if percent > 999 { "> 999%".to_owned() } else { format!("{percent}%") };
    Delta { way, text, word }
}

impl BranchDay {
    fn vs_yesterday(&self) -> Delta {
        delta(self.omset().total(), self.yesterday_so_far())
    }

    fn vs_last_week(&self) -> Delta {
        delta(self.omset().total(), self.last_week_so_far())
    }
}

impl Pace {
    fn vs_yesterday(&self) -> Delta {
        delta(self.per_jam.into_iter().sum(), self.kemarin)
    }

    fn vs_last_week(&self) -> Delta {
        delta(self.per_jam.into_iter().sum(), self.pekan_lalu)
    }
}

impl LaneSummary {
    fn oldest(&self) -> Option<String> {
        self.oldest_minutes.map(|minutes| orders::age(minutes).to_lowercase())
    }
}

/// `Sabtu`, of a date as the figures carry it.
fn weekday(tanggal: &str) -> &'static str {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    time::Date::parse(tanggal, format).map_or("Pekan", branches::weekday)
}

/// The style sheet's word for a work status (`data-work`).
fn mark(status: &str) -> &'static str {
    WorkStatus::ALL.into_iter().find(|one| one.to_string() == status).map_or("waiting", WorkStatus::mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_needs_something_to_compare_with() {
        let said = |now, before: Option<i64>| {
            let Delta { way, text, .. } = delta(Rupiah(now), before.map(Rupiah));
            (way, text)
        };
        assert_eq!(said(1_120, Some(1_000)), ("up", "12%".to_owned()));
        assert_eq!(said(0, Some(1_000)), ("down", "100%".to_owned()));
        assert_eq!(said(1_004, Some(1_000)), ("flat", "0%".to_owned()));
        assert_eq!(said(1_000_000, Some(1)), ("up", "> 999%".to_owned()));
        assert_eq!(said(500, Some(0)).0, "");
        assert_eq!(said(500, None).0, "");
    }
}
