//! The dashboards: what a kasir, a branch's admin and the head office open first. The server draws the first state, the
//! `dashboard` stream goes on with it; both come from the same statement ([`crate::omset`]).

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Error;
use super::page::{Nav, Page, Shell};
use crate::App;
use crate::money::Rupiah;
use crate::omset::{self, BranchDay, Days, KasirDay, LATEST, LatestSale, Omset};
use crate::orders::WorkStatus;
use crate::scope::{Branches, Role, Viewer};
use crate::stock::alerts::{AlertRow, alerts};

pub fn routes() -> Router<App> {
    Router::new().route("/", get(home))
}

/// As many products as fit beside the newest sales.
const WORST: usize = 6;

async fn home(State(app): State<App>, viewer: Viewer) -> Result<Response, Error> {
    let title = if viewer.branches() == Branches::All { "Semua cabang" } else { "Beranda" };
    let shell = Shell::load(&app, &viewer, Nav::Home, title).await?;
    let mut db = app.pool.acquire().await?;
    let Some(branch) = viewer.branches().one() else {
        let days = omset::sql::days(&mut db, None).await?;
        let omset = days.values().map(BranchDay::omset).sum();
        return Ok(Page(ChainPage { shell, omset, latest: latest(&days), days }).into_response());
    };
    let mut days = omset::sql::days(&mut db, Some(&[branch])).await?;
    let day = days.remove(&branch).ok_or_else(Error::not_found)?;
    let mut worst = alerts(&mut db, Some(branch)).await?;
    worst.truncate(WORST);
    Ok(if viewer.role == Role::Kasir {
        let own = day.kasirs.into_iter().find(|kasir| kasir.user_id == viewer.id);
        Page(KasirPage { omset: own.as_ref().map_or(Omset::default(), |own| own.omset), own, shell, worst })
            .into_response()
    } else {
        Page(BranchPage { omset: day.omset(), shell, day, worst }).into_response()
    })
}

#[derive(Template)]
#[template(path = "home/kasir.html")]
struct KasirPage {
    shell: Shell,
    omset: Omset,
    own: Option<KasirDay>,
    worst: Vec<AlertRow>,
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
    omset: Omset,
    day: BranchDay,
    worst: Vec<AlertRow>,
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
    omset: Omset,
    latest: Vec<LatestSale>,
    days: Days,
}

/// The newest of all branches.
fn latest(days: &Days) -> Vec<LatestSale> {
    let mut sales: Vec<_> = days.values().flat_map(|day| &day.terbaru).collect();
    sales.sort_by_key(|sale| std::cmp::Reverse((sale.at, sale.id)));
    sales.into_iter().take(LATEST).cloned().collect()
}

impl ChainPage {
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

impl Omset {
    fn average(self) -> Rupiah {
        // rounded as the script rounds it
        let (total, count) = (self.total().0, self.jumlah_transaksi);
        if count > 0 { Rupiah((2 * total + count) / (2 * count)) } else { Rupiah::ZERO }
    }

    /// Where BPJS ends and the patients' part begins in a bar, in percent.
    fn split(self) -> Split {
        let total = self.total().0;
        if total <= 0 {
            return Split { bpjs: 0.0, x: 0.0, umum: 0.0 };
        }
        let bpjs = 100.0 * self.omset_bpjs.0 as f64 / total as f64;
        // a hair between the parts, where there are two
        let gap = if bpjs > 0.0 && bpjs < 100.0 { 0.4 } else { 0.0 };
        Split { bpjs, x: bpjs + gap, umum: (100.0 - bpjs - gap).max(0.0) }
    }
}

struct Split {
    bpjs: f64,
    x: f64,
    umum: f64,
}

/// The style sheet's word for a work status (`data-work`).
fn mark(status: &str) -> &'static str {
    WorkStatus::ALL.into_iter().find(|one| one.to_string() == status).map_or("waiting", WorkStatus::mark)
}
