//! Finding and registering patients for the sales page; the pages about them are in `records.rs`.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Patient, PatientForm, ServiceType, sql};
use crate::App;
use crate::branches::working_for;
use crate::ids::PatientId;
use crate::scope::Viewer;
use crate::web::Error;
use crate::web::page::Asked;

mod records;

pub fn routes() -> Router<App> {
    records::routes().route("/api/pasien", get(search)).route("/pasien", post(add))
}

#[derive(Serialize)]
struct PatientJson {
    id: PatientId,
    nama_pasien: String,
    no_telepon: String,
    service_type: ServiceType,
    no_bpjs: String,
    /// As people read it; empty when nothing is known.
    resep: String,
}

impl From<Patient> for PatientJson {
    fn from(patient: Patient) -> Self {
        Self {
            id: patient.id,
            nama_pasien: patient.nama_pasien,
            no_telepon: patient.no_telepon,
            service_type: patient.service_type,
            no_bpjs: patient.no_bpjs,
            resep: patient.resep.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    cari: String,
}

#[derive(Serialize)]
struct Found {
    pasien: Vec<PatientJson>,
}

async fn search(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Json<Found>, Error> {
    let found = sql::search(&app.pool, working_for(&viewer)?, &wanted.cari).await?;
    Ok(Json(Found { pasien: found.into_iter().map(PatientJson::from).collect() }))
}

#[derive(Serialize)]
struct Added {
    ok: bool,
    pasien: PatientJson,
}

async fn add(
    State(app): State<App>,
    viewer: Viewer,
    asked: Asked,
    Json(form): Json<PatientForm>,
) -> Result<(StatusCode, Json<Added>), Error> {
    let branch = asked.working_for(&viewer)?;
    let id = sql::add(&app.pool, &viewer, branch, &form.read()?).await?;
    let pasien = sql::find(&app.pool, branch, id).await?.into();
    Ok((StatusCode::CREATED, Json(Added { ok: true, pasien })))
}
