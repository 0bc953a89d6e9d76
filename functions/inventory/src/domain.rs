//! Types and rules, without any outside world.

pub mod adjustment;
pub mod movement;
pub mod reservation;
pub mod stock;
