//! One file per function with its `main` and handler.

pub mod answer_preflight;
pub mod get_docs;
pub mod get_event_docs;
pub mod get_health;
pub mod get_openapi;
pub mod mirror_settings;
pub mod simulate_provider;
pub mod simulate_webhooks;

/// The service's part of the OpenAPI document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    get_docs::handle,
    get_event_docs::handle,
    get_health::handle,
    get_openapi::handle
))]
pub struct ApiDocument;
