//! Catalog owns categories, brands, items, products and their rating totals.
//!
//! A product's seller chooses its status; whether there is stock is another fact, which inventory's events tell. What
//! is shown follows from both, so no order of events can leave it stuck.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;
#[cfg(test)]
mod testing;

/// The service's name: its table, its bins and its part of the template begin with it.
pub const SERVICE: &str = "catalog";
