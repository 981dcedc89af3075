//! Orders: a sale on its way through the workshop to the patient.

use std::fmt;

pub mod pages;
pub mod sql;

/// An order is promised within so many days of its sale; the receipt says the date, the board what is late.
pub const PROMISED_DAYS: i32 = 7;
/// From so many days on an order is old: worth a look before it is late.
pub const OLD_DAYS: i32 = 4;

/// `status_pengerjaan`, in the order of the work.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type,
)]
#[sqlx(type_name = "text")]
pub enum WorkStatus {
    #[serde(rename = "Menunggu Pengerjaan")]
    #[sqlx(rename = "Menunggu Pengerjaan")]
    Waiting,
    #[serde(rename = "Sedang Dikerjakan")]
    #[sqlx(rename = "Sedang Dikerjakan")]
    Doing,
    #[serde(rename = "Siap Diambil")]
    #[sqlx(rename = "Siap Diambil")]
    Ready,
    #[serde(rename = "Sudah Diambil")]
    #[sqlx(rename = "Sudah Diambil")]
    Taken,
}

impl WorkStatus {
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Doing, Self::Ready, Self::Taken];

    pub fn next(self) -> Option<Self> {
        match self {
            Self::Waiting => Some(Self::Doing),
            Self::Doing => Some(Self::Ready),
            Self::Ready => Some(Self::Taken),
            Self::Taken => None,
        }
    }

    /// The step that takes a wrong press back. What was handed over stays handed over.
    pub fn back(self) -> Option<Self> {
        match self {
            Self::Waiting | Self::Taken => None,
            Self::Doing => Some(Self::Waiting),
            Self::Ready => Some(Self::Doing),
        }
    }

    pub fn may_become(self, to: Self) -> bool {
        self.next() == Some(to) || self.back() == Some(to)
    }

    /// The word of the style sheet: `data-work`, and the icon `work-…`.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Doing => "doing",
            Self::Ready => "ready",
            Self::Taken => "taken",
        }
    }
}

/// How old an order is, in words.
pub fn age(minutes: i64) -> String {
    match minutes {
        ..1 => "Baru saja".to_owned(),
        minutes @ 1..60 => format!("{minutes} menit"),
        minutes @ 60..1_440 => format!("{} jam", minutes / 60),
        minutes => format!("{} hari", minutes / 1_440),
    }
}

impl fmt::Display for WorkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "Menunggu Pengerjaan",
            Self::Doing => "Sedang Dikerjakan",
            Self::Ready => "Siap Diambil",
            Self::Taken => "Sudah Diambil",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_goes_one_step_at_a_time_and_what_is_taken_stays_taken() {
        for from in WorkStatus::ALL {
            for to in WorkStatus::ALL {
                let steps = to as i8 - from as i8;
                assert_eq!(
                    from.may_become(to),
                    steps == 1 || steps == -1 && from != WorkStatus::Taken,
                    "{from} → {to}"
                );
            }
        }
    }
}
