use super::on_line_changed::ApplyChangeError;
use crate::{
    domain::{delivery::delivery_id, draft::WriteContext, line_deliveries::prepare_order},
    ports::DeliveryWriter,
};
use rialto_contracts::orders::OrderConfirmed;
use rialto_kernel::{
    DeliveryId, Write,
    store::{self, Attempt},
};

/// Prepares a delivery for each line of the order, in one write, and applies what arrived before.
///
/// # Errors
/// [`ApplyChangeError`]: the event must be redelivered.
pub async fn on_order_confirmed(
    store: &impl DeliveryWriter,
    order: &OrderConfirmed,
    write: &WriteContext,
) -> Result<Write, ApplyChangeError> {
    let ids = order.lines.iter().map(|line| delivery_id(order.order_id, line.line_no));
    let ids: &[DeliveryId] = &ids.collect::<Vec<_>>();
    store::update(|| async move {
        let records = store.records(ids).await?;
        match prepare_order(order, &records, write)? {
            Some(update) => Ok(store.save(&update).await?.into_attempt(Write::Done)),
            None => Ok(Attempt::Done(Write::Conflict(()))),
        }
    })
    .await
}
