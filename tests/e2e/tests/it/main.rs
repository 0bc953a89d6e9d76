//! Tests that need no deployment.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod http;
mod provider_limit;
