//! Types and rules, without any outside world.

pub mod emitted_events;
pub mod order;
pub mod product;
pub mod quote;
pub mod request;
pub mod timeline;
