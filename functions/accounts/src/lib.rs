//! Accounts owns users, sellers, supervisors, profiles, sessions and the keys that tokens are signed with.
//!
//! An email belongs to one account of whatever role. Logging in begins a session; an access token is good as long as
//! its session goes on, which the gateway's authorizer looks up for each call.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod entrypoints;
pub mod ports;

#[cfg(test)]
mod testing;

/// The service's name: its table, its bins and its part of the template begin with it.
pub const SERVICE: &str = "accounts";
