//! The board: every order in its lane, and the button that moves it on.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::Deserialize;

use super::sql::{self, Shown, Ticket};
use super::{OLD_DAYS, PROMISED_DAYS, WorkStatus};
use crate::App;
use crate::ids::SaleId;
use crate::money::Rupiah;
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::page::{Nav, Page, Shell, url_part};

pub fn routes() -> Router<App> {
    Router::new().route("/pesanan", get(board))
}

#[derive(Template)]
#[template(path = "orders/board.html")]
struct Board {
    shell: Shell,
    lanes: Vec<Lane>,
    shown: Shown,
    cari: String,
    /// Why the last press did nothing, where its card is no longer to be seen.
    refusal: Option<&'static str>,
}

struct Lane {
    status: WorkStatus,
    count: i64,
    tickets: Vec<Card>,
}

struct Card {
    ticket: Ticket,
    /// Why the last press on this card did nothing.
    refusal: Option<&'static str>,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    saring: String,
    #[serde(default)]
    cari: String,
    /// The order that could not be moved, and the code of the refusal: the board says why at its card.
    ditolak: Option<SaleId>,
    #[serde(default)]
    sebab: String,
}

async fn board(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<Board>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Orders, "Pesanan").await?;
    let shown = match wanted.saring.as_str() {
        "kurang" => Shown::Unpaid,
        "lama" => Shown::Old,
        _ => Shown::All,
    };
    let mut refusal = wanted.ditolak.map(|_| why(&wanted.sebab));
    let mut lanes = WorkStatus::ALL.map(|status| Lane { status, count: 0, tickets: Vec::new() });
    let cari = wanted.cari.split_whitespace().collect::<Vec<_>>().join(" ");
    for ticket in sql::board(&app.pool, &viewer, shown, &cari).await? {
        let lane = &mut lanes[ticket.status_pengerjaan as usize];
        lane.count = ticket.in_lane;
        let refusal = if wanted.ditolak == Some(ticket.id) { refusal.take() } else { None };
        lane.tickets.push(Card { ticket, refusal });
    }
    Ok(Page(Board { shell, lanes: lanes.into(), shown, cari, refusal }))
}

/// The words for a refusal of [`sql::advance`] on a card that shows the order as it is now.
fn why(code: &str) -> &'static str {
    match code {
        "unpaid" => "Belum bisa diserahkan, masih kurang bayar.",
        "cancelled" => "Penjualan ini sudah dibatalkan.",
        "status_changed" => "Baru saja dipindahkan rekan lain ke lajur ini.",
        _ => "Belum bisa dipindahkan ke sana.",
    }
}

impl Lane {
    fn hidden(&self) -> i64 {
        self.count - self.tickets.len() as i64
    }
}

impl Ticket {
    fn owes(&self) -> bool {
        self.kekurangan > Rupiah::ZERO
    }

    fn age(&self) -> String {
        super::age(self.minutes_old)
    }

    /// What is said beside the age of an order that waits too long: the workshop is late, or the patient is.
    fn lateness(&self) -> Option<String> {
        let days = self.minutes_old / 1_440;
        let beyond = days - i64::from(PROMISED_DAYS);
        match self.status_pengerjaan {
            WorkStatus::Taken => None,
            WorkStatus::Ready if days >= i64::from(OLD_DAYS) => Some("belum diambil".to_owned()),
            WorkStatus::Ready => None,
            _ if beyond > 0 => Some(format!("lewat janji {beyond} hari")),
            _ if beyond == 0 => Some("dijanjikan hari ini".to_owned()),
            _ => None,
        }
    }

    /// `long` from the fourth day, `late` after the promised one: the words of the style sheet.
    fn age_mark(&self) -> Option<&'static str> {
        match self.minutes_old / 1_440 {
            days if days > i64::from(PROMISED_DAYS) => Some("late"),
            days if days >= i64::from(OLD_DAYS) => Some("long"),
            _ => None,
        }
    }
}

impl Board {
    /// The board with this filter, and what is searched for.
    fn link(&self, saring: &str) -> String {
        let query = [("saring", saring), ("cari", self.cari.as_str())];
        let query = query.into_iter().filter(|(_, text)| !text.is_empty());
        let query: Vec<String> = query.map(|(name, text)| format!("{name}={}", url_part(text))).collect();
        if query.is_empty() { "/pesanan".to_owned() } else { format!("/pesanan?{}", query.join("&")) }
    }

    fn is_filtered(&self) -> bool {
        self.shown != Shown::All || !self.cari.is_empty()
    }
}

impl Shown {
    /// As in `?saring=`.
    fn name(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Unpaid => "kurang",
            Self::Old => "lama",
        }
    }
}

impl WorkStatus {
    /// What the button says that moves an order on from here.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Waiting => "Mulai",
            Self::Doing => "Siap",
            Self::Ready => "Serahkan",
            Self::Taken => "",
        }
    }
}
