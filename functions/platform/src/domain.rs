//! Types and rules, without I/O.

pub mod action;
pub mod dispute;
pub mod health;
pub mod idempotency;
pub mod intent;
pub mod method;
