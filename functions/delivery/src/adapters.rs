//! Implementations of the ports: DynamoDB, orders, memory. One contract suite runs on both stores.

pub mod dynamodb;
pub mod memory;
pub mod orders;

use crate::domain::delivery::LineDelivery;
use rialto_kernel::{DeliveryId, StoreError, Timestamp};

/// The position of a delivery in lists by time, which is also its sort key there.
fn list_position(delivery: &LineDelivery) -> String {
    format!("{}#{}", delivery.created_at, delivery.delivery_id)
}

/// Refuses a position, which comes from a client, that [`list_position`] can't have returned.
fn check_list_position(position: Option<&str>) -> Result<(), StoreError> {
    let is_position = |position: &str| {
        position.split_once('#').is_some_and(|(created_at, delivery)| {
            Timestamp::parse(created_at).is_ok() && DeliveryId::parse(delivery).is_ok()
        })
    };
    if position.is_none_or(is_position) { Ok(()) } else { Err(StoreError::InvalidPosition) }
}
