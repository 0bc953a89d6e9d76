//! Inventory owns stock, reservations and stock movements.
//!
//! Stock is created when a product is registered. An order reserves all of its lines or none; stock
//! of a confirmed order is sold, stock of a cancelled one is released. No count goes below zero.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

/// The service's name, which its table, its binaries and its template resources begin with.
pub const SERVICE: &str = "inventory";
