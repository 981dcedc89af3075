//! The shops of the chain, and their days.

use std::collections::BTreeMap;

use crate::ids::BranchId;
use crate::refusal::{Outcome, Refusal};
use crate::scope::Viewer;

pub mod pages;
pub mod sql;

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Branch {
    pub id: BranchId,
    pub name: String,
    pub kode: String,
    pub timezone: String,
    /// On its receipts; empty where nobody has written it down.
    pub alamat: String,
    pub telepon: String,
    /// Closed for good: its history is there, and nothing new begins (migration 0022).
    pub is_retired: bool,
}

impl Branch {
    /// See [`zone`].
    pub fn zone(&self) -> &str {
        zone(&self.timezone)
    }
}

/// The zones of Indonesia, as people choose them.
pub const ZONES: [(&str, &str); 3] = [
    ("Asia/Jakarta", "WIB · Sumatra, Jawa, Kalimantan barat dan tengah"),
    ("Asia/Makassar", "WITA · Bali, Nusa Tenggara, Sulawesi, Kalimantan lain"),
    ("Asia/Jayapura", "WIT · Maluku, Papua"),
];

/// What was typed about a branch.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct BranchForm {
    pub name: String,
    pub kode: String,
    pub timezone: String,
    pub alamat: String,
    pub telepon: String,
}

/// A [`BranchForm`] that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBranch {
    pub name: String,
    pub kode: String,
    pub timezone: String,
    pub alamat: String,
    pub telepon: String,
}

impl BranchForm {
    /// # Errors
    /// `Invalid`, naming every field that cannot be meant. `kept` is the zone that the branch has: whatever it is, it may stay.
    pub fn read(&self, kept: Option<&str>) -> Outcome<NewBranch> {
        let mut wrong = BTreeMap::new();
        let mut say = |field: &str, message: &str| drop(wrong.insert(field.to_owned(), message.to_owned()));
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = one_line(&self.name);
        if !(2..=60).contains(&name.chars().count()) {
            say("name", "Isi nama cabang, 2 sampai 60 huruf.");
        }
        let kode = self.kode.trim().to_uppercase();
        if !(2..=4).contains(&kode.len()) || !kode.bytes().all(|b| b.is_ascii_uppercase()) {
            say("kode", "Kode cabang 2 sampai 4 huruf, misalnya KMG.");
        }
        let timezone = self.timezone.trim().to_owned();
        if !ZONES.iter().any(|(zone, _)| *zone == timezone) && kept != Some(&timezone) {
            say("timezone", "Pilih zona waktu cabang.");
        }
        let (alamat, telepon) = (one_line(&self.alamat), one_line(&self.telepon));
        if alamat.chars().count() > 200 {
            say("alamat", "Alamat paling panjang 200 huruf: harus muat di struk.");
        }
        let is_number = |c: char| c.is_ascii_digit() || " +-()/".contains(c);
        if telepon.len() > 40 || !telepon.chars().all(is_number) {
            say("telepon", "Isi nomor telepon, misalnya 021-7179 0123.");
        }
        match wrong.is_empty() {
            true => Ok(NewBranch { name, kode, timezone, alamat, telepon }),
            false => Err(Refusal::Invalid(wrong)),
        }
    }
}

/// A branch as the head office looks after it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Shop {
    #[sqlx(flatten)]
    pub branch: Branch,
    pub is_open: bool,
    /// `08:02` on its own clock, if its day was opened.
    pub opened_at: Option<String>,
    pub closed_at: Option<String>,
    /// Active accounts.
    pub people: i64,
    pub has_sold: bool,
    /// `21 Nov 2026`, of one that is closed for good.
    pub retired_on: Option<time::Date>,
}

impl Shop {
    pub fn retired(&self) -> Option<String> {
        self.retired_on.map(plain_date)
    }
}

/// What must come to an end before a branch can be closed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Unfinished {
    /// Its day is open.
    pub is_open: bool,
    /// Active accounts.
    pub people: i64,
    /// Orders that nobody has collected.
    pub orders: i64,
    /// Goods on their way to it, or from it.
    pub transfers: i64,
    pub opnames: i64,
}

impl Unfinished {
    /// What is to be done, each with its number; empty if nothing is.
    pub fn in_words(self) -> Vec<String> {
        let Self { is_open, people, orders, transfers, opnames } = self;
        let some = |count: i64, words: &str| (count > 0).then(|| format!("{count} {words}"));
        [
            is_open.then(|| "harinya masih buka (tutup dulu harinya)".to_owned()),
            some(people, "pengguna masih aktif di sini (pindahkan ke cabang lain, atau nonaktifkan)"),
            some(orders, "pesanan belum diambil pasien"),
            some(transfers, "kiriman antar cabang masih di jalan"),
            some(opnames, "opname masih berjalan"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What people call a zone: WIB, WITA or WIT. Indonesia has no others; elsewhere the zone's own name.
pub fn zone(timezone: &str) -> &str {
    match timezone {
        "Asia/Jakarta" | "Asia/Pontianak" => "WIB",
        "Asia/Makassar" | "Asia/Ujung_Pandang" => "WITA",
        "Asia/Jayapura" => "WIT",
        other => other,
    }
}

/// The branch that someone works for now. Somebody who looks at all branches must say first which one they mean.
pub fn working_for(viewer: &Viewer) -> Outcome<BranchId> {
    viewer.branches().one().ok_or_else(|| Refusal::conflict("choose_branch", "Pilih dulu cabangnya, lalu coba lagi."))
}

/// A branch's own day: open, closed, or not opened yet.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Today {
    /// `2026-11-21`, branch time.
    pub tanggal: time::Date,
    pub is_open: bool,
    /// `08:02`, branch time; none while the day has not been opened.
    pub opened_at: Option<String>,
    pub opened_by: Option<String>,
    pub closed_at: Option<String>,
    /// The hour on the branch's clock, for a greeting.
    pub hour: i32,
}

impl Today {
    pub fn long_date(&self) -> String {
        long_date(self.tanggal)
    }

    pub fn greeting(&self) -> &'static str {
        match self.hour {
            4..=10 => "Selamat pagi",
            11..=14 => "Selamat siang",
            15..=17 => "Selamat sore",
            _ => "Selamat malam",
        }
    }
}

const WEEKDAYS: [&str; 7] = ["Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"];
const MONTHS: [&str; 12] = [
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
];

/// `Sabtu`.
pub fn weekday(date: time::Date) -> &'static str {
    WEEKDAYS[usize::from(date.weekday().number_days_from_monday())]
}

fn month(date: time::Date) -> &'static str {
    MONTHS[usize::from(u8::from(date.month())) - 1]
}

/// `21 November 2026`.
pub fn plain_date(date: time::Date) -> String {
    format!("{} {} {}", date.day(), month(date), date.year())
}

/// `Sabtu, 21 November 2026`.
pub fn long_date(date: time::Date) -> String {
    format!("{}, {}", weekday(date), plain_date(date))
}

/// `Sab, 21 Nov`: for a column of dates.
pub fn short_date(date: time::Date) -> String {
    format!("{}, {} {}", &weekday(date)[..3], date.day(), &month(date)[..3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_has_a_name_a_code_and_a_zone_of_indonesia() {
        let typed = |text: &str| text.to_owned();
        let form = BranchForm {
            name: typed(" Ubud  Raya "),
            kode: typed("ubd"),
            timezone: typed("Asia/Makassar"),
            ..BranchForm::default()
        };
        let branch = form.read(None).unwrap();
        assert_eq!((branch.name.as_str(), branch.kode.as_str()), ("Ubud Raya", "UBD"));
        let wrong = |form: BranchForm, kept| match form.read(kept) {
            Err(Refusal::Invalid(fields)) => fields.into_keys().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong(BranchForm::default(), None), ["kode", "name", "timezone"]);
        for kode in ["K", "KEMAN", "K1", "K G", "ÄÖ"] {
            assert_eq!(wrong(BranchForm { kode: kode.into(), ..form.clone() }, None), ["kode"], "{kode}");
        }
        let placed =
            |alamat: &str, telepon: &str| BranchForm { alamat: alamat.into(), telepon: telepon.into(), ..form.clone() };
        let there = placed(" Jl. Raya\n Ubud 1 ", " (0361)  97-1 ").read(None).unwrap();
        assert_eq!((there.alamat.as_str(), there.telepon.as_str()), ("Jl. Raya Ubud 1", "(0361) 97-1"));
        assert_eq!(wrong(placed(&"a".repeat(201), "tanya satpam"), None), ["alamat", "telepon"]);
        let borneo = BranchForm { timezone: "Asia/Pontianak".into(), ..form };
        assert_eq!(wrong(borneo.clone(), None), ["timezone"]);
        assert!(borneo.read(Some("Asia/Pontianak")).is_ok(), "what it has it may keep");
    }

    #[test]
    fn what_holds_a_branch_back_is_named_and_nothing_else() {
        let free = Unfinished { is_open: false, people: 0, orders: 0, transfers: 0, opnames: 0 };
        assert!(free.in_words().is_empty());
        let held = Unfinished { people: 2, orders: 1, ..free }.in_words().join("; ");
        assert!(held.starts_with("2 pengguna masih aktif") && held.contains("1 pesanan"), "{held}");
    }

    #[test]
    fn dates_read_as_people_say_them() {
        let date = time::Date::from_calendar_date(2026, time::Month::November, 21).unwrap();
        assert_eq!(long_date(date), "Sabtu, 21 November 2026");
        assert_eq!(short_date(date), "Sab, 21 Nov");
    }
}
