//! The SQL of patients.

/// An ILIKE pattern that finds the words of `text` in their order, each taken literally.
pub fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    for word in text.split_whitespace() {
        pattern.push('%');
        for c in word.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
    }
    pattern.push('%');
    pattern
}
