//! The architecture's rules, one check a test.

#![expect(
    clippy::unwrap_used,
    reason = "a check that can't read the repository should fail loudly"
)]

mod code;
mod events;
mod gateway;
mod generated;
mod markdown;
mod names;
mod permissions;
mod template;
mod transformed;
