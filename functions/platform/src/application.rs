//! One use case a file, named as the route that it serves.

pub mod get_health;
pub mod simulate_provider;
