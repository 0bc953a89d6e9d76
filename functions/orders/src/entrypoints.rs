//! One file a function: request or event in, use case, response out, and its `main`.

pub mod answer_services;
pub mod cancel_order;
pub mod get_order;
pub mod get_timeline;
pub mod list_user_orders;
pub mod on_accounts;
pub mod on_catalog;
pub mod on_inventory;
pub mod on_payments;
pub mod place_order;
pub mod relay;
pub mod sweep;
pub mod views;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    cancel_order::handle,
    get_order::handle,
    get_timeline::handle,
    list_user_orders::handle,
    place_order::handle,
))]
pub struct ApiDocument;
