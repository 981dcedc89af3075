//! Who is behind a session: asked with every request, and by ten thousand streams at once when the server has restarted.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::PgPool;

use super::{SignedIn, sql};
use crate::gather::{Gather, gather};

#[derive(Clone)]
pub struct SignIns(Gather<String, HashMap<String, SignedIn>>);

impl SignIns {
    /// And the task that asks the database.
    pub fn new(pool: PgPool) -> (Self, impl Future<Output = ()> + Send) {
        let (asked, asking) = gather(move |sessions: Vec<String>| {
            let pool = pool.clone();
            async move { sql::signed_in(&pool, &sessions).await }
        });
        (Self(asked), asking)
    }

    /// The person behind a session that has not expired, as they were committed at some moment after this call.
    pub async fn of(&self, session: &str) -> Result<Option<SignedIn>, Arc<sqlx::Error>> {
        Ok(self.0.ask(session.to_owned()).await?.get(session).cloned())
    }
}
