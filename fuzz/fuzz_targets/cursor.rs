//! A cursor that is read is written back as it was, and nothing else is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use melati::feed::Cursor;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = text.parse::<Cursor>() {
        let written = cursor.to_string();
        assert_eq!(written.parse::<Cursor>().ok(), Some(cursor), "{text:?} as {written:?}");
    }
});
