//! The contract tests of the ports, in memory and on DynamoDB Local, and a stub of Secrets Manager.

#![expect(clippy::unwrap_used, reason = "tests stop at unexpected values")]

mod aws_stub;
mod contract;
mod keys;
