use super::change_delivery::{ChangeDeliveryError, change_delivery};
use crate::{
    domain::{
        delivery::{DeliveryDeadlines, LineDelivery, Shipment},
        draft::{DeliveryDraft, WriteContext},
    },
    ports::DeliveryWriter,
};
use rialto_kernel::{DeliveryId, IfMatch, SellerId};

/// What a seller reports of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportedStatus {
    Delivering { carrier: String, tracking_number: String },
    Delivered,
}

/// Records what the delivery's seller reports. The same report again changes nothing.
///
/// # Errors
/// [`ChangeDeliveryError`]; nothing was changed then.
pub async fn set_status(
    store: &impl DeliveryWriter,
    delivery_id: DeliveryId,
    status: &ReportedStatus,
    if_match: &IfMatch,
    is_seller: impl Fn(SellerId) -> bool,
    deadlines: &DeliveryDeadlines,
    write: &WriteContext,
) -> Result<LineDelivery, ChangeDeliveryError> {
    let may_change = |delivery: &LineDelivery| is_seller(delivery.seller_id);
    change_delivery(store, delivery_id, may_change, |delivery| {
        if_match.check(&delivery.etag())?;
        let mut draft = DeliveryDraft::of(delivery);
        match status.clone() {
            ReportedStatus::Delivering { carrier, tracking_number } => {
                let (parcel_id, started_at) = (None, write.now);
                let shipment = Shipment { parcel_id, carrier, tracking_number, started_at };
                draft.start(shipment, deadlines, write)?;
            }
            ReportedStatus::Delivered => draft.complete(deadlines, write)?,
        }
        Ok(draft)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryDelivery,
        domain::{
            delivery::{DeliveryState, IllegalDeliveryTransition},
            line_change::LineChangeKind,
        },
        fixtures::{
            self, LostResponses, change, deadlines, insert_accepted, insert_prepared, write_at,
        },
    };

    fn delivering() -> ReportedStatus {
        ReportedStatus::Delivering { carrier: "DHL".to_owned(), tracking_number: "1".to_owned() }
    }

    async fn set(
        store: &MemoryDelivery,
        delivery: DeliveryId,
        status: &ReportedStatus,
        second: i64,
    ) -> Result<LineDelivery, ChangeDeliveryError> {
        set_matching(store, delivery, status, &IfMatch::Absent, second).await
    }

    async fn set_matching(
        store: &impl DeliveryWriter,
        delivery: DeliveryId,
        status: &ReportedStatus,
        if_match: &IfMatch,
        second: i64,
    ) -> Result<LineDelivery, ChangeDeliveryError> {
        let is_seller = |seller| seller == fixtures::seller();
        let write = write_at(second);
        set_status(store, delivery, status, if_match, is_seller, &deadlines(), &write).await
    }

    fn kinds(store: &MemoryDelivery) -> Vec<String> {
        store.published_events().into_iter().map(|event| event.kind).skip(1).collect()
    }

    #[tokio::test]
    async fn a_delivery_is_sent_and_delivered_once() {
        let store = MemoryDelivery::default();
        let id = insert_accepted(&store, &[2]).await[0];
        let sent = set(&store, id, &delivering(), 5).await.unwrap();
        assert_eq!(sent.state, DeliveryState::Delivering);
        assert_eq!(set(&store, id, &delivering(), 6).await.unwrap(), sent);
        let delivered = set(&store, id, &ReportedStatus::Delivered, 7).await.unwrap();
        assert_eq!(delivered.state, DeliveryState::Delivered);
        let again = set(&store, id, &ReportedStatus::Delivered, 8).await.unwrap();
        assert_eq!(again, delivered);
        assert_eq!(kinds(&store), ["DeliveryStarted", "DeliveryCompleted"]);
    }

    #[tokio::test]
    async fn an_unaccepted_delivery_is_not_sent() {
        let store = MemoryDelivery::default();
        let id = insert_prepared(&store, &[2]).await[0];
        for status in [delivering(), ReportedStatus::Delivered] {
            let refused = set(&store, id, &status, 5).await;
            let expected = IllegalDeliveryTransition(DeliveryState::Prepared);
            assert!(
                matches!(refused, Err(ChangeDeliveryError::IllegalTransition(error)) if error == expected)
            );
        }
        assert_eq!(store.deliveries()[0].version, 1);
    }

    #[tokio::test]
    async fn a_changed_delivery_fails_the_precondition() {
        let store = MemoryDelivery::default();
        let id = insert_accepted(&store, &[2]).await[0];
        let seen = IfMatch::parse(store.deliveries()[0].etag().as_str()).unwrap();
        let sent = set_matching(&store, id, &delivering(), &seen, 5).await.unwrap();
        let refused = set_matching(&store, id, &ReportedStatus::Delivered, &seen, 6).await;
        assert!(matches!(refused, Err(ChangeDeliveryError::Changed(_))));
        assert_eq!(store.deliveries(), [sent]);
    }

    #[tokio::test]
    async fn a_status_that_conflicts_with_itself_is_set() {
        let late_request = change(1, 2, LineChangeKind::CancelRequested);
        for later in [None, Some(late_request)] {
            let stored = MemoryDelivery::default();
            let id = insert_accepted(&stored, &[2]).await[0];
            let store = LostResponses { store: stored.clone(), later };
            for (status, second) in [(delivering(), 5), (ReportedStatus::Delivered, 6)] {
                let seen = IfMatch::parse(stored.deliveries()[0].etag().as_str()).unwrap();
                let set = set_matching(&store, id, &status, &seen, second).await.unwrap();
                assert_eq!(stored.deliveries(), [set]);
            }
        }
    }

    #[tokio::test]
    async fn another_seller_does_not_find_a_delivery() {
        let store = MemoryDelivery::default();
        let id = insert_accepted(&store, &[2]).await[0];
        let is_seller = |_| false;
        let refused = set_status(
            &store,
            id,
            &delivering(),
            &IfMatch::Absent,
            is_seller,
            &deadlines(),
            &write_at(5),
        )
        .await;
        assert!(matches!(refused, Err(ChangeDeliveryError::NotFound)));
        let unknown = DeliveryId::derive(&[b"none"]);
        let refused = set(&store, unknown, &delivering(), 5).await;
        assert!(matches!(refused, Err(ChangeDeliveryError::NotFound)));
    }
}
