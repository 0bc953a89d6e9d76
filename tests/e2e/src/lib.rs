//! Support for the end-to-end tests: a client of the deployed shop, the AWS services behind it, and
//! the invariants of the saga as code.
//!
//! `RIALTO_LOCAL` names the file that describes the deployment; `scripts/test` deploys and sets it.
//! Tests run in parallel on one deployment, so each creates its own sellers, buyers and products,
//! and counts nothing else.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that can't go on should fail loudly"
)]

pub mod aws;
pub mod bus;
pub mod faults;
pub mod fixture;
pub mod forged_tokens;
pub mod http;
pub mod invariants;
pub mod local;
pub mod logs;
pub mod mail;
pub mod operator;
pub mod provider;
pub mod retries;
pub mod shop;
pub mod tables;
pub mod wait;
