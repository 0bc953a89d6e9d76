//! A proxy before the AWS endpoint that does what networks, tables and processes do on a bad day.
//!
//! Functions on an emulator are given its address instead of the emulator's (`RIALTO_FUNCTIONS_ENDPOINT` when
//! `scripts/up` runs); everybody else speaks to the emulator itself. It notes every call with the function that made it, and
//! does to a call what the first [`rule::Rule`] that fires says. Rules come and go over HTTP, below [`control::PREFIX`].

mod answers;
pub mod call;
pub mod control;
mod dice;
mod peer;
pub mod proxy;
pub mod rule;
mod state;
