//! A list of attacks: each test says what somebody tried and what they got. Over real HTTP and a real Postgres.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

#[path = "../common/mod.rs"]
mod common;

mod abuse;
mod audit;
mod fuzz;
mod routes;
mod scope;
mod sessions;
mod sign_in;
mod streams;
mod supply;
