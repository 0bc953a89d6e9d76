//! Types and rules, without any outside world.

pub mod intent;
pub mod ledger;
pub mod payment;
pub mod refund;
