use crate::{
    domain::{
        product::{Product, ProductPatch, ProductUpdate},
        status::IllegalTransition,
    },
    ports::{ProductReader, ProductWriteOutcome, ProductWriter},
};
use rialto_contracts::EventContext;
use rialto_kernel::{
    IfMatch, PreconditionFailed, ProductId, SellerId, StoreError, Timestamp, store::MAX_ATTEMPTS,
};

/// Errors of changing a product, which leave it unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ChangeProductError {
    #[error("product not found")]
    NotFound,
    #[error("product belongs to another seller")]
    Forbidden,
    #[error(transparent)]
    PreconditionFailed(#[from] PreconditionFailed),
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
    #[error("the product's seller account is closed")]
    SellerClosed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes the fields that a product's seller can change.
///
/// # Errors
/// [`ChangeProductError`] unless the product exists, its seller passes `is_owner`, it meets
/// `if_match` and it isn't UNREGISTERED.
pub async fn change_product(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    patch: &ProductPatch,
    if_match: &IfMatch,
    is_owner: impl Fn(SellerId) -> bool,
    now: Timestamp,
    context: &EventContext,
) -> Result<Product, ChangeProductError> {
    let decide = |product: &Product| product.apply_patch(patch, now, context);
    update_product(store, product, if_match, is_owner, decide).await
}

/// Loads a product, decides and writes, again when another write came first. That other write may
/// be this very one, repeated by the SDK after its response was lost; so an attempt that finds its
/// own result is done.
pub(super) async fn update_product(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    if_match: &IfMatch,
    is_owner: impl Fn(SellerId) -> bool,
    decide: impl Fn(&Product) -> Result<ProductUpdate, IllegalTransition>,
) -> Result<Product, ChangeProductError> {
    let mut attempted = None;
    for _ in 0..MAX_ATTEMPTS {
        let product = store.product(product).await?.ok_or(ChangeProductError::NotFound)?;
        if attempted.as_ref() == Some(&product) {
            return Ok(product);
        }
        if !is_owner(product.seller_id) {
            return Err(ChangeProductError::Forbidden);
        }
        if_match.check(&product.etag())?;
        let update = decide(&product)?;
        match store.save(&update).await? {
            ProductWriteOutcome::Done => return Ok(update.product),
            ProductWriteOutcome::SellerClosed => return Err(ChangeProductError::SellerClosed),
            ProductWriteOutcome::Conflict => attempted = Some(update.product),
        }
    }
    Err(StoreError::Contended.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryCatalog,
        application::{on_stock_changed::on_stock_changed, set_product_status::set_product_status},
        testing::register_for_sale,
    };
    use rialto_contracts::catalog::ProductStatus;
    use rialto_kernel::{Amount, Text, Write};
    use std::sync::atomic::{AtomicU32, Ordering};

    const NOW: Timestamp = Timestamp::from_millis(9);

    /// A concurrent write of another client.
    type ConcurrentWrite = fn(&Product) -> ProductUpdate;

    /// The in-memory store, in which another client's write comes before each of the first few.
    struct ContendedCatalog {
        store: MemoryCatalog,
        remaining: AtomicU32,
        concurrent: ConcurrentWrite,
    }

    impl ProductReader for ContendedCatalog {
        async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
            self.store.product(product).await
        }
    }

    impl ProductWriter for ContendedCatalog {
        async fn save(&self, update: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
            let counted =
                self.remaining
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if counted.is_ok() {
                let product = self.store.product(update.product.product_id).await?.unwrap();
                let other = (self.concurrent)(&product);
                assert_eq!(self.store.save(&other).await?, ProductWriteOutcome::Done);
            }
            self.store.save(update).await
        }
    }

    fn toggle_stock(product: &Product) -> ProductUpdate {
        product.apply_stock_event(!product.in_stock, product.stock_sequence + 1).unwrap()
    }

    fn retitle(product: &Product) -> ProductUpdate {
        let patch =
            ProductPatch { title: Some(Text::parse("retitled").unwrap()), ..Default::default() };
        product.apply_patch(&patch, NOW, &EventContext::default()).unwrap()
    }

    async fn contended(writes: u32, concurrent: ConcurrentWrite) -> (ContendedCatalog, ProductId) {
        let store = MemoryCatalog::default();
        let product = register_for_sale(&store, 1, "s", "thing").await;
        (ContendedCatalog { store, remaining: writes.into(), concurrent }, product)
    }

    /// Sets the price to 7.
    async fn reprice(
        store: &ContendedCatalog,
        product: ProductId,
        if_match: &IfMatch,
    ) -> Result<Product, ChangeProductError> {
        let patch = ProductPatch { price: Some(Amount::new(7).unwrap()), ..Default::default() };
        let context = EventContext::default();
        change_product(store, product, &patch, if_match, |_| true, NOW, &context).await
    }

    async fn current_etag(store: &ContendedCatalog, product: ProductId) -> IfMatch {
        let product = store.product(product).await.unwrap().unwrap();
        IfMatch::parse(product.etag().as_str()).unwrap()
    }

    /// The in-memory store, which writes and then reports a conflict, as after a lost response.
    struct LostAckCatalog(MemoryCatalog);

    impl ProductReader for LostAckCatalog {
        async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
            self.0.product(product).await
        }
    }

    impl ProductWriter for LostAckCatalog {
        async fn save(&self, update: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
            assert_eq!(self.0.save(update).await?, ProductWriteOutcome::Done);
            Ok(ProductWriteOutcome::Conflict)
        }
    }

    #[tokio::test]
    async fn a_change_whose_response_was_lost_is_made_once() {
        let store = LostAckCatalog(MemoryCatalog::default());
        let product = register_for_sale(&store.0, 1, "s", "thing").await;
        let before = store.product(product).await.unwrap().unwrap();
        let if_match = IfMatch::parse(before.etag().as_str()).unwrap();
        let (sold_out, context) = (ProductStatus::SoldOut, EventContext::default());
        let changed =
            set_product_status(&store, product, sold_out, &if_match, |_| true, NOW, &context).await;
        assert_eq!(changed.unwrap().version, 3);
        assert_eq!(store.product(product).await.unwrap().unwrap().version, 3);
    }

    #[tokio::test]
    async fn a_conflicting_change_is_retried_and_keeps_both() {
        for (concurrent, title, in_stock) in
            [(toggle_stock as ConcurrentWrite, "thing", false), (retitle, "retitled", true)]
        {
            let (store, product) = contended(1, concurrent).await;
            let changed = reprice(&store, product, &IfMatch::Absent).await.unwrap();
            assert_eq!(changed.price.minor_units(), 7);
            assert_eq!((changed.title.as_str(), changed.in_stock), (title, in_stock));
            assert_eq!(store.product(product).await.unwrap(), Some(changed));
        }
    }

    #[tokio::test]
    async fn a_change_that_keeps_colliding_is_contended() {
        let (store, product) = contended(u32::MAX, toggle_stock).await;
        let changed = reprice(&store, product, &IfMatch::Absent).await;
        assert!(matches!(changed, Err(ChangeProductError::Store(StoreError::Contended))));
        assert_eq!(store.product(product).await.unwrap().unwrap().price.minor_units(), 1);
    }

    #[tokio::test]
    async fn a_precondition_is_checked_again_after_a_conflict() {
        let (store, product) = contended(1, retitle).await;
        let if_match = current_etag(&store, product).await;
        let changed = reprice(&store, product, &if_match).await;
        assert!(matches!(changed, Err(ChangeProductError::PreconditionFailed(_))), "{changed:?}");
        assert_eq!(store.product(product).await.unwrap().unwrap().price.minor_units(), 1);
    }

    #[tokio::test]
    async fn a_precondition_holds_when_only_the_stock_has_changed() {
        let (store, product) = contended(1, toggle_stock).await;
        let if_match = current_etag(&store, product).await;
        let changed = reprice(&store, product, &if_match).await.unwrap();
        assert_eq!((changed.price.minor_units(), changed.in_stock), (7, false));
    }

    #[tokio::test]
    async fn a_conflicting_stock_event_is_applied_unless_outdated() {
        let (store, product) = contended(1, toggle_stock).await;
        assert_eq!(on_stock_changed(&store, product, true, 5).await.unwrap(), Write::Done);
        let (store, product) = contended(1, toggle_stock).await;
        assert_eq!(on_stock_changed(&store, product, true, 1).await.unwrap(), Write::Conflict(()));
        assert!(!store.product(product).await.unwrap().unwrap().in_stock);
    }
}
