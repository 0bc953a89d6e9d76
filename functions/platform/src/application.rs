//! One use case a file, named as what it serves.

pub mod get_health;
pub mod settle_charge;
pub mod simulate_provider;
