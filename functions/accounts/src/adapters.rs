//! The ports on DynamoDB, Secrets Manager, the parameter store and other services, and in memory; one contract suite runs on both.

pub mod dynamodb;
pub mod mail;
pub mod memory;
pub mod orders;
pub mod passwords;
pub mod secrets;
