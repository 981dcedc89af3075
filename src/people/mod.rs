//! Who works here: accounts, passwords, signing in.

use std::net::IpAddr;

use crate::ids::{BranchId, UserId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};

pub mod pages;
pub mod password;
pub mod sql;

pub use sql::{add_user, set_password};

/// An account to be made. `branch_id` is none for a super admin and only for them.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub name: String,
    pub email: String,
    pub role: Role,
    pub branch_id: Option<BranchId>,
    pub password: String,
}

/// Short enough to type on a tablet every morning, long enough against guessing at the pace that [`Limit`] allows.
pub const SHORTEST_PASSWORD: usize = 10;
/// Longer ones would only keep the hashing busy.
const LONGEST_PASSWORD: usize = 128;

impl NewUser {
    fn check(&self) -> Outcome<()> {
        if self.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "Nama belum diisi."));
        }
        if !self.email.contains('@') {
            return Err(Refusal::invalid("email", "Surel belum benar, contoh: rina@optikmelati.id."));
        }
        match (self.role, self.branch_id) {
            (Role::SuperAdmin, Some(_)) => return Err(Refusal::invalid("branch_id", "Akun pusat tidak punya cabang.")),
            (Role::Admin | Role::Kasir, None) => return Err(Refusal::invalid("branch_id", "Cabangnya belum dipilih.")),
            _ => {}
        }
        check_password(&self.password, &self.email)
    }
}

/// No rules of letters and digits, which lead to `Melati123!` (NIST SP 800-63B); only what is tried first is refused.
fn check_password(password: &str, email: &str) -> Outcome<()> {
    let refuse = |why: String| Err(Refusal::invalid("password", why));
    let length = password.chars().count();
    if length < SHORTEST_PASSWORD {
        return refuse(format!("Kata sandi paling sedikit {SHORTEST_PASSWORD} huruf."));
    }
    if length > LONGEST_PASSWORD {
        return refuse(format!("Kata sandi paling banyak {LONGEST_PASSWORD} huruf."));
    }
    let lower = password.to_lowercase();
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    let is_a_run =
        ["01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm"]
            .iter()
            .any(|run| run.contains(&lower));
    let is_the_address = lower == email.to_lowercase();
    if different.len() < 4 || is_a_run || is_the_address {
        return refuse("Kata sandi ini terlalu mudah ditebak.".to_owned());
    }
    Ok(())
}

/// How often one may try to sign in before waiting, and how long the waits get: they double from one second.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    free_tries: i32,
    longest_wait_seconds: i32,
}

/// An account, from all the addresses of the world together: some sixty tries an hour at most. An address at which it has
/// signed in before is counted by itself, so that a stranger's guesses do not keep its owner out.
pub const OF_AN_ACCOUNT: Limit = Limit { free_tries: 5, longest_wait_seconds: 60 };
/// An address, for all accounts together: a shop's tablets share one.
pub const OF_AN_ADDRESS: Limit = Limit { free_tries: 30, longest_wait_seconds: 300 };

/// What is counted as one address: of IPv6 the network that a household gets.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

/// A browser somebody is signed in with.
#[derive(Debug, sqlx::FromRow)]
pub struct Device {
    /// As the browser describes itself.
    pub device: String,
    pub address: String,
    /// On the clock of the viewer's branch.
    pub signed_in: String,
    pub seen: String,
    pub is_this: bool,
}

impl Device {
    /// `Chrome · Android`. Browsers lie about one another, so the more particular names come first.
    pub fn name(&self) -> String {
        let find = |names: &[(&str, &'static str)]| {
            names.iter().find(|(mark, _)| self.device.contains(mark)).map(|(_, name)| *name)
        };
        let browser = find(&[
            ("Edg", "Edge"),
            ("OPR/", "Opera"),
            ("SamsungBrowser", "Samsung Internet"),
            ("Firefox/", "Firefox"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ]);
        let system = find(&[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS", "Mac"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ]);
        match (browser, system) {
            (Some(browser), Some(system)) => format!("{browser} · {system}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => "Perangkat lain".to_owned(),
        }
    }
}

/// A session and its user, as the database says of them now.
#[derive(Debug, sqlx::FromRow)]
pub struct SignedIn {
    id: UserId,
    name: String,
    role: Role,
    branch_id: Option<BranchId>,
    chosen: Option<BranchId>,
    pub is_active: bool,
    pub must_change_password: bool,
    /// Role or branch changed since the session got its id.
    pub has_new_rights: bool,
    /// Unix seconds; at most some minutes ago while somebody works.
    pub seen_at: i64,
}

impl SignedIn {
    pub fn viewer(self) -> Viewer {
        Viewer { id: self.id, name: self.name, role: self.role, home: self.branch_id, chosen: self.chosen }
    }
}

/// `RW` for Rina Wulandari.
pub fn initials(name: &str) -> String {
    name.split_whitespace().filter_map(|word| word.chars().next()).take(2).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_no_password() {
        for refused in [
            "pendek",
            "1234567890",
            "aaaaaaaaaaaa",
            "abababababab",
            "QWERTYUIOP",
            "Rina@melati.test",
            &"x1y2".repeat(33),
        ] {
            assert!(check_password(refused, "rina@melati.test").is_err(), "{refused}");
        }
        for accepted in ["melati-test", "kopi pagi di teras", "Ünïcødé ßtraße"] {
            assert!(check_password(accepted, "rina@melati.test").is_ok(), "{accepted}");
        }
    }

    #[test]
    fn a_household_counts_as_one_address() {
        let counted = |address: &str| counted(address.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), counted("2001:db8:1:2:ffff::1"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
