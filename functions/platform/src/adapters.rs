//! The ports on AWS and in memory; one contract suite runs on both.

pub mod aws;
pub mod dynamodb;
pub mod listener;
pub mod memory;
