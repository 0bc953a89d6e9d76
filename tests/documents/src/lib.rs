//! The committed documents that are generated from code: the API's `openapi.json`, and one JSON
//! Schema for each event and version in `events/schemas`. `rialto_testkit::generated` says how they
//! are written.

pub mod api;
mod committed;
pub mod events;

pub use committed::{committed_json, root};
