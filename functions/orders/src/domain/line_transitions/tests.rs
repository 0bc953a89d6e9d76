use super::*;
use crate::{
    domain::{
        line::{MAX_CANCEL_REPEATS, MAX_RETURN_REQUESTS, ReturnReason},
        line_deliveries::DeliveryStep,
        order::Transition,
    },
    fixtures::{PLACED_AT, confirmed_order_of, placed_order},
};
use rialto_contracts::{
    Event,
    delivery::DeliveryPrepared,
    orders::{OrderCompleted, OrderLineReturned},
};
use rialto_kernel::{DeliveryId, Text};
use std::time::Duration;

const NOW: Timestamp = PLACED_AT;

fn cause() -> EventContext {
    EventContext::default()
}

fn days(days: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(days * 24 * 3_600))
}

fn reason() -> ReturnReason {
    Text::parse("broken").unwrap()
}

fn pieces(quantity: i64) -> PiecesRequest {
    let quantity = Quantity::new(quantity).unwrap();
    PiecesRequest { quantity, record: RequestRecord::new("test", 1, "k", &quantity) }
}

fn state(order: &Order, line_no: u32) -> OrderLineState {
    order.lines.iter().find(|line| line.line_no == line_no).unwrap().state
}

fn kinds(update: &OrderUpdate) -> Vec<&str> {
    update.events.iter().map(|event| event.kind.as_str()).collect()
}

/// Applies an event of delivery. Each one is another event, as `time` differs.
fn deliver(order: &Order, line_no: u32, step: DeliveryStep, time: Timestamp) -> OrderUpdate {
    let line = order.lines.iter().find(|line| line.line_no == line_no).unwrap();
    // What was published doesn't matter: the step says it.
    let payload = DeliveryPrepared {
        delivery_id: DeliveryId::derive(&[&line_no.to_be_bytes()]),
        order_id: order.order_id,
        line_no,
        root: line.root(),
        user_id: order.user_id,
        seller_id: line.seller_id,
        product_id: line.product_id,
        quantity: line.quantity,
    };
    let event = Event::new(&payload, order.version, 0, time, &cause());
    order.apply(&event, Transition::Deliver { line_no, step }, time, &cause()).unwrap()
}

fn received(order: &Order, line_no: u32) -> OrderUpdate {
    deliver(order, line_no, DeliveryStep::ReceiptConfirmed { delivered_at: NOW }, NOW)
}

fn accepted(order: &Order, line_no: u32) -> Order {
    order.accept_line(line_no, NOW, &cause()).unwrap().order
}

/// An order of one line, which was delivered.
fn completed(quantity: i64) -> Order {
    received(&accepted(&confirmed_order_of(&[quantity]), 1), 1).order
}

/// Every transition by a request, with its name.
type Attempts = [(&'static str, Result<OrderUpdate, LineError>); 8];

fn attempts(order: &Order, line_no: u32) -> Attempts {
    let (now, cause) = (NOW, &cause());
    [
        ("accept", order.accept_line(line_no, now, cause)),
        ("reject", order.reject_line(line_no, now, cause)),
        ("split", order.split_line(line_no, pieces(1), now, cause)),
        ("cancel", order.request_cancel(line_no, None, now, cause)),
        ("confirm-cancel", order.confirm_cancel(line_no, now, cause)),
        ("return", order.request_return(line_no, reason(), None, now, cause)),
        ("confirm-return", order.confirm_return(line_no, true, None, now, cause)),
        ("decline-return", order.decline_return(line_no, reason(), now, cause)),
    ]
}

/// The transitions that line 1 allows; the others are refused with its state.
fn allowed(order: &Order) -> Vec<&'static str> {
    let mut allowed = Vec::new();
    for (name, attempt) in attempts(order, 1) {
        match attempt {
            Ok(update) => {
                assert_eq!(update.order.version, order.version + 1);
                allowed.push(name);
            }
            Err(error) => assert_eq!(error, LineError::LineState(state(order, 1)), "{name}"),
        }
    }
    allowed
}

#[test]
fn each_state_allows_its_transitions_only() {
    let ordered = confirmed_order_of(&[2, 1]);
    assert_eq!(allowed(&ordered), ["accept", "reject", "split", "cancel"]);
    let accepted = accepted(&ordered, 1);
    assert_eq!(allowed(&accepted), ["split", "cancel"]);
    let started = deliver(&accepted, 1, DeliveryStep::Started, NOW).order;
    assert!(allowed(&started).is_empty());
    let completed = received(&started, 1).order;
    assert_eq!(allowed(&completed), ["return"]);
    let returning = completed.request_return(1, reason(), None, NOW, &cause()).unwrap().order;
    assert_eq!(allowed(&returning), ["confirm-return", "decline-return"]);
    let returned = returning.confirm_return(1, true, None, NOW, &cause()).unwrap().order;
    assert!(allowed(&returned).is_empty());
    let rejected = ordered.reject_line(1, NOW, &cause()).unwrap().order;
    assert!(allowed(&rejected).is_empty());
    let canceling = ordered.request_cancel(1, None, NOW, &cause()).unwrap().order;
    let held = deliver(&canceling, 1, DeliveryStep::Held, NOW).order;
    assert_eq!(allowed(&held), ["confirm-cancel"]);
    let cancelled = held.confirm_cancel(1, NOW, &cause()).unwrap().order;
    assert!(allowed(&cancelled).is_empty());
}

#[test]
fn lines_of_a_pending_order_are_not_changed() {
    for (name, attempt) in attempts(&placed_order().order, 1) {
        assert_eq!(attempt, Err(LineError::OrderState(OrderState::Pending)), "{name}");
    }
    for (name, attempt) in attempts(&confirmed_order_of(&[1]), 2) {
        assert_eq!(attempt, Err(LineError::NotFound), "{name}");
    }
}

#[test]
fn a_cancel_is_confirmed_once_delivery_holds_it() {
    let order = accepted(&confirmed_order_of(&[1, 1]), 1);
    let requested = order.request_cancel(1, None, NOW, &cause()).unwrap();
    assert_eq!(kinds(&requested), ["OrderLineCancelRequested"]);
    let pending = requested.order.confirm_cancel(1, NOW, &cause());
    assert_eq!(pending, Err(LineError::CancelPending));
    let held = deliver(&requested.order, 1, DeliveryStep::Held, NOW);
    assert!(held.events.is_empty());
    let cancelled = held.order.confirm_cancel(1, NOW, &cause()).unwrap();
    assert_eq!(kinds(&cancelled), ["OrderLineCancelled"]);
    assert_eq!(cancelled.order.state, OrderState::Confirmed);
}

#[test]
fn a_cancel_is_refused_when_the_delivery_has_started() {
    let order = accepted(&confirmed_order_of(&[1]), 1);
    let canceling = order.request_cancel(1, None, NOW, &cause()).unwrap().order;
    let started = deliver(&canceling, 1, DeliveryStep::Started, days(1)).order;
    assert_eq!(state(&started, 1), OrderLineState::Canceling);
    for order in [&canceling, &started] {
        let refused = deliver(order, 1, DeliveryStep::NotHeld, days(2));
        assert_eq!(kinds(&refused), ["OrderLineCancelRefused"]);
        assert_eq!(state(&refused.order, 1), OrderLineState::Accepted);
        let again = refused.order.request_cancel(1, None, NOW, &cause());
        assert_eq!(again, Err(LineError::LineState(OrderLineState::Accepted)));
        let late = deliver(&refused.order, 1, DeliveryStep::Held, days(3));
        assert!(late.events.is_empty());
        assert_eq!(late.order.lines, refused.order.lines);
    }
}

#[test]
fn a_receipt_that_overtakes_a_refusal_completes_the_line() {
    let order = accepted(&confirmed_order_of(&[1, 1]), 1);
    let canceling = order.request_cancel(1, None, NOW, &cause()).unwrap().order;
    let received = received(&canceling, 1);
    assert_eq!(kinds(&received), ["OrderLineCancelRefused"]);
    assert_eq!(received.events[0].data["state"], "COMPLETED");
    let late = deliver(&received.order, 1, DeliveryStep::NotHeld, days(1));
    assert_eq!((late.events.len(), &late.order.lines), (0, &received.order.lines));
}

#[test]
fn ended_lines_are_not_changed_by_late_events() {
    let ordered = confirmed_order_of(&[1, 1]);
    let rejected = ordered.reject_line(1, NOW, &cause()).unwrap().order;
    let steps = [
        DeliveryStep::Held,
        DeliveryStep::NotHeld,
        DeliveryStep::Started,
        DeliveryStep::Completed { delivered_at: NOW },
        DeliveryStep::ReceiptConfirmed { delivered_at: NOW },
    ];
    for step in steps {
        let late = deliver(&rejected, 1, step, NOW);
        assert_eq!((late.events.len(), &late.order.lines), (0, &rejected.lines), "{step:?}");
        assert_eq!(late.order.timeline.len(), rejected.timeline.len() + 1);
    }
}

#[test]
fn a_part_of_a_line_is_cancelled() {
    let order = confirmed_order_of(&[5]);
    let share = order.lines[0].share;
    let update = order.request_cancel(1, Some(pieces(2)), NOW, &cause()).unwrap();
    let [rest, part] = update.order.lines.as_slice() else { panic!("two lines") };
    assert_eq!((rest.quantity.get(), rest.state), (3, OrderLineState::Ordered));
    assert_eq!((part.quantity.get(), part.state), (2, OrderLineState::Canceling));
    assert_eq!(Amount::sum([rest.share, part.share]).unwrap(), share);
    assert_eq!((part.line_no, part.root()), (2, 1));
    let event: OrderLineCancelRequested = update.events[0].payload().unwrap();
    assert_eq!((event.line_no, event.root, event.quantity.get()), (2, 1, 2));
    assert_eq!(event.splits.len(), 1);
    assert_eq!(event.splits[0].state, OrderLineState::Ordered);
    assert_eq!((rest.requests.len(), part.requests.len()), (0, 1));

    let whole = order.request_cancel(1, Some(pieces(5)), NOW, &cause()).unwrap().order;
    assert_eq!((whole.lines.len(), whole.lines[0].requests.len()), (1, 1));
    let too_many = order.request_cancel(1, Some(pieces(6)), NOW, &cause());
    assert_eq!(too_many, Err(LineError::TooManyPieces { max: 5 }));
}

#[test]
fn each_event_lists_the_splits_of_its_root() {
    let order = confirmed_order_of(&[9, 9]);
    let order = order.split_line(2, pieces(4), NOW, &cause()).unwrap().order;
    let order = order.split_line(1, pieces(1), NOW, &cause()).unwrap().order;
    let order = accepted(&order, 3);
    let update = order.split_line(3, pieces(1), NOW, &cause()).unwrap();
    assert_eq!(kinds(&update), ["OrderLineSplit"]);
    let event: OrderLineSplit = update.events[0].payload().unwrap();
    let splits: Vec<_> = event
        .splits
        .iter()
        .map(|split| (split.line_no, split.from, split.quantity.get()))
        .collect();
    assert_eq!(splits, [(3, 2, 4), (5, 3, 1)]);
    assert_eq!(event.splits[1].state, OrderLineState::Accepted);
    assert_eq!((event.line_no, event.root, event.state), (5, 2, OrderLineState::Accepted));
}

#[test]
fn a_split_leaves_a_piece() {
    let refused = confirmed_order_of(&[2]).split_line(1, pieces(2), NOW, &cause());
    assert_eq!(refused, Err(LineError::TooManyPieces { max: 1 }));
}

/// Splits pieces off lines until there are `count`, ten of each.
fn split_into(order: &Order, count: usize) -> Order {
    let mut order = order.clone();
    while order.lines.len() < count {
        let root = u32::try_from(order.lines.len() % 3).unwrap() + 1;
        order = order.request_cancel(root, Some(pieces(1)), NOW, &cause()).unwrap().order;
    }
    order
}

#[test]
fn an_order_has_up_to_forty_lines() {
    let order = confirmed_order_of(&[99, 99, 99, 99, 99, 99, 99, 99, 99, 99]);
    let thirty = split_into(&order, 30);
    let refused = thirty.split_line(9, pieces(1), NOW, &cause());
    assert_eq!(refused, Err(LineError::TooManyLines));
    assert!(split_into(&order, 29).split_line(9, pieces(1), NOW, &cause()).is_ok());
    let forty = split_into(&thirty, 40);
    let refused = forty.request_cancel(9, Some(pieces(1)), NOW, &cause());
    assert_eq!(refused, Err(LineError::TooManyLines));
    assert!(forty.request_cancel(9, None, NOW, &cause()).is_ok());
}

#[test]
fn a_line_has_up_to_ten_parts() {
    let mut order = confirmed_order_of(&[99]);
    for _ in 0..10 {
        let last = order.lines.last().unwrap().line_no;
        let quantity = i64::from(order.lines.last().unwrap().quantity.get()) - 1;
        order = order.split_line(last, pieces(quantity), NOW, &cause()).unwrap().order;
    }
    for line_no in [1, 11] {
        let line = order.lines.iter().find(|line| line.line_no == line_no).unwrap();
        let refused = match line.quantity.get() {
            1 => continue,
            _ => order.request_cancel(line_no, Some(pieces(1)), NOW, &cause()),
        };
        assert_eq!(refused, Err(LineError::TooManyParts));
    }
}

#[test]
fn every_line_that_can_be_is_cancelled() {
    let order = accepted(&confirmed_order_of(&[1, 1, 1]), 2);
    let order = deliver(&order, 2, DeliveryStep::Started, NOW).order;
    let update = order.request_cancel_of_lines(NOW, &cause()).unwrap();
    assert_eq!(kinds(&update), ["OrderLineCancelRequested"; 2]);
    assert_ne!(update.events[0].id, update.events[1].id);
    assert_eq!(state(&update.order, 2), OrderLineState::Accepted);
    let again = update.order.request_cancel_of_lines(NOW, &cause());
    assert_eq!(again, Err(LineError::OrderState(OrderState::Confirmed)));
}

#[test]
fn an_order_is_cancelled_when_its_last_line_is() {
    let order = confirmed_order_of(&[1, 1]);
    let cancel = |order: &Order, line_no| {
        let order = order.request_cancel(line_no, None, NOW, &cause()).unwrap().order;
        let order = deliver(&order, line_no, DeliveryStep::Held, NOW).order;
        order.confirm_cancel(line_no, NOW, &cause()).unwrap()
    };
    let one = cancel(&order, 1).order;
    let by_seller = one.reject_line(2, NOW, &cause()).unwrap();
    assert_eq!(kinds(&by_seller), ["OrderLineRejected", "OrderCancelled"]);
    assert_eq!(by_seller.order.state, OrderState::Cancelled);
    assert_eq!(by_seller.order.reason, Some(CancelReason::Seller));
    assert_eq!(state(&by_seller.order, 2), OrderLineState::Rejected);
    let by_buyer = cancel(&order.reject_line(1, NOW, &cause()).unwrap().order, 2);
    assert_eq!(kinds(&by_buyer), ["OrderLineCancelled", "OrderCancelled"]);
    assert_eq!(by_buyer.order.reason, Some(CancelReason::Buyer));
}

#[test]
fn an_order_is_completed_once_no_line_is_open() {
    let order = accepted(&confirmed_order_of(&[1, 1]), 1);
    let one = received(&order, 1);
    assert_eq!((one.events.len(), one.order.state), (0, OrderState::Confirmed));
    let both = one.order.reject_line(2, NOW, &cause()).unwrap();
    assert_eq!(kinds(&both), ["OrderLineRejected", "OrderCompleted"]);
    assert_eq!((both.order.state, both.order.reason), (OrderState::Completed, None));
    let event: OrderCompleted = both.events[1].payload().unwrap();
    assert_eq!(event.lines.len(), 2);
}

#[test]
fn a_completed_order_stays_completed_after_returns() {
    let order = completed(1);
    assert_eq!(order.state, OrderState::Completed);
    assert!(!order.is_open() && order.sellers_with_open_lines().is_empty());
    let returning = order.request_return(1, reason(), None, NOW, &cause()).unwrap();
    assert_eq!(kinds(&returning), ["OrderLineReturnRequested"]);
    assert!(returning.order.is_open());
    assert_eq!(returning.order.sellers_with_open_lines().len(), 1);
    let returned = returning.order.confirm_return(1, true, None, NOW, &cause()).unwrap();
    assert_eq!(kinds(&returned), ["OrderLineReturned"]);
    assert_eq!(returned.order.state, OrderState::Completed);
}

#[test]
fn an_order_with_a_returned_line_is_completed() {
    let order = accepted(&confirmed_order_of(&[1, 1]), 1);
    let order = received(&order, 1).order;
    let order = order.request_return(1, reason(), None, NOW, &cause()).unwrap().order;
    let order = order.confirm_return(1, true, None, NOW, &cause()).unwrap().order;
    assert_eq!(order.state, OrderState::Confirmed);
    let order = order.reject_line(2, NOW, &cause()).unwrap().order;
    assert_eq!(order.state, OrderState::Completed);
}

#[test]
fn a_return_refunds_at_most_the_share() {
    let order = completed(2).request_return(1, reason(), None, NOW, &cause()).unwrap().order;
    let share = order.lines[0].share;
    let above = share.plus(Amount::new(1).unwrap()).unwrap();
    let refused = order.confirm_return(1, true, Some(above), NOW, &cause());
    assert_eq!(refused, Err(LineError::RefundAboveShare { share }));
    for (refund, expected) in [(None, share), (Some(Amount::ZERO), Amount::ZERO)] {
        let update = order.confirm_return(1, false, refund, NOW, &cause()).unwrap();
        let event: OrderLineReturned = update.events[0].payload().unwrap();
        assert_eq!((event.restock, event.refund), (false, expected));
    }
}

#[test]
fn a_return_is_requested_within_its_window() {
    let order = completed(1);
    assert!(order.request_return(1, reason(), None, days(14), &cause()).is_ok());
    let late = days(14).plus(Duration::from_millis(1));
    let refused = order.request_return(1, reason(), None, late, &cause());
    assert_eq!(refused, Err(LineError::ReturnWindowOver));
}

#[test]
fn a_line_without_a_time_of_delivery_is_not_returned() {
    let mut order = completed(1);
    order.lines[0].delivered_at = None;
    let refused = order.request_return(1, reason(), None, NOW, &cause());
    assert_eq!(refused, Err(LineError::ReturnWindowOver));
}

#[test]
fn a_return_is_requested_three_times_at_most() {
    let mut order = completed(5);
    for _ in 0..MAX_RETURN_REQUESTS {
        order = order.request_return(1, reason(), None, NOW, &cause()).unwrap().order;
        let declined = order.decline_return(1, reason(), NOW, &cause()).unwrap();
        assert_eq!(kinds(&declined), ["OrderLineReturnDeclined"]);
        order = declined.order;
    }
    for pieces in [None, Some(pieces(1))] {
        let refused = order.request_return(1, reason(), pieces, NOW, &cause());
        assert_eq!(refused, Err(LineError::TooManyReturns));
    }
}

#[test]
fn lines_that_are_not_accepted_in_time_are_rejected() {
    let order = accepted(&confirmed_order_of(&[1, 1]), 1);
    assert_eq!(order.deadline(), Some(days(3)));
    assert_eq!(order.expire(days(2), &cause()), None);
    let update = order.expire(days(3), &cause()).unwrap();
    assert_eq!(kinds(&update), ["OrderLineRejected"]);
    assert_eq!(update.order.deadline(), None);
    let all = confirmed_order_of(&[1, 1]).expire(days(3), &cause()).unwrap();
    assert_eq!(kinds(&all), ["OrderLineRejected", "OrderLineRejected", "OrderCancelled"]);
}

#[test]
fn one_write_changes_ten_expired_lines() {
    let first = confirmed_order_of(&[1; 12]).expire(days(3), &cause()).unwrap();
    assert_eq!(kinds(&first), ["OrderLineRejected"; 10]);
    assert_eq!(first.order.deadline(), Some(days(3)));
    let second = first.order.expire(days(3), &cause()).unwrap();
    assert_eq!(kinds(&second), ["OrderLineRejected", "OrderLineRejected", "OrderCancelled"]);
    assert_eq!(second.order.deadline(), None);
}

#[test]
fn a_held_cancel_is_confirmed_by_its_deadline() {
    let order = accepted(&confirmed_order_of(&[1]), 1);
    let order = order.request_cancel(1, None, NOW, &cause()).unwrap().order;
    let order = deliver(&order, 1, DeliveryStep::Held, days(1)).order;
    let again = deliver(&order, 1, DeliveryStep::Held, days(2)).order;
    assert_eq!(again.deadline(), Some(days(4)));
    let update = again.expire(days(4), &cause()).unwrap();
    assert_eq!(kinds(&update), ["OrderLineCancelled", "OrderCancelled"]);
}

#[test]
fn an_unanswered_cancel_request_is_repeated_and_recorded_once() {
    let order = accepted(&confirmed_order_of(&[1]), 1);
    let mut order = order.request_cancel(1, None, NOW, &cause()).unwrap().order;
    let mut ids = Vec::new();
    for _ in 0..MAX_CANCEL_REPEATS {
        let deadline = order.deadline().unwrap();
        let update = order.expire(deadline, &cause()).unwrap();
        assert_eq!(kinds(&update), ["OrderLineCancelRequested"]);
        assert!(!ids.contains(&update.events[0].id));
        ids.push(update.events[0].id);
        order = update.order;
        assert_eq!(order.deadline().is_some(), ids.len() < 10);
    }
    assert_eq!(order.timeline.len(), 5, "placed, captured, confirmed, accepted, requested");
}

#[test]
fn an_unanswered_return_is_granted_in_full() {
    let order = completed(1).request_return(1, reason(), None, days(1), &cause()).unwrap().order;
    assert_eq!(order.deadline(), Some(days(8)));
    let update = order.expire(days(8), &cause()).unwrap();
    let event: OrderLineReturned = update.events[0].payload().unwrap();
    assert_eq!((event.restock, event.refund), (false, order.lines[0].share));
}

#[test]
fn an_unregistered_buyers_data_is_erased_when_the_order_ends() {
    let marked = confirmed_order_of(&[1]).erase_buyer_data().unwrap().order;
    assert!(marked.address.is_some());
    let order = received(&accepted(&marked, 1), 1).order;
    assert_eq!((order.state, &order.address), (OrderState::Completed, &None));
    let order = order.request_return(1, reason(), None, NOW, &cause()).unwrap().order;
    assert!(order.lines[0].return_request.as_ref().unwrap().reason.is_some());
    let order = order.confirm_return(1, true, None, NOW, &cause()).unwrap().order;
    assert_eq!(order.lines[0].return_request.as_ref().unwrap().reason, None);

    let open = completed(1).request_return(1, reason(), None, NOW, &cause()).unwrap().order;
    let marked = open.erase_buyer_data().unwrap().order;
    assert!(marked.address.is_some(), "a line is open");
    let ended = marked.decline_return(1, reason(), NOW, &cause()).unwrap().order;
    assert_eq!(ended.address, None);
}
