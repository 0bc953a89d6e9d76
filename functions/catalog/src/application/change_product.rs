use crate::{
    domain::{
        product::{Edit, Product, ProductUpdate},
        status::IllegalTransition,
    },
    ports::{ProductReader, ProductWriteOutcome, ProductWriter},
};
use rialto_contracts::EventContext;
use rialto_kernel::{ProductId, SellerId, StoreError, Timestamp};

/// Why a product isn't changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeProductError {
    #[error("no such product")]
    NotFound,
    #[error("somebody else's product")]
    Forbidden,
    #[error(transparent)]
    Refused(#[from] IllegalTransition),
    #[error("its seller is gone, and it goes too")]
    SellerClosed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a change that collides with others is tried.
pub(super) const MAX_ATTEMPTS: u32 = 5;

/// Changes what a product's seller says about it.
///
/// # Errors
/// [`ChangeProductError`] unless the product exists, `may_change` its seller's products and it isn't UNREGISTERED.
pub async fn change_product(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    edit: &Edit,
    may_change: impl Fn(SellerId) -> bool,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Product, ChangeProductError> {
    update_product(store, product, may_change, |product| product.edit(edit, now, cause)).await
}

/// Loads, decides and stores, again when somebody else was quicker. What was quicker may be this very write, repeated
/// below because its answer was lost.
pub(super) async fn update_product(
    store: &(impl ProductReader + ProductWriter),
    product: ProductId,
    may_change: impl Fn(SellerId) -> bool,
    decide: impl Fn(&Product) -> Result<ProductUpdate, IllegalTransition>,
) -> Result<Product, ChangeProductError> {
    let mut tried = None;
    for _ in 0..MAX_ATTEMPTS {
        let product = store.product(product).await?.ok_or(ChangeProductError::NotFound)?;
        if tried.as_ref() == Some(&product) {
            return Ok(product);
        }
        if !may_change(product.seller_id) {
            return Err(ChangeProductError::Forbidden);
        }
        let change = decide(&product)?;
        match store.store(&change).await? {
            ProductWriteOutcome::Done => return Ok(change.product),
            ProductWriteOutcome::SellerClosed => return Err(ChangeProductError::SellerClosed),
            ProductWriteOutcome::Conflict => tried = Some(change.product),
        }
    }
    Err(StoreError::Unavailable("the product changes too fast".to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryCatalog,
        application::{on_stock_changed::on_stock_changed, set_product_status::set_product_status},
        testing::sell,
    };
    use rialto_contracts::catalog::ProductStatus;
    use rialto_kernel::{Amount, Write};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The store in memory, in which somebody else is quicker the first few times.
    struct Contended {
        store: MemoryCatalog,
        times: AtomicU32,
    }

    impl ProductReader for Contended {
        async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
            self.store.product(product).await
        }
    }

    impl ProductWriter for Contended {
        async fn store(&self, change: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
            let left = self
                .times
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if left.is_ok() {
                let product = self.store.product(change.product.product_id).await?.unwrap();
                let other = product
                    .apply_stock_event(!product.in_stock, product.stock_sequence + 1)
                    .unwrap();
                assert_eq!(self.store.store(&other).await?, ProductWriteOutcome::Done);
            }
            self.store.store(change).await
        }
    }

    /// The store in memory, which writes and then says that it was overtaken.
    struct Forgetful(MemoryCatalog);

    impl ProductReader for Forgetful {
        async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
            self.0.product(product).await
        }
    }

    impl ProductWriter for Forgetful {
        async fn store(&self, change: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
            assert_eq!(self.0.store(change).await?, ProductWriteOutcome::Done);
            Ok(ProductWriteOutcome::Conflict)
        }
    }

    #[tokio::test]
    async fn a_change_whose_answer_was_lost_is_made_once() {
        let store = Forgetful(MemoryCatalog::default());
        let product = sell(&store.0, 1, "s", "thing").await;
        let (sold_out, now) = (ProductStatus::SoldOut, Timestamp::from_millis(9));
        let changed =
            set_product_status(&store, product, sold_out, |_| true, now, &EventContext::default())
                .await;
        assert_eq!(changed.unwrap().version, 3);
        assert_eq!(store.product(product).await.unwrap().unwrap().version, 3);
    }

    async fn contended(times: u32) -> (Contended, ProductId) {
        let store = MemoryCatalog::default();
        let product = sell(&store, 1, "s", "thing").await;
        (Contended { store, times: times.into() }, product)
    }

    async fn change(store: &Contended, product: ProductId) -> Result<Product, ChangeProductError> {
        let edit = Edit { price: Some(Amount::new(7).unwrap()), ..Edit::default() };
        change_product(
            store,
            product,
            &edit,
            |_| true,
            Timestamp::from_millis(9),
            &EventContext::default(),
        )
        .await
    }

    #[tokio::test]
    async fn a_change_that_is_overtaken_is_made_anew_and_keeps_what_overtook_it() {
        let (store, product) = contended(1).await;
        let changed = change(&store, product).await.unwrap();
        assert_eq!((changed.price.minor_units(), changed.in_stock), (7, false));
        assert_eq!(store.product(product).await.unwrap(), Some(changed));
    }

    #[tokio::test]
    async fn a_change_that_is_always_overtaken_gives_up() {
        let (store, product) = contended(u32::MAX).await;
        assert!(matches!(change(&store, product).await, Err(ChangeProductError::Store(_))));
        assert_eq!(store.product(product).await.unwrap().unwrap().price.minor_units(), 1);
    }

    #[tokio::test]
    async fn a_stock_event_that_is_overtaken_is_heard_unless_what_overtook_it_is_newer() {
        let (store, product) = contended(1).await;
        assert_eq!(on_stock_changed(&store, product, true, 5).await.unwrap(), Write::Done);
        let (store, product) = contended(1).await;
        assert_eq!(on_stock_changed(&store, product, true, 1).await.unwrap(), Write::Conflict(()));
        assert!(!store.product(product).await.unwrap().unwrap().in_stock);
    }
}
