//! One file a function: request in, use case, response out, and its `main`.

pub mod answer_preflight;
pub mod get_docs;
pub mod get_health;
pub mod get_openapi;
pub mod simulate_provider;
pub mod simulate_webhooks;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(get_docs::handle, get_health::handle, get_openapi::handle))]
pub struct ApiDocument;
