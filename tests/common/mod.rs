//! What the tests share. Each binary uses a part of it.
#![allow(dead_code)]

pub mod app;
pub mod db;
pub mod process;
pub mod proxy;
pub mod source;
pub mod watcher;
pub mod writers;
