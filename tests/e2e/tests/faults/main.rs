//! The order saga while calls fail, functions are killed and the emulator stops, on a deployment
//! whose functions call AWS through the fault proxy. Tests run one at a time.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that can't go on should fail loudly"
)]

mod cancel;
mod contention;
mod crash;
mod outage;
mod restart;
mod services;
mod support;
