//! Serving one route of the API.

mod address;
mod cors;
mod page;
mod problem;
mod proxy;
mod reply;
mod request;
mod serve;

pub use address::AddressRequest;
pub use cors::preflight;
pub use page::{Limit, Page, Pagination};
pub use problem::{Problem, ProblemBody, ProblemCode};
pub use reply::{Data, Response};
pub use request::{Query, Request};
pub use serve::{Handler, RawHandler, handler, serve, serve_preflight, serve_raw};
