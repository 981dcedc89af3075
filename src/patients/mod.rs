//! Patients (pasien): who the shop sells to, who pays for them, and their prescription (resep).

use std::collections::BTreeMap;
use std::fmt;

use crate::ids::PatientId;
use crate::refusal::{Outcome, Refusal};

pub mod pages;
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

/// What one eye needs: sphere, cylinder and addition in hundredths of a dioptre, the axis in degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Eye {
    pub sph: Option<i32>,
    pub cyl: Option<i32>,
    pub axis: Option<i16>,
    pub add: Option<i32>,
}

impl Eye {
    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// A prescription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resep {
    pub od: Eye,
    pub os: Eye,
    /// Distance of the pupils in tenths of a millimetre.
    pub pd: Option<i32>,
}

impl Resep {
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// `62` or `62,5`.
    pub fn pd_text(self) -> Option<String> {
        self.pd.map(|tenths| match tenths % 10 {
            0 => format!("{}", tenths / 10),
            rest => format!("{},{rest}", tenths / 10),
        })
    }
}

/// `−2,25`, `+1,00`; plano is `0,00`.
pub fn dioptres(hundredths: i32) -> String {
    let sign = match hundredths {
        0 => "",
        1.. => "+",
        ..0 => "−",
    };
    let size = hundredths.unsigned_abs();
    format!("{sign}{},{:02}", size / 100, size % 100)
}

/// `−2,25 / −0,50 × 90 add +1,50`.
impl fmt::Display for Eye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dioptres(self.sph.unwrap_or(0)))?;
        if let Some(cyl) = self.cyl.filter(|&cyl| cyl != 0) {
            write!(f, " / {}", dioptres(cyl))?;
            if let Some(axis) = self.axis {
                write!(f, " × {axis}")?;
            }
        }
        match self.add {
            Some(add) if add != 0 => write!(f, " add {}", dioptres(add)),
            _ => Ok(()),
        }
    }
}

/// `OD −2,25 / −0,50 × 90 · OS −2,00 · PD 62`; nothing when nothing is known.
impl fmt::Display for Resep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let od = (!self.od.is_empty()).then(|| format!("OD {}", self.od));
        let os = (!self.os.is_empty()).then(|| format!("OS {}", self.os));
        let pd = self.pd_text().map(|pd| format!("PD {pd}"));
        f.write_str(&[od, os, pd].into_iter().flatten().collect::<Vec<_>>().join(" · "))
    }
}

#[derive(Debug, Clone)]
pub struct Patient {
    pub id: PatientId,
    pub nama_pasien: String,
    pub no_telepon: String,
    pub service_type: ServiceType,
    pub no_bpjs: String,
    pub resep: Resep,
}

/// What the counter asks of somebody who is here for the first time.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct NewPatient {
    #[serde(default)]
    pub nama_pasien: String,
    #[serde(default)]
    pub no_telepon: String,
    pub service_type: ServiceType,
    #[serde(default)]
    pub no_bpjs: String,
}

/// Digits on an insurance card.
const BPJS_DIGITS: usize = 13;

impl NewPatient {
    /// Tidies what was typed, and says what is wrong with it.
    pub fn checked(self) -> Outcome<Self> {
        let nama_pasien = self.nama_pasien.split_whitespace().collect::<Vec<_>>().join(" ");
        let no_telepon = self.no_telepon.split_whitespace().collect::<Vec<_>>().join(" ");
        let no_bpjs: String = match self.service_type {
            ServiceType::Umum => String::new(),
            _ => self.no_bpjs.chars().filter(|c| !c.is_whitespace() && *c != '-').collect(),
        };

        let mut wrong = BTreeMap::new();
        let mut refuse = |field: &str, message: &str| wrong.insert(field.to_owned(), message.to_owned());
        if !(2..=120).contains(&nama_pasien.chars().count()) {
            refuse("nama_pasien", "Isi nama pasien, 2 sampai 120 huruf.");
        }
        let digits = no_telepon.chars().filter(char::is_ascii_digit).count();
        let is_phone = no_telepon.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')'));
        if !no_telepon.is_empty() && !(is_phone && (6..=15).contains(&digits)) {
            refuse("no_telepon", "Nomor telepon belum benar, misalnya 0812 3456 7890.");
        }
        let is_card = no_bpjs.len() == BPJS_DIGITS && no_bpjs.bytes().all(|b| b.is_ascii_digit());
        if self.service_type != ServiceType::Umum && !is_card {
            refuse("no_bpjs", "Nomor kartu BPJS ada 13 angka.");
        }
        if wrong.is_empty() {
            Ok(Self { nama_pasien, no_telepon, no_bpjs, service_type: self.service_type })
        } else {
            Err(Refusal::Invalid(wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prescription_reads_as_opticians_write_it() {
        let eye = |sph, cyl, axis, add| Eye { sph: Some(sph), cyl, axis, add };
        let resep = Resep { od: eye(-225, Some(-50), Some(90), None), os: eye(-200, None, None, None), pd: Some(620) };
        assert_eq!(resep.to_string(), "OD −2,25 / −0,50 × 90 · OS −2,00 · PD 62");
        let reading =
            Resep { od: eye(0, Some(0), Some(0), Some(150)), os: eye(5, None, None, Some(150)), pd: Some(625) };
        assert_eq!(reading.to_string(), "OD 0,00 add +1,50 · OS +0,05 add +1,50 · PD 62,5");
        assert_eq!(Resep::default().to_string(), "");
    }

    #[test]
    fn a_new_patient_is_tidied_or_told_what_is_wrong() {
        let typed = |nama: &str, telepon: &str, service_type, bpjs: &str| {
            let checked = NewPatient {
                nama_pasien: nama.into(),
                no_telepon: telepon.into(),
                service_type,
                no_bpjs: bpjs.into(),
            };
            match checked.checked() {
                Ok(patient) => Ok((patient.nama_pasien, patient.no_telepon, patient.no_bpjs)),
                Err(Refusal::Invalid(fields)) => Err(fields.into_keys().collect::<Vec<_>>()),
                Err(other) => panic!("{other:?}"),
            }
        };
        assert_eq!(
            typed("  Siti   Rahmawati ", "0812 3456 7890", ServiceType::BpjsII, "0001 4478 2290 3"),
            Ok(("Siti Rahmawati".into(), "0812 3456 7890".into(), "0001447822903".into()))
        );
        assert_eq!(typed("Budi", "", ServiceType::Umum, "123"), Ok(("Budi".into(), "".into(), "".into())));
        assert_eq!(
            typed(" ", "nol delapan", ServiceType::BpjsI, "123"),
            Err(vec!["nama_pasien".into(), "no_bpjs".into(), "no_telepon".into()])
        );
    }
}
