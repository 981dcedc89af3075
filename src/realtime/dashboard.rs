//! The state streams: `dashboard` and `omset-kasir`. Each message is the whole state, built from the days of the branches
//! that its topic covers.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{now, rfc3339};
use crate::hub::{Message, Topic};
use crate::ids::{BranchId, UserId};
use crate::money::Rupiah;
use crate::omset::{BranchDay, Days, Hours, LATEST, LatestSale, Omset, Pace, StockTotals};
use crate::scope::Branches;

#[derive(Serialize)]
struct OmsetFields<'a> {
    omset_kasir: Rupiah,
    omset_bpjs: Rupiah,
    omset_umum: Rupiah,
    jumlah_transaksi: i64,
    transaksi_terbaru: &'a [LatestSale],
}

#[derive(Serialize)]
struct KasirDashboard<'a> {
    branch_name: &'a str,
    open_day_status: bool,
    open_time: Option<&'a str>,
    close_time: Option<&'a str>,
    tanggal: &'a str,
    #[serde(flatten)]
    omset: OmsetFields<'a>,
}

#[derive(Serialize)]
struct Dashboard<'a> {
    total_transaksi_hari_ini: i64,
    total_omset_hari_ini: Rupiah,
    omset_bpjs: Rupiah,
    omset_umum: Rupiah,
    rekap_omset_kasir: Vec<KasirLine<'a>>,
    transaksi_terbaru: Vec<&'a LatestSale>,
    stok: StockTotals,
    tanggal: String,
    /// The takings of each hour of today; of several branches, each by its own clock.
    per_jam: Hours,
    jam: Option<u8>,
    /// Up to this time of day. Null while nothing has been opened: then there is nothing to compare.
    kemarin_jam_segini: Option<Rupiah>,
    pekan_lalu_jam_segini: Option<Rupiah>,
    /// Every branch in scope: for an admin their own.
    per_cabang: Vec<BranchLine<'a>>,
}

#[derive(Serialize)]
struct KasirLine<'a> {
    user_id: UserId,
    kasir_name: &'a str,
    branch_name: &'a str,
    total_omset: Rupiah,
    jumlah_transaksi: i64,
}

#[derive(Serialize)]
struct BranchLine<'a> {
    branch_id: BranchId,
    branch_name: &'a str,
    open_day_status: bool,
    open_time: Option<&'a str>,
    close_time: Option<&'a str>,
    total_omset: Rupiah,
    jumlah_transaksi: i64,
    omset_bpjs: Rupiah,
    omset_umum: Rupiah,
    kemarin_jam_segini: Option<Rupiah>,
    pekan_lalu_jam_segini: Option<Rupiah>,
    stok: StockTotals,
}

fn omset_fields(day: Option<&BranchDay>, user: UserId) -> OmsetFields<'_> {
    let kasir = day.and_then(|day| day.kasirs.iter().find(|kasir| kasir.user_id == user));
    let omset = kasir.map_or(Omset::default(), |kasir| kasir.omset);
    OmsetFields {
        omset_kasir: omset.total(),
        omset_bpjs: omset.omset_bpjs,
        omset_umum: omset.omset_umum,
        jumlah_transaksi: omset.jumlah_transaksi,
        transaksi_terbaru: kasir.map_or(&[], |kasir| &kasir.terbaru),
    }
}

fn kasir_dashboard(days: &Days, user: UserId, branch: BranchId) -> KasirDashboard<'_> {
    let day = days.get(&branch);
    KasirDashboard {
        branch_name: day.map_or("", |day| &day.branch_name),
        open_day_status: day.is_some_and(|day| day.open_day_status),
        open_time: day.and_then(|day| day.open_time.as_deref()),
        close_time: day.and_then(|day| day.close_time.as_deref()),
        tanggal: day.map_or("", |day| &day.tanggal),
        omset: omset_fields(day, user),
    }
}

fn dashboard(days: &Days, branches: Branches) -> Dashboard<'_> {
    let covered = || days.values().filter(move |day| branches.contain(day.branch_id));
    let omset: Omset = covered().map(BranchDay::omset).sum();
    let pace = Pace::of(covered());
    let mut rekap: Vec<_> = covered()
        .flat_map(|day| {
            day.kasirs.iter().map(|kasir| KasirLine {
                user_id: kasir.user_id,
                kasir_name: &kasir.name,
                branch_name: &day.branch_name,
                total_omset: kasir.omset.total(),
                jumlah_transaksi: kasir.omset.jumlah_transaksi,
            })
        })
        .collect();
    rekap.sort_by(|a, b| {
        b.total_omset.cmp(&a.total_omset).then(a.kasir_name.cmp(b.kasir_name)).then(a.user_id.cmp(&b.user_id))
    });
    let mut terbaru: Vec<_> = covered().flat_map(|day| &day.terbaru).collect();
    terbaru.sort_by_key(|sale| std::cmp::Reverse((sale.at, sale.id)));
    terbaru.truncate(LATEST);
    Dashboard {
        total_transaksi_hari_ini: omset.jumlah_transaksi,
        total_omset_hari_ini: omset.total(),
        omset_bpjs: omset.omset_bpjs,
        omset_umum: omset.omset_umum,
        rekap_omset_kasir: rekap,
        transaksi_terbaru: terbaru,
        stok: totals(days, branches),
        tanggal: pace.tanggal,
        per_jam: pace.per_jam,
        jam: pace.jam,
        kemarin_jam_segini: pace.kemarin,
        pekan_lalu_jam_segini: pace.pekan_lalu,
        per_cabang: covered().filter(|day| branches != Branches::All || !day.is_retired).map(branch_line).collect(),
    }
}

fn branch_line(day: &BranchDay) -> BranchLine<'_> {
    let omset = day.omset();
    BranchLine {
        branch_id: day.branch_id,
        branch_name: &day.branch_name,
        open_day_status: day.open_day_status,
        open_time: day.open_time.as_deref(),
        close_time: day.close_time.as_deref(),
        total_omset: omset.total(),
        jumlah_transaksi: omset.jumlah_transaksi,
        omset_bpjs: omset.omset_bpjs,
        omset_umum: omset.omset_umum,
        kemarin_jam_segini: day.yesterday_so_far(),
        pekan_lalu_jam_segini: day.last_week_so_far(),
        stok: day.stok,
    }
}

/// How many products are low and medium: the navbar's badge.
pub fn totals(days: &Days, branches: Branches) -> StockTotals {
    days.values().filter(|day| branches.contain(day.branch_id)).fold(StockTotals::default(), |sum, day| StockTotals {
        low: sum.low + day.stok.low,
        medium: sum.medium + day.stok.medium,
    })
}

/// The state of a topic as a JSON object without its `type` and `timestamp`; `None` for topics that are no state.
fn body(topic: Topic, days: &Days) -> Option<(&'static str, &'static str, serde_json::Result<String>)> {
    Some(match topic {
        Topic::Dashboard(branches) => {
            ("dashboard", "dashboard_update", serde_json::to_string(&dashboard(days, branches)))
        }
        Topic::KasirDashboard(user, branch) => {
            ("dashboard", "dashboard_update", serde_json::to_string(&kasir_dashboard(days, user, branch)))
        }
        Topic::Omset(user, branch) => {
            ("omset-kasir", "omset_update", serde_json::to_string(&omset_fields(days.get(&branch), user)))
        }
        _ => return None,
    })
}

/// What the state topics said last, so that a change which changes nothing they say is not said.
#[derive(Default)]
pub struct States {
    said: HashMap<Topic, String>,
}

impl States {
    /// The message of a topic, if it says something new since the last call for this topic.
    pub fn news(&mut self, topic: Topic, days: &Days) -> Option<Message> {
        let (event, kind, body) = body(topic, days)?;
        let body = body.expect("strings and numbers always serialise");
        if self.said.get(&topic) == Some(&body) {
            return None;
        }
        let json = format!(r#"{{"type":"{kind}","timestamp":"{}",{}"#, rfc3339(now()), &body[1..]);
        self.said.insert(topic, body);
        Some(Message { event, json: json.into() })
    }

    /// Topics without subscribers are forgotten; the next subscriber is told afresh.
    pub fn keep_only(&mut self, topics: &HashSet<Topic>) {
        self.said.retain(|topic, _| topics.contains(topic));
    }

    pub fn forget(&mut self, topic: Topic) {
        self.said.remove(&topic);
    }
}
