//! people
// Placeholder of the branch "host", so that the command line compiles; the branch "pages" holds the real one.

use crate::ids::BranchId;
use crate::scope::Role;

pub struct NewUser {
    pub name: String,
    pub email: String,
    pub role: Role,
    pub branch: Option<BranchId>,
    pub password: String,
}

pub mod sql {
    use sqlx::PgPool;

    use super::NewUser;
    use crate::ids::UserId;
    use crate::refusal::{Outcome, Refusal};

    pub async fn add_user(_pool: &PgPool, _user: NewUser) -> Outcome<UserId> {
        Err(Refusal::NotFound)
    }

    pub async fn set_password(_pool: &PgPool, _email: &str, _password: String) -> Outcome<()> {
        Err(Refusal::NotFound)
    }
}
