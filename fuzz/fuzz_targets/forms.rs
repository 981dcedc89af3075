//! What people and scripts send in: amounts, patients with their prescriptions, carts, addresses to return to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use melati::money::Rupiah;
use melati::patients::PatientForm;
use melati::sales::{self, Item};
use melati::web::page::{local_path, url_part};

fuzz_target!(|text: &str| {
    let _ = text.parse::<Rupiah>();
    if let Some(path) = local_path(text) {
        assert!(path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']));
    }
    assert!(url_part(text).is_ascii());
    if let Ok(form) = serde_json::from_str::<PatientForm>(text) {
        let _ = form.read();
    }
    if let Ok(items) = serde_json::from_str::<Vec<Item>>(text) {
        let _ = sales::merge(&items);
    }
});
