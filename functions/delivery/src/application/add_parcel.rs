use super::get_parcel::{ParcelView, load_parcel_view};
use crate::{
    domain::{
        delivery::{
            DeliveryDeadlines, DeliveryRecord, DeliveryState, DeliveryUpdate, LineDelivery,
            Shipment,
        },
        draft::{DeliveryDraft, WriteContext},
        parcel::{Parcel, body_hash, parcel_id},
    },
    ports::DeliveryWriter,
};
use rialto_kernel::{
    DeliveryId, ParcelId, SellerId, StoreError,
    store::{self, Attempt},
};

/// A request to send deliveries in one parcel, under an Idempotency-Key. The ids are distinct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddParcel<'a> {
    pub seller_id: SellerId,
    pub idempotency_key: &'a str,
    pub delivery_ids: Vec<DeliveryId>,
    pub carrier: String,
    pub tracking_number: String,
}

/// The parcel as it is; the request may be a repeated one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedParcel {
    pub view: ParcelView,
    pub replayed: bool,
}

/// An error of [`add_parcel`]. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AddParcelError {
    /// A delivery doesn't exist, or it is another seller's.
    #[error("delivery not found")]
    NotFound,
    /// The indices of deliveries that are of another order than the first.
    #[error("deliveries of several orders")]
    OtherOrder(Vec<usize>),
    /// The indices and states of deliveries that can't start.
    #[error("deliveries that can't start")]
    IllegalTransition(Vec<(usize, DeliveryState)>),
    #[error("Idempotency-Key already used for another request")]
    KeyReused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends deliveries of one order in a parcel: all of them start in one write, or none. A repeated
/// request gets the parcel as it is.
///
/// # Errors
/// [`AddParcelError`]; nothing was changed then.
pub async fn add_parcel(
    store: &impl DeliveryWriter,
    request: &AddParcel<'_>,
    deadlines: &DeliveryDeadlines,
    write: &WriteContext,
) -> Result<AddedParcel, AddParcelError> {
    let id = parcel_id(request.seller_id, request.idempotency_key);
    let hash = &body_hash(&request.delivery_ids, &request.carrier, &request.tracking_number);
    store::update(|| async move {
        if let Some(parcel) = store.parcel(id).await? {
            if parcel.body_hash != *hash {
                return Err(AddParcelError::KeyReused);
            }
            let view = load_parcel_view(store, parcel).await?;
            return Ok(Attempt::Done(AddedParcel { view, replayed: true }));
        }
        let deliveries = load_for_parcel(store, request).await?;
        let (drafts, parcel) = start_parcel(deliveries, id, hash, request, deadlines, write)?;
        let deliveries = drafts.iter().map(|draft| draft.delivery().clone()).collect();
        let mut update: DeliveryUpdate = drafts.into_iter().collect();
        update.parcels.push(parcel.clone());
        let added = AddedParcel { view: ParcelView { parcel, deliveries }, replayed: false };
        Ok(store.save(&update).await?.into_attempt(added))
    })
    .await
}

/// The requested deliveries in order, if they exist and are the seller's and of one order.
async fn load_for_parcel(
    store: &impl DeliveryWriter,
    request: &AddParcel<'_>,
) -> Result<Vec<LineDelivery>, AddParcelError> {
    let mut records = store.records(&request.delivery_ids).await?;
    let mut deliveries: Vec<LineDelivery> = Vec::new();
    for id in &request.delivery_ids {
        let delivery = records.remove(id).and_then(DeliveryRecord::into_delivery);
        let delivery = delivery.filter(|delivery| delivery.seller_id == request.seller_id);
        deliveries.push(delivery.ok_or(AddParcelError::NotFound)?);
    }
    let order = deliveries.first().map(|delivery| delivery.order_id);
    let others = deliveries.iter().enumerate();
    let others: Vec<usize> = others
        .filter(|(_, delivery)| Some(delivery.order_id) != order)
        .map(|(index, _)| index)
        .collect();
    if others.is_empty() { Ok(deliveries) } else { Err(AddParcelError::OtherOrder(others)) }
}

fn start_parcel(
    deliveries: Vec<LineDelivery>,
    parcel_id: ParcelId,
    hash: &str,
    request: &AddParcel<'_>,
    deadlines: &DeliveryDeadlines,
    write: &WriteContext,
) -> Result<(Vec<DeliveryDraft>, Parcel), AddParcelError> {
    let first = deliveries.first().ok_or(AddParcelError::NotFound)?;
    let parcel = Parcel {
        parcel_id,
        order_id: first.order_id,
        user_id: first.user_id,
        seller_id: first.seller_id,
        delivery_ids: request.delivery_ids.clone(),
        carrier: request.carrier.clone(),
        tracking_number: request.tracking_number.clone(),
        body_hash: hash.to_owned(),
        created_at: write.now,
        version: 1,
    };
    let shipment = Shipment {
        parcel_id: Some(parcel_id),
        carrier: request.carrier.clone(),
        tracking_number: request.tracking_number.clone(),
        started_at: write.now,
    };
    let (mut drafts, mut refused) = (Vec::new(), Vec::new());
    for (index, delivery) in deliveries.into_iter().enumerate() {
        let mut draft = DeliveryDraft::of(delivery);
        match draft.start(shipment.clone(), deadlines, write) {
            Ok(()) => drafts.push(draft),
            Err(error) => refused.push((index, error.0)),
        }
    }
    if refused.is_empty() {
        Ok((drafts, parcel))
    } else {
        Err(AddParcelError::IllegalTransition(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryDelivery,
        fixtures::{
            self, deadlines, insert_accepted, insert_accepted_of, insert_prepared, write_at,
        },
    };
    use rialto_kernel::OrderId;

    fn request(delivery_ids: &[DeliveryId]) -> AddParcel<'static> {
        AddParcel {
            seller_id: fixtures::seller(),
            idempotency_key: "key",
            delivery_ids: delivery_ids.to_vec(),
            carrier: "DHL".to_owned(),
            tracking_number: "1".to_owned(),
        }
    }

    async fn add(
        store: &MemoryDelivery,
        request: &AddParcel<'_>,
    ) -> Result<AddedParcel, AddParcelError> {
        add_parcel(store, request, &deadlines(), &write_at(5)).await
    }

    fn started(store: &MemoryDelivery) -> usize {
        store.deliveries().iter().filter(|delivery| delivery.state.has_started()).count()
    }

    #[tokio::test]
    async fn deliveries_start_in_one_parcel() {
        let store = MemoryDelivery::default();
        let ids = insert_accepted(&store, &[2, 1]).await;
        let added = add(&store, &request(&ids)).await.unwrap();
        assert_eq!((added.replayed, added.view.parcel.delivery_ids.clone()), (false, ids));
        for delivery in &added.view.deliveries {
            assert_eq!(delivery.state, DeliveryState::Delivering);
            assert_eq!(delivery.parcel_id(), Some(added.view.parcel.parcel_id));
        }
        let events = store.published_events_from(2);
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.data["parcel_id"].is_string()));
    }

    #[tokio::test]
    async fn a_repeated_request_gets_the_parcel_as_it_is() {
        let store = MemoryDelivery::default();
        let ids = insert_accepted(&store, &[2, 1]).await;
        let added = add(&store, &request(&ids)).await.unwrap();
        let again = add(&store, &request(&ids)).await.unwrap();
        assert_eq!(again, AddedParcel { replayed: true, ..added });
        let other = AddParcel { carrier: "UPS".to_owned(), ..request(&ids) };
        assert!(matches!(add(&store, &other).await, Err(AddParcelError::KeyReused)));
        assert_eq!(store.parcels().len(), 1);
    }

    #[tokio::test]
    async fn no_delivery_starts_unless_all_can() {
        let store = MemoryDelivery::default();
        let ids = insert_prepared(&store, &[2, 1]).await;
        fixtures::accept(&store, 2, 1).await;
        let refused = add(&store, &request(&ids)).await;
        let expected = [(0, DeliveryState::Prepared)];
        assert!(
            matches!(refused, Err(AddParcelError::IllegalTransition(found)) if found == expected)
        );
        assert_eq!((started(&store), store.parcels().len()), (0, 0));
    }

    #[tokio::test]
    async fn deliveries_of_another_order_are_refused() {
        let store = MemoryDelivery::default();
        let mut ids = insert_accepted(&store, &[2]).await;
        ids.extend(insert_accepted_of(&store, OrderId::derive(&[b"other"]), &[1]).await);
        let refused = add(&store, &request(&ids)).await;
        assert!(matches!(refused, Err(AddParcelError::OtherOrder(found)) if found == [1]));
        assert_eq!(started(&store), 0);
    }

    #[tokio::test]
    async fn deliveries_of_another_seller_are_not_found() {
        let store = MemoryDelivery::default();
        let ids = insert_accepted(&store, &[2]).await;
        let other = AddParcel { seller_id: SellerId::derive(&[b"other"]), ..request(&ids) };
        assert!(matches!(add(&store, &other).await, Err(AddParcelError::NotFound)));
        let unknown = request(&[ids[0], DeliveryId::derive(&[b"none"])]);
        assert!(matches!(add(&store, &unknown).await, Err(AddParcelError::NotFound)));
        assert_eq!(started(&store), 0);
    }
}
