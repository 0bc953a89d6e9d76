//! What the use cases about one line have in common.

use super::{
    change_order::{ChangeOutcome, change_order},
    get_order::{GetOrderError, OrderView, Requester, view},
};
use crate::{
    domain::{
        keyed_request::RequestRecord,
        line_transitions::LineError,
        order::{Order, OrderUpdate},
    },
    ports::OrderWriter,
};
use rialto_contracts::EventContext;
use rialto_kernel::{OrderId, StoreError};

/// The line that a request is about, and the account that requests it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRequest {
    pub order_id: OrderId,
    pub line_no: u32,
    pub requester: Requester,
}

/// The order after a request, as its requester may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLine {
    pub view: OrderView,
    /// The Idempotency-Key had been used for the same request: nothing was changed now.
    pub replayed: bool,
}

/// An error of a request about a line. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeLineError {
    /// The order or the line doesn't exist, or the requester may not see it.
    #[error("order or line not found")]
    NotFound,
    #[error("Idempotency-Key already used for another request")]
    KeyReused,
    #[error(transparent)]
    Refused(#[from] LineError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<GetOrderError> for ChangeLineError {
    fn from(error: GetOrderError) -> Self {
        match error {
            GetOrderError::NotFound => Self::NotFound,
            GetOrderError::Store(error) => error.into(),
        }
    }
}

/// Changes a line of an order that the requester may see; once for each `record`.
///
/// # Errors
/// [`ChangeLineError`]; nothing was changed then.
pub(super) async fn change_line(
    store: &impl OrderWriter,
    request: &LineRequest,
    record: Option<&RequestRecord>,
    cause: &EventContext,
    change: impl Fn(&Order, &EventContext) -> Result<OrderUpdate, LineError>,
) -> Result<ChangedLine, ChangeLineError> {
    let LineRequest { order_id, line_no, requester } = *request;
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let outcome = change_order(store, order_id, |order| {
        let visible = view(order.clone(), requester)?;
        if !visible.order().lines.iter().any(|line| line.line_no == line_no) {
            return Err(ChangeLineError::NotFound);
        }
        let earlier = record.and_then(|record| order.request_with_key_of(record));
        match earlier {
            Some(earlier) if Some(earlier) != record => Err(ChangeLineError::KeyReused),
            Some(_) => Ok(None),
            None => Ok(Some(change(order, &cause)?)),
        }
    });
    let (order, replayed) = match outcome.await? {
        ChangeOutcome::NotFound => return Err(ChangeLineError::NotFound),
        ChangeOutcome::Changed(order) => (order, false),
        ChangeOutcome::Unchanged(order) => (order, true),
    };
    Ok(ChangedLine { view: view(order, requester)?, replayed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryOrders,
        application::{
            accept_line::accept_line, cancel_line::cancel_line, confirm_cancel::confirm_cancel,
            confirm_return::confirm_return, decline_return::decline_return,
            reject_line::reject_line, return_line::return_line, split_line::split_line,
        },
        domain::{line::ReturnReason, line_transitions::PiecesRequest},
        fixtures::{confirmed, confirmed_order_of, insert_placed_order},
        ports::{IdempotencyRecord, OrderPlacer, OrderReader},
    };
    use rialto_contracts::orders::OrderLineState;
    use rialto_kernel::{Quantity, SellerId, Timestamp, UserId, Write};

    const NOW: Timestamp = Timestamp::from_millis(2_000);

    fn cause() -> EventContext {
        EventContext::default()
    }

    fn other_seller() -> SellerId {
        SellerId::derive(&[b"other"])
    }

    /// A CONFIRMED order of a line of five and a line of another seller.
    async fn store_with_order() -> (MemoryOrders, Order) {
        let store = MemoryOrders::default();
        let mut order = confirmed_order_of(&[5, 1]);
        order.lines[1].seller_id = other_seller();
        let update = OrderUpdate { order: order.clone(), events: Vec::new() };
        let write = store.insert(&update, &IdempotencyRecord::empty(), &[]).await.unwrap();
        assert_eq!(write, Write::Done);
        (store, order)
    }

    fn request_by(requester: Requester, order: &Order) -> LineRequest {
        LineRequest { order_id: order.order_id, line_no: 1, requester }
    }

    fn by_seller(order: &Order) -> LineRequest {
        request_by(Requester::Seller(order.lines[0].seller_id), order)
    }

    fn by_buyer(order: &Order) -> LineRequest {
        request_by(Requester::Buyer(order.user_id), order)
    }

    fn pieces(action: &str, key: &str, quantity: i64) -> PiecesRequest {
        let quantity = Quantity::new(quantity).unwrap();
        PiecesRequest { quantity, record: RequestRecord::new(action, 1, key, &quantity) }
    }

    /// Whether every use case refuses the request as not found.
    async fn is_not_found(store: &MemoryOrders, request: &LineRequest) -> bool {
        let (cause, reason) = (&cause(), ReturnReason::parse("broken").unwrap());
        let split = pieces("split", "k", 1);
        let results = [
            accept_line(store, request, NOW, cause).await,
            reject_line(store, request, NOW, cause).await,
            split_line(store, request, &split, NOW, cause).await,
            cancel_line(store, request, None, NOW, cause).await,
            confirm_cancel(store, request, NOW, cause).await,
            return_line(store, request, &reason, None, NOW, cause).await,
            confirm_return(store, request, true, None, NOW, cause).await,
            decline_return(store, request, &reason, NOW, cause).await,
        ];
        results.iter().all(|result| matches!(result, Err(ChangeLineError::NotFound)))
    }

    #[tokio::test]
    async fn a_line_is_only_found_by_who_may_see_it() {
        let (store, order) = store_with_order().await;
        for requester in [
            Requester::Seller(other_seller()),
            Requester::Seller(SellerId::derive(&[b"third"])),
            Requester::Buyer(UserId::derive(&[b"other"])),
        ] {
            assert!(is_not_found(&store, &request_by(requester, &order)).await);
        }
        let unknown_line = LineRequest { line_no: 3, ..by_buyer(&order) };
        let unknown_order =
            LineRequest { order_id: OrderId::derive(&[b"none"]), ..by_buyer(&order) };
        for request in [unknown_line, unknown_order] {
            assert!(is_not_found(&store, &request).await);
        }
        assert_eq!(store.order(order.order_id).await.unwrap(), Some(order));
    }

    #[tokio::test]
    async fn a_sellers_line_is_found_once_the_order_is_confirmed() {
        let store = MemoryOrders::default();
        let order = insert_placed_order(&store).await;
        assert!(is_not_found(&store, &by_seller(&order)).await);
        for requester in [Requester::Buyer(order.user_id), Requester::Supervisor] {
            let request = request_by(requester, &order);
            let refused = cancel_line(&store, &request, None, NOW, &cause()).await.unwrap_err();
            assert!(matches!(refused, ChangeLineError::Refused(LineError::OrderState(_))));
        }
        assert_eq!(store.save(&confirmed(&order, NOW)).await.unwrap(), Write::Done);
        assert!(accept_line(&store, &by_seller(&order), NOW, &cause()).await.is_ok());
    }

    #[tokio::test]
    async fn a_seller_gets_its_own_lines() {
        let (store, order) = store_with_order().await;
        let accepted = accept_line(&store, &by_seller(&order), NOW, &cause()).await.unwrap();
        let OrderView::SellerLines(seen) = accepted.view else { panic!("the seller's view") };
        assert_eq!(seen.lines.len(), 1);
        assert_eq!(seen.lines[0].state, OrderLineState::Accepted);
        let again = accept_line(&store, &by_seller(&order), NOW, &cause()).await.unwrap_err();
        let accepted = LineError::LineState(OrderLineState::Accepted);
        assert!(matches!(again, ChangeLineError::Refused(error) if error == accepted));
        let stored = store.order(order.order_id).await.unwrap().unwrap();
        assert_eq!(stored.version, order.version + 1);
    }

    #[tokio::test]
    async fn a_repeated_key_splits_once() {
        let (store, order) = store_with_order().await;
        let (seller, cause) = (by_seller(&order), &cause());
        let first = pieces("split", "k", 4);
        let split = split_line(&store, &seller, &first, NOW, cause).await.unwrap();
        assert!(!split.replayed);
        let accepted = accept_line(&store, &seller, NOW, cause).await.unwrap();
        let again = split_line(&store, &seller, &first, NOW, cause).await.unwrap();
        assert_eq!(again, ChangedLine { replayed: true, ..accepted });
        let other_body = pieces("split", "k", 1);
        let refused = split_line(&store, &seller, &other_body, NOW, cause).await;
        assert!(matches!(refused, Err(ChangeLineError::KeyReused)));
        let stored = store.order(order.order_id).await.unwrap().unwrap();
        assert_eq!((stored.lines.len(), stored.version), (3, order.version + 2));
    }

    #[tokio::test]
    async fn a_repeated_key_cancels_once() {
        for quantity in [2, 5] {
            let (store, order) = store_with_order().await;
            let (buyer, cause) = (by_buyer(&order), &cause());
            let some = pieces("cancel", "k", quantity);
            let first = cancel_line(&store, &buyer, Some(&some), NOW, cause).await.unwrap();
            let again = cancel_line(&store, &buyer, Some(&some), NOW, cause).await.unwrap();
            assert_eq!((first.replayed, again.replayed), (false, true));
            assert_eq!(first.view, again.view);
        }
    }

    #[tokio::test]
    async fn a_refused_request_leaves_its_key_unused() {
        let (store, order) = store_with_order().await;
        let (buyer, cause) = (by_buyer(&order), &cause());
        let too_many = pieces("cancel", "k", 6);
        let refused = cancel_line(&store, &buyer, Some(&too_many), NOW, cause).await.unwrap_err();
        let expected = LineError::TooManyPieces { max: 5 };
        assert!(matches!(refused, ChangeLineError::Refused(error) if error == expected));
        let fewer = pieces("cancel", "k", 5);
        assert!(!cancel_line(&store, &buyer, Some(&fewer), NOW, cause).await.unwrap().replayed);
    }

    /// A store whose writes are done but reported as conflicts.
    struct LostResponses(MemoryOrders);

    impl OrderReader for LostResponses {
        async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
            self.0.order(order).await
        }
    }

    impl OrderWriter for LostResponses {
        async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
            assert_eq!(self.0.save(change).await?, Write::Done);
            Ok(Write::Conflict(()))
        }
    }

    #[tokio::test]
    async fn a_change_that_conflicts_with_itself_succeeds() {
        let (store, order) = store_with_order().await;
        let store = LostResponses(store);
        let some = pieces("cancel", "k", 2);
        let buyer = by_buyer(&order);
        let changed = cancel_line(&store, &buyer, Some(&some), NOW, &cause()).await.unwrap();
        assert!(!changed.replayed);
        assert_eq!(changed.view.order().lines.len(), 3);
        assert!(accept_line(&store, &by_seller(&order), NOW, &cause()).await.is_ok());
    }
}
