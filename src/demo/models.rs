//! What there is before the first day: the models that the chain can order, and the people who come.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use time::OffsetDateTime;

use super::chain::{Eye, Patient, Rates, coverage, jenis};
use super::names;
use crate::ids::{BranchId, PatientId};
use crate::money::Rupiah;
use crate::patients::ServiceType;

/// What the chain can order; a product is a model on a branch's shelf.
pub struct Model {
    pub name: String,
    pub kind: String,
    pub index: &'static str,
    pub coating: &'static str,
    pub price: Rupiah,
    pub is_custom_order: bool,
}

/// Prices end on 5 000, as on a shop's label.
fn label(amount: i64) -> Rupiah {
    Rupiah((amount + 2_500) / 5_000 * 5_000)
}

pub fn frame_range(rng: &mut StdRng, rates: Rates) -> Vec<Model> {
    let mut models = Vec::new();
    for (brand, base) in names::FRAME_BRANDS {
        for (shape, percent) in names::FRAME_LINES {
            let series = rng.random_range(11..98) * 100;
            for number in 0..rng.random_range(3..6) {
                let made_for = match rng.random_range(0..100) {
                    0..12 => ServiceType::BpjsI,
                    12..27 => ServiceType::BpjsII,
                    27..44 => ServiceType::BpjsIII,
                    _ => ServiceType::Umum,
                };
                let on_the_label = label(base * percent * 10 * rng.random_range(92..118) / 100);
                models.push(Model {
                    name: format!("{brand} {shape} {}", series + number * 4 + 2),
                    kind: jenis(made_for),
                    index: "",
                    coating: "",
                    price: coverage(rates, made_for).map_or(on_the_label, |covered| covered.price),
                    is_custom_order: false,
                });
            }
        }
    }
    models
}

pub fn lens_range(rng: &mut StdRng) -> Vec<Model> {
    let mut models = Vec::new();
    for (brand, brand_percent) in names::LENS_BRANDS {
        for (kind, base) in names::LENS_KINDS {
            for (index, index_percent) in names::LENS_INDICES {
                for (short, coating, coating_percent) in names::LENS_COATINGS {
                    let is_custom_order = *index == names::TO_ORDER;
                    if is_custom_order && rng.random_bool(0.5) {
                        continue;
                    }
                    let price = base * 1000 * brand_percent / 100 * index_percent / 100 * coating_percent / 100;
                    models.push(Model {
                        name: (*brand).to_owned(),
                        kind: format!("{kind} {index}{short}"),
                        index,
                        coating,
                        price: label(price),
                        is_custom_order,
                    });
                }
            }
        }
    }
    models
}

pub fn accessory_range(rng: &mut StdRng) -> Vec<Model> {
    let plain = names::ACCESSORIES.iter().map(|(name, price)| ((*name).to_owned(), *price));
    let coloured = names::ACCESSORIES
        .iter()
        .filter(|(name, _)| name.starts_with("Kotak") || name.starts_with("Kantong") || name.starts_with("Stan"))
        .flat_map(|(name, price)| names::COLOURS.iter().map(move |colour| (format!("{name}, {colour}"), *price)));
    plain
        .chain(coloured)
        .map(|(name, price)| Model {
            name,
            kind: String::new(),
            index: "",
            coating: "",
            price: label(price * 10 * rng.random_range(95..106)),
            is_custom_order: false,
        })
        .collect()
}

pub fn patient(rng: &mut StdRng, id: PatientId, branch_id: BranchId, created_at: OffsetDateTime) -> Patient {
    let (firsts, own) = if rng.random_bool(0.54) {
        (names::WOMEN, names::SURNAMES_OF_WOMEN)
    } else {
        (names::MEN, names::SURNAMES_OF_MEN)
    };
    let mut one_of = |list: &[&'static str]| *list.choose(rng).expect("the lists are not empty");
    let (first, middle, last) = (one_of(firsts), one_of(own), one_of(names::SURNAMES));
    let name = match rng.random_range(0..100) {
        0..5 => first.to_owned(), // many Indonesians have one name
        5..18 => format!("{first} {middle} {last}"),
        18..62 => format!("{first} {middle}"),
        _ => format!("{first} {last}"),
    };
    let service_type = match rng.random_range(0..100) {
        0..42 => ServiceType::Umum,
        42..56 => ServiceType::BpjsI,
        56..76 => ServiceType::BpjsII,
        _ => ServiceType::BpjsIII,
    };
    let no_bpjs = match service_type {
        ServiceType::Umum => String::new(),
        _ => format!("000{:010}", rng.random_range(1_000_000_000_u64..9_999_999_999)),
    };
    let age = rng.random_range(7..78);
    // A few come for sunglasses or a case only.
    let (right, left, pd) = if rng.random_bool(0.06) {
        (None, None, None)
    } else {
        let right = eye(rng, age, None);
        (Some(right), Some(eye(rng, age, Some(right))), Some(rng.random_range(116..140) * 5))
    };
    Patient {
        id,
        branch_id,
        name,
        phone: format!(
            "08{} {:04} {:04}",
            rng.random_range(11..60),
            rng.random_range(0..10_000),
            rng.random_range(0..10_000)
        ),
        service_type,
        no_bpjs,
        right,
        left,
        pd,
        created_at,
    }
}

/// In quarters of a dioptre; the second eye resembles the first; reading needs an addition from the forties on.
fn eye(rng: &mut StdRng, age: i32, other: Option<Eye>) -> Eye {
    let sph = match other {
        Some(other) => other.sph + rng.random_range(-3..4) * 25,
        None if age > 50 => rng.random_range(-6..11) * 25,
        None => rng.random_range(-22..3) * 25,
    };
    let cyl = rng.random_bool(0.55).then(|| (rng.random_range(-7..0) * 25, rng.random_range(0..36) * 5));
    let add = match other {
        Some(other) => other.add,
        None => (age >= 42).then(|| ((age - 38) / 4 * 25).clamp(75, 275)),
    };
    Eye { sph, cyl, add }
}
