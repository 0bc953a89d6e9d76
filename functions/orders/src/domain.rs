//! Domain types and rules, without I/O.

pub mod emitted_events;
pub mod order;
pub mod placement_limit;
pub mod product;
pub mod quote;
pub mod request;
pub mod timeline;
