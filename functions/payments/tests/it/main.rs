//! One binary: the contract suite of the store's ports, on memory and on a real engine; the
//! requests to the provider and their repetitions; crashes, repetitions and interleavings of a
//! payment's steps; and changes during a slow step.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod concurrent_cancellation;
mod contract;
mod crashes;
mod late_outcomes;
mod provider;
mod retries;
mod simulation;
