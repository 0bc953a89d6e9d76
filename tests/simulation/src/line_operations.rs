//! The start of the operations on the lines of orders.

use crate::{
    invocations::{Ending, Origin},
    races::Race,
    stores::Simulated,
    workload::{LineAction, LineOperation, LineRequest, Operation},
    world::World,
};
use rialto_contracts::{EventContext, orders::OrderLineState};
use rialto_kernel::{
    Amount, OrderId, Quantity, StoreError, Text, Timestamp,
    store::{self, Attempt},
};
use rialto_orders::{
    adapters::memory::MemoryOrders,
    domain::{
        keyed_request::RequestRecord,
        line_transitions::{LineError, PiecesRequest},
        order::{Order, OrderState, OrderUpdate},
    },
    ports::{OrderReader as _, OrderWriter as _},
};
use std::time::Duration;

/// What a seller refunds of a returned line's share, in percent. Above it is refused.
const RETURN_PERCENTS: [Option<u8>; 5] = [None, Some(0), Some(50), Some(100), Some(150)];

/// Why a request about a line wasn't done.
enum Refusal {
    Line,
    Store,
}

impl From<StoreError> for Refusal {
    fn from(_: StoreError) -> Self {
        Self::Store
    }
}

impl World {
    /// Begins an operation on a line, or puts it off until its order is confirmed.
    pub(crate) fn change_line(&mut self, operation: LineOperation) {
        let number = operation.placement;
        let order_id = self.workload.placements[number].order;
        let stored = self.orders.orders().into_iter().find(|order| order.order_id == order_id);
        let later = operation.request.is_none() && self.choose(2) == 1;
        let confirmed = stored.filter(|order| order.state != OrderState::Pending && !later);
        let Some(order) = confirmed else {
            if let Some(waits) = operation.waits.checked_sub(1) {
                self.advance(Duration::from_millis(500));
                let later = LineOperation { waits, ..operation };
                self.workload.operations.push(Operation::Line(later));
            }
            return;
        };
        let request = operation.request.unwrap_or_else(|| self.choose_request(&order));
        if self.is_changing_lines(order_id) {
            self.races.reach(Race::ConcurrentLineRequests);
        }
        let id = self.next_id();
        let now = self.clock().now();
        let store = self.orders_for(id);
        let function = function_name(request.action);
        self.note(|| format!("#{id} {function}: order {number}, {request:?}"));
        let resolved = LineOperation { request: Some(request), ..operation };
        let origin = Origin::Request(Operation::Line(resolved));
        self.start(id, function, order_id.to_string(), origin, async move {
            let key = operation.key.to_string();
            match request_change(&store, order_id, request, &key, now).await {
                Ok(()) => Ending::LineChanged,
                Err(Refusal::Store) => Ending::Unanswered,
                Err(Refusal::Line) => Ending::Answered,
            }
        });
    }

    fn is_changing_lines(&self, order: OrderId) -> bool {
        let subject = order.to_string();
        self.invocations.values().any(|other| {
            other.subject == subject && matches!(other.operation, Some(Operation::Line(_)))
        })
    }

    /// A request about a random line: mostly one that its state allows.
    fn choose_request(&mut self, order: &Order) -> LineRequest {
        use LineAction::{
            Accept, Cancel, ConfirmCancel, ConfirmReturn, DeclineReturn, Reject, Return, Split,
        };
        let line = &order.lines[self.choose(order.lines.len())];
        let restock = self.choose(2) == 0;
        let confirm =
            ConfirmReturn { restock, percent: RETURN_PERCENTS[self.choose(RETURN_PERCENTS.len())] };
        let fitting: &[LineAction] = match line.state {
            OrderLineState::Ordered => &[Accept, Accept, Accept, Reject, Split, Cancel],
            OrderLineState::Accepted => &[Split, Cancel],
            OrderLineState::Canceling => &[ConfirmCancel],
            OrderLineState::Completed => &[Return],
            OrderLineState::ReturnRequested => &[confirm, confirm, DeclineReturn],
            _ => &[],
        };
        let any = [Accept, Reject, Split, Cancel, ConfirmCancel, Return, confirm, DeclineReturn];
        let actions = if fitting.is_empty() || self.choose(8) == 7 { &any } else { fitting };
        let action = actions[self.choose(actions.len())];
        let takes_pieces = matches!(action, Split | Cancel | Return);
        let most = line.quantity.get() as usize;
        let all = action != Split && self.choose(2) == 0;
        let pieces =
            (takes_pieces && !all).then(|| u32::try_from(1 + self.choose(most)).unwrap_or(1));
        LineRequest { line_no: line.line_no, action, pieces }
    }
}

/// Does what the route of the action does: loads the order, changes it and saves it.
async fn request_change(
    store: &Simulated<MemoryOrders>,
    order: OrderId,
    request: LineRequest,
    key: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let LineRequest { line_no, action, pieces } = request;
    let record = RequestRecord::new(function_name(action), line_no, key, &pieces);
    let record = &record;
    store::update(|| async move {
        let Some(order) = store.order(order).await? else {
            return Err(Refusal::Line);
        };
        let mut records = order.lines.iter().flat_map(|line| &line.requests);
        if records.any(|stored| stored.has_key_of(record)) {
            return Ok(Attempt::Done(()));
        }
        let update = change(&order, request, record, now).map_err(|_| Refusal::Line)?;
        Ok(store.save(&update).await?.into_attempt(()))
    })
    .await
}

fn change(
    order: &Order,
    request: LineRequest,
    record: &RequestRecord,
    now: Timestamp,
) -> Result<OrderUpdate, LineError> {
    let (line_no, cause) = (request.line_no, &EventContext::default());
    let pieces = request.pieces.map(|pieces| PiecesRequest {
        quantity: Quantity::new(pieces.into()).expect("a quantity"),
        record: record.clone(),
    });
    let reason = || Text::parse("broken").expect("a text");
    match request.action {
        LineAction::Accept => order.accept_line(line_no, now, cause),
        LineAction::Reject => order.reject_line(line_no, now, cause),
        LineAction::Split => {
            let pieces = pieces.ok_or(LineError::TooManyPieces { max: 0 })?;
            order.split_line(line_no, pieces, now, cause)
        }
        LineAction::Cancel => order.request_cancel(line_no, pieces, now, cause),
        LineAction::ConfirmCancel => order.confirm_cancel(line_no, now, cause),
        LineAction::Return => order.request_return(line_no, reason(), pieces, now, cause),
        LineAction::ConfirmReturn { restock, percent } => {
            let line = order.lines.iter().find(|line| line.line_no == line_no);
            let refund = line.zip(percent).and_then(|(line, percent)| {
                Amount::new(line.share.minor_units() * i64::from(percent) / 100).ok()
            });
            order.confirm_return(line_no, restock, refund, now, cause)
        }
        LineAction::DeclineReturn => order.decline_return(line_no, reason(), now, cause),
    }
}

const fn function_name(action: LineAction) -> &'static str {
    match action {
        LineAction::Accept => "orders-accept-line",
        LineAction::Reject => "orders-reject-line",
        LineAction::Split => "orders-split-line",
        LineAction::Cancel => "orders-cancel-line",
        LineAction::ConfirmCancel => "orders-confirm-cancel",
        LineAction::Return => "orders-return-line",
        LineAction::ConfirmReturn { .. } => "orders-confirm-return",
        LineAction::DeclineReturn => "orders-decline-return",
    }
}
