//! One binary: the contract suite of the ports on memory and on a real engine, and the events of
//! orders in every order.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod contract;
mod event_orders;
