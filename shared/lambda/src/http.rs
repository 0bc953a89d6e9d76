//! Serving a route of the API.

mod address;
mod cors;
mod page;
mod problem;
mod proxy;
mod request;
mod response;
mod serve;

pub use address::AddressRequest;
pub use cors::{EXPOSED_HEADERS, preflight};
pub use page::{Limit, Page, Pagination};
pub use problem::{Problem, ProblemBody, ProblemCode};
pub use request::{Query, Request};
pub use response::{Data, Response};
pub use serve::{Handler, RawHandler, handler, serve, serve_preflight, serve_raw};
