//! One use case a file, named as the route or the event that it serves.

pub mod accept_line;
pub mod apply_event;
pub mod cancel_line;
pub mod cancel_order;
pub mod change_line;
mod change_order;
pub mod confirm_cancel;
pub mod confirm_return;
pub mod decline_return;
pub mod get_order;
pub mod get_timeline;
pub mod internal_api;
pub mod list_orders;
pub mod list_seller_orders;
pub mod list_user_orders;
pub mod on_product_changed;
pub mod on_user_unregistered;
pub mod place_order;
pub mod reject_line;
pub mod return_line;
pub mod split_line;
pub mod sweep;
