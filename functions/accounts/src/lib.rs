//! The accounts service: users, sellers, supervisors, profiles, addresses, sessions and the keys
//! that sign tokens.
//!
//! An email belongs to at most one account, of any role. Logging in starts a session. An access
//! token is valid while its session is active, which the gateway's authorizer checks on each
//! request.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

#[cfg(test)]
mod testing;

/// The service's name, with which the names of its table, functions and other resources begin.
pub const SERVICE: &str = "accounts";
