//! Platform owns what belongs to no other service: the health check, the OpenAPI document and its
//! page, the responses to CORS preflight requests, and the payment provider's simulator.
//!
//! The simulator replaces the payment provider in development. It has its own table, and an API
//! that mimics the provider's, including its failures. It refuses to start on the stage `prod`.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

/// The name of the simulator's table, before the stage.
pub const SIMULATOR: &str = "simulator";
