use super::{change_product::ChangeProductError, set_product_status::set_product_status};
use crate::{
    domain::listing::{IndexKey, Sort},
    ports::{ListReader, ProductReader, ProductWriter, SellerProductReader, SellerWriter},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use rialto_contracts::{EventContext, accounts::SellerUnregistered, catalog::ProductStatus};
use rialto_kernel::{ProductId, SellerId, StoreError, Timestamp, Write};

/// How many products are listed, and changed, at once.
const PAGE: u32 = 100;
const CONCURRENCY: usize = 10;

/// Closes the seller, who gets no more products, and makes every product UNREGISTERED; a second time nothing changes.
///
/// What everybody sees is found in the seller's list, which doesn't lag; from the closing on, it can only get shorter. The
/// index finds the rest; what it doesn't know yet stays hidden, as nothing of a closed seller's is ever shown again.
///
/// # Errors
/// [`StoreError`]: some may be left; the event has to come again.
pub async fn on_seller_unregistered(
    store: &(
         impl SellerWriter + SellerProductReader + ListReader + ProductReader + ProductWriter + Sync
     ),
    event: &SellerUnregistered,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Write, StoreError> {
    let closed = store.close_seller(event.seller_id).await?;
    let shown = withdraw_shown(store, event.seller_id, now, cause).await?;
    let rest = withdraw_rest(store, event.seller_id, now, cause).await?;
    Ok(any([closed, shown, rest]))
}

/// Whether any of these changed something.
fn any(writes: impl IntoIterator<Item = Write>) -> Write {
    if writes.into_iter().any(|write| write == Write::Done) {
        Write::Done
    } else {
        Write::Conflict(())
    }
}

async fn withdraw_shown(
    store: &(impl ListReader + ProductReader + ProductWriter + Sync),
    seller: SellerId,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Write, StoreError> {
    let mut changed = Write::Conflict(());
    let mut after: Option<String> = None;
    loop {
        let chunk =
            store.entries(&IndexKey::Seller(seller), Sort::Newest, after.as_deref(), PAGE).await?;
        let shown = chunk.entries.iter().map(|entry| entry.product_id).collect();
        changed = any([changed, withdraw_all(store, shown, now, cause).await?]);
        if !chunk.more {
            return Ok(changed);
        }
        after = chunk.entries.last().map(|entry| Sort::Newest.sort_key(entry));
    }
}

async fn withdraw_rest(
    store: &(impl SellerProductReader + ProductReader + ProductWriter + Sync),
    seller: SellerId,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Write, StoreError> {
    let mut changed = Write::Conflict(());
    let mut position: Option<String> = None;
    loop {
        let (products, next) = store.seller_products(seller, PAGE, position.as_deref()).await?;
        let left =
            products.iter().filter(|product| product.chosen_status != ProductStatus::Unregistered);
        let left = left.map(|product| product.product_id).collect();
        changed = any([changed, withdraw_all(store, left, now, cause).await?]);
        if next.is_none() {
            return Ok(changed);
        }
        position = next;
    }
}

async fn withdraw_all(
    store: &(impl ProductReader + ProductWriter + Sync),
    products: Vec<ProductId>,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Write, StoreError> {
    let withdrawn = stream::iter(products)
        .map(|product| unpublish(store, product, now, cause))
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(any(withdrawn))
}

async fn unpublish(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Write, StoreError> {
    let status = ProductStatus::Unregistered;
    match set_product_status(store, product, status, |_| true, now, cause).await {
        Ok(_) => Ok(Write::Done),
        Err(ChangeProductError::Store(error)) => Err(error),
        // It is UNREGISTERED since it was listed.
        Err(_) => Ok(Write::Conflict(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryCatalog,
        application::on_seller_registered::on_seller_registered,
        ports::{RegistrationContextReader, SellerStatus},
        testing::sell,
    };
    use rialto_contracts::accounts::SellerRegistered;
    use rialto_kernel::ItemId;

    #[tokio::test]
    async fn an_unregistered_sellers_products_go_and_nobody_elses() {
        let store = MemoryCatalog::default();
        let (seller_id, now, cause) =
            (SellerId::derive(&[b"s"]), Timestamp::from_millis(9), EventContext::default());
        let (first, second) =
            (sell(&store, 1, "s", "thing").await, sell(&store, 2, "s", "other thing").await);
        let strange = sell(&store, 3, "t", "another's").await;
        let event = SellerUnregistered { seller_id };
        assert_eq!(on_seller_unregistered(&store, &event, now, &cause).await.unwrap(), Write::Done);
        assert_eq!(
            on_seller_unregistered(&store, &event, now, &cause).await.unwrap(),
            Write::Conflict(())
        );
        for product in [first, second] {
            let product = store.product(product).await.unwrap().unwrap();
            assert_eq!(product.chosen_status, ProductStatus::Unregistered);
        }
        let strange = store.product(strange).await.unwrap().unwrap();
        assert_eq!(strange.chosen_status, ProductStatus::Sell);
    }

    #[tokio::test]
    async fn a_registration_that_comes_late_opens_nothing_again() {
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
