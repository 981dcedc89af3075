//! Why something asked for was not done. Nouns answer with it; `web/error.rs` alone turns it into a status and words.

use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not there, or not for the one who asks: the two look the same from outside.
    #[error("not found")]
    NotFound,
    /// The account of the one who asks does not count any more.
    #[error("signed out")]
    SignedOut,
    /// The role may not do this.
    #[error("forbidden")]
    Forbidden,
    /// The state of the shop forbids it now. `code` is for programs, `message` (Indonesian) says what to do, and `fields`
    /// names the parts of the request that it is about (`Frame:12` → what is left), where there are any.
    #[error("{code}: {message}")]
    Conflict { code: &'static str, message: String, fields: BTreeMap<String, String> },
    /// Bad input: field → message (Indonesian).
    #[error("invalid: {0:?}")]
    Invalid(BTreeMap<String, String>),
    /// Shared, because many may have asked with one statement.
    #[error(transparent)]
    Database(#[from] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Arc::new(error).into()
    }
}

impl Refusal {
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into(), fields: BTreeMap::new() }
    }

    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(BTreeMap::from([(field.into(), message.into())]))
    }
}

pub type Outcome<T> = Result<T, Refusal>;
