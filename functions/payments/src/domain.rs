//! Domain types and rules, without I/O.

pub mod dispute;
pub mod intent;
pub mod ledger;
pub mod payment;
pub mod refund;
