//! Looking after it: who is connected, whether the figures reach the screens, and what stands in their way.

use std::time::Duration;

use crate::ids::UserId;
use crate::scope::Role;

pub mod pages;
pub mod sql;

/// A name for somebody who is connected.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Person {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    pub branch: Option<String>,
}

/// A transaction that has been open for long: what it is about to write cannot be told yet, and nothing it might still see can be
/// cleared away.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct Holder {
    /// The server process; empty for a prepared transaction, which has none.
    pub pid: String,
    pub user: String,
    pub application: String,
    pub state: String,
    #[serde(skip)]
    pub seconds: f64,
    #[sqlx(default)]
    pub since: String,
    /// The beginning of its last statement.
    pub query: String,
    /// What to do about it.
    #[sqlx(default)]
    pub advice: String,
}

impl Holder {
    fn explained(mut self) -> Self {
        self.since = length(Duration::try_from_secs_f64(self.seconds).unwrap_or_default());
        let pid = &self.pid;
        self.advice = match self.state.as_str() {
            "prepared" => {
                format!("Transaksi siap-commit yang tertinggal. Selesaikan: ROLLBACK PREPARED '{}';", self.query)
            }
            "idle in transaction" | "idle in transaction (aborted)" => format!(
                "Seseorang membuka transaksi dan tidak menutupnya. Minta ia COMMIT atau ROLLBACK, atau akhiri: SELECT pg_terminate_backend({pid});"
            ),
            _ => format!("Masih bekerja. Tunggu sampai selesai, atau hentikan: SELECT pg_cancel_backend({pid});"),
        };
        self
    }
}

/// `3 mnt 5 dtk`: the two largest units.
pub fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match () {
        () if days > 0 => format!("{days} hari {hours} jam"),
        () if hours > 0 => format!("{hours} jam {minutes} mnt"),
        () if minutes > 0 => format!("{minutes} mnt {} dtk", seconds % 60),
        () => format!("{seconds} dtk"),
    }
}

/// `31 ms`, `0,06 ms`, `1,4 dtk`.
pub fn delay(seconds: f64) -> String {
    let ms = seconds * 1_000.0;
    match ms {
        ms if ms < 1.0 => format!("{ms:.2} ms").replace('.', ","),
        ms if ms < 10.0 => format!("{ms:.1} ms").replace('.', ","),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        _ => format!("{seconds:.1} dtk").replace('.', ","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_two_units() {
        for (seconds, said) in [(0, "0 dtk"), (65, "1 mnt 5 dtk"), (3_700, "1 jam 1 mnt"), (532_800, "6 hari 4 jam")] {
            assert_eq!(length(Duration::from_secs(seconds)), said);
        }
        for (seconds, said) in [(0.000_06, "0,06 ms"), (0.0042, "4,2 ms"), (0.031, "31 ms"), (1.44, "1,4 dtk")] {
            assert_eq!(delay(seconds), said);
        }
    }
}
