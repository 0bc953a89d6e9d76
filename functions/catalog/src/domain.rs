//! Types and rules, without any outside world.

pub mod details;
pub mod item;
pub mod listing;
pub mod product;
pub mod search;
pub mod status;
pub mod words;
