//! Use cases, one per file, named after the route or the event.

pub mod change_product;
pub mod get_product;
pub mod list_products;
pub mod list_seller_products;
pub mod on_seller_registered;
pub mod on_seller_unregistered;
pub mod on_stock_changed;
pub mod put_brand;
pub mod put_category;
pub mod put_item;
pub mod register_product;
pub mod set_product_status;
