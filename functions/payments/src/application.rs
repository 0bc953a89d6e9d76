//! One use case a file, named as the route or the event that it serves, and the steps that they
//! share.

mod charge;
pub mod charge_steps;
pub mod compensate_line;
pub mod get_payment;
pub mod list_payments;
pub mod on_order_cancelled;
pub mod on_stock_reserved;
pub mod pay_again;
pub mod receive_dispute;
pub mod receive_webhook;
pub mod refund_order;
pub mod retry_refund;
pub mod sweep;
