//! What the tests share. Each binary uses a part of it.
#![allow(dead_code)]

pub mod app;
pub mod db;
pub mod source;
pub mod writers;
