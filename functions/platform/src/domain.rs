//! Types and rules, without I/O.

pub mod health;
pub mod idempotency;
pub mod intent;
pub mod method;
