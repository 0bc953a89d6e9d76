//! Delivery owns the deliveries of orders' lines, and the parcels that they are sent in.
//!
//! A confirmed order has a delivery for each line. It decides between cancelling and shipping: a
//! requested cancellation holds a delivery that hasn't started, and one that is held can't start.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
#[cfg(any(test, feature = "test-support"))]
pub mod fixtures;
pub mod ports;

/// The service's name, which its table, its binaries and its template resources begin with.
pub const SERVICE: &str = "delivery";
