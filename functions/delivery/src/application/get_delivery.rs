use crate::{
    domain::delivery::{DeliveryRecord, LineDelivery},
    ports::{DeliveryReader, OrderAddresses},
};
use rialto_kernel::{Address, DeliveryId, SellerId, StoreError, UserId};

/// The address of a delivery's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryAddress {
    /// `None` once it was erased.
    Loaded(Option<Address>),
    /// Orders is unavailable.
    Unavailable,
}

/// An error of [`get_delivery`].
#[derive(Debug, thiserror::Error)]
pub enum GetDeliveryError {
    /// It doesn't exist, or the requester may not see it.
    #[error("delivery not found")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns a delivery with the address, which orders knows. Without orders it is returned without
/// one.
///
/// # Errors
/// [`GetDeliveryError`] unless the delivery exists and its buyer or seller passes `may_see`.
pub async fn get_delivery(
    store: &impl DeliveryReader,
    orders: &impl OrderAddresses,
    delivery: DeliveryId,
    may_see: impl Fn(UserId, SellerId) -> bool,
) -> Result<(LineDelivery, DeliveryAddress), GetDeliveryError> {
    let delivery = load_delivery(store, delivery).await?;
    let visible = delivery.filter(|delivery| may_see(delivery.user_id, delivery.seller_id));
    let delivery = visible.ok_or(GetDeliveryError::NotFound)?;
    let address = match orders.address(delivery.order_id).await {
        Ok(address) => DeliveryAddress::Loaded(address),
        // The call has logged the error.
        Err(_) => DeliveryAddress::Unavailable,
    };
    Ok((delivery, address))
}

/// A delivery of a confirmed order.
pub(super) async fn load_delivery(
    store: &impl DeliveryReader,
    delivery: DeliveryId,
) -> Result<Option<LineDelivery>, StoreError> {
    let record = store.records(&[delivery]).await?.remove(&delivery);
    Ok(record.and_then(DeliveryRecord::into_delivery))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryDelivery, MemoryOrderAddresses},
        fixtures::{self, order_id},
    };
    use std::collections::BTreeMap;

    async fn get(
        orders: &MemoryOrderAddresses,
        may_see: impl Fn(UserId, SellerId) -> bool,
    ) -> Result<(LineDelivery, DeliveryAddress), GetDeliveryError> {
        let store = MemoryDelivery::default();
        let ids = fixtures::insert_accepted(&store, &[2]).await;
        get_delivery(&store, orders, ids[0], may_see).await
    }

    #[tokio::test]
    async fn a_delivery_has_the_address_of_its_order() {
        let address = rialto_testkit::fixtures::address("Kim Example");
        let orders = MemoryOrderAddresses(Some(BTreeMap::from([(order_id(), address.clone())])));
        let (delivery, found) = get(&orders, |_, _| true).await.unwrap();
        assert_eq!(delivery.order_id, order_id());
        assert_eq!(found, DeliveryAddress::Loaded(Some(address)));
        let (_, erased) =
            get(&MemoryOrderAddresses(Some(BTreeMap::new())), |_, _| true).await.unwrap();
        assert_eq!(erased, DeliveryAddress::Loaded(None));
    }

    #[tokio::test]
    async fn a_delivery_is_returned_without_orders() {
        let (_, address) = get(&MemoryOrderAddresses(None), |_, _| true).await.unwrap();
        assert_eq!(address, DeliveryAddress::Unavailable);
    }

    #[tokio::test]
    async fn other_accounts_do_not_find_a_delivery() {
        let refused = get(&MemoryOrderAddresses(None), |_, _| false).await;
        assert!(matches!(refused, Err(GetDeliveryError::NotFound)));
    }
}
