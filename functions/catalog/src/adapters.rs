//! Implementations of the ports: DynamoDB and in memory. One contract suite tests both.

pub mod dynamodb;
pub mod memory;
