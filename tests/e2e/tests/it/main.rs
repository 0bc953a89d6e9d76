//! The system as it is deployed, over HTTP and the AWS APIs.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should fail loudly")]

mod access;
mod accounts_keys;
mod accounts_sessions;
mod accounts_users;
mod bad_input;
mod cancel;
mod cors;
mod dead_letters;
mod events;
mod kept_addresses;
mod lists;
mod logs;
mod one_key;
mod orders;
mod platform;
mod poison;
mod provider;
mod reconcile;
mod redelivery;
mod rush;
mod webhooks;
