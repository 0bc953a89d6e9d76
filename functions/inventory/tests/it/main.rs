//! One binary: the contract suite of the ports, on memory and on a real engine.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod contract;
mod line_events;
mod stock_events;
