use crate::{
    domain::product::{Product, Registration},
    ports::{
        ProductReader, ProductWriteOutcome, ProductWriter, RegistrationContextReader, SellerStatus,
    },
};
use rialto_contracts::EventContext;
use rialto_kernel::{ItemId, ProductId, SellerId, StoreError, Timestamp};

/// Whose product it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The caller's own: its token proves that the seller exists.
    Caller(SellerId),
    /// Somebody whom a supervisor names, and who has to be known here.
    Named(SellerId),
}

impl Owner {
    const fn seller(self) -> SellerId {
        match self {
            Self::Caller(seller) | Self::Named(seller) => seller,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterProduct {
    /// A new id.
    pub product: ProductId,
    pub owner: Owner,
    pub item: ItemId,
    pub registration: Registration,
}

/// Why a product isn't registered. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterProductError {
    #[error("no such item")]
    UnknownItem,
    #[error("no such seller")]
    UnknownSeller,
    #[error("the product exists already")]
    Duplicate,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a product made from an item. Nobody sees it until its seller chooses another status.
///
/// # Errors
/// [`RegisterProductError`]; nothing has changed then, unless it is a store that couldn't tell.
pub async fn register_product(
    store: &(impl RegistrationContextReader + ProductReader + ProductWriter),
    request: RegisterProduct,
    now: Timestamp,
    cause: &EventContext,
) -> Result<Product, RegisterProductError> {
    let seller = request.owner.seller();
    let (item, known) = store.registration_context(request.item, seller).await?;
    let item = item.ok_or(RegisterProductError::UnknownItem)?;
    let unknown = known.is_none() && matches!(request.owner, Owner::Named(_));
    if unknown || known == Some(SellerStatus::Closed) {
        return Err(RegisterProductError::UnknownSeller);
    }
    let change =
        Product::register(request.product, seller, &item, request.registration, now, cause);
    match store.store(&change).await? {
        ProductWriteOutcome::Done => return Ok(change.product),
        ProductWriteOutcome::SellerClosed => return Err(RegisterProductError::UnknownSeller),
        ProductWriteOutcome::Conflict => (),
    }
    // It may be this very write, repeated below because its answer was lost.
    let there = store.product(request.product).await?;
    there.filter(|there| *there == change.product).ok_or(RegisterProductError::Duplicate)
}
