//! The committed documents that are generated from code: the API's `openapi.json`, one JSON Schema
//! for the envelope and for each event and version in `events/schemas`, `events/asyncapi.json` and
//! its page. `rialto_testkit::generated` says how they are written.

pub mod api;
pub mod asyncapi;
mod committed;
pub mod compatibility;
pub mod events;
pub mod events_page;

pub use committed::{committed_json, root};
