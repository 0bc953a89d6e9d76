//! The documents that stand in the repository and are made from its code: the API's `openapi.json`, and one JSON Schema
//! for each event and version in `events/schemas`.
//!
//! `RIALTO_BLESS=1 cargo test -p rialto-documents` writes them anew.

pub mod api;
mod committed;
pub mod events;

pub use committed::{blessing, committed, root};
