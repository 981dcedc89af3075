//! The patients of a branch, to look up and to keep up to date.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use crate::App;
use crate::branches::working_for;
use crate::ids::PatientId;
use crate::money::Rupiah;
use crate::orders::WorkStatus;
use crate::patients::sql::{self, Filter};
use crate::patients::{Eye, PatientForm, Record, ServiceType, Visit, dioptres};
use crate::refusal::Refusal;
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::page::{Asked, Nav, Page, Shell, url_part};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/pasien", get(list))
        .route("/pasien/baru", get(blank).post(create))
        .route("/pasien/{id}", get(show).post(save))
        .route("/pasien/{id}/ubah", get(edit))
}

const PER_PAGE: i64 = 50;
const SERVICES: [ServiceType; 4] = [ServiceType::Umum, ServiceType::BpjsI, ServiceType::BpjsII, ServiceType::BpjsIII];

/// As in the address; what cannot be read is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    cari: String,
    layanan: String,
    hal: String,
}

impl Wanted {
    fn filter(&self) -> Filter {
        let cari = self.cari.split_whitespace().collect::<Vec<_>>().join(" ");
        Filter { cari, service: self.layanan.parse().ok() }
    }

    fn page(&self) -> i64 {
        self.hal.parse().unwrap_or(1).clamp(1, 10_000)
    }

    fn is_filtered(&self) -> bool {
        let Filter { cari, service } = self.filter();
        !cari.is_empty() || service.is_some()
    }

    fn wants(&self, service: &ServiceType) -> bool {
        self.filter().service == Some(*service)
    }

    fn at(&self, page: i64) -> String {
        let [cari, layanan] = [&self.cari, &self.layanan].map(|text| url_part(text));
        format!("/pasien?cari={cari}&layanan={layanan}&hal={page}")
    }
}

#[derive(Template)]
#[template(path = "patients/list.html")]
struct ListPage {
    shell: Shell,
    wanted: Wanted,
    records: Vec<Record>,
    count: i64,
}

impl ListPage {
    fn first(&self) -> i64 {
        (self.wanted.page() - 1) * PER_PAGE + 1
    }

    fn last(&self) -> i64 {
        self.first() - 1 + self.records.len() as i64
    }
}

async fn list(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Page<ListPage>, Error> {
    let shell = Shell::load(&app, &viewer, Nav::Patients, "Pasien").await?;
    let offset = (wanted.page() - 1) * PER_PAGE;
    let (records, count) = sql::list(&app.pool, viewer.branches(), &wanted.filter(), PER_PAGE, offset).await?;
    Ok(Page(ListPage { shell, wanted, records, count }))
}

#[derive(Template)]
#[template(path = "patients/show.html")]
struct ShowPage {
    shell: Shell,
    record: Record,
    visits: Vec<Visit>,
}

const VISITS: i64 = 50;

impl ShowPage {
    fn eyes(&self) -> [(&'static str, Eye); 2] {
        [("OD", self.record.patient.resep.od), ("OS", self.record.patient.resep.os)]
    }
}

impl Eye {
    fn cells(&self) -> [String; 4] {
        let text = |number: Option<i32>| number.map_or("–".to_owned(), dioptres);
        [text(self.sph), text(self.cyl), self.axis.map_or("–".to_owned(), |axis| format!("{axis}°")), text(self.add)]
    }
}

impl Visit {
    /// The style sheet's word for how far the order is.
    fn mark(&self) -> &'static str {
        WorkStatus::ALL
            .into_iter()
            .find(|status| status.to_string() == self.status_pengerjaan)
            .map_or("waiting", WorkStatus::mark)
    }
}

async fn show(State(app): State<App>, viewer: Viewer, Path(id): Path<PatientId>) -> Result<Page<ShowPage>, Error> {
    let record = sql::record(&app.pool, &viewer, id).await?;
    let shell = Shell::load(&app, &viewer, Nav::Patients, record.patient.nama_pasien.clone()).await?;
    let visits = sql::visits(&app.pool, &viewer, id, VISITS).await?;
    Ok(Page(ShowPage { shell, record, visits }))
}

/// A new patient (`id` is none), or one that there is.
#[derive(Template)]
#[template(path = "patients/edit.html")]
struct EditPage {
    shell: Shell,
    id: Option<PatientId>,
    form: PatientForm,
    version: String,
    wrong: BTreeMap<String, String>,
}

/// A row of the prescription: its name, the fields' beginnings, and what stands in them.
type EyeRow<'a> = (&'static str, [(&'static str, &'static str, &'a str); 4]);

impl EditPage {
    fn eyes(&self) -> [EyeRow<'_>; 2] {
        let form = &self.form;
        [
            (
                "OD",
                [
                    ("od_sph", "sferis", &form.od_sph),
                    ("od_cyl", "silinder", &form.od_cyl),
                    ("od_axis", "aksis", &form.od_axis),
                    ("od_add", "adisi", &form.od_add),
                ],
            ),
            (
                "OS",
                [
                    ("os_sph", "sferis", &form.os_sph),
                    ("os_cyl", "silinder", &form.os_cyl),
                    ("os_axis", "aksis", &form.os_axis),
                    ("os_add", "adisi", &form.os_add),
                ],
            ),
        ]
    }

    fn is_of(&self, service: &ServiceType) -> bool {
        self.form.service_type == service.to_string()
    }

    fn is_wrong(&self, field: &str) -> bool {
        self.wrong.contains_key(field)
    }

    fn why(&self, field: &str) -> &str {
        self.wrong.get(field).map_or("", String::as_str)
    }
}

async fn blank(State(app): State<App>, viewer: Viewer) -> Result<Page<EditPage>, Error> {
    working_for(&viewer)?;
    let shell = Shell::load(&app, &viewer, Nav::Patients, "Pasien baru").await?;
    let form = PatientForm { service_type: ServiceType::Umum.to_string(), ..PatientForm::default() };
    Ok(Page(EditPage { shell, id: None, form, version: String::new(), wrong: BTreeMap::new() }))
}

async fn create(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Form(form): Form<PatientForm>,
) -> Result<Response, Error> {
    let branch = asked.working_for(&viewer)?;
    match form.read() {
        Ok(patient) => {
            let id = sql::add(&app.pool, &viewer, branch, &patient).await?;
            Ok(asked.go(&format!("/pasien/{id}")))
        }
        Err(Refusal::Invalid(wrong)) if asked.page => {
            let shell = Shell::load(&app, &viewer, Nav::Patients, "Pasien baru").await?;
            let page = EditPage { shell, id: None, form, version: String::new(), wrong };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn edit(State(app): State<App>, viewer: Viewer, Path(id): Path<PatientId>) -> Result<Page<EditPage>, Error> {
    let Record { patient, version, .. } = sql::record(&app.pool, &viewer, id).await?;
    let shell = Shell::load(&app, &viewer, Nav::Patients, patient.nama_pasien.clone()).await?;
    let form = PatientForm::from(&patient);
    Ok(Page(EditPage { shell, id: Some(id), form, version, wrong: BTreeMap::new() }))
}

#[derive(Deserialize)]
struct Edited {
    #[serde(flatten)]
    form: PatientForm,
    #[serde(default)]
    version: String,
}

async fn save(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Path(id): Path<PatientId>,
    Form(Edited { form, version }): Form<Edited>,
) -> Result<Response, Error> {
    // first of all whether there is such a patient for this viewer; then what was typed of them
    let record = sql::record(&app.pool, &viewer, id).await?;
    match form.read() {
        Ok(patient) => {
            sql::change(&app.pool, &viewer, id, &version, &patient).await?;
            Ok(asked.go(&format!("/pasien/{id}")))
        }
        Err(Refusal::Invalid(wrong)) if asked.page => {
            let shell = Shell::load(&app, &viewer, Nav::Patients, record.patient.nama_pasien).await?;
            let page = EditPage { shell, id: Some(id), form, version, wrong };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}
