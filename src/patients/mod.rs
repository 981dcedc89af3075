//! Patients (pasien): who the shop sells to, who pays for them, and their prescription (resep).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::ids::{BranchId, PatientId, SaleId};
use crate::money::Rupiah;
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

#[derive(Debug)]
pub struct UnknownService;

impl FromStr for ServiceType {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        [Self::Umum, Self::BpjsI, Self::BpjsII, Self::BpjsIII]
            .into_iter()
            .find(|service| service.to_string() == text)
            .ok_or(UnknownService)
    }
}

/// What one eye needs: sphere, cylinder and addition in hundredths of a dioptre, the axis in degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
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

/// A prescription; as JSON what `resep_of` of `migrations/0014_receipts.sql` makes of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
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

/// Somebody who is here for the first time: a [`PatientForm`] that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPatient {
    pub nama_pasien: String,
    pub no_telepon: String,
    pub service_type: ServiceType,
    pub no_bpjs: String,
    pub resep: Resep,
}

/// What the counter typed: everything may be empty, numbers are written as people write them.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct PatientForm {
    pub nama_pasien: String,
    pub no_telepon: String,
    pub service_type: String,
    pub no_bpjs: String,
    pub od_sph: String,
    pub od_cyl: String,
    pub od_axis: String,
    pub od_add: String,
    pub os_sph: String,
    pub os_cyl: String,
    pub os_axis: String,
    pub os_add: String,
    pub pd: String,
}

/// A patient as their page shows them.
#[derive(Debug, Clone)]
pub struct Record {
    pub patient: Patient,
    pub branch_id: BranchId,
    pub branch: String,
    /// Of the row: whoever changes it says which one they saw.
    pub version: String,
}

/// One of a patient's purchases.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Visit {
    pub id: SaleId,
    pub kode_penjualan: String,
    /// `21/11/2026` on the branch's clock.
    pub tanggal: String,
    /// What was bought, in a few words.
    pub isi: String,
    pub total: Rupiah,
    pub kekurangan: Rupiah,
    pub status_pengerjaan: String,
    /// Taken back, and paid back.
    pub is_cancelled: bool,
}

impl From<&Patient> for PatientForm {
    fn from(patient: &Patient) -> Self {
        let signed = |number: Option<i32>| number.map(dioptres).unwrap_or_default();
        let axis = |axis: Option<i16>| axis.map(|axis| axis.to_string()).unwrap_or_default();
        let Resep { od, os, .. } = patient.resep;
        Self {
            nama_pasien: patient.nama_pasien.clone(),
            no_telepon: patient.no_telepon.clone(),
            service_type: patient.service_type.to_string(),
            no_bpjs: patient.no_bpjs.clone(),
            od_sph: signed(od.sph),
            od_cyl: signed(od.cyl),
            od_axis: axis(od.axis),
            od_add: signed(od.add),
            os_sph: signed(os.sph),
            os_cyl: signed(os.cyl),
            os_axis: axis(os.axis),
            os_add: signed(os.add),
            pd: patient.resep.pd_text().unwrap_or_default(),
        }
    }
}

/// Digits on an insurance card.
const BPJS_DIGITS: usize = 13;

impl PatientForm {
    /// # Errors
    /// `Invalid`, naming every field that cannot be meant.
    pub fn read(&self) -> Outcome<NewPatient> {
        let mut wrong = Wrong::default();
        let nama_pasien = tidy(&self.nama_pasien);
        if !(2..=120).contains(&nama_pasien.chars().count()) {
            wrong.say("nama_pasien", "Isi nama pasien, 2 sampai 120 huruf.");
        }
        let no_telepon = tidy(&self.no_telepon);
        let digits = no_telepon.chars().filter(char::is_ascii_digit).count();
        let is_phone = (6..=15).contains(&digits)
            && no_telepon.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')'));
        if !no_telepon.is_empty() && !is_phone {
            wrong.say("no_telepon", "Nomor telepon belum benar, misalnya 0812 3456 7890.");
        }
        let service_type = self.service_type.parse().unwrap_or_else(|_| {
            wrong.say("service_type", "Pilih layanan: UMUM atau BPJS.");
            ServiceType::Umum
        });
        let no_bpjs: String = match service_type {
            ServiceType::Umum => String::new(),
            _ => self.no_bpjs.chars().filter(|c| !c.is_whitespace() && *c != '-').collect(),
        };
        let is_card = no_bpjs.len() == BPJS_DIGITS && no_bpjs.bytes().all(|b| b.is_ascii_digit());
        if service_type != ServiceType::Umum && !is_card {
            wrong.say("no_bpjs", "Nomor kartu BPJS ada 13 angka.");
        }
        let resep = Resep {
            od: wrong.eye(
                ["od_sph", "od_cyl", "od_axis", "od_add"],
                [&self.od_sph, &self.od_cyl, &self.od_axis, &self.od_add],
            ),
            os: wrong.eye(
                ["os_sph", "os_cyl", "os_axis", "os_add"],
                [&self.os_sph, &self.os_cyl, &self.os_axis, &self.os_add],
            ),
            pd: wrong.number("pd", &self.pd, 1, 400..=850, "PD dalam milimeter, misalnya 62 atau 62,5."),
        };
        if wrong.0.is_empty() {
            Ok(NewPatient { nama_pasien, no_telepon, service_type, no_bpjs, resep })
        } else {
            Err(Refusal::Invalid(wrong.0))
        }
    }
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Default)]
struct Wrong(BTreeMap<String, String>);

impl Wrong {
    fn say(&mut self, field: &str, message: &str) {
        self.0.insert(field.to_owned(), message.to_owned());
    }

    fn number(
        &mut self,
        field: &str,
        text: &str,
        places: u32,
        range: RangeInclusive<i32>,
        message: &str,
    ) -> Option<i32> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let number = decimal(text, places).filter(|number| range.contains(number));
        if number.is_none() {
            self.say(field, message);
        }
        number
    }

    fn eye(&mut self, fields: [&str; 4], [sph, cyl, axis, add]: [&String; 4]) -> Eye {
        let name = fields[0][..2].to_uppercase();
        let eye = Eye {
            sph: self.number(fields[0], sph, 2, -3000..=3000, &format!("{name} sferis belum benar, misalnya −2,25.")),
            cyl: self.number(fields[1], cyl, 2, -1500..=1500, &format!("{name} silinder belum benar, misalnya −0,50.")),
            axis: self
                .number(fields[2], axis, 0, 0..=180, &format!("{name} aksis dari 0 sampai 180."))
                .and_then(|axis| i16::try_from(axis).ok()),
            add: self.number(fields[3], add, 2, 0..=500, &format!("{name} adisi belum benar, misalnya +1,50.")),
        };
        if eye.cyl.is_some_and(|cyl| cyl != 0) && eye.axis.is_none() && !self.0.contains_key(fields[2]) {
            self.say(fields[2], &format!("Silinder {name} butuh aksis."));
        }
        eye
    }
}

/// `−2,25` as −225 when `places` is 2. Comma or point, any minus, at most so many places.
fn decimal(text: &str, places: u32) -> Option<i32> {
    let (is_negative, size) = match text.strip_prefix(['-', '−', '–']) {
        Some(size) => (true, size),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, rest) = size.split_once([',', '.']).unwrap_or((size, ""));
    let is_number = !whole.is_empty() && whole.len() <= 4 && rest.len() <= places as usize;
    if !is_number || !whole.bytes().chain(rest.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits: i32 = format!("{whole}{rest:0<width$}", width = places as usize).parse().ok()?;
    Some(if is_negative { -digits } else { digits })
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
    fn a_new_patient_is_tidied() {
        let form = PatientForm {
            nama_pasien: "  Siti   Rahmawati ".into(),
            no_telepon: "0812 3456 7890".into(),
            service_type: "BPJS II".into(),
            no_bpjs: "0001 4478 2290 3".into(),
            od_sph: "−2,25".into(),
            od_cyl: "-.5".into(),
            ..PatientForm::default()
        };
        match form.read() {
            Err(Refusal::Invalid(fields)) => assert_eq!(fields.into_keys().collect::<Vec<_>>(), ["od_cyl"]),
            other => panic!("{other:?}"),
        }
        let form = PatientForm { od_cyl: "-0.5".into(), od_axis: "90".into(), pd: "62".into(), ..form };
        let patient = form.read().unwrap();
        assert_eq!((patient.nama_pasien.as_str(), patient.no_bpjs.as_str()), ("Siti Rahmawati", "0001447822903"));
        assert_eq!(patient.resep.to_string(), "OD −2,25 / −0,50 × 90 · PD 62");
        let private = PatientForm { service_type: "UMUM".into(), no_bpjs: "123".into(), ..form };
        assert_eq!(private.read().unwrap().no_bpjs, "", "a private patient has no card");
    }

    #[test]
    fn what_the_form_shows_is_read_back_as_it_was() {
        let eye = |sph, cyl, axis, add| Eye { sph, cyl, axis, add };
        let patient = Patient {
            id: PatientId(1),
            nama_pasien: "Siti Rahmawati".into(),
            no_telepon: "0812 3456 7890".into(),
            service_type: ServiceType::BpjsII,
            no_bpjs: "0001447822903".into(),
            resep: Resep {
                od: eye(Some(-225), Some(-50), Some(90), None),
                os: eye(Some(0), None, None, Some(150)),
                pd: Some(625),
            },
        };
        let read = PatientForm::from(&patient).read().unwrap();
        assert_eq!(
            (read.resep, read.no_bpjs, read.service_type),
            (patient.resep, patient.no_bpjs, patient.service_type)
        );
    }

    #[test]
    fn every_field_that_cannot_be_meant_is_named() {
        let form = PatientForm {
            nama_pasien: " ".into(),
            no_telepon: "nol delapan".into(),
            service_type: "BPJS I".into(),
            no_bpjs: "123".into(),
            od_sph: "31".into(),
            od_cyl: "-0,50".into(),
            os_axis: "181".into(),
            pd: "6,25".into(),
            ..PatientForm::default()
        };
        match form.read() {
            Err(Refusal::Invalid(fields)) => assert_eq!(
                fields.into_keys().collect::<Vec<_>>(),
                ["nama_pasien", "no_bpjs", "no_telepon", "od_axis", "od_sph", "os_axis", "pd"]
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, places, number) in [
            ("−2,25", 2, Some(-225)),
            ("+1.5", 2, Some(150)),
            ("0", 2, Some(0)),
            ("62,5", 1, Some(625)),
            ("90", 0, Some(90)),
            ("2,255", 2, None),
            ("90,5", 0, None),
            ("--1", 2, None),
            ("1,-5", 2, None),
            ("", 2, None),
            ("99999999999", 2, None),
        ] {
            assert_eq!(decimal(text, places), number, "{text}");
        }
    }
}
