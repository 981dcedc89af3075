//! branches
