//! One binary: the contract suite of the store's ports, on memory and on a real engine; the provider's requests, to the
//! byte; and every order in which a payment's steps can fail, be repeated and overtake each other.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod contract;
mod crashes;
mod late;
mod provider;
mod world;
