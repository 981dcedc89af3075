//! Sheets for spreadsheet programs. What people typed (names, notes) must arrive as text: a cell that begins like a formula
//! would be run by the program of whoever opens it.

/// Begins a file: without it Excel reads UTF-8 as something else.
pub const BOM: &str = "\u{feff}";

/// Appends one line. Cells that are numbers stay numbers; the separator is the semicolon, because where a comma is the decimal
/// sign, as in Indonesia, Excel expects that and shows a comma-separated file as one column.
pub fn line<C: AsRef<str>>(sheet: &mut String, cells: impl IntoIterator<Item = C>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            sheet.push(';');
        }
        push(sheet, cell.as_ref());
    }
    sheet.push_str("\r\n");
}

/// Quotes what any separator would cut, not only ours: not every spreadsheet asks which one it is.
fn push(sheet: &mut String, text: &str) {
    let guarded = guard(text);
    if guarded == text && !text.contains([';', ',', '\t', '"', '\r', '\n']) {
        sheet.push_str(text);
        return;
    }
    sheet.push('"');
    sheet.push_str(&guarded.replace('"', "\"\""));
    sheet.push('"');
}

/// The text with a `'` before whatever a spreadsheet would take for a formula: the apostrophe says "text follows", and is not
/// shown. Also in the middle, because a spreadsheet that expects another separator begins a cell there, whatever the quotes
/// say. [`unguard`] takes off what this has put on, and nothing else.
pub fn guard(text: &str) -> String {
    each_part(text, |part| match is_formula(part.trim_start_matches('\'')) {
        true => format!("'{part}"),
        false => part.to_owned(),
    })
}

/// What [`guard`] was given. A part that had a `'` of its own before a formula has got a second.
pub fn unguard(text: &str) -> String {
    each_part(text, |part| match part.strip_prefix('\'') {
        Some(rest) if is_formula(rest.trim_start_matches('\'')) => rest.to_owned(),
        _ => part.to_owned(),
    })
}

/// `text` with everything that would be a cell, by whichever separator, changed.
fn each_part(text: &str, change: impl Fn(&str) -> String) -> String {
    let part = |part: &str| {
        let (inside, end) = part.split_at(part.trim_end_matches(SEPARATORS).len());
        change(inside) + end
    };
    text.split_inclusive(SEPARATORS).map(part).collect()
}

const SEPARATORS: [char; 5] = [';', ',', '\t', '\r', '\n'];

/// What a spreadsheet would take for one: see OWASP, "CSV Injection". A negative number is only a number. Blanks and quotes
/// before it are lost on the way into the cell.
fn is_formula(part: &str) -> bool {
    let part = part.trim_start_matches(|c: char| c == '"' || c.is_whitespace());
    match part.chars().next() {
        Some('-') => part.len() == 1 || !part[1..].bytes().all(|b| b.is_ascii_digit()),
        Some('=' | '+' | '@' | '＝' | '＋' | '－' | '＠') => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_stays_text() {
        let mut sheet = String::new();
        let cells = [
            "=1+1",
            "+62 812",
            "-5",
            "-1+1",
            "@SUM(A1)",
            "\t=1",
            " =1",
            "＝1",
            "Oval; \"besar\"",
            "a,=1",
            "a\t\"=1",
            "'=1",
            "Lensa",
            "1.5",
            "-",
        ];
        line(&mut sheet, cells);
        let expected = "\"'=1+1\";\"'+62 812\";-5;\"'-1+1\";\"'@SUM(A1)\";\"\t'=1\";\"' =1\";\"'＝1\";\"Oval; \"\"besar\"\"\";\"a,'=1\";\"a\t'\"\"=1\";\"''=1\";Lensa;1.5;\"'-\"\r\n";
        assert_eq!(sheet, expected);
    }

    proptest::proptest! {
        #[test]
        fn what_was_guarded_can_be_had_back(text in "['=+\\-@＝\"; ,\t\r\na5]{0,12}") {
            proptest::prop_assert_eq!(unguard(&guard(&text)), text);
        }
    }
}
