//! Finds publish timestamps in the JSON of an event.

use serde_json::Value;

/// A dot path into JSON. `updates[].updated_at` visits every element of `updates`.
#[derive(Clone, Debug)]
pub struct FieldPath(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Each,
}

impl std::str::FromStr for FieldPath {
    type Err = std::convert::Infallible;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let mut steps = Vec::new();
        for part in path.split('.') {
            let name = part.trim_end_matches("[]");
            if !name.is_empty() {
                steps.push(Step::Key(name.to_owned()));
            }
            steps.extend(std::iter::repeat_n(Step::Each, (part.len() - name.len()) / 2));
        }
        Ok(FieldPath(steps))
    }
}

impl FieldPath {
    /// Every timestamp at this path, in epoch microseconds. Data that is not JSON has none.
    pub fn stamps(&self, data: &[u8]) -> Vec<i64> {
        let mut found = Vec::new();
        if let Ok(value) = serde_json::from_slice::<Value>(data) {
            collect(&value, &self.0, &mut found);
        }
        found
    }
}

fn collect(value: &Value, steps: &[Step], found: &mut Vec<i64>) {
    match steps.split_first() {
        None => found.extend(micros(value)),
        Some((Step::Key(key), rest)) => {
            if let Some(inner) = value.get(key) {
                collect(inner, rest, found);
            }
        }
        Some((Step::Each, rest)) => {
            for inner in value.as_array().into_iter().flatten() {
                collect(inner, rest, found);
            }
        }
    }
}

/// Numbers are epoch seconds, milliseconds, microseconds or nanoseconds, told
/// apart by their size; strings are such numbers or RFC 3339.
fn micros(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => Some(scale(n.as_f64()?, n.as_i64())),
        Value::String(s) => rfc3339_micros(s).or_else(|| s.parse::<f64>().ok().map(|f| scale(f, s.parse().ok()))),
        _ => None,
    }
}

fn scale(float: f64, int: Option<i64>) -> i64 {
    let size = float.abs();
    if size < 1e11 {
        (float * 1e6) as i64
    } else if size < 1e14 {
        (float * 1e3) as i64
    } else if size < 1e17 {
        int.unwrap_or(float as i64)
    } else {
        int.unwrap_or(float as i64) / 1_000
    }
}

/// Also takes Postgres' own text form: a space for the `T` and a zone of `+00`.
pub fn rfc3339_micros(text: &str) -> Option<i64> {
    let num = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let b = text.as_bytes();
    if b.len() < 19 || b[4] != b'-' || b[7] != b'-' || !matches!(b[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (num(0..4)?, num(5..7)?, num(8..10)?);
    let (hour, minute, second) = (num(11..13)?, num(14..16)?, num(17..19)?);

    let mut rest = &text[19..];
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let six: String = after[..digits].chars().chain("000000".chars()).take(6).collect();
        fraction = six.parse().ok()?;
        rest = &after[digits..];
    }
    let offset_minutes = match rest.as_bytes().first() {
        None | Some(b'Z' | b'z') => 0,
        Some(sign @ (b'+' | b'-')) => {
            let hours: i64 = rest.get(1..3)?.parse().ok()?;
            let minutes: i64 = match rest[3..].trim_start_matches(':') {
                "" => 0,
                m => m.parse().ok()?,
            };
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        Some(_) => return None,
    };
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_minutes * 60;
    Some(seconds * 1_000_000 + fraction)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The reverse of [`rfc3339_micros`], in UTC.
pub fn to_rfc3339(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:06}Z", time / 3_600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_forms_of_a_timestamp() {
        let want = Some(1_763_689_335_123_456);
        for text in [
            "2025-11-21T01:42:15.123456Z",
            "2025-11-21 01:42:15.123456+00",
            "2025-11-21T08:42:15.1234567+07:00",
            "2025-11-20T20:42:15.123456-0500",
        ] {
            assert_eq!(rfc3339_micros(text), want, "{text}");
        }
        assert_eq!(rfc3339_micros("2024-02-29T00:00:00Z"), Some(1_709_164_800_000_000));
        assert_eq!(rfc3339_micros("FRM-0001"), None);
    }

    #[test]
    fn writes_what_it_reads() {
        for micros in [0, 1_709_164_800_000_001, 1_763_689_335_123_456, 4_102_444_799_999_999] {
            assert_eq!(rfc3339_micros(&to_rfc3339(micros)), Some(micros));
        }
    }

    #[test]
    fn follows_paths_through_arrays() {
        let data = br#"{"ts":1763689335,"updates":[{"at":1763689335123},{"at":1763689335123456}]}"#;
        let path = |p: &str| p.parse::<FieldPath>().unwrap();
        assert_eq!(path("ts").stamps(data), [1_763_689_335_000_000]);
        let each = path("updates[].at").stamps(data);
        assert_eq!(each, [1_763_689_335_123_000, 1_763_689_335_123_456]);
        assert_eq!(path("[].ts").stamps(br#"[{"ts":1},{"ts":2}]"#), [1_000_000, 2_000_000]);
        assert!(path("none").stamps(data).is_empty());
        assert!(path("ts").stamps(b"ping").is_empty());
    }
}
