//! The board: every order in its lane, and the button that moves it on.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::Deserialize;

use super::WorkStatus;
use super::sql::{self, Shown, Ticket};
use crate::App;
use crate::ids::SaleId;
use crate::money::Rupiah;
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::page::{Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new().route("/pesanan", get(board))
}

#[derive(Template)]
#[template(path = "orders/board.html")]
struct Board {
    shell: Shell,
    lanes: Vec<Lane>,
    shown: Shown,
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
    let mut lanes = WorkStatus::ALL.map(|status| Lane { status, count: 0, tickets: Vec::new() });
    for ticket in sql::board(&app.pool, &viewer, shown).await? {
        let lane = &mut lanes[ticket.status_pengerjaan as usize];
        lane.count = ticket.in_lane;
        let refusal = wanted.ditolak.filter(|id| *id == ticket.id).map(|_| why(&wanted.sebab));
        lane.tickets.push(Card { ticket, refusal });
    }
    Ok(Page(Board { shell, lanes: lanes.into(), shown }))
}

/// The words for a refusal of [`sql::advance`] on a card that shows the order as it is now.
fn why(code: &str) -> &'static str {
    match code {
        "unpaid" => "Belum bisa diserahkan, masih kurang bayar.",
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
        match self.minutes_old {
            ..1 => "Baru saja".to_owned(),
            minutes @ 1..60 => format!("{minutes} menit"),
            minutes @ 60..1_440 => format!("{} jam", minutes / 60),
            minutes => format!("{} hari", minutes / 1_440),
        }
    }

    /// `long` after three days, `late` after a week: the words of the style sheet.
    fn age_mark(&self) -> Option<&'static str> {
        match self.minutes_old / 1_440 {
            ..4 => None,
            4..8 => Some("long"),
            _ => Some("late"),
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
