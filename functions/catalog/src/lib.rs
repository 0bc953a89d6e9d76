//! Catalog owns categories, brands, items, products and the totals of their ratings.
//!
//! A product's seller sets its status; inventory's events say whether it is in stock. The two are
//! stored separately and the effective status is derived from both, so that no order of events can
//! leave it wrong.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;
#[cfg(test)]
mod testing;

/// The service's name, with which its table, its functions and its template begin.
pub const SERVICE: &str = "catalog";
