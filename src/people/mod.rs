//! people
// Placeholder of the branch "host", so that the command line compiles; the branch "pages" holds the real one.

use sqlx::PgPool;

use crate::ids::BranchId;
use crate::scope::Role;

pub struct NewUser {
    pub name: String,
    pub email: String,
    pub password: String,
    pub role: Role,
    pub branch_id: Option<BranchId>,
}

pub async fn add_user(_pool: &PgPool, _user: NewUser) -> anyhow::Result<()> {
    anyhow::bail!("not merged yet")
}

pub async fn set_password(_pool: &PgPool, _email: &str, _password: String) -> anyhow::Result<()> {
    anyhow::bail!("not merged yet")
}
