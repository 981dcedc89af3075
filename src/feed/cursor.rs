//! The cursor: a Postgres snapshot and where it was taken. Clients hold it as the opaque SSE `id`; it carries no rights.
//!
//! `1.<system>.<timeline>.<epoch>.<xmin>.<xmax - xmin>[.<steps between the transactions in progress>]`, all in base 36.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// `pg_snapshot`: what had been committed or rolled back at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Everything below had finished.
    pub xmin: u64,
    /// Nothing from here on had.
    pub xmax: u64,
    /// In between, these had not. Rising.
    pub xip: Vec<u64>,
}

impl Snapshot {
    /// As Postgres reads it (`pg_snapshot`'s text).
    pub fn to_pg(&self) -> String {
        let xip: Vec<String> = self.xip.iter().map(u64::to_string).collect();
        format!("{}:{}:{}", self.xmin, self.xmax, xip.join(","))
    }

    /// Whether a transaction had finished: what it wrote was visible, if it committed.
    pub fn sees(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && self.xip.binary_search(&xid).is_err())
    }

    /// The latest snapshot that sees nothing which not all of `snapshots` see: whoever reads on from it reads on from each.
    pub fn floor<'a>(snapshots: impl Iterator<Item = &'a Snapshot> + Clone) -> Option<Self> {
        let xmax = snapshots.clone().map(|snapshot| snapshot.xmax).min()?;
        let unfinished: BTreeSet<u64> =
            snapshots.flat_map(|snapshot| &snapshot.xip).copied().filter(|xid| *xid < xmax).collect();
        let xip: Vec<u64> = unfinished.into_iter().collect();
        Some(Self { xmin: xip.first().copied().unwrap_or(xmax), xmax, xip })
    }

    /// Whether `other` had seen something finish that this one had not: then nothing can be read up from it to here.
    pub fn is_behind(&self, other: &Snapshot) -> bool {
        other.xmax > self.xmax || other.xmin > self.xmin
    }
}

impl FromStr for Snapshot {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut parts = text.splitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(Unreadable);
        let (xmin, xmax) = (number()?, number()?);
        let xip = parts.next().ok_or(Unreadable)?;
        let xip = xip.split(',').filter(|part| !part.is_empty()).map(|part| part.parse().map_err(|_| Unreadable));
        Self { xmin, xmax, xip: xip.collect::<Result<_, _>>()? }.checked()
    }
}

impl Snapshot {
    /// Postgres refuses a snapshot that is out of order; so do we, before it gets there.
    fn checked(self) -> Result<Self, Unreadable> {
        let rising = self.xip.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = self.xip.iter().all(|xid| (self.xmin..self.xmax).contains(xid));
        let sane = self.xmin >= 3 && self.xmin <= self.xmax && self.xmax < 1 << 62;
        if rising && inside && sane { Ok(self) } else { Err(Unreadable) }
    }
}

/// The database a snapshot belongs to: which cluster, which timeline, and since which start of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// `pg_control_system().system_identifier`
    pub system: u64,
    /// Changes at a failover.
    pub timeline: u32,
    /// `feed_epochs.epoch`
    pub epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub origin: Origin,
    pub snapshot: Snapshot,
}

/// Not a cursor of ours, whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct Unreadable;

/// More transactions in progress than this are not listed: the cursor is cut to its `xmin`, which repeats some rows on
/// resuming and loses none. Keeps an id under about 300 bytes.
const LISTED: usize = 64;
/// Nothing longer is looked at.
const LONGEST: usize = 1024;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { system, timeline, epoch } = self.origin;
        let Snapshot { xmin, xmax, xip } = &self.snapshot;
        let (xmax, xip) = if xip.len() > LISTED { (xmin, &[][..]) } else { (xmax, &xip[..]) };
        f.write_str("1")?;
        for number in [system, timeline.into(), epoch, *xmin, xmax - xmin] {
            write_base36(f, number)?;
        }
        let mut last = *xmin;
        for xid in xip {
            write_base36(f, xid - last)?;
            last = *xid;
        }
        Ok(())
    }
}

fn write_base36(f: &mut fmt::Formatter<'_>, mut number: u64) -> fmt::Result {
    let mut digits = [b'0'; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            break;
        }
    }
    f.write_str(".")?;
    digits[at..].iter().try_for_each(|digit| f.write_str(char::from(*digit).encode_utf8(&mut [0; 4])))
}

fn read_base36(text: &str) -> Result<u64, Unreadable> {
    // `from_str_radix` would also take a sign and capitals: one number, one spelling
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    let canonical = text == "0" || !text.starts_with('0');
    if !plain || !canonical {
        return Err(Unreadable);
    }
    u64::from_str_radix(text, 36).map_err(|_| Unreadable)
}

impl FromStr for Cursor {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text.len() > LONGEST {
            return Err(Unreadable);
        }
        let mut parts = text.split('.');
        if parts.next() != Some("1") {
            return Err(Unreadable);
        }
        let mut number = || parts.next().ok_or(Unreadable).and_then(read_base36);
        let system = number()?;
        let timeline = number()?.try_into().map_err(|_| Unreadable)?;
        let epoch = number()?;
        let xmin = number()?;
        let xmax = xmin.checked_add(number()?).ok_or(Unreadable)?;
        let mut last = xmin;
        let mut xip = Vec::new();
        for part in parts {
            last = last.checked_add(read_base36(part)?).ok_or(Unreadable)?;
            xip.push(last);
        }
        let snapshot = Snapshot { xmin, xmax, xip }.checked()?;
        Ok(Self { origin: Origin { system, timeline, epoch }, snapshot })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_cursor()(
            system in any::<u64>(), timeline in any::<u32>(), epoch in 1..u64::MAX, xmin in 3..1_u64 << 60,
            steps in btree_set(1_u64..100_000, 0..LISTED), more in 0_u64..1000,
        ) -> Cursor {
            // Postgres' xmin is the oldest in progress, if there is one
            let mut xip: Vec<u64> = steps.iter().map(|step| xmin + step).collect();
            if let Some(first) = xip.first_mut() { *first = xmin; }
            let xmax = xip.last().map_or(xmin, |last| last + 1) + more;
            Cursor { origin: Origin { system, timeline, epoch }, snapshot: Snapshot { xmin, xmax, xip } }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cursor in any_cursor()) {
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor.clone()));
            prop_assert_eq!(cursor.snapshot.to_pg().parse::<Snapshot>(), Ok(cursor.snapshot));
        }

        #[test]
        fn nothing_read_is_spelt_twice(text in "1(\\.[0-9a-z]{1,14}){5,8}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }

        #[test]
        fn noise_is_refused_without_a_panic(text in "\\PC{0,200}") {
            prop_assert!(text.parse::<Cursor>().is_err());
        }
    }

    #[test]
    fn what_postgres_would_refuse_is_refused() {
        assert!("1.1.1.1.5.4.1.2".parse::<Cursor>().is_ok(), "from 5 to 9, with 6 and 8 in progress");
        for (text, why) in [
            ("1.1.1.1.5.4.1.0", "one twice"),
            ("1.1.1.1.5.4.1.3", "in progress beyond the end"),
            ("1.1.1.1.2.4", "no transaction has such an id"),
            ("1.1.1.1.5.3w5e11264sgsa", "beyond all that are counted"),
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{why}: {text}");
        }
    }

    #[test]
    fn too_many_in_progress_cut_the_cursor_and_keep_it_short() {
        let xip: Vec<u64> = (100..100 + 2 * LISTED as u64).collect();
        let origin = Origin { system: u64::MAX, timeline: u32::MAX, epoch: u64::MAX };
        let long = Cursor { origin, snapshot: Snapshot { xmin: 100, xmax: 1000, xip } };
        let read: Cursor = long.to_string().parse().unwrap();
        assert_eq!(read.snapshot, Snapshot { xmin: 100, xmax: 100, xip: vec![] });
    }
}
