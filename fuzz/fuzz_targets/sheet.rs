//! A sheet of products as anyone may send it in: read without a panic, and what is read goes out and comes back unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use melati::ids::ProductId;
use melati::stock::ProductType;
use melati::stock::catalog::Shelved;
use melati::stock::sheet::{Reason, export, plan, text_of};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = text_of(bytes) else { return };
    for product_type in ProductType::ALL {
        let found = plan(product_type, Reason::Koreksi, text, &[]);
        let shelf: Vec<Shelved> = found
            .changes
            .into_iter()
            .enumerate()
            .map(|(at, change)| {
                let mut details = change.now;
                if product_type == ProductType::Aksesoris {
                    details.kode = format!("AKS-{at:06}");
                }
                Shelved { id: ProductId(at as i64), details, stok: change.delta }
            })
            .collect();
        let out = export(product_type, &shelf);
        let again = plan(product_type, Reason::Koreksi, text_of(&out).expect("ours is UTF-8, and has a head"), &shelf);
        assert!(again.problems.is_empty() && again.changes.is_empty(), "{again:?}");
    }
});
