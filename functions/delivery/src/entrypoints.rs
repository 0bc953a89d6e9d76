//! One file a function: request or event in, use case, response out, and its `main`.

pub mod add_parcel;
pub mod confirm_receipt;
mod deadlines_state;
pub mod get_delivery;
pub mod get_parcel;
pub mod list_seller_deliveries;
pub mod list_user_deliveries;
pub mod on_orders;
pub mod relay;
pub mod set_parcel_status;
pub mod set_status;
pub mod sweep;
pub mod views;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    add_parcel::handle,
    confirm_receipt::handle,
    get_delivery::handle,
    get_parcel::handle,
    list_seller_deliveries::handle,
    list_user_deliveries::handle,
    set_parcel_status::handle,
    set_status::handle,
))]
pub struct ApiDocument;
