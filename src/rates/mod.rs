//! What BPJS pays for a frame, by class. Rates change by decree, so they are dated rows: what was sold keeps its price, and
//! what is decreed today waits for its day.

use std::collections::BTreeMap;

use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::money::Rupiah;
use crate::patients::ServiceType;
use crate::refusal::{Outcome, Refusal};

pub mod pages;
pub mod sql;

/// The classes that have a rate.
pub const CLASSES: [ServiceType; 3] = [ServiceType::BpjsI, ServiceType::BpjsII, ServiceType::BpjsIII];

/// As `<input type="date">` sends it.
const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Rate {
    pub id: i64,
    pub service_type: ServiceType,
    pub price: Rupiah,
    pub effective_from: Date,
}

/// A class with its rates, as of a day.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    pub name: ServiceType,
    /// What the till takes on that day; none if no rate has begun.
    pub now: Option<Rate>,
    /// What comes, the next one first.
    pub coming: Vec<Rate>,
    /// What was, the newest first.
    pub past: Vec<Rate>,
}

/// As the till reads it (`coverage` in `src/sales/sql.rs`): the newest one that has begun holds.
pub fn by_class(rates: &[Rate], today: Date) -> Vec<Class> {
    let of = |name| {
        let mut all: Vec<Rate> = rates.iter().filter(|rate| rate.service_type == name).cloned().collect();
        all.sort_by_key(|rate| rate.effective_from);
        let coming = all.split_off(all.partition_point(|rate| rate.effective_from <= today));
        let now = all.pop();
        all.reverse();
        Class { name, now, coming, past: all }
    };
    CLASSES.into_iter().map(of).collect()
}

/// What was typed about a rate that is to come.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct RateForm {
    pub service_type: String,
    pub price: String,
    pub effective_from: String,
}

/// A [`RateForm`] that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRate {
    pub service_type: ServiceType,
    pub price: Rupiah,
    pub effective_from: Date,
}

/// More is a slip of the finger.
const HIGHEST: Rupiah = Rupiah(100_000_000);

impl RateForm {
    /// # Errors
    /// `Invalid`, naming every field that cannot be meant. `today` is the latest date that any branch has now: a rate that
    /// has begun somewhere may have been charged already.
    pub fn read(&self, today: Date) -> Outcome<NewRate> {
        let mut wrong = BTreeMap::new();
        let mut say = |field: &str, message: &str| drop(wrong.insert(field.to_owned(), message.to_owned()));
        let service_type = self.service_type.parse().ok().filter(|class| CLASSES.contains(class));
        if service_type.is_none() {
            say("service_type", "Pilih kelas BPJS.");
        }
        let price = self.price.parse().ok().filter(|price| (Rupiah(1)..=HIGHEST).contains(price));
        if price.is_none() {
            say("price", "Isi tarif dalam rupiah, contoh: 330.000.");
        }
        let effective_from = Date::parse(self.effective_from.trim(), DATE).ok();
        match effective_from {
            None => say("effective_from", "Isi tanggal mulai berlaku."),
            Some(date) if date <= today => {
                say("effective_from", "Tarif baru mulai paling cepat besok: yang sudah terjual tidak berubah.");
            }
            Some(date) if date.year() > today.year() + 10 => say("effective_from", "Tanggal ini terlalu jauh."),
            Some(_) => {}
        }
        match (service_type, price, effective_from) {
            (Some(service_type), Some(price), Some(effective_from)) if wrong.is_empty() => {
                Ok(NewRate { service_type, price, effective_from })
            }
            _ => Err(Refusal::Invalid(wrong)),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn the_newest_that_has_begun_holds() {
        let rate = |id, price, effective_from| Rate {
            id,
            service_type: ServiceType::BpjsII,
            price: Rupiah(price),
            effective_from,
        };
        let rates = [
            rate(3, 260_000, date!(2027 - 01 - 01)),
            rate(1, 220_000, date!(2020 - 01 - 01)),
            rate(2, 240_000, date!(2026 - 11 - 21)),
        ];
        let ids = |today| {
            let [_, class, _] = by_class(&rates, today).try_into().unwrap();
            let list = |rates: Vec<Rate>| rates.into_iter().map(|rate| rate.id).collect::<Vec<_>>();
            (class.now.map(|rate| rate.id), list(class.coming), list(class.past))
        };
        assert_eq!(ids(date!(2019 - 12 - 31)), (None, vec![1, 2, 3], vec![]));
        assert_eq!(ids(date!(2026 - 11 - 20)), (Some(1), vec![2, 3], vec![]));
        assert_eq!(ids(date!(2026 - 11 - 21)), (Some(2), vec![3], vec![1]));
        assert_eq!(ids(date!(2027 - 01 - 01)), (Some(3), vec![], vec![2, 1]));
    }

    #[test]
    fn a_rate_is_for_a_class_an_amount_and_a_day_to_come() {
        let form = |class: &str, price: &str, from: &str| RateForm {
            service_type: class.into(),
            price: price.into(),
            effective_from: from.into(),
        };
        let today = date!(2026 - 11 - 21);
        let new = form("BPJS I", "Rp 350.000", "2026-11-22").read(today).unwrap();
        assert_eq!((new.price, new.effective_from), (Rupiah(350_000), date!(2026 - 11 - 22)));
        for (class, price, from, wrong) in [
            ("UMUM", "1", "2026-11-22", "service_type"),
            ("BPJS I", "0", "2026-11-22", "price"),
            ("BPJS I", "-1", "2026-11-22", "price"),
            ("BPJS I", "1.5", "2026-11-22", "price"),
            ("BPJS I", "999999999999", "2026-11-22", "price"),
            ("BPJS I", "1", "2026-11-21", "effective_from"),
            ("BPJS I", "1", "22/11/2026", "effective_from"),
            ("BPJS I", "1", "9999-01-01", "effective_from"),
        ] {
            match form(class, price, from).read(today) {
                Err(Refusal::Invalid(fields)) => assert_eq!(fields.into_keys().collect::<Vec<_>>(), [wrong]),
                other => panic!("{other:?}"),
            }
        }
    }
}
