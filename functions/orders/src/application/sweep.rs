use crate::ports::{DeadlineReader, OrderWriter};
use rialto_contracts::{Cause, orders::CancelReason};
use rialto_kernel::{StoreError, Timestamp, Write};

/// How many orders one sweep settles at most; the next one goes on a minute later.
pub const AT_MOST: usize = 500;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub cancelled: usize,
    /// Settled by somebody else in the meantime, or not due after all.
    pub left: usize,
}

/// Cancels (TIMEOUT) the orders that are still PENDING past their deadline, by the same conditional write that a buyer's
/// cancellation makes. The index only finds them; what each is, its own item tells.
///
/// # Errors
/// [`StoreError`]: the next sweep goes on.
pub async fn sweep(
    store: &(impl DeadlineReader + OrderWriter),
    now: Timestamp,
    cause: &Cause,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for order_id in store.due(now, AT_MOST).await? {
        let cause = Cause { correlationid: Some(order_id.to_string()), ..cause.clone() };
        let order = store.order(order_id).await?.filter(|order| order.expires_at <= now);
        let change = order.and_then(|order| order.cancel(CancelReason::Timeout, now, &cause).ok());
        let written = match change {
            Some(change) => store.save(&change).await?,
            None => Write::Conflict,
        };
        match written {
            Write::Done => swept.cancelled += 1,
            Write::Conflict => swept.left += 1,
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        domain::order::OrderState,
        ports::{FirstPlacing, OrderPlacer, OrderReader},
        testing,
    };
    use std::time::Duration;

    #[tokio::test]
    async fn an_order_is_cancelled_when_its_time_has_come_and_not_before() {
        let store = MemoryOrders::default();
        let change = testing::order();
        let order = change.order.clone();
        let placing = FirstPlacing { body_hash: String::new(), answer: String::new() };
        assert_eq!(store.insert(&change, &placing).await.unwrap(), Write::Done);

        let early = Timestamp::from_millis(order.expires_at.millis() - 1);
        assert_eq!(sweep(&store, early, &Cause::default()).await.unwrap(), Swept::default());
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order.clone()));

        let late = order.expires_at.plus(Duration::from_secs(1));
        assert_eq!(sweep(&store, late, &Cause::default()).await.unwrap().cancelled, 1);
        let cancelled = store.order(order.order_id).await.unwrap().unwrap();
        assert_eq!((cancelled.state, cancelled.reason), (OrderState::Cancelled, Some(CancelReason::Timeout)));
        assert_eq!(sweep(&store, late, &Cause::default()).await.unwrap(), Swept::default());
    }
}
