//! Use cases, one per file.

pub mod get_health;
pub mod settle_charge;
pub mod simulate_provider;
