//! Platform owns what belongs to no other service: health, the API document and its page, the answers to browsers'
//! preflight requests, and the payment provider's simulator.
//!
//! The simulator is a stand-in for the provider: an API and a table of its own, in the provider's form, with the
//! provider's habits. It refuses to run on the stage `prod`.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

/// What the simulator's table is named by.
pub const SIMULATOR: &str = "simulator";
