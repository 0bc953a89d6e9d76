//! One binary: the contract suite of the store's ports, on memory and on a real engine; the
//! requests to the provider and their repetitions; crashes, repetitions and interleavings of a
//! payment's steps; changes during a slow step; refunds of lines in any order; disputes; and the
//! size of the largest payment.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod concurrent_cancellation;
mod contract;
mod crashes;
mod disputes;
mod item_sizes;
mod late_outcomes;
mod line_refunds;
mod paying_again;
mod provider;
mod retries;
mod simulation;
mod three_d_secure;
