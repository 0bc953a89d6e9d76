//! One file a function: request or event in, use case, response out, and its `main`.

pub mod get_payment;
pub mod list_payments;
pub mod on_inventory;
pub mod on_orders;
pub mod pay_again;
pub mod receive_webhook;
pub mod refund_order;
pub mod relay;
pub mod sweep;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    get_payment::handle,
    list_payments::handle,
    pay_again::handle,
    receive_webhook::handle,
    refund_order::handle,
))]
pub struct ApiDocument;
