//! The rates as admins read them and the head office sets them.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use time::Date;

use super::{CLASSES, Class, Rate, RateForm, by_class, sql};
use crate::App;
use crate::branches;
use crate::refusal::Refusal;
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell};

pub fn routes() -> Router<App> {
    Router::new().route("/tarif", get(list).post(add)).route("/tarif/{id}/hapus", post(remove))
}

#[derive(Template)]
#[template(path = "rates/list.html")]
struct ListPage {
    shell: Shell,
    today: Date,
    /// The first day that a new rate may begin.
    earliest: Date,
    classes: Vec<Class>,
    form: RateForm,
    wrong: BTreeMap<String, String>,
}

impl ListPage {
    async fn load(app: &App, viewer: &Viewer, form: RateForm, wrong: BTreeMap<String, String>) -> Result<Self, Error> {
        if !viewer.may_manage_people() {
            return Err(Refusal::Forbidden.into());
        }
        let shell = Shell::load(app, viewer, Nav::Rates, "Tarif BPJS").await?;
        let today = sql::today(&app.pool, viewer.branches().one()).await?;
        let latest = sql::latest_today(&app.pool).await?;
        let classes = by_class(&sql::all(&app.pool).await?, today);
        Ok(Self { shell, today, earliest: latest.next_day().unwrap_or(latest), classes, form, wrong })
    }

    fn day(&self, date: &Date) -> String {
        branches::plain_date(*date)
    }
}

impl Rate {
    fn begins(&self) -> String {
        branches::plain_date(self.effective_from)
    }
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Page<ListPage>, Error> {
    Ok(Page(ListPage::load(&app, &viewer, RateForm::default(), BTreeMap::new()).await?))
}

async fn add(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(form): Form<RateForm>,
) -> Result<Response, Error> {
    if !viewer.may_manage_chain() {
        return Err(Refusal::Forbidden.into());
    }
    let added = match form.read(sql::latest_today(&app.pool).await?) {
        Ok(rate) => sql::add(&app.pool, &viewer, &rate).await,
        Err(refusal) => Err(refusal),
    };
    match added {
        Ok(()) => Ok(asked.go("/tarif")),
        Err(Refusal::Invalid(wrong)) if asked.page => {
            let page = ListPage::load(&app, &viewer, form, wrong).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn remove(State(app): State<App>, viewer: Viewer, asked: Asked, Path(id): Path<i64>) -> Result<Response, Error> {
    sql::remove(&app.pool, &viewer, id).await?;
    Ok(asked.go("/tarif"))
}
