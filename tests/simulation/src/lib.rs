//! Simulation of the order saga.
//!
//! The consumers' handlers and the use cases of orders, inventory, payments and delivery run on the
//! adapters in memory, in one thread, under a scheduler that decides everything by a seed: the
//! order of all steps, deliveries, duplicates, delays, crashes, failed calls and lost responses,
//! and the time. The same seed gives the same run. After the faults have ended and everything has
//! settled, the invariants of `rialto reconcile` must hold.
//!
//! - [`io`]: the points at which an invocation waits for the scheduler
//! - [`stores`]: the services' ports, with such a point before and after every call
//! - [`lag`]: indexes that are read in an older state
//! - [`queues`]: queues with visibility, redelivery and dead letters, and the bus's rules
//! - [`workload`]: what buyers, sellers and supervisors do
//! - [`faults`]: the chances of faults
//! - [`world`]: the state of a run; `scheduler`, `invocations`, `deliveries`, `operations` and the
//!   operations on lines, deliveries and refunds are its steps
//! - [`races`]: how often the races that matter were reached
//! - [`check`]: the invariants
//! - [`planted`]: bugs that the invariants must find
//! - [`run`]: runs by seed

#![expect(clippy::expect_used, reason = "the workload's values are valid")]

pub mod check;
mod deliveries;
mod delivery_operations;
pub mod faults;
mod invocations;
pub mod io;
pub mod lag;
mod line_operations;
#[cfg(test)]
mod named_cases;
mod operations;
mod payment_operations;
pub mod planted;
pub mod queues;
pub mod races;
mod refund_operations;
pub mod run;
mod scheduler;
pub mod stores;
pub mod workload;
pub mod world;
