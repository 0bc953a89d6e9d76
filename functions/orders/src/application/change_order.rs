//! The retry loop of the requests that change an order.

use crate::{
    domain::{
        order::{Order, OrderUpdate},
        timeline::TimelineEntry,
    },
    ports::OrderWriter,
};
use rialto_kernel::{OrderId, StoreError, store::MAX_ATTEMPTS};

/// The outcome of [`change_order`], with the order as it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChangeOutcome {
    NotFound,
    Changed(Order),
    /// There was nothing to write.
    Unchanged(Order),
}

/// Loads an order and writes what `decide` returns for it, until no other write comes first.
///
/// # Errors
/// [`StoreError`], or the error of `decide`; nothing was changed then.
pub(super) async fn change_order<E: From<StoreError>>(
    store: &impl OrderWriter,
    order_id: OrderId,
    decide: impl Fn(&Order) -> Result<Option<OrderUpdate>, E>,
) -> Result<ChangeOutcome, E> {
    // Not `store::update`: an attempt has to recognise the previous one's write.
    let mut attempted: Vec<TimelineEntry> = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        let Some(order) = store.order(order_id).await? else {
            return Ok(ChangeOutcome::NotFound);
        };
        // A write whose response was lost is repeated by the SDK, and then conflicts with itself.
        // Other events may have been applied since.
        if order.timeline.iter().any(|entry| attempted.contains(entry)) {
            return Ok(ChangeOutcome::Changed(order));
        }
        let Some(change) = decide(&order)? else {
            return Ok(ChangeOutcome::Unchanged(order));
        };
        if store.save(&change).await?.is_done() {
            return Ok(ChangeOutcome::Changed(change.order));
        }
        attempted = change.events.iter().map(TimelineEntry::from).collect();
    }
    Err(StoreError::Contended.into())
}
