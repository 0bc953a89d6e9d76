//! The ports on DynamoDB and in memory; one contract suite runs on both.

pub mod dynamodb;
pub mod memory;
