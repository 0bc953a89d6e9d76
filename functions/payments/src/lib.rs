//! Payments owns payments, refunds and the ledger.
//!
//! An order is charged once its stock is reserved, and at most once: each step is recorded before
//! the next, and the provider's state is read before a step is repeated. Payments of cancelled
//! orders are refunded.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
#[cfg(test)]
mod fixtures;
pub mod ports;

/// The service's name, which its table, its binaries and its template resources begin with.
pub const SERVICE: &str = "payments";
