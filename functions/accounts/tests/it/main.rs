//! One binary: the contract suites of the ports, in memory and on what a stage runs on.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod contract;
mod keys;
mod secrets_stub;
