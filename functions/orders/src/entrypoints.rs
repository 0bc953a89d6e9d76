//! One file a function: request or event in, use case, response out, and its `main`.

pub mod accept_line;
pub mod answer_services;
pub mod cancel_line;
pub mod cancel_order;
pub mod confirm_cancel;
pub mod confirm_return;
pub mod decline_return;
pub mod get_order;
pub mod get_timeline;
mod line_requests;
pub mod list_orders;
pub mod list_seller_orders;
pub mod list_user_orders;
pub mod on_accounts;
pub mod on_catalog;
pub mod on_delivery;
pub mod on_inventory;
pub mod on_payments;
pub mod place_order;
pub mod reject_line;
pub mod relay;
pub mod return_line;
pub mod split_line;
pub mod sweep;
pub mod views;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    accept_line::handle,
    cancel_line::handle,
    cancel_order::handle,
    confirm_cancel::handle,
    confirm_return::handle,
    decline_return::handle,
    get_order::handle,
    get_timeline::handle,
    list_orders::handle,
    list_seller_orders::handle,
    list_user_orders::handle,
    place_order::handle,
    reject_line::handle,
    return_line::handle,
    split_line::handle,
))]
pub struct ApiDocument;
