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

/// What keeps PostgreSQL from moving on.
///
/// Whoever has a transaction number (`is_writing`) keeps the feed's position where it is: numbers are the server's, so also one that is
/// prepared, and one in another database. What it is about to write cannot be told yet. Whoever only reads, and a replication slot,
/// keep old rows from being cleared away; the feed goes on.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Held {
    pub kind: HeldBy,
    /// The server process, the prepared transaction, or the slot.
    pub name: String,
    pub user: String,
    pub application: String,
    pub database: String,
    /// Another than ours.
    pub is_elsewhere: bool,
    pub state: String,
    /// Not known of a slot.
    pub seconds: Option<f64>,
    pub is_writing: bool,
    /// The beginning of its last statement; of a slot, how much log it keeps.
    pub query: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum HeldBy {
    Transaction,
    Prepared,
    Slot,
}

/// The same, in words.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Holder {
    pub key: String,
    pub title: String,
    pub application: String,
    pub state: String,
    pub since: String,
    pub query: String,
    /// What it holds up.
    pub holds: &'static str,
    pub advice: &'static str,
    /// The statement that ends it.
    pub fix: String,
    #[serde(skip)]
    pub is_writing: bool,
}

impl Held {
    fn explained(self) -> Holder {
        let quoted = format!("'{}'", self.name.replace('\'', "''"));
        let (what, advice, fix) = match (self.kind, self.state.as_str()) {
            (HeldBy::Prepared, _) => (
                "Transaksi siap-commit",
                "Tertinggal: yang menyiapkannya tidak menyelesaikannya. Tanyakan padanya, atau batalkan:",
                format!("ROLLBACK PREPARED {quoted};"),
            ),
            (HeldBy::Slot, _) => (
                "Slot replikasi",
                "Tidak ada yang membacanya. Bila server atau program itu memang sudah tidak dipakai, hapus:",
                format!("SELECT pg_drop_replication_slot({quoted});"),
            ),
            (HeldBy::Transaction, "idle in transaction" | "idle in transaction (aborted)") => (
                "Proses",
                "Seseorang membuka transaksi dan tidak menutupnya. Minta ia COMMIT atau ROLLBACK, atau akhiri:",
                format!("SELECT pg_terminate_backend({});", self.name),
            ),
            (HeldBy::Transaction, _) => (
                "Proses",
                "Masih bekerja. Tunggu sampai selesai, atau hentikan:",
                format!("SELECT pg_cancel_backend({});", self.name),
            ),
        };
        let place = if self.is_elsewhere { format!(" · basis data {}", self.database) } else { String::new() };
        let by = if self.user.is_empty() { String::new() } else { format!(" · {}", self.user) };
        Holder {
            key: format!("{what} {}", self.name),
            title: format!("{what} {}{by}{place}", self.name),
            application: self.application,
            state: self.state,
            since: self.seconds.map_or_else(
                || "lama, tidak tercatat".to_owned(),
                |seconds| length(Duration::try_from_secs_f64(seconds).unwrap_or_default()),
            ),
            query: self.query,
            holds: if self.is_writing { "perubahan yang ditulisnya, dan pembersihan" } else { "pembersihan" },
            advice,
            fix,
            is_writing: self.is_writing,
        }
    }
}

impl Holder {
    /// Something holds the feed's position, and whoever it is, we are not shown.
    pub fn unseen() -> Self {
        Self {
            key: "-".to_owned(),
            title: "Transaksi pengguna basis data lain".to_owned(),
            state: "tidak terlihat oleh Melati".to_owned(),
            since: "lama, tidak tercatat".to_owned(),
            holds: "perubahan yang ditulisnya, dan pembersihan",
            advice: "Supaya namanya tampil di sini, beri Melati hak melihatnya (ganti melati dengan penggunanya):",
            fix: "GRANT pg_read_all_stats TO melati;".to_owned(),
            is_writing: true,
            ..Self::default()
        }
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
    fn a_statement_that_ends_it_is_one_whatever_its_name() {
        let held = Held {
            kind: HeldBy::Prepared,
            name: "o'clock".into(),
            user: "rekap".into(),
            application: String::new(),
            database: "gudang".into(),
            is_elsewhere: true,
            state: "prepared".into(),
            seconds: Some(65.0),
            is_writing: true,
            query: String::new(),
        };
        let said = held.explained();
        assert_eq!(said.fix, "ROLLBACK PREPARED 'o''clock';");
        assert_eq!(said.title, "Transaksi siap-commit o'clock · rekap · basis data gudang");
        assert_eq!(said.since, "1 mnt 5 dtk");
    }

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
