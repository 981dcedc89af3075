//! Patients (pasien): who the shop sells to, who pays for them, and their prescription (resep).

use std::fmt;

pub mod sql;

/// Who pays: the patient, or the national insurance by class. Also what a frame is made for (`jenis_frame`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[sqlx(type_name = "text")]
pub enum ServiceType {
    #[serde(rename = "UMUM")]
    #[sqlx(rename = "UMUM")]
    Umum,
    #[serde(rename = "BPJS I")]
    #[sqlx(rename = "BPJS I")]
    BpjsI,
    #[serde(rename = "BPJS II")]
    #[sqlx(rename = "BPJS II")]
    BpjsII,
    #[serde(rename = "BPJS III")]
    #[sqlx(rename = "BPJS III")]
    BpjsIII,
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Umum => "UMUM",
            Self::BpjsI => "BPJS I",
            Self::BpjsII => "BPJS II",
            Self::BpjsIII => "BPJS III",
        })
    }
}
