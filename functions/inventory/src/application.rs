//! One use case a file, named as the route or the event that it serves.

pub mod adjust_stock;
mod change_reservation;
pub mod get_stock;
pub mod list_movements;
pub mod on_order_cancelled;
pub mod on_order_confirmed;
pub mod on_order_line;
pub mod on_order_placed;
pub mod on_product_registered;
