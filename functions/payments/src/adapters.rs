//! Implementations of the ports: DynamoDB, the provider over HTTP, and both in memory. One contract
//! suite runs on both stores.

pub mod dynamodb;
pub mod memory;
pub mod provider;

use crate::domain::payment::Payment;
use rialto_kernel::{OrderId, StoreError, Timestamp};

/// The position of a payment in the list of all payments. One without a creation time isn't listed.
fn list_position(payment: &Payment) -> String {
    let created_at = payment.created_at.unwrap_or(Timestamp::from_millis(0));
    format!("{created_at}#{}", payment.order_id)
}

/// Refuses a position, which comes from a client, that [`list_position`] can't have returned.
fn check_list_position(position: Option<&str>) -> Result<(), StoreError> {
    let is_position = |position: &str| {
        position.split_once('#').is_some_and(|(created_at, order)| {
            Timestamp::parse(created_at).is_ok() && OrderId::parse(order).is_ok()
        })
    };
    if position.is_none_or(is_position) { Ok(()) } else { Err(StoreError::InvalidPosition) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_day_is_a_position() {
        let end = dynamodb::ALL_PAYMENTS.end_of_day("2026-11-26");
        assert_eq!(check_list_position(Some(&end)), Ok(()));
    }
}
