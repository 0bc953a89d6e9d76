//! The ports on DynamoDB, on accounts and in memory; one contract suite runs on the stores.

pub mod accounts;
pub mod dynamodb;
pub mod memory;
