//! The Lambda runtime of every function.
//!
//! The `main` of a function is one call ([`http::serve`], [`sqs::consume`] or [`boot::run`]) with
//! its name and a plain `fn` that builds its handler. Handlers are boxed, so that the runtime is
//! compiled once, here, and each binary only has to be linked.

pub mod access;
pub mod app;
pub mod boot;
pub mod caller;
pub mod http;
pub mod internal;
pub mod settings;
pub mod sqs;
pub mod sweep;
pub mod telemetry;
pub mod token;

pub use app::FunctionContext;

/// A boxed future.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
