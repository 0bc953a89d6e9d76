//! Fault-injection proxy in front of the AWS endpoint. It does what networks, tables and processes
//! do on a bad day.
//!
//! `scripts/up` gives its address to the functions instead of the emulator's
//! (`RIALTO_FUNCTIONS_ENDPOINT`); all other clients call the emulator directly. The proxy records
//! every call with the function that made it, and applies the first [`rule::Rule`] that fires.
//! Rules are added and removed over HTTP, below [`control::PREFIX`].

pub mod call;
pub mod control;
mod injected_errors;
mod peer;
pub mod proxy;
mod rng;
pub mod rule;
mod state;
