//! Orders owns orders, their lines and timelines, and its own copy of the products that can be
//! ordered.
//!
//! Placing an order is one batched read and one write. Events of inventory and payments
//! then change it from PENDING to CONFIRMED or CANCELLED.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
#[cfg(any(test, feature = "test-support"))]
pub mod fixtures;
pub mod ports;

/// The service's name, which its table, its binaries and its template resources begin with.
pub const SERVICE: &str = "orders";
