use super::change_delivery::{ChangeDeliveryError, change_delivery};
use crate::{
    domain::{
        delivery::LineDelivery,
        draft::{DeliveryDraft, WriteContext},
    },
    ports::DeliveryWriter,
};
use rialto_kernel::{DeliveryId, UserId};

/// Confirms, for the buyer, that the pieces of a DELIVERED delivery have arrived.
///
/// # Errors
/// [`ChangeDeliveryError`]; nothing was changed then.
pub async fn confirm_receipt(
    store: &impl DeliveryWriter,
    delivery_id: DeliveryId,
    is_buyer: impl Fn(UserId) -> bool,
    write: &WriteContext,
) -> Result<LineDelivery, ChangeDeliveryError> {
    let may_change = |delivery: &LineDelivery| is_buyer(delivery.user_id);
    change_delivery(store, delivery_id, may_change, |delivery| {
        let mut draft = DeliveryDraft::of(delivery);
        draft.confirm_receipt(write)?;
        Ok(draft)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryDelivery,
        domain::delivery::{DeliveryState, IllegalDeliveryTransition},
        fixtures::{LostResponses, buyer, insert_delivered, insert_started, write_at},
    };

    async fn confirm(
        store: &impl DeliveryWriter,
        id: DeliveryId,
    ) -> Result<LineDelivery, ChangeDeliveryError> {
        confirm_receipt(store, id, |user| user == buyer(), &write_at(50)).await
    }

    fn is_refused_as(
        result: &Result<LineDelivery, ChangeDeliveryError>,
        state: DeliveryState,
    ) -> bool {
        let expected = IllegalDeliveryTransition(state);
        matches!(result, Err(ChangeDeliveryError::IllegalTransition(error)) if *error == expected)
    }

    #[tokio::test]
    async fn a_receipt_is_confirmed_once() {
        let store = MemoryDelivery::default();
        let id = insert_delivered(&store, &[2]).await[0];
        assert_eq!(confirm(&store, id).await.unwrap().state, DeliveryState::Confirmed);
        assert!(is_refused_as(&confirm(&store, id).await, DeliveryState::Confirmed));
        let confirmations = store
            .published_events()
            .iter()
            .filter(|event| event.kind == "ReceiptConfirmed")
            .count();
        assert_eq!(confirmations, 1);
    }

    #[tokio::test]
    async fn what_is_under_way_is_not_received() {
        let store = MemoryDelivery::default();
        let id = insert_started(&store, &[2]).await[0];
        assert!(is_refused_as(&confirm(&store, id).await, DeliveryState::Delivering));
        assert_eq!(store.deliveries()[0].state, DeliveryState::Delivering);
    }

    #[tokio::test]
    async fn another_buyer_does_not_find_a_delivery() {
        let store = MemoryDelivery::default();
        let id = insert_delivered(&store, &[2]).await[0];
        let refused = confirm_receipt(&store, id, |_| false, &write_at(50)).await;
        assert!(matches!(refused, Err(ChangeDeliveryError::NotFound)));
    }

    #[tokio::test]
    async fn a_receipt_that_conflicts_with_itself_is_confirmed() {
        let store = MemoryDelivery::default();
        let id = insert_delivered(&store, &[2]).await[0];
        let confirmed = confirm(&LostResponses::of(store), id).await.unwrap();
        assert_eq!(confirmed.state, DeliveryState::Confirmed);
    }
}
