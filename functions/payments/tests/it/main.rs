//! One binary: the contract suite of the store's ports, on memory and on a real engine; the provider's requests, to the
//! byte; every order in which a payment's steps can fail, be repeated and overtake each other; and what changes
//! while one of them takes its time.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod concurrent_cancellation;
mod contract;
mod crashes;
mod late_outcomes;
mod provider;
mod simulation;
