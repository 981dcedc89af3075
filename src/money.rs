//! Whole rupiah. There is no smaller unit in use, and no floating point anywhere near money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};
use std::str::FromStr;

/// An amount in whole rupiah; `bigint` in the database, a plain number in JSON.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Rupiah(pub i64);

impl Rupiah {
    pub const ZERO: Self = Self(0);

    /// The digits in groups of three, without the currency: `1.234.567`, `−1.000`.
    pub fn grouped(self) -> String {
        let digits = self.0.unsigned_abs().to_string();
        let mut out = String::with_capacity(digits.len() * 4 / 3 + 3);
        if self.0 < 0 {
            out.push('−');
        }
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push('.');
            }
            out.push(digit);
        }
        out
    }
}

/// As people type it: `1000000`, `1.000.000`, `Rp 1.000.000`.
#[derive(Debug, thiserror::Error)]
#[error("not an amount in rupiah")]
pub struct NotRupiah;

impl FromStr for Rupiah {
    type Err = NotRupiah;

    fn from_str(text: &str) -> Result<Self, NotRupiah> {
        let text = text.trim();
        let text = text.strip_prefix("Rp").unwrap_or(text).trim();
        let digits: String = text.chars().filter(|&c| c != '.').collect();
        // "1.5" is no group of three: somebody means something else than fifteen
        let is_grouped = text.split('.').skip(1).all(|group| group.len() == 3);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || !is_grouped {
            return Err(NotRupiah);
        }
        digits.parse().map(Self).map_err(|_| NotRupiah)
    }
}

/// `Rp 1.234.567` with a no-break space, minus as `−`.
impl fmt::Display for Rupiah {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..0 => write!(f, "−Rp\u{a0}{}", Self(-self.0).grouped()),
            _ => write!(f, "Rp\u{a0}{}", self.grouped()),
        }
    }
}

impl Add for Rupiah {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Rupiah {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Rupiah {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Rupiah {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Mul<i64> for Rupiah {
    type Output = Self;
    fn mul(self, times: i64) -> Self {
        Self(self.0 * times)
    }
}

impl Sum for Rupiah {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_indonesians_write_it() {
        for (amount, text) in [
            (0, "Rp\u{a0}0"),
            (999, "Rp\u{a0}999"),
            (1_000, "Rp\u{a0}1.000"),
            (1_234_567, "Rp\u{a0}1.234.567"),
            (-915_000, "−Rp\u{a0}915.000"),
        ] {
            assert_eq!(Rupiah(amount).to_string(), text);
        }
    }

    #[test]
    fn understands_what_people_type() {
        for (text, amount) in [("1000000", 1_000_000), (" 1.000.000 ", 1_000_000), ("Rp 500", 500), ("0", 0)] {
            assert_eq!(text.parse::<Rupiah>().unwrap(), Rupiah(amount));
        }
        for text in ["", "Rp", "1.5", "1,5", "-5", "1e3", "99999999999999999999"] {
            assert!(text.parse::<Rupiah>().is_err(), "{text}");
        }
    }
}
