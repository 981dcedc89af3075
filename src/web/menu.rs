//! The places of the navigation: one list for the sidebar, the phone's tab bar, and the page behind its "Lainnya".

use super::page::{Nav, Shell};
use crate::scope::Role;

/// A place that the navigation leads to.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub nav: Nav,
    pub href: &'static str,
    pub icon: &'static str,
    pub label: &'static str,
    /// Its word in the tab bar, which has room for four and "Lainnya"; what has none is found there.
    pub tab: Option<&'static str>,
    who: Who,
}

/// Whose navigation has it. Only a signpost: the door is guarded where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Everyone,
    /// Whoever stands in one shop.
    InAShop,
    Managers,
    HeadOffice,
}

const fn place(who: Who, nav: Nav, href: &'static str, icon: &'static str, label: &'static str) -> Place {
    Place { nav, href, icon, label, tab: None, who }
}

impl Place {
    const fn tab(self, tab: &'static str) -> Self {
        Self { tab: Some(tab), ..self }
    }
}

/// The day's work.
const WORK: &[Place] = &[
    place(Who::Everyone, Nav::Home, "/", "home", "Beranda").tab("Beranda"),
    place(Who::InAShop, Nav::Sell, "/penjualan/create", "sale", "Penjualan baru").tab("Jual"),
    place(Who::Everyone, Nav::Sales, "/penjualan", "history", "Penjualan"),
    place(Who::Everyone, Nav::Orders, "/pesanan", "board", "Pesanan").tab("Pesanan"),
    place(Who::Everyone, Nav::Stock, "/stok", "glasses", "Stok").tab("Stok"),
    place(Who::Everyone, Nav::Patients, "/pasien", "person", "Pasien"),
    place(Who::Everyone, Nav::Alerts, "/peringatan", "alert", "Peringatan"),
    place(Who::Everyone, Nav::Notifications, "/notifikasi", "bell", "Notifikasi"),
    place(Who::Managers, Nav::Reports, "/laporan", "report", "Laporan"),
];

/// What is set up once, and looked after.
const SETTINGS: &[Place] = &[
    place(Who::Managers, Nav::Monitoring, "/pantauan", "pulse", "Pantauan"),
    place(Who::Managers, Nav::People, "/pengguna", "people", "Pengguna"),
    place(Who::Managers, Nav::Rates, "/tarif", "cash", "Tarif BPJS"),
    place(Who::HeadOffice, Nav::Branches, "/cabang", "shop", "Cabang"),
    place(Who::HeadOffice, Nav::Audit, "/audit", "shield", "Catatan audit"),
];

impl Shell {
    pub fn work(&self) -> Vec<Place> {
        self.places(WORK)
    }

    pub fn settings(&self) -> Vec<Place> {
        self.places(SETTINGS)
    }

    fn places(&self, places: &[Place]) -> Vec<Place> {
        let role = self.viewer.role;
        let is_here = |place: &&Place| match place.who {
            Who::Everyone => true,
            Who::InAShop => self.can_sell(),
            Who::Managers => role != Role::Kasir,
            Who::HeadOffice => role == Role::SuperAdmin,
        };
        places.iter().filter(is_here).copied().collect()
    }

    /// Whether the tab "Lainnya" is the way to this page.
    pub fn is_without_tab(&self) -> bool {
        !self.work().iter().any(|place| place.tab.is_some() && place.nav == self.nav)
    }
}
