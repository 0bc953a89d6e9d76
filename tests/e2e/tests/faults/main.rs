//! The saga when calls fail, functions are killed and the emulator goes away: on a deployment whose functions call through
//! the fault proxy. Tests take turns.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that can't go on should fail loudly"
)]

mod cancel;
mod contention;
mod crash;
mod restart;
mod scene;
mod services;
