//! The ports on DynamoDB, Secrets Manager and the parameter store, and in memory; one contract suite runs on both.

pub mod dynamodb;
pub mod memory;
pub mod passwords;
pub mod secrets;
