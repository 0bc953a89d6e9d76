//! One binary: the contract suite of the ports, on memory and on a real engine.

mod contract;
