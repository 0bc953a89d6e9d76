//! Several services in one process, in virtual time: no deployment is needed.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod provider_limit;
