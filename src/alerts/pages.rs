//! The list of alerts, and answering them.

use askama::Template;
use axum::extract::{Path, Query, State as Of};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::sql::{self, Counts, Waiting};
use super::{Alert, State, Until};
use crate::App;
use crate::ids::AlertId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::web::Error;
use crate::web::page::{ASKED_ANEW, Asked, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/peringatan", get(list))
        .route("/peringatan/{id}/tanggapi", post(acknowledge))
        .route("/peringatan/{id}/tunda", post(snooze))
        .route("/api/peringatan", get(waiting))
}

const PER_PAGE: i64 = 50;

/// As in the address; what cannot be read is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    keadaan: String,
    hal: String,
}

#[derive(Template)]
#[template(path = "alerts/list.html")]
struct ListPage {
    shell: Shell,
    state: State,
    counts: Counts,
    alerts: Vec<Alert>,
    usual_response: Option<String>,
    hal: i64,
    has_older: bool,
}

async fn list(Of(app): Of<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Alerts, "Peringatan stok").await?;
    let state = State::from_slug(&wanted.keadaan).unwrap_or(State::Open);
    let hal = wanted.hal.parse::<i64>().unwrap_or(1).clamp(1, 1000);
    let mut alerts = sql::list(&app.pool, &viewer, state, PER_PAGE + 1, (hal - 1) * PER_PAGE).await?;
    let has_older = alerts.len() > PER_PAGE as usize;
    alerts.truncate(PER_PAGE as usize);
    let counts = sql::counts(&app.pool, &viewer).await?;
    let usual_response = sql::usual_response(&app.pool, &viewer).await?;
    Ok(Page(ListPage { shell, state, counts, alerts, usual_response, hal, has_older }))
}

impl ListPage {
    fn can_answer(&self) -> bool {
        self.shell.viewer.role != Role::Kasir && matches!(self.state, State::Open | State::Snoozed)
    }

    fn page(&self, hal: i64) -> String {
        format!("/peringatan?keadaan={}&hal={hal}", self.state.slug())
    }
}

/// For the script that pops up what needs an answer: it counts time by the server's clock, not by the tablet's.
async fn waiting(Of(app): Of<App>, viewer: Viewer) -> Result<Response, Error> {
    let alerts = sql::waiting(&app.pool, &viewer).await?;
    Ok((ASKED_ANEW, Json(AllWaiting { now: OffsetDateTime::now_utc(), alerts })).into_response())
}

#[derive(Serialize)]
struct AllWaiting {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    alerts: Vec<Waiting>,
}

async fn acknowledge(
    Of(app): Of<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let product = sql::acknowledge(&app.pool, &viewer, alert(&id)?).await?;
    Ok(answered(&asked, format!("Anda menangani {product}.")))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Snoozing {
    /// `jam`, `besok` or `pilih`.
    sampai: String,
    /// With `pilih`: a time on the branch's clock, as a `datetime-local` field writes it.
    kapan: String,
}

impl Snoozing {
    fn until(&self) -> Outcome<Until> {
        const MINUTES: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]");
        const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let kapan = self.kapan.trim();
        match self.sampai.as_str() {
            "jam" => Ok(Until::InAnHour),
            "besok" => Ok(Until::TomorrowMorning),
            "pilih" => PrimitiveDateTime::parse(kapan, MINUTES)
                .or_else(|_| PrimitiveDateTime::parse(kapan, SECONDS))
                .map(Until::At)
                .map_err(|_| Refusal::invalid("kapan", "Isi tanggal dan jam, misalnya 22/11/2026 14:00.")),
            _ => Err(Refusal::invalid("sampai", "Pilih sampai kapan ditunda.")),
        }
    }
}

async fn snooze(
    Of(app): Of<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<String>,
    Form(form): Form<Snoozing>,
) -> Result<Response, Error> {
    let id = alert(&id)?;
    if viewer.role == Role::Kasir {
        return Err(Refusal::Forbidden.into());
    }
    let product = sql::snooze(&app.pool, &viewer, id, form.until()?).await?;
    Ok(answered(&asked, format!("{product} ditunda.")))
}

fn alert(id: &str) -> Outcome<AlertId> {
    id.parse().map_err(|_| Refusal::NotFound)
}

/// A script's page hears of it by the stream, like everybody's, and stays where it is.
fn answered(asked: &Asked, message: String) -> Response {
    if asked.page {
        return asked.go(asked.back.as_deref().unwrap_or("/peringatan"));
    }
    Json(serde_json::json!({ "ok": true, "message": message })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(sampai: &str, kapan: &str) -> Outcome<Until> {
        Snoozing { sampai: sampai.into(), kapan: kapan.into() }.until()
    }

    #[test]
    fn a_time_of_ones_own_is_read_as_browsers_write_it() {
        let at = time::macros::datetime!(2026-11-22 14:00);
        assert_eq!(until("pilih", "2026-11-22T14:00").unwrap(), Until::At(at));
        assert_eq!(until("pilih", " 2026-11-22T14:00:00 ").unwrap(), Until::At(at));
        assert_eq!(until("jam", "besok saja").unwrap(), Until::InAnHour);
        for (sampai, kapan) in [("pilih", ""), ("pilih", "22/11/2026 14.00"), ("", ""), ("nanti", "")] {
            assert!(matches!(until(sampai, kapan), Err(Refusal::Invalid(_))), "{sampai} {kapan}");
        }
    }
}
