//! The log as super admins read it.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::Deserialize;
use serde_json::Value;
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Action;
use super::sql::{self, Entry, Filter};
use crate::App;
use crate::refusal::Refusal;
use crate::scope::{Role, Viewer};
use crate::web::Error;
use crate::web::page::{Nav, Page, Shell, url_part};

pub fn routes() -> Router<App> {
    Router::new().route("/audit", get(list))
}

const PER_PAGE: i64 = 100;
const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// As in the address; what cannot be read is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    jenis: String,
    cari: String,
    tanggal: String,
    sebelum: String,
}

impl Wanted {
    fn filter(&self) -> Filter {
        Filter {
            action: Action::ALL.into_iter().find(|action| action.slug() == self.jenis),
            cari: self.cari.split_whitespace().collect::<Vec<_>>().join(" "),
            tanggal: Date::parse(&self.tanggal, DATE).ok(),
            before: self.sebelum.parse().ok(),
        }
    }

    fn older(&self, than: i64) -> String {
        let [jenis, cari, tanggal] = [&self.jenis, &self.cari, &self.tanggal].map(|text| url_part(text));
        format!("/audit?jenis={jenis}&cari={cari}&tanggal={tanggal}&sebelum={than}")
    }
}

#[derive(Template)]
#[template(path = "audit/list.html")]
struct ListPage {
    shell: Shell,
    wanted: Wanted,
    entries: Vec<Entry>,
    older: Option<String>,
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    if viewer.role != Role::SuperAdmin {
        return Err(Refusal::Forbidden.into());
    }
    let shell = Shell::load(&app, &viewer, Nav::Audit, "Catatan audit").await?;
    let mut entries = sql::list(&app.pool, &wanted.filter(), PER_PAGE + 1).await?;
    let has_older = entries.len() > PER_PAGE as usize;
    entries.truncate(PER_PAGE as usize);
    let older = entries.last().filter(|_| has_older).map(|last| wanted.older(last.id));
    Ok(Page(ListPage { shell, wanted, entries, older }))
}

impl Entry {
    fn actor(&self) -> &str {
        match (&self.actor, self.action) {
            (Some(name), _) => name,
            (None, Action::SignInFailed | Action::SignInLimited) => "Tidak dikenal",
            // psql, another program, or the command line
            (None, _) => "Di luar aplikasi",
        }
    }

    /// What differs, as `harga_jual: 685000 → 700000`.
    fn changes(&self) -> Vec<String> {
        let fields = |side: &Option<sqlx::types::Json<Value>>| {
            side.as_ref().and_then(|json| json.as_object().cloned()).unwrap_or_default()
        };
        let (before, after) = (fields(&self.before), fields(&self.after));
        let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => "–".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "–".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        names
            .into_iter()
            .map(|name| (name, text(before.get(name)), text(after.get(name))))
            .filter(|(_, was, is)| was != is)
            .map(|(name, was, is)| format!("{name}: {was} → {is}"))
            .collect()
    }
}
