//! The SQL of stock: see the functions.
