//! Types and rules, without any outside world.

pub mod health;
pub mod intent;
pub mod method;
pub mod saved;
