//! One use case a file, named as the route or event that it serves.

pub mod add_parcel;
pub mod change_delivery;
pub mod confirm_receipt;
pub mod get_delivery;
pub mod get_parcel;
pub mod on_line_changed;
pub mod on_order_cancelled;
pub mod on_order_confirmed;
pub mod set_parcel_status;
pub mod set_status;
pub mod sweep;
