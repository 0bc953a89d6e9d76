//! The deployed system, tested over HTTP and the AWS APIs.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should fail loudly")]

mod access;
mod accounts_keys;
mod accounts_sessions;
mod accounts_users;
mod bad_input;
mod cancel;
mod cors;
mod dead_letters;
mod deliveries;
mod events;
mod harness;
mod idempotency;
mod lines;
mod logs;
mod orders;
mod oversell;
mod pagination;
mod payments;
mod platform;
mod poison_messages;
mod preconditions;
mod provider_failures;
mod reconcile;
mod redelivery;
mod saved_addresses;
mod webhooks;
