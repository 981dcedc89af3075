//! Who works here: accounts, passwords, signing in.

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

/// Short enough to type on a tablet every morning, long enough against guessing at our pace (NIST SP 800-63B asks for 8).
const SHORTEST_PASSWORD: usize = 8;

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
        check_password(&self.password)
    }
}

fn check_password(password: &str) -> Outcome<()> {
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(Refusal::invalid("password", format!("Kata sandi paling sedikit {SHORTEST_PASSWORD} huruf.")));
    }
    Ok(())
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
    pub expires_at: time::OffsetDateTime,
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
