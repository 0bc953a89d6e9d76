//! Implementations of the ports: AWS, HTTP and in memory. One contract suite tests both stores.

pub mod aws;
pub mod dynamodb;
pub mod memory;
pub mod webhook_sender;
