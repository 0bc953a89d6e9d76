//! The sizes of the items and events of an order that has grown to every limit.

use rialto_contracts::{
    Event, EventContext, Payload,
    delivery::{
        DeliveryCompleted, DeliveryNotHeld, DeliveryPrepared, DeliveryStarted, ReceiptConfirmed,
    },
    inventory::{ReleasedLine, StockReleased},
    orders::OrderLineState,
    payments::{PaymentActionRequired, RefundIssued, RefundMeans},
};
use rialto_dynamo::{AttributeValue, Item, Key, write_item};
use rialto_kernel::{
    Address, DeliveryId, EventId, ParcelId, ProductId, Quantity, RefundId, SellerId, Text,
    Timestamp, UserId,
};
use rialto_orders::{
    domain::{
        keyed_request::RequestRecord,
        line::{MAX_CANCEL_REPEATS, MAX_LINES_WITH_PARTS, MAX_PARTS, OrderLine, ReturnReason},
        line_deadlines::MAX_EXPIRED_LINES,
        line_deliveries::DeliveryStep,
        line_transitions::PiecesRequest,
        order::{Order, OrderUpdate, Transition},
        quote::Quote,
        request::{OrderRequest, PaymentMethod, RequestedLine},
        timeline::MAX_ENTRIES,
    },
    entrypoints::views::OrderBody,
    fixtures::{order_request, pricing_terms, product},
    ports::IdempotencyRecord,
};
use std::{collections::HashMap, time::Duration};

/// The limit of an item.
const ITEM_BYTES: usize = 150_000;
const KIB: usize = 1_024;

/// The size of a value by DynamoDB's rules.
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + size(value)).sum::<usize>(),
        AttributeValue::M(fields) => 3 + fields.len() + item_size(fields),
        _ => 1,
    }
}

fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

/// An order, and the largest items and events of its writes so far, with the last event of the
/// write.
struct LargeOrder {
    order: Order,
    record: IdempotencyRecord,
    now: Timestamp,
    events: u64,
    item: (usize, String),
    part: usize,
    event: (usize, String),
}

impl LargeOrder {
    /// A placed order of this many lines, with the longest texts, in characters of this text.
    fn place(lines: usize, character: &str) -> Self {
        let products = (0..lines).map(|number| {
            let mut product = product();
            product.product_id = ProductId::derive(&[&number.to_be_bytes()]);
            product.seller_id = SellerId::derive(&[&number.to_be_bytes()]);
            product.title = character.repeat(200);
            product
        });
        let products: HashMap<_, _> =
            products.map(|product| (product.product_id, product)).collect();
        let requested = products.keys().map(|product_id| RequestedLine {
            product_id: *product_id,
            quantity: Quantity::new(999).unwrap(),
        });
        let request = OrderRequest {
            lines: requested.collect(),
            address: longest_address(character),
            payment_method: PaymentMethod::parse(&format!("pm_{}", "x".repeat(61))).unwrap(),
            ..order_request(1)
        };
        let quote = Quote::new(&request.lines, &products, &pricing_terms()).unwrap();
        let (id, user) = (rialto_kernel::OrderId::derive(&[b"large"]), UserId::derive(&[b"large"]));
        let now = Timestamp::from_millis(1_800_000_000_000);
        let update = Order::place(id, user, &request, quote, &pricing_terms(), now, &cause());
        let response_body = serde_json::to_string(&OrderBody::from(&update.order)).unwrap();
        let record = IdempotencyRecord { body_hash: "0".repeat(64), response_body };
        let mut large = Self {
            order: update.order.clone(),
            record,
            now,
            events: 0,
            item: (0, String::new()),
            part: 0,
            event: (0, String::new()),
        };
        large.save(update);
        large
    }

    fn save(&mut self, update: OrderUpdate) {
        self.measure(&update);
        self.order = update.order.archive_timeline().0.into_owned();
    }

    fn measure(&mut self, update: &OrderUpdate) {
        let key = Key::new(format!("ORDER#{}", update.order.order_id), "ORDER");
        let kind = update.events.last().map_or_else(String::new, |event| event.kind.clone());
        for event in &update.events {
            let length = serde_json::to_string(event).unwrap().len();
            self.event = self.event.clone().max((length, event.kind.clone()));
        }
        let (order, parts) = update.order.archive_timeline();
        for part in &parts {
            self.part = self.part.max(item_size(&write_item(&key, part, &[]).unwrap()));
        }
        // Only a write with events, or with the most entries, can be the largest.
        let is_large = !update.events.is_empty() || order.timeline.len() + 1 >= MAX_ENTRIES;
        if !is_large {
            return;
        }
        let mut item = write_item(&key, order.as_ref(), &update.events).unwrap();
        item.extend(write_item(&key, &self.record, &[]).unwrap());
        // The keys of six indexes have 633 bytes.
        let size = item_size(&item) + 633;
        self.item = self.item.clone().max((size, format!("{} {kind}", update.events.len())));
    }

    /// Applies an event of another service.
    fn apply<P: Payload>(&mut self, payload: &P, transition: Transition) {
        self.events += 1;
        self.now = self.now.plus(Duration::from_secs(1));
        let event = Event::new(payload, self.events, 0, self.now, &cause());
        let update = self.order.apply(&event, transition, self.now, &cause()).unwrap();
        self.save(update);
    }

    fn lines(&self) -> Vec<OrderLine> {
        self.order.lines.clone()
    }

    /// Changes every line.
    fn change_lines(&mut self, change: impl Fn(&Order, u32, Timestamp) -> OrderUpdate) {
        for line in self.lines() {
            self.now = self.now.plus(Duration::from_secs(1));
            let update = change(&self.order, line.line_no, self.now);
            self.save(update);
        }
    }

    /// Lets the deadlines of all lines pass.
    fn expire(&mut self, after: Duration) {
        self.now = self.now.plus(after);
        let writes = self.lines().len().div_ceil(MAX_EXPIRED_LINES);
        for _ in 0..writes {
            let update = self.order.expire(self.now, &cause()).unwrap();
            self.save(update);
        }
        assert_eq!(self.order.expire(self.now, &cause()), None);
    }
}

fn longest_address(character: &str) -> Address {
    let address = order_request(1).address;
    let long = || Text::parse(&character.repeat(120)).unwrap();
    Address {
        receiver: Text::parse(&character.repeat(80)).unwrap(),
        line1: long(),
        line2: Some(long()),
        zipcode: Text::parse(&character.repeat(12)).unwrap(),
        note: Some(Text::parse(&character.repeat(200)).unwrap()),
        ..address
    }
}

fn cause() -> EventContext {
    EventContext {
        correlationid: None,
        causationid: Some(EventId::derive(&[b"cause"])),
        traceparent: Some(format!("00-{}-{}-01", "0".repeat(32), "0".repeat(16))),
    }
}

fn pieces(line_no: u32, number: usize) -> PiecesRequest {
    let quantity = Quantity::new(10).unwrap();
    let key = number.to_string();
    PiecesRequest { quantity, record: RequestRecord::new("test", line_no, &key, &quantity) }
}

/// A request for all pieces of a line.
fn all_pieces(order: &Order, line_no: u32, key: &str) -> PiecesRequest {
    let line = order.lines.iter().find(|line| line.line_no == line_no).unwrap();
    let record = RequestRecord::new("test", line_no, key, &line.quantity);
    PiecesRequest { quantity: line.quantity, record }
}

macro_rules! delivery_event {
    ($event:ident, $order:expr, $line:expr $(, $field:ident: $value:expr)*) => {
        $event {
            delivery_id: DeliveryId::derive(&[b"d"]),
            order_id: $order.order_id,
            line_no: $line.line_no,
            root: $line.root(),
            user_id: $order.user_id,
            seller_id: $line.seller_id,
            product_id: $line.product_id,
            quantity: $line.quantity,
            $($field: $value,)*
        }
    };
}

/// Cancel requests of all lines, at once or each with an Idempotency-Key, published as often as
/// possible and refused at last; then their deliveries.
fn deliver(large: &mut LargeOrder) {
    large.change_lines(|order, line_no, now| order.accept_line(line_no, now, &cause()).unwrap());
    let all = large.order.request_cancel_of_lines(large.now, &cause()).unwrap();
    large.measure(&all);
    large.change_lines(|order, line_no, now| {
        let pieces = all_pieces(order, line_no, "cancel");
        order.request_cancel(line_no, Some(pieces), now, &cause()).unwrap()
    });
    for _ in 0..MAX_CANCEL_REPEATS {
        large.expire(Duration::from_secs(3_601));
    }
    for line in large.lines() {
        let (order, line_no) = (large.order.clone(), line.line_no);
        let deliver = |step| Transition::Deliver { line_no, step };
        large.apply(&delivery_event!(DeliveryPrepared, order, line), Transition::RecordOnly);
        for _ in 0..=MAX_CANCEL_REPEATS {
            let not_held = delivery_event!(DeliveryNotHeld, order, line);
            large.apply(&not_held, deliver(DeliveryStep::NotHeld));
        }
        let started = delivery_event!(DeliveryStarted, order, line,
            parcel_id: Some(ParcelId::derive(&[b"p"])),
            carrier: "x".repeat(200), tracking_number: "x".repeat(200));
        large.apply(&started, deliver(DeliveryStep::Started));
        let delivered_at = large.now;
        let completed = delivery_event!(DeliveryCompleted, order, line, delivered_at: delivered_at);
        large.apply(&completed, deliver(DeliveryStep::Completed { delivered_at }));
        let received = delivery_event!(ReceiptConfirmed, order, line, delivered_at: delivered_at);
        large.apply(&received, deliver(DeliveryStep::ReceiptConfirmed { delivered_at }));
    }
}

/// Three return requests of all lines, of which the last ones are granted by the deadline.
fn return_lines(large: &mut LargeOrder, reason: &ReturnReason) {
    for (last, key) in [(false, "first"), (false, "second"), (true, "third")] {
        large.change_lines(|order, line_no, now| {
            let state = order.lines.iter().find(|line| line.line_no == line_no).unwrap().state;
            if state == OrderLineState::ReturnRequested {
                return OrderUpdate { order: order.clone(), events: Vec::new() };
            }
            let pieces = Some(all_pieces(order, line_no, key));
            order.request_return(line_no, reason.clone(), pieces, now, &cause()).unwrap()
        });
        if !last {
            large.change_lines(|order, line_no, now| {
                order.decline_return(line_no, reason.clone(), now, &cause()).unwrap()
            });
        }
    }
    // Goodwill refunds and disputes, each with two events.
    for _ in 0..2 * (20 + 10) {
        let released = StockReleased { order_id: large.order.order_id, lines: Vec::new() };
        large.apply(&released, Transition::RecordOnly);
    }
    large.expire(Duration::from_secs(8 * 24 * 3_600));
    for line in large.lines() {
        let (order_id, user_id) = (large.order.order_id, large.order.user_id);
        let refund = RefundIssued {
            order_id,
            user_id,
            line_no: Some(line.line_no),
            amount: line.share,
            refund_id: RefundId::derive(&[b"r"]),
            by: RefundMeans::default(),
        };
        large.apply(&refund, Transition::RecordOnly);
        let OrderLine { line_no, product_id, quantity, .. } = line;
        let released = ReleasedLine { line_no, product_id, quantity, restocked: false };
        let released = StockReleased { order_id, lines: vec![released] };
        large.apply(&released, Transition::RecordOnly);
    }
}

/// Grows an order of this many lines to every limit.
fn grow(placed: usize, character: &str) -> LargeOrder {
    let mut large = LargeOrder::place(placed, character);
    for attempt in 1..=10 {
        let (order_id, user_id) = (large.order.order_id, large.order.user_id);
        let action = PaymentActionRequired { order_id, user_id, attempt };
        large.apply(&action, Transition::RecordOnly);
    }
    let captured = rialto_orders::fixtures::payment_captured(&large.order, large.now);
    let update = large.order.apply(&captured, Transition::Confirm, large.now, &cause()).unwrap();
    large.save(update);
    // Sellers split up to 30 lines, the buyer's returns the rest.
    for number in 0..30 - placed {
        let root = u32::try_from(number / MAX_PARTS + 1).unwrap();
        let update =
            large.order.split_line(root, pieces(root, number), large.now, &cause()).unwrap();
        large.save(update);
    }
    deliver(&mut large);
    let reason = ReturnReason::parse(&character.repeat(200)).unwrap();
    let root = u32::try_from((30 - placed).div_ceil(MAX_PARTS) + 1).unwrap();
    for number in 0..MAX_LINES_WITH_PARTS - 30 {
        let pieces = Some(pieces(root, number));
        let update =
            large.order.request_return(root, reason.clone(), pieces, large.now, &cause()).unwrap();
        large.save(update);
    }
    assert_eq!(large.order.lines.len(), MAX_LINES_WITH_PARTS);
    return_lines(&mut large, &reason);
    large
}

#[test]
fn the_largest_orders_stay_within_their_limits() {
    // Characters of one and of four bytes.
    for (placed, character) in [(10, "x"), (10, "𐍈"), (20, "𐍈")] {
        let LargeOrder { order, item, part, event, .. } = grow(placed, character);
        println!(
            "{placed} lines placed, characters of {} bytes: {} events in the timeline; order \
             {} KiB ({}), part of the timeline {} KiB, event {} KiB ({})",
            character.len(),
            order.archived.ids.len() + order.timeline.len(),
            item.0.div_ceil(KIB),
            item.1,
            part.div_ceil(KIB),
            event.0.div_ceil(KIB),
            event.1,
        );
        assert!(item.0 <= ITEM_BYTES && part <= ITEM_BYTES, "{placed} {character}: {item:?}");
        assert!(event.0 < 32 * KIB, "{placed} {character}");
    }
}
