//! postgres

pub mod sessions;
