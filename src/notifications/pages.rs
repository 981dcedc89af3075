//! The notification centre, what each person wants of it, and announcements.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::{Announcement, Filter, GROUPS, Group, Notice, Period, Reading, Sent, sql};
use crate::App;
use crate::branches::{self, Branch};
use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};
use crate::web::Error;
use crate::web::page::{ASKED_ANEW, Asked, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/notifikasi", get(list))
        .route("/notifikasi/baca", post(mark_read))
        .route("/notifikasi/pengaturan", post(choose))
        .route("/api/notifikasi/belum", get(unread))
        .route("/pengumuman", get(announcements).post(announce))
}

const PER_PAGE: i64 = 50;

/// As in the address; what cannot be read is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    jenis: String,
    /// `belum`: what is unread.
    baca: String,
    sejak: String,
    hal: String,
}

impl Wanted {
    fn filter(&self) -> Filter {
        Filter {
            group: Group::from_slug(&self.jenis),
            reading: if self.baca == "belum" { Reading::Unread } else { Reading::All },
            period: Period::ALL.into_iter().find(|period| period.slug() == self.sejak).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "notifications/list.html")]
struct ListPage {
    shell: Shell,
    filter: Filter,
    notices: Vec<Notice>,
    hal: i64,
    has_older: bool,
}

impl ListPage {
    fn address(&self, filter: Filter, hal: i64) -> String {
        let hal = if hal > 1 { hal.to_string() } else { String::new() };
        let parts: Vec<String> = [
            ("jenis", filter.group.map_or("", |group| group.slug)),
            ("baca", if filter.reading == Reading::Unread { "belum" } else { "" }),
            ("sejak", filter.period.slug()),
            ("hal", &hal),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
        if parts.is_empty() { "/notifikasi".to_owned() } else { format!("/notifikasi?{}", parts.join("&")) }
    }

    fn of(&self, group: Option<&'static Group>) -> String {
        self.address(Filter { group, ..self.filter }, 1)
    }

    fn reading(&self, reading: Reading) -> String {
        self.address(Filter { reading, ..self.filter }, 1)
    }

    fn since(&self, period: &Period) -> String {
        self.address(Filter { period: *period, ..self.filter }, 1)
    }

    fn page(&self, hal: i64) -> String {
        self.address(self.filter, hal)
    }

    fn groups(&self) -> impl Iterator<Item = &'static Group> {
        let role = self.shell.viewer.role;
        GROUPS.iter().filter(move |group| group.is_for(role))
    }

    fn can_answer(&self) -> bool {
        self.shell.viewer.role != Role::Kasir
    }

    fn is_filtered(&self) -> bool {
        self.filter.group.is_some() || self.filter.reading == Reading::Unread || self.filter.period != Period::Ever
    }

    /// Which types of news the script may put on top of this list; none on an older page.
    fn live_types(&self) -> String {
        let types: Vec<&str> = match self.filter.group {
            Some(group) => group.types.to_vec(),
            None => GROUPS.iter().flat_map(|group| group.types).copied().collect(),
        };
        types.join(" ")
    }
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Notifications, "Notifikasi").await?;
    let filter = wanted.filter();
    // no further back than a person would page
    let hal = wanted.hal.parse::<i64>().unwrap_or(1).clamp(1, 1000);
    let mut notices = sql::list(&app.pool, &viewer, filter, PER_PAGE + 1, (hal - 1) * PER_PAGE).await?;
    let has_older = notices.len() > PER_PAGE as usize;
    notices.truncate(PER_PAGE as usize);
    Ok(Page(ListPage { shell, filter, notices, hal, has_older }))
}

#[derive(Deserialize)]
struct Marked {
    /// Empty for all.
    #[serde(default)]
    id: String,
}

async fn mark_read(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(marked): Form<Marked>,
) -> Result<Response, Error> {
    match marked.id.trim() {
        "" => sql::mark_all_read(&app.pool, &viewer).await?,
        id => sql::mark_read(&app.pool, &viewer, id.parse().map_err(|_| Refusal::NotFound)?).await?,
    }
    if asked.page {
        return Ok(asked.go(asked.back.as_deref().unwrap_or("/notifikasi")));
    }
    let unread = sql::unread(&app.pool, &viewer).await?;
    Ok(Json(serde_json::json!({ "ok": true, "unread": unread })).into_response())
}

/// More rows than a page shows are not asked about.
const MOST_SHOWN: usize = 200;

#[derive(Deserialize)]
struct Shown {
    /// The rows that the page shows as unread: `12,13`.
    #[serde(default)]
    ids: String,
}

/// For a page that was told that somebody has read something on another device.
async fn unread(State(app): State<App>, viewer: Viewer, Query(shown): Query<Shown>) -> Result<Response, Error> {
    let shown: Vec<i64> = shown.ids.split(',').filter_map(|id| id.parse().ok()).take(MOST_SHOWN).collect();
    let still = sql::unread_among(&app.pool, &viewer, &shown).await?;
    let unread = sql::unread(&app.pool, &viewer).await?;
    Ok((ASKED_ANEW, Json(serde_json::json!({ "unread": unread, "still": still }))).into_response())
}

/// The groups whose switches are on, as a form sends them: `tampil=stok&tampil=siap`.
async fn choose(State(app): State<App>, viewer: Viewer, asked: Asked, body: String) -> Result<Response, Error> {
    let chosen: Vec<&str> = body.split('&').filter_map(|field| field.trim().strip_prefix("tampil=")).collect();
    let muted: Vec<&str> = GROUPS
        .iter()
        .filter(|group| group.is_for(viewer.role) && !chosen.contains(&group.slug))
        .flat_map(|group| group.types)
        .copied()
        .collect();
    sql::mute(&app.pool, &viewer, &muted).await?;
    if asked.page {
        return Ok(asked.go("/notifikasi#judul-atur"));
    }
    Ok(Json(serde_json::json!({ "ok": true, "muted": muted })).into_response())
}

/// As typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Draft {
    cabang: String,
    peran: String,
    title: String,
    message: String,
    until: String,
}

impl Draft {
    fn read(&self, viewer: &Viewer) -> Outcome<Announcement> {
        const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
        let branch = match (self.cabang.trim(), viewer.home) {
            // an admin's form does not ask
            ("", Some(home)) => Some(home),
            ("" | "semua", None) => None,
            (id, _) => Some(BranchId(id.parse().map_err(|_| Refusal::invalid("cabang", "Pilih cabangnya."))?)),
        };
        let audience = match self.peran.as_str() {
            "" => None,
            "kasir" => Some(Role::Kasir),
            "admin" => Some(Role::Admin),
            _ => return Err(Refusal::invalid("peran", "Pilih untuk siapa.")),
        };
        let until = match self.until.trim() {
            "" => None,
            day => Some(
                Date::parse(day, DAY).map_err(|_| Refusal::invalid("until", "Isi tanggal, misalnya 30/11/2026."))?,
            ),
        };
        // a title is one line; of a message the lines stay
        let plain = |text: &str| text.chars().filter(|c| !c.is_control() || *c == '\n').collect::<String>();
        let title = plain(&self.title.split_whitespace().collect::<Vec<_>>().join(" "));
        let message = plain(&self.message).trim().to_owned();
        Ok(Announcement { branch, audience, title, message, until })
    }
}

#[derive(Template)]
#[template(path = "notifications/announcements.html")]
struct AnnouncementsPage {
    shell: Shell,
    branches: Vec<Branch>,
    draft: Draft,
    wrong: BTreeMap<String, String>,
    sent: Vec<Sent>,
}

impl AnnouncementsPage {
    async fn load(
        app: &App,
        viewer: &Viewer,
        draft: Draft,
        wrong: BTreeMap<String, String>,
    ) -> Result<Page<Self>, Error> {
        let shell = Shell::load(app, viewer, Nav::Notifications, "Pengumuman").await?;
        let branches = branches::sql::standing(&app.pool).await?;
        let sent = sql::sent(&app.pool, viewer, PER_PAGE).await?;
        Ok(Page(Self { shell, branches, draft, wrong, sent }))
    }

    fn error(&self, field: &str) -> Option<&String> {
        self.wrong.get(field)
    }

    fn is_to(&self, branch: &BranchId) -> bool {
        self.draft.cabang == branch.to_string()
    }
}

fn may_announce(viewer: &Viewer) -> Outcome<()> {
    if viewer.role == Role::Kasir { Err(Refusal::Forbidden) } else { Ok(()) }
}

async fn announcements(State(app): State<App>, viewer: Viewer) -> Result<Page<AnnouncementsPage>, Error> {
    may_announce(&viewer)?;
    let chosen = viewer.branches().one().filter(|_| viewer.role == Role::SuperAdmin);
    let draft = Draft { cabang: chosen.map(|id| id.to_string()).unwrap_or_default(), ..Draft::default() };
    AnnouncementsPage::load(&app, &viewer, draft, BTreeMap::new()).await
}

async fn announce(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(draft): Form<Draft>,
) -> Result<Response, Error> {
    may_announce(&viewer)?;
    match send(&app, &viewer, &draft).await {
        Ok(()) => Ok(asked.go("/pengumuman")),
        Err(Error::Refused(Refusal::Invalid(wrong))) if asked.page => {
            let page = AnnouncementsPage::load(&app, &viewer, draft, wrong).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn send(app: &App, viewer: &Viewer, draft: &Draft) -> Result<(), Error> {
    let announcement = draft.read(viewer)?;
    if !viewer.may_announce_to(announcement.branch) {
        return Err(Refusal::NotFound.into());
    }
    if let Some(branch) = announcement.branch
        && branches::sql::find(&app.pool, branch).await?.is_none()
    {
        return Err(Refusal::invalid("cabang", "Cabang ini tidak ada lagi. Pilih yang lain.").into());
    }
    let today = sql::today(&app.pool, announcement.branch).await?;
    let announcement = announcement.checked(today)?;
    Ok(sql::announce(&app.pool, viewer, &announcement).await?)
}
