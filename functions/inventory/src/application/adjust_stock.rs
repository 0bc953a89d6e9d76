use crate::{
    domain::{
        adjustment::{Adjustment, AdjustmentError},
        stock::Stock,
    },
    ports::{AdjustmentRecord, StockAdjuster},
};
use rialto_contracts::EventContext;
use rialto_kernel::{ProductId, SellerId, StoreError, Timestamp, Write, digest};

/// What is asked for, under which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustStock<'a> {
    pub product: ProductId,
    pub idempotency_key: &'a str,
    pub adjustment: Adjustment,
}

/// The answer: made now, or the one that was given the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustmentResult {
    pub answer: String,
    pub replayed: bool,
}

/// Why stock isn't adjusted. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum AdjustStockError {
    #[error("no such product")]
    NotFound,
    #[error("somebody else's product")]
    Forbidden,
    #[error("the key belongs to another request")]
    KeyReused,
    #[error(transparent)]
    Refused(#[from] AdjustmentError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often an adjustment that collides with others is tried.
const MAX_ATTEMPTS: u32 = 10;

/// Adds or takes pieces, once for each key. `answer` writes the stock as the client will see it, each time alike.
///
/// # Errors
/// [`AdjustStockError`]; nothing has changed then.
pub async fn adjust_stock(
    store: &impl StockAdjuster,
    request: &AdjustStock<'_>,
    may_adjust: impl Fn(SellerId) -> bool,
    answer: impl Fn(&Stock) -> String,
    now: Timestamp,
    cause: &EventContext,
) -> Result<AdjustmentResult, AdjustStockError> {
    let key = digest::hex(&digest::sha256(&[request.idempotency_key.as_bytes()]));
    let adjustment = &request.adjustment;
    let body_hash = digest::hex(&digest::sha256(&[
        &adjustment.quantity.to_be_bytes(),
        adjustment.reason.as_str().as_bytes(),
    ]));
    for _ in 0..MAX_ATTEMPTS {
        let (stock, record) = store.load(request.product, &key).await?;
        let stock = stock.ok_or(AdjustStockError::NotFound)?;
        if !may_adjust(stock.seller_id) {
            return Err(AdjustStockError::Forbidden);
        }
        if let Some(record) = record {
            if record.body_hash != body_hash {
                return Err(AdjustStockError::KeyReused);
            }
            return Ok(AdjustmentResult { answer: record.answer, replayed: true });
        }
        let (stock, movement) = adjustment.apply(&stock, &key, now)?;
        let record = AdjustmentRecord {
            key: key.clone(),
            body_hash: body_hash.clone(),
            answer: answer(&stock),
        };
        if store.adjust(&stock, &movement, &record, cause).await? == Write::Done {
            return Ok(AdjustmentResult { answer: record.answer, replayed: false });
        }
    }
    Err(StoreError::Unavailable("the product's stock changes too fast".to_owned()).into())
}
