//! Implementations of the ports on AWS services and on other Rialto services, and in memory. The same
//! contract tests run against both.

pub mod dynamodb;
pub mod mail;
pub mod memory;
pub mod orders;
pub mod passwords;
pub mod secrets;
