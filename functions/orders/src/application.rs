//! One use case a file, named as the route or the event that it serves.

pub mod apply_event;
pub mod cancel_order;
pub mod get_order;
pub mod get_timeline;
pub mod internal_api;
pub mod list_user_orders;
pub mod on_product_changed;
pub mod on_user_unregistered;
pub mod place_order;
pub mod sweep;
