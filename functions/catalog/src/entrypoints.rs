//! One file per function with its `main` and handler; `views` has the bodies that several routes
//! share.

pub mod change_product;
pub mod get_product;
pub mod list_products;
pub mod list_seller_products;
pub mod on_accounts;
pub mod on_inventory;
pub mod register_product;
pub mod relay;
mod route_state;
pub mod set_product_status;
pub mod views;

/// The service's part of the OpenAPI document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    change_product::handle,
    get_product::handle,
    list_products::handle,
    list_seller_products::handle,
    register_product::handle,
    set_product_status::handle
))]
pub struct ApiDocument;
