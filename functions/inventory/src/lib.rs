//! Inventory owns stock, reservations and stock movements.
//!
//! Stock comes with a product's registration; an order reserves all of its lines or none; a confirmed order's stock is
//! sold, a cancelled one's comes back. Nothing here ever goes below zero.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

/// The service's name: its table, its bins and its part of the template begin with it.
pub const SERVICE: &str = "inventory";
