use crate::{
    domain::{
        adjustment::{Adjustment, AdjustmentError},
        stock::Stock,
    },
    ports::{AdjustmentRecord, StockAdjuster},
};
use rialto_contracts::EventContext;
use rialto_kernel::{
    PlantedBug, ProductId, SellerId, StoreError, Timestamp, digest,
    store::{self, Attempt},
};

/// A request to adjust a product's stock, under an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustStock<'a> {
    pub product: ProductId,
    pub idempotency_key: &'a str,
    pub adjustment: Adjustment,
}

/// The response body: new, or the one stored by the first request with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustmentResult {
    pub response_body: String,
    pub replayed: bool,
}

/// An error of [`adjust_stock`]. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdjustStockError {
    #[error("product not found")]
    NotFound,
    #[error("product belongs to another seller")]
    Forbidden,
    #[error("Idempotency-Key already used for another request")]
    KeyReused,
    #[error(transparent)]
    Refused(#[from] AdjustmentError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adjusts a product's stock once for each key. `render` serialises the response body, which is
/// stored so that a repeated request gets the same bytes.
///
/// # Errors
/// [`AdjustStockError`]; nothing was changed then.
pub async fn adjust_stock(
    stocks: &impl StockAdjuster,
    request: &AdjustStock<'_>,
    may_adjust: impl Fn(SellerId) -> bool,
    render: impl Fn(&Stock) -> String,
    now: Timestamp,
    cause: &EventContext,
) -> Result<AdjustmentResult, AdjustStockError> {
    let key = digest::hex(&digest::sha256(&[request.idempotency_key.as_bytes()]));
    let adjustment = &request.adjustment;
    let body_hash = digest::hex(&digest::sha256(&[
        &adjustment.quantity.to_be_bytes(),
        adjustment.reason.as_str().as_bytes(),
    ]));
    store::update(|| async {
        let (stock, record) = stocks.load(request.product, &key).await?;
        let stock = stock.ok_or(AdjustStockError::NotFound)?;
        if !may_adjust(stock.seller_id) {
            return Err(AdjustStockError::Forbidden);
        }
        if let Some(record) = record
            && !PlantedBug::AdjustedTwice.is_planted()
        {
            if record.body_hash != body_hash {
                return Err(AdjustStockError::KeyReused);
            }
            let response_body = record.response_body;
            return Ok(Attempt::Done(AdjustmentResult { response_body, replayed: true }));
        }
        let (stock, movement) = adjustment.apply(&stock, &key, now)?;
        let record = AdjustmentRecord {
            key: key.clone(),
            body_hash: body_hash.clone(),
            response_body: render(&stock),
        };
        let write = stocks.adjust(&stock, &movement, &record, cause).await?;
        let response_body = record.response_body;
        Ok(write.into_attempt(AdjustmentResult { response_body, replayed: false }))
    })
    .await
}
