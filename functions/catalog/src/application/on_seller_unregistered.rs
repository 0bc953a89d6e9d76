use super::{change_product::ChangeProductError, set_product_status::set_product_status};
use crate::{
    domain::index::Sort,
    ports::{ProductReader, ProductWriter, SellerEntryReader, SellerProductReader, SellerWriter},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use rialto_contracts::{EventContext, accounts::SellerUnregistered, catalog::ProductStatus};
use rialto_kernel::{IfMatch, ProductId, SellerId, StoreError, Timestamp, Write};

/// The number of products that are read at once.
const PAGE_SIZE: u32 = 100;

/// The number of products that are updated concurrently.
const CONCURRENCY: usize = 10;

/// Closes the seller, who can't register products any more, and makes all its products
/// UNREGISTERED. Idempotent.
///
/// Public products are found by the seller's index key, which is read consistently: once the seller
/// is closed, its entries can only become fewer. The others are found by the seller's list, which
/// is eventually consistent. A product that it misses stays hidden, because a closed seller's
/// products can't become public.
///
/// # Errors
/// [`StoreError`]: some products may be left; the event must be redelivered.
pub async fn on_seller_unregistered(
    store: &(
         impl SellerWriter
         + SellerProductReader
         + SellerEntryReader
         + ProductReader
         + ProductWriter
         + Sync
     ),
    event: &SellerUnregistered,
    now: Timestamp,
    context: &EventContext,
) -> Result<Write, StoreError> {
    let closed = store.close_seller(event.seller_id).await?;
    let public = unpublish_public(store, event.seller_id, now, context).await?;
    let remaining = unpublish_remaining(store, event.seller_id, now, context).await?;
    Ok(any_done([closed, public, remaining]))
}

/// [`Write::Done`] if any of these writes was done.
fn any_done(writes: impl IntoIterator<Item = Write>) -> Write {
    if writes.into_iter().any(|write| write.is_done()) { Write::Done } else { Write::Conflict(()) }
}

async fn unpublish_public(
    store: &(impl SellerEntryReader + ProductReader + ProductWriter + Sync),
    seller: SellerId,
    now: Timestamp,
    context: &EventContext,
) -> Result<Write, StoreError> {
    let mut outcome = Write::Conflict(());
    let mut after: Option<String> = None;
    loop {
        let batch = store.seller_entries(seller, after.as_deref(), PAGE_SIZE).await?;
        let products = batch.entries.iter().map(|entry| entry.product_id).collect();
        outcome = any_done([outcome, unpublish_all(store, products, now, context).await?]);
        if !batch.has_more {
            return Ok(outcome);
        }
        after = batch.entries.last().map(|entry| Sort::Newest.sort_key(entry));
    }
}

async fn unpublish_remaining(
    store: &(impl SellerProductReader + ProductReader + ProductWriter + Sync),
    seller: SellerId,
    now: Timestamp,
    context: &EventContext,
) -> Result<Write, StoreError> {
    let mut outcome = Write::Conflict(());
    let mut position: Option<String> = None;
    loop {
        let (products, next) =
            store.seller_products(seller, PAGE_SIZE, position.as_deref()).await?;
        let remaining =
            products.iter().filter(|product| product.chosen_status != ProductStatus::Unregistered);
        let remaining = remaining.map(|product| product.product_id).collect();
        outcome = any_done([outcome, unpublish_all(store, remaining, now, context).await?]);
        if next.is_none() {
            return Ok(outcome);
        }
        position = next;
    }
}

async fn unpublish_all(
    store: &(impl ProductReader + ProductWriter + Sync),
    products: Vec<ProductId>,
    now: Timestamp,
    context: &EventContext,
) -> Result<Write, StoreError> {
    let writes = stream::iter(products)
        .map(|product| unpublish(store, product, now, context))
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(any_done(writes))
}

async fn unpublish(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    now: Timestamp,
    context: &EventContext,
) -> Result<Write, StoreError> {
    let status = ProductStatus::Unregistered;
    match set_product_status(store, product, status, &IfMatch::Absent, |_| true, now, context).await
    {
        Ok(_) => Ok(Write::Done),
        Err(ChangeProductError::Store(error)) => Err(error),
        // It has become UNREGISTERED since it was listed.
        Err(
            ChangeProductError::NotFound
            | ChangeProductError::Forbidden
            | ChangeProductError::PreconditionFailed(_)
            | ChangeProductError::IllegalTransition(_)
            | ChangeProductError::SellerClosed,
        ) => Ok(Write::Conflict(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryCatalog,
        application::on_seller_registered::on_seller_registered,
        ports::{RegistrationContextReader, SellerStatus},
        testing::register_for_sale,
    };
    use rialto_contracts::accounts::SellerRegistered;
    use rialto_kernel::ItemId;

    #[tokio::test]
    async fn only_the_unregistered_sellers_products_are_unpublished() {
        let store = MemoryCatalog::default();
        let (seller_id, now, context) =
            (SellerId::derive(&[b"s"]), Timestamp::from_millis(9), EventContext::default());
        let (first, second) = (
            register_for_sale(&store, 1, "s", "thing").await,
            register_for_sale(&store, 2, "s", "other thing").await,
        );
        let foreign = register_for_sale(&store, 3, "t", "another's").await;
        let event = SellerUnregistered { seller_id };
        assert_eq!(
            on_seller_unregistered(&store, &event, now, &context).await.unwrap(),
            Write::Done
        );
        assert_eq!(
            on_seller_unregistered(&store, &event, now, &context).await.unwrap(),
            Write::Conflict(())
        );
        for product in [first, second] {
            let product = store.product(product).await.unwrap().unwrap();
            assert_eq!(product.chosen_status, ProductStatus::Unregistered);
        }
        let foreign = store.product(foreign).await.unwrap().unwrap();
        assert_eq!(foreign.chosen_status, ProductStatus::Sell);
    }

    #[tokio::test]
    async fn a_late_registration_does_not_reopen_a_closed_seller() {
        let store = MemoryCatalog::default();
        let (seller_id, now) = (SellerId::derive(&[b"s"]), Timestamp::from_millis(9));
        let event = SellerUnregistered { seller_id };
        assert_eq!(
            on_seller_unregistered(&store, &event, now, &EventContext::default()).await.unwrap(),
            Write::Done
        );
        let late = on_seller_registered(&store, &SellerRegistered { seller_id }).await.unwrap();
        assert_eq!(late, Write::Conflict(()));
        let (_, seller) =
            store.registration_context(ItemId::derive(&[b"i"]), seller_id).await.unwrap();
        assert_eq!(seller, Some(SellerStatus::Closed));
    }
}
