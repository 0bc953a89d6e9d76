use crate::{
    domain::product::{Product, Registration},
    ports::{
        ProductReader, ProductWriteOutcome, ProductWriter, RegistrationContextReader, SellerStatus,
    },
};
use rialto_contracts::EventContext;
use rialto_kernel::{ItemId, ProductId, SellerId, StoreError, Timestamp};

/// The seller of a new product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The caller. Its token proves that the seller exists.
    Caller(SellerId),
    /// A seller named by a supervisor, who must be known to this service.
    Named(SellerId),
}

impl Owner {
    const fn seller(self) -> SellerId {
        match self {
            Self::Caller(seller) | Self::Named(seller) => seller,
        }
    }
}

/// A request to register a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterProduct {
    /// A new id.
    pub product: ProductId,
    pub owner: Owner,
    pub item: ItemId,
    pub registration: Registration,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterProductError {
    #[error("item not found")]
    UnknownItem,
    #[error("seller not found")]
    UnknownSeller,
    #[error("product already exists")]
    Duplicate,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a product made from an item. It isn't public until its seller sets another status.
///
/// # Errors
/// [`RegisterProductError`]: nothing is written, except possibly after [`StoreError::Unavailable`].
pub async fn register_product(
    store: &(impl RegistrationContextReader + ProductReader + ProductWriter),
    request: RegisterProduct,
    now: Timestamp,
    context: &EventContext,
) -> Result<Product, RegisterProductError> {
    let seller = request.owner.seller();
    let (item, known) = store.registration_context(request.item, seller).await?;
    let item = item.ok_or(RegisterProductError::UnknownItem)?;
    let unknown = known.is_none() && matches!(request.owner, Owner::Named(_));
    if unknown || known == Some(SellerStatus::Closed) {
        return Err(RegisterProductError::UnknownSeller);
    }
    let update =
        Product::register(request.product, seller, &item, request.registration, now, context);
    match store.save(&update).await? {
        ProductWriteOutcome::Done => return Ok(update.product),
        ProductWriteOutcome::SellerClosed => return Err(RegisterProductError::UnknownSeller),
        ProductWriteOutcome::Conflict => (),
    }
    // The conflict may be with this very write, repeated by the SDK after its response was lost.
    let stored = store.product(request.product).await?;
    stored.filter(|stored| *stored == update.product).ok_or(RegisterProductError::Duplicate)
}
