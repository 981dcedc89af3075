//! Who works here: accounts, passwords, signing in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rand::Rng;

use crate::ids::{BranchId, UserId};
use crate::refusal::{Outcome, Refusal};
use crate::scope::{Role, Viewer};

pub mod pages;
pub mod password;
pub mod sign_ins;
pub mod sql;

pub use sign_ins::SignIns;
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

/// As OWASP's ASVS asks (2.1.1), and still short enough to type on a tablet every morning.
pub const SHORTEST_PASSWORD: usize = 12;
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

/// An account as its page shows it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Account {
    pub id: UserId,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub branch_id: Option<BranchId>,
    pub branch: Option<String>,
    pub is_active: bool,
    pub must_change_password: bool,
    /// When it was last used, on the clock of its branch; as long as the session is kept.
    pub seen: Option<String>,
    /// Browsers that are signed in.
    pub sessions: i64,
}

/// What was typed about an account.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct AccountForm {
    pub name: String,
    pub email: String,
    pub role: String,
    /// Empty where the one who asks has only one to give.
    pub branch_id: String,
}

/// An [`AccountForm`] that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub role: Role,
    pub branch_id: Option<BranchId>,
}

impl AccountForm {
    /// # Errors
    /// `Invalid`, naming every field that cannot be meant, or not by this viewer.
    pub fn read(&self, viewer: &Viewer) -> Outcome<Person> {
        let mut wrong = BTreeMap::new();
        let mut say = |field: &str, message: &str| drop(wrong.insert(field.to_owned(), message.to_owned()));
        let name = self.name.split_whitespace().collect::<Vec<_>>().join(" ");
        if !(2..=80).contains(&name.chars().count()) {
            say("name", "Isi nama, 2 sampai 80 huruf.");
        }
        let email = self.email.trim().to_lowercase();
        if !is_email(&email) {
            say("email", "Surel belum benar, contoh: rina@optikmelati.id.");
        }
        let role = viewer.may_appoint().iter().copied().find(|role| role.name() == self.role);
        if role.is_none() {
            say("role", "Pilih peran.");
        }
        let branch_id = match (role, viewer.branches().one()) {
            (Some(Role::SuperAdmin), _) => None,
            // what somebody sees one branch of they cannot give another
            (_, Some(own)) => Some(own),
            (_, None) => {
                let chosen = self.branch_id.trim().parse().ok();
                if chosen.is_none() && role.is_some() {
                    say("branch_id", "Pilih cabang tempat kerjanya.");
                }
                chosen
            }
        };
        match role {
            Some(role) if wrong.is_empty() => Ok(Person { name, email, role, branch_id }),
            _ => Err(Refusal::Invalid(wrong)),
        }
    }
}

/// Good enough to find a slip of the finger; whether it exists only a letter could tell.
fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else { return false };
    !name.is_empty()
        && host.len() > 2
        && host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !host.contains('@')
        && text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// A first password to read out or write down: sixty random bits, no letters that look like others.
fn first_password() -> String {
    const ALPHABET: &[u8] = b"23456789abcdefghjkmnpqrstuvwxyz";
    let mut rng = rand::rng();
    let mut group = || (0..4).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect::<String>();
    [group(), group(), group()].join("-")
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
    pub fn name(&self) -> String {
        crate::device::name(&self.device)
    }
}

/// A session and its user, as the database says of them now.
#[derive(Debug, Clone, sqlx::FromRow)]
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
            "melati-test",
            "012345678901",
            "aaaaaaaaaaaa",
            "abababababab",
            "QWERTYUIOPAS",
            "Rina@melati.test",
            "rina@melati.test",
            &"x1y2".repeat(33),
        ] {
            assert!(check_password(refused, "rina@melati.test").is_err(), "{refused}");
        }
        for accepted in ["melati-tests", "kopi pagi di teras", "Ünïcødé ßtraße"] {
            assert!(check_password(accepted, "rina@melati.test").is_ok(), "{accepted}");
        }
    }

    #[test]
    fn a_first_password_is_one_that_would_be_taken() {
        for _ in 0..200 {
            let password = first_password();
            assert!(check_password(&password, "rina@melati.test").is_ok(), "{password}");
        }
    }

    #[test]
    fn what_is_typed_of_an_account_is_read_as_far_as_its_writer_may() {
        let viewer = |role, home| Viewer { id: UserId(1), name: String::new(), role, home, chosen: None };
        let (pusat, admin) = (viewer(Role::SuperAdmin, None), viewer(Role::Admin, Some(BranchId(1))));
        let form = AccountForm {
            name: " Dewi  Ayu ".into(),
            email: " Dewi@Optik.ID ".into(),
            role: "kasir".into(),
            branch_id: "2".into(),
        };
        let dewi = form.read(&admin).unwrap();
        assert_eq!((dewi.name.as_str(), dewi.email.as_str()), ("Dewi Ayu", "dewi@optik.id"));
        assert_eq!(dewi.branch_id, Some(BranchId(1)), "an admin has one branch to give");
        assert_eq!(form.read(&pusat).unwrap().branch_id, Some(BranchId(2)));
        let wrong = |form: AccountForm, viewer: &Viewer| match form.read(viewer) {
            Err(Refusal::Invalid(fields)) => fields.into_keys().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong(AccountForm { role: "super_admin".into(), ..form.clone() }, &admin), ["role"]);
        assert_eq!(wrong(AccountForm { branch_id: String::new(), ..form.clone() }, &pusat), ["branch_id"]);
        assert_eq!(wrong(AccountForm::default(), &pusat), ["email", "name", "role"]);
        for email in ["dewi", "dewi@optik", "@optik.id", "dewi@.id", "de wi@optik.id", "a@b@c.id", "dewi@optik."] {
            assert_eq!(wrong(AccountForm { email: email.into(), ..form.clone() }, &admin), ["email"], "{email}");
        }
        let head = form.read(&pusat).map(|_| AccountForm { role: "super_admin".into(), ..form }.read(&pusat).unwrap());
        assert_eq!(head.unwrap().branch_id, None, "head office has no branch");
    }

    #[test]
    fn a_household_counts_as_one_address() {
        let counted = |address: &str| counted(address.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), counted("2001:db8:1:2:ffff::1"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
