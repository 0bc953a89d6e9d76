use super::{get_delivery::load_delivery, set_status::ChangeDeliveryError};
use crate::{
    domain::{
        delivery::LineDelivery,
        draft::{DeliveryDraft, WriteContext},
    },
    ports::DeliveryWriter,
};
use rialto_kernel::{DeliveryId, StoreError, UserId, store::MAX_ATTEMPTS};

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
    // Not `store::update`: an attempt has to recognise the previous one's write.
    let mut attempted = None;
    for _ in 0..MAX_ATTEMPTS {
        let delivery = load_delivery(store, delivery_id).await?;
        let delivery = delivery.filter(|delivery| is_buyer(delivery.user_id));
        let delivery = delivery.ok_or(ChangeDeliveryError::NotFound)?;
        // A write whose response was lost is repeated by the SDK, and then conflicts with itself.
        if attempted.as_ref() == Some(&delivery) {
            return Ok(delivery);
        }
        let mut draft = DeliveryDraft::of(delivery);
        draft.confirm_receipt(write)?;
        let confirmed = draft.delivery().clone();
        if store.save(&std::iter::once(draft).collect()).await?.is_done() {
            return Ok(confirmed);
        }
        attempted = Some(confirmed);
    }
    Err(StoreError::Contended.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{delivery::IllegalDeliveryTransition, parcel::Parcel};
    use crate::{
        adapters::memory::MemoryDelivery,
        domain::delivery::{DeliveryRecord, DeliveryState, DeliveryUpdate},
        fixtures::{buyer, insert_delivered, insert_started, write_at},
        ports::DeliveryReader,
    };
    use rialto_kernel::{ParcelId, Write};
    use std::collections::BTreeMap;

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

    /// A store whose writes are done but reported as conflicts.
    struct LostResponses(MemoryDelivery);

    impl DeliveryReader for LostResponses {
        async fn records(
            &self,
            ids: &[DeliveryId],
        ) -> Result<BTreeMap<DeliveryId, DeliveryRecord>, StoreError> {
            self.0.records(ids).await
        }

        async fn parcel(&self, parcel: ParcelId) -> Result<Option<Parcel>, StoreError> {
            self.0.parcel(parcel).await
        }
    }

    impl DeliveryWriter for LostResponses {
        async fn save(&self, update: &DeliveryUpdate) -> Result<Write, StoreError> {
            assert_eq!(self.0.save(update).await?, Write::Done);
            Ok(Write::Conflict(()))
        }
    }

    #[tokio::test]
    async fn a_receipt_that_conflicts_with_itself_is_confirmed() {
        let store = MemoryDelivery::default();
        let id = insert_delivered(&store, &[2]).await[0];
        let confirmed = confirm(&LostResponses(store), id).await.unwrap();
        assert_eq!(confirmed.state, DeliveryState::Confirmed);
    }
}
