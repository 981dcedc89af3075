//! The text of a `pg_snapshot`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use melati::feed::Snapshot;

fuzz_target!(|text: &str| {
    if let Ok(snapshot) = text.parse::<Snapshot>() {
        assert_eq!(snapshot.to_pg().parse::<Snapshot>().ok(), Some(snapshot), "{text:?}");
    }
});
