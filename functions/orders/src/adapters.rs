//! Implementations of the ports: DynamoDB, accounts, memory. One contract suite runs on both
//! stores.

pub mod accounts;
pub mod dynamodb;
pub mod memory;
