//! The store's ports on DynamoDB and in memory, on which one contract suite runs; the provider's over HTTP and in memory.

pub mod dynamodb;
pub mod memory;
pub mod provider;
