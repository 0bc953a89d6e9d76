//! Payments owns payments, refunds and the ledger.
//!
//! An order is charged once its stock is reserved, and never twice: what was begun at the provider is recorded before it
//! is confirmed, and looked up before it is repeated. What a cancelled order has paid goes back.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

/// The service's name: its table, its bins and its part of the template begin with it.
pub const SERVICE: &str = "payments";
