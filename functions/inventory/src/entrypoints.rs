//! One file a function: request or event in, use case, response out, and its `main`.

pub mod adjust_stock;
pub mod get_stock;
pub mod list_movements;
pub mod on_catalog;
pub mod on_orders;
pub mod relay;
pub mod views;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(adjust_stock::handle, get_stock::handle, list_movements::handle))]
pub struct ApiDocument;
