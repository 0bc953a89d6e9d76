//! Domain types and rules, without I/O.

pub mod emitted_events;
pub mod keyed_request;
pub mod line;
pub mod line_deadlines;
pub mod line_deliveries;
pub mod line_returns;
pub mod line_terms;
pub mod line_transitions;
pub mod listing;
pub mod order;
pub mod placement_limit;
pub mod product;
pub mod quote;
pub mod request;
mod stored_lines;
pub mod timeline;
