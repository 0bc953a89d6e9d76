//! The accounts service: users, sellers, supervisors, profiles, sessions and the keys that sign
//! tokens.
//!
//! An email belongs to one account of any role. Logging in starts a session. An access token is
//! valid while its session is active, which the gateway's authorizer checks for each request.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

#[cfg(test)]
mod testing;

/// The service's name, with which its table, binaries and template resources begin.
pub const SERVICE: &str = "accounts";
