//! Types and rules, without I/O.

pub mod details;
pub mod index;
pub mod item;
pub mod product;
pub mod search;
pub mod status;
pub mod tokens;
