//! Orders owns orders, their lines and timelines, and its own copy of the products that can be ordered.
//!
//! Placing an order is one batched read and one conditional write. From then on an order only hears: what inventory and
//! payments announce moves it from PENDING to CONFIRMED or CANCELLED.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;
#[cfg(test)]
mod testing;

/// The service's name: its table, its bins and its part of the template begin with it.
pub const SERVICE: &str = "orders";
