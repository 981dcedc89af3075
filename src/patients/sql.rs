//! The SQL of patients.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Row};

use super::{Eye, NewPatient, Patient, Record, Resep, ServiceType, Visit};
use crate::audit;
use crate::ids::{BranchId, PatientId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Branches, Viewer};

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

impl FromRow<'_, PgRow> for Record {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            patient: Patient::from_row(row)?,
            branch_id: row.try_get("branch_id")?,
            branch: row.try_get("branch")?,
            version: row.try_get("version")?,
        })
    }
}

/// Which patients a list shows.
#[derive(Debug, Default)]
pub struct Filter {
    /// Part of the name, of the telephone number or of the insurance card.
    pub cari: String,
    pub service: Option<ServiceType>,
}

/// What somebody types who looks for a number, and its digits: 0812-3456 and 0812 3456 are one.
fn number_in(cari: &str) -> (bool, String) {
    let digits: String = cari.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 4 && !cari.chars().any(char::is_alphabetic), digits)
}

/// Patients of the branches by name; with how many there are in all.
pub async fn list(
    pool: &PgPool,
    branches: Branches,
    filter: &Filter,
    limit: i64,
    offset: i64,
) -> Outcome<(Vec<Record>, i64)> {
    let cari = filter.cari.trim();
    let (is_number, digits) = number_in(cari);
    let found = sqlx::query_as::<_, Record>(
        "SELECT p.id, nama_pasien, no_telepon, service_type, no_bpjs, p.branch_id, b.name AS branch, p.updated_at::text AS version,
                (od_sph * 100)::int AS od_sph, (od_cyl * 100)::int AS od_cyl, od_axis, (od_add * 100)::int AS od_add,
                (os_sph * 100)::int AS os_sph, (os_cyl * 100)::int AS os_cyl, os_axis, (os_add * 100)::int AS os_add,
                (pd * 10)::int AS pd
         FROM pasiens p JOIN branches b ON b.id = p.branch_id
         WHERE ($1::bigint IS NULL OR p.branch_id = $1) AND ($2::text IS NULL OR service_type = $2)
           AND (nama_pasien ILIKE $3
                OR $4 AND (regexp_replace(no_telepon, '\\D', '', 'g') LIKE '%' || $5 || '%' OR no_bpjs LIKE '%' || $5 || '%'))
         ORDER BY lower(nama_pasien), p.id LIMIT $6 OFFSET $7",
    )
    .bind(branches.one())
    .bind(filter.service)
    .bind(containing(cari))
    .bind(is_number)
    .bind(&digits)
    .bind(limit)
    .bind(offset)
    .fetch_all(pool)
    .await?;
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM pasiens
         WHERE ($1::bigint IS NULL OR branch_id = $1) AND ($2::text IS NULL OR service_type = $2)
           AND (nama_pasien ILIKE $3
                OR $4 AND (regexp_replace(no_telepon, '\\D', '', 'g') LIKE '%' || $5 || '%' OR no_bpjs LIKE '%' || $5 || '%'))",
    )
    .bind(branches.one())
    .bind(filter.service)
    .bind(containing(cari))
    .bind(is_number)
    .bind(&digits)
    .fetch_one(pool)
    .await?;
    Ok((found, count))
}

/// A patient of a branch that the viewer sees.
pub async fn record(pool: &PgPool, viewer: &Viewer, id: PatientId) -> Outcome<Record> {
    sqlx::query_as::<_, Record>(
        "SELECT p.id, nama_pasien, no_telepon, service_type, no_bpjs, p.branch_id, b.name AS branch, p.updated_at::text AS version,
                (od_sph * 100)::int AS od_sph, (od_cyl * 100)::int AS od_cyl, od_axis, (od_add * 100)::int AS od_add,
                (os_sph * 100)::int AS os_sph, (os_cyl * 100)::int AS os_cyl, os_axis, (os_add * 100)::int AS os_add,
                (pd * 10)::int AS pd
         FROM pasiens p JOIN branches b ON b.id = p.branch_id
         WHERE p.id = $1 AND ($2::bigint IS NULL OR p.branch_id = $2)",
    )
    .bind(id)
    .bind(viewer.branches().one())
    .fetch_optional(pool)
    .await?
    .ok_or(Refusal::NotFound)
}

/// What a patient bought where the viewer may look, the newest first.
pub async fn visits(pool: &PgPool, viewer: &Viewer, id: PatientId, limit: i64) -> Outcome<Vec<Visit>> {
    Ok(sqlx::query_as::<_, Visit>(
        "SELECT p.id, p.kode_penjualan, to_char(p.created_at AT TIME ZONE b.timezone, 'DD/MM/YYYY') AS tanggal,
                coalesce((SELECT string_agg(nama, ', ' ORDER BY subtotal DESC, id) FROM penjualan_details WHERE penjualan_id = p.id), '') AS isi,
                p.total, p.kekurangan, p.status_pengerjaan, p.dibatalkan_at IS NOT NULL AS is_cancelled
         FROM penjualans p JOIN branches b ON b.id = p.branch_id
         WHERE p.pasien_id = $1 AND ($2::bigint IS NULL OR p.branch_id = $2)
         ORDER BY p.created_at DESC, p.id DESC LIMIT $3",
    )
    .bind(id)
    .bind(viewer.branches().one())
    .bind(limit)
    .fetch_all(pool)
    .await?)
}

/// Writes what is known now over what was seen as `version`.
///
/// # Errors
/// `NotFound` for a patient of another branch; `Conflict` when somebody has changed them since.
pub async fn change(pool: &PgPool, viewer: &Viewer, id: PatientId, version: &str, patient: &NewPatient) -> Outcome<()> {
    let Resep { od, os, pd } = patient.resep;
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let seen: String = sqlx::query_scalar(
        "SELECT updated_at::text FROM pasiens WHERE id = $1 AND ($2::bigint IS NULL OR branch_id = $2) FOR NO KEY UPDATE",
    )
    .bind(id)
    .bind(viewer.branches().one())
    .fetch_optional(&mut *transaction)
    .await?
    .ok_or(Refusal::NotFound)?;
    if seen != version {
        return Err(Refusal::conflict(
            "patient_changed",
            "Data pasien ini baru saja diubah rekan Anda. Muat ulang halaman, lalu isi lagi.",
        ));
    }
    sqlx::query(
        "UPDATE pasiens SET nama_pasien = $2, no_telepon = $3, service_type = $4, no_bpjs = $5,
                od_sph = $6::int / 100.0, od_cyl = $7::int / 100.0, od_axis = $8, od_add = $9::int / 100.0,
                os_sph = $10::int / 100.0, os_cyl = $11::int / 100.0, os_axis = $12, os_add = $13::int / 100.0, pd = $14::int / 10.0
         WHERE id = $1",
    )
    .bind(id)
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
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// Patients of a branch by part of the name, of the telephone number or of the insurance card; nothing typed: the newest.
pub async fn search(pool: &PgPool, branch: BranchId, cari: &str) -> Outcome<Vec<Patient>> {
    let cari = cari.trim();
    let (is_number, digits) = number_in(cari);
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

pub async fn add(pool: &PgPool, viewer: &Viewer, branch: BranchId, patient: &NewPatient) -> Outcome<PatientId> {
    let Resep { od, os, pd } = patient.resep;
    let mut transaction = pool.begin().await?;
    audit::sql::sign(&mut transaction, viewer).await?;
    let id = sqlx::query_scalar::<_, PatientId>(
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
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(id)
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
