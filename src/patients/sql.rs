//! The SQL of patients.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Row};

use super::{Eye, NewPatient, Patient, Resep};
use crate::ids::{BranchId, PatientId};
use crate::refusal::{Outcome, Refusal};

impl FromRow<'_, PgRow> for Patient {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            nama_pasien: row.try_get("nama_pasien")?,
            no_telepon: row.try_get("no_telepon")?,
            service_type: row.try_get("service_type")?,
            no_bpjs: row.try_get("no_bpjs")?,
            resep: Resep {
                od: Eye {
                    sph: row.try_get("od_sph")?,
                    cyl: row.try_get("od_cyl")?,
                    axis: row.try_get("od_axis")?,
                    add: row.try_get("od_add")?,
                },
                os: Eye {
                    sph: row.try_get("os_sph")?,
                    cyl: row.try_get("os_cyl")?,
                    axis: row.try_get("os_axis")?,
                    add: row.try_get("os_add")?,
                },
                pd: row.try_get("pd")?,
            },
        })
    }
}

/// Patients of a branch by part of the name, of the telephone number or of the insurance card; nothing typed: the newest.
pub async fn search(pool: &PgPool, branch: BranchId, cari: &str) -> Outcome<Vec<Patient>> {
    let cari = cari.trim();
    // 0812-3456 and 0812 3456 are one number
    let digits: String = cari.chars().filter(char::is_ascii_digit).collect();
    let is_number = digits.len() >= 4 && !cari.chars().any(char::is_alphabetic);
    Ok(sqlx::query_as::<_, Patient>(
        "SELECT id, nama_pasien, no_telepon, service_type, no_bpjs,
                (od_sph * 100)::int AS od_sph, (od_cyl * 100)::int AS od_cyl, od_axis, (od_add * 100)::int AS od_add,
                (os_sph * 100)::int AS os_sph, (os_cyl * 100)::int AS os_cyl, os_axis, (os_add * 100)::int AS os_add,
                (pd * 10)::int AS pd
         FROM pasiens
         WHERE branch_id = $1
           AND (nama_pasien ILIKE $2
                OR $3 AND (regexp_replace(no_telepon, '\\D', '', 'g') LIKE '%' || $4 || '%' OR no_bpjs LIKE '%' || $4 || '%'))
         ORDER BY CASE WHEN $5 THEN -id END, lower(nama_pasien), id
         LIMIT 20",
    )
    .bind(branch)
    .bind(containing(cari))
    .bind(is_number)
    .bind(digits)
    .bind(cari.is_empty())
    .fetch_all(pool)
    .await?)
}

/// A patient of this branch.
pub async fn find(pool: &PgPool, branch: BranchId, id: PatientId) -> Outcome<Patient> {
    sqlx::query_as::<_, Patient>(
        "SELECT id, nama_pasien, no_telepon, service_type, no_bpjs,
                (od_sph * 100)::int AS od_sph, (od_cyl * 100)::int AS od_cyl, od_axis, (od_add * 100)::int AS od_add,
                (os_sph * 100)::int AS os_sph, (os_cyl * 100)::int AS os_cyl, os_axis, (os_add * 100)::int AS os_add,
                (pd * 10)::int AS pd
         FROM pasiens
         WHERE branch_id = $1 AND id = $2",
    )
    .bind(branch)
    .bind(id)
    .fetch_optional(pool)
    .await?
    .ok_or(Refusal::NotFound)
}

pub async fn add(pool: &PgPool, branch: BranchId, patient: &NewPatient) -> Outcome<PatientId> {
    let Resep { od, os, pd } = patient.resep;
    Ok(sqlx::query_scalar::<_, PatientId>(
        "INSERT INTO pasiens (branch_id, nama_pasien, no_telepon, service_type, no_bpjs,
                              od_sph, od_cyl, od_axis, od_add, os_sph, os_cyl, os_axis, os_add, pd)
         VALUES ($1, $2, $3, $4, $5, $6::int / 100.0, $7::int / 100.0, $8, $9::int / 100.0, $10::int / 100.0, $11::int / 100.0, $12, $13::int / 100.0, $14::int / 10.0)
         RETURNING id",
    )
    .bind(branch)
    .bind(&patient.nama_pasien)
    .bind(&patient.no_telepon)
    .bind(patient.service_type)
    .bind(&patient.no_bpjs)
    .bind(od.sph)
    .bind(od.cyl)
    .bind(od.axis)
    .bind(od.add)
    .bind(os.sph)
    .bind(os.cyl)
    .bind(os.axis)
    .bind(os.add)
    .bind(pd)
    .fetch_one(pool)
    .await?)
}

/// An ILIKE pattern that finds the words of `text` in their order, each taken literally.
pub fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    for word in text.split_whitespace() {
        pattern.push('%');
        for c in word.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
    }
    pattern.push('%');
    pattern
}
