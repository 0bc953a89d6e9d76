//! The system as it is deployed, over HTTP and the AWS APIs.

mod access;
// mod bad_input;
mod cors;
// mod lists;
// mod logs;
mod one_key;
mod orders;
mod platform;
mod poison;
mod redelivery;
mod rush;
