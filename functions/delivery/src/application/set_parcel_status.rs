use super::get_parcel::{ParcelError, ParcelView, get_parcel};
use crate::{
    domain::{
        delivery::{DeliveryDeadlines, DeliveryState, LineDelivery},
        draft::{DeliveryDraft, WriteContext},
    },
    ports::DeliveryWriter,
};
use rialto_kernel::{IfMatch, ParcelId, SellerId, StoreError, store::MAX_ATTEMPTS};

/// Records that a parcel was delivered: its deliveries that are DELIVERING become DELIVERED in one
/// write, and the others stay as they are.
///
/// # Errors
/// [`ParcelError`]; nothing was changed then.
pub async fn set_parcel_delivered(
    store: &impl DeliveryWriter,
    parcel: ParcelId,
    if_match: &IfMatch,
    is_seller: impl Fn(SellerId) -> bool,
    deadlines: &DeliveryDeadlines,
    write: &WriteContext,
) -> Result<ParcelView, ParcelError> {
    // Not `store::update`: an attempt has to recognise the previous one's write.
    let mut attempted = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        let mut view = get_parcel(store, parcel, |_, seller| is_seller(seller)).await?;
        // A write whose response was lost is repeated by the SDK, and then conflicts with itself.
        if view.contains_write(&attempted) {
            return Ok(view);
        }
        if_match.check(&view.etag())?;
        let drafts = complete_deliveries(&mut view, deadlines, write)?;
        if drafts.is_empty() {
            return Ok(view);
        }
        attempted = drafts.iter().map(|draft| draft.delivery().clone()).collect();
        if store.save(&drafts.into_iter().collect()).await?.is_done() {
            return Ok(view);
        }
    }
    Err(StoreError::Contended.into())
}

/// Completes the deliveries that are DELIVERING.
fn complete_deliveries(
    view: &mut ParcelView,
    deadlines: &DeliveryDeadlines,
    write: &WriteContext,
) -> Result<Vec<DeliveryDraft>, StoreError> {
    let mut drafts = Vec::new();
    let delivering = |of: &&mut LineDelivery| of.state == DeliveryState::Delivering;
    for delivery in view.deliveries.iter_mut().filter(delivering) {
        let mut draft = DeliveryDraft::of(delivery.clone());
        // It is DELIVERING, so this can't be refused.
        draft.complete(deadlines, write).map_err(|_| StoreError::Contended)?;
        *delivery = draft.delivery().clone();
        drafts.push(draft);
    }
    Ok(drafts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryDelivery,
        application::{
            add_parcel::{AddParcel, add_parcel},
            confirm_receipt::confirm_receipt,
            on_line_changed::on_line_changed,
            set_status::{ReportedStatus, set_status},
        },
        domain::line_change::LineChangeKind,
        fixtures::{
            self, LostResponses, accepted_split, deadlines, insert_accepted, line, line_change,
            write_at,
        },
    };

    async fn store_with_parcel() -> (MemoryDelivery, ParcelId) {
        let store = MemoryDelivery::default();
        let request = AddParcel {
            seller_id: fixtures::seller(),
            idempotency_key: "key",
            delivery_ids: insert_accepted(&store, &[2, 1]).await,
            carrier: "DHL".to_owned(),
            tracking_number: "1".to_owned(),
        };
        let added = add_parcel(&store, &request, &deadlines(), &write_at(5)).await.unwrap();
        (store, added.view.parcel.parcel_id)
    }

    async fn set(store: &MemoryDelivery, parcel: ParcelId, second: i64) -> ParcelView {
        let (any, write) = (IfMatch::Any, write_at(second));
        set_parcel_delivered(store, parcel, &any, |_| true, &deadlines(), &write).await.unwrap()
    }

    #[tokio::test]
    async fn a_delivered_parcel_completes_its_deliveries_once() {
        let (store, parcel) = store_with_parcel().await;
        let view = set(&store, parcel, 9).await;
        let delivered = |of: &LineDelivery| of.delivered_at;
        assert!(view.deliveries.iter().all(|of| delivered(of) == Some(write_at(9).now)));
        let events = store.published_events().len();
        assert_eq!(set(&store, parcel, 10).await, view);
        assert_eq!(store.published_events().len(), events);
    }

    #[tokio::test]
    async fn deliveries_that_arrived_before_stay_as_they_are() {
        let (store, parcel) = store_with_parcel().await;
        let first = store.parcels()[0].delivery_ids[0];
        let status = ReportedStatus::Delivered;
        let alone =
            set_status(&store, first, &status, &IfMatch::Any, |_| true, &deadlines(), &write_at(7))
                .await;
        let view = set(&store, parcel, 9).await;
        assert_eq!(view.deliveries[0], alone.unwrap());
        assert_eq!(view.deliveries[1].delivered_at, Some(write_at(9).now));
    }

    #[tokio::test]
    async fn a_changed_parcel_fails_the_precondition() {
        let (store, parcel) = store_with_parcel().await;
        let view = get_parcel(&store, parcel, |_, _| true).await.unwrap();
        let seen = IfMatch::parse(view.etag().as_str()).unwrap();
        set(&store, parcel, 9).await;
        let write = write_at(10);
        let refused =
            set_parcel_delivered(&store, parcel, &seen, |_| true, &deadlines(), &write).await;
        assert!(matches!(refused, Err(ParcelError::Changed(_))));
    }

    #[tokio::test]
    async fn the_etag_covers_what_is_under_way() {
        let (store, parcel) = store_with_parcel().await;
        let etag = async || get_parcel(&store, parcel, |_, _| true).await.unwrap().etag();
        let sent = etag().await;
        let part = line(3, 1, &[accepted_split(3, 1, 1)]);
        let split = line_change(part, LineChangeKind::Split);
        assert!(on_line_changed(&store, &split, &write_at(6)).await.unwrap().is_done());
        assert_eq!(store.parcels()[0].delivery_ids.len(), 3);
        assert_eq!(etag().await, sent);

        let first = store.parcels()[0].delivery_ids[0];
        let status = ReportedStatus::Delivered;
        let (any, deadlines, write) = (IfMatch::Any, deadlines(), write_at(7));
        let alone = set_status(&store, first, &status, &any, |_| true, &deadlines, &write);
        assert_eq!(alone.await.unwrap().state, DeliveryState::Delivered);
        let partly = etag().await;
        assert_ne!(partly, sent);
        confirm_receipt(&store, first, |_| true, &write_at(8)).await.unwrap();
        assert_eq!(etag().await, partly);
        assert_ne!(set(&store, parcel, 9).await.etag(), partly);
    }

    #[tokio::test]
    async fn a_parcel_that_conflicts_with_itself_is_delivered() {
        let (store, parcel) = store_with_parcel().await;
        let view = get_parcel(&store, parcel, |_, _| true).await.unwrap();
        let seen = IfMatch::parse(view.etag().as_str()).unwrap();
        let lost = LostResponses::of(store.clone());
        let (deadlines, write) = (deadlines(), write_at(9));
        let set = set_parcel_delivered(&lost, parcel, &seen, |_| true, &deadlines, &write);
        let view = set.await.unwrap();
        assert_eq!(get_parcel(&store, parcel, |_, _| true).await.unwrap(), view);
        assert!(view.deliveries.iter().all(|of| of.state == DeliveryState::Delivered));
    }

    #[tokio::test]
    async fn another_seller_does_not_find_a_parcel() {
        let (store, parcel) = store_with_parcel().await;
        let refused = set_parcel_delivered(
            &store,
            parcel,
            &IfMatch::Absent,
            |_| false,
            &deadlines(),
            &write_at(9),
        )
        .await;
        assert!(matches!(refused, Err(ParcelError::NotFound)));
        let seen = get_parcel(&store, parcel, |user, _| user == fixtures::buyer()).await;
        assert_eq!(seen.unwrap().deliveries.len(), 2);
    }
}
