//! The saga's invariants at a quiet moment: nothing unpublished or undelivered, no order PENDING, no refund under way.
//!
//! One piece of code, on the services' own types: whoever has books to check, from whatever store, calls [`broken`].

use crate::{
    aws::Aws,
    tables::{all, partition, table},
    wait::eventually,
};
use rialto_dynamo::{Item, item_key, read_item};
use rialto_inventory::domain::{
    movement::{Movement, MovementCause},
    reservation::{LineState, Outcome, Reservation},
    stock::Stock,
};
use rialto_kernel::{OrderId, ProductId};
use rialto_orders::domain::{
    order::{self, Order, OrderState},
    timeline,
};
use rialto_payments::domain::{
    ledger::{self, EntryKind},
    payment::{Payment, PaymentState},
    refund::RefundState,
};
use std::collections::{BTreeMap, BTreeSet};

/// What inventory, orders and payments have written down.
#[derive(Debug, Clone, Default)]
pub struct Books {
    pub stocks: Vec<Stock>,
    pub movements: Vec<Movement>,
    pub reservations: Vec<Reservation>,
    pub orders: Vec<Order>,
    pub payments: Vec<Payment>,
    pub ledger: Vec<ledger::Entry>,
}

impl Books {
    /// Everything that there is.
    pub async fn whole(aws: &Aws) -> Self {
        let mut books = Self::default();
        for service in ["inventory", "orders", "payments"] {
            for item in all(&table(aws, service)).await {
                books.enter(item);
            }
        }
        books
    }

    /// Everything about these products: their stock, and every order that ever moved it or is named here.
    pub async fn about(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        let mut books = Self::default();
        let inventory = table(aws, "inventory");
        for product in products {
            for item in partition(&inventory, &format!("PRODUCT#{product}")).await {
                books.enter(item);
            }
        }
        let moved = books.movements.iter().filter_map(|movement| movement.order_id);
        let orders: BTreeSet<String> =
            moved.map(|order| order.to_string()).chain(orders.iter().cloned()).collect();
        for service in ["inventory", "orders", "payments"] {
            let table = table(aws, service);
            for order in &orders {
                for item in partition(&table, &format!("ORDER#{order}")).await {
                    books.enter(item);
                }
            }
        }
        books
    }

    /// Waits until nothing is broken; the books then.
    pub async fn in_order(aws: &Aws, products: &[&str], orders: &[String]) -> Self {
        eventually("the invariants to hold", async || {
            let books = Self::about(aws, products, orders).await;
            let broken = broken(&books);
            if broken.is_empty() { Ok(books) } else { Err(broken.join("\n")) }
        })
        .await
    }

    fn enter(&mut self, item: Item) {
        let key = item_key(&item).expect("an item has a key");
        let kind = key.sk.split('#').next().unwrap_or_default();
        match kind {
            "STOCK" => self.stocks.push(read(item)),
            "MOVEMENT" => self.movements.push(read(item)),
            "RESERVATION" => self.reservations.push(read(item)),
            "ORDER" => self.orders.push(read(item)),
            "PAYMENT" => self.payments.push(read(item)),
            "LEDGER" => self.ledger.push(read(item)),
            // An adjustment's first answer, and orders' copy of a product.
            "ADJUSTMENT" | "PRODUCT" => {}
            _ => panic!("an item that no invariant knows: {key:?}"),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(item: Item) -> T {
    let key = item_key(&item);
    read_item(item).unwrap_or_else(|error| panic!("{key:?}: {error}"))
}

/// Every invariant that doesn't hold, in words.
#[must_use]
pub fn broken(books: &Books) -> Vec<String> {
    let mut check = Check::of(books);
    for stock in &books.stocks {
        check.stock(stock);
    }
    for reservation in &books.reservations {
        check.reservation(reservation);
    }
    for order in &books.orders {
        check.order(order);
    }
    for payment in &books.payments {
        check.payment(payment);
    }
    for entry in &books.ledger {
        check.entry(entry);
    }
    check.broken
}

struct Check<'a> {
    books: &'a Books,
    orders: BTreeMap<OrderId, &'a Order>,
    reservations: BTreeMap<OrderId, &'a Reservation>,
    payments: BTreeMap<OrderId, &'a Payment>,
    broken: Vec<String>,
}

impl<'a> Check<'a> {
    fn of(books: &'a Books) -> Self {
        Self {
            books,
            orders: books.orders.iter().map(|order| (order.order_id, order)).collect(),
            reservations: books.reservations.iter().map(|held| (held.order_id, held)).collect(),
            payments: books.payments.iter().map(|payment| (payment.order_id, payment)).collect(),
            broken: Vec::new(),
        }
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    /// The movements sum to the stock, what was brought is all there, and what is held is held by somebody.
    fn stock(&mut self, stock: &Stock) {
        let id = stock.product_id;
        let mut sums = (0, 0, 0);
        let (mut brought, mut beginnings) = (0, 0);
        for movement in self.books.movements.iter().filter(|movement| movement.product_id == id) {
            sums.0 += movement.available;
            sums.1 += movement.reserved;
            sums.2 += movement.sold;
            match movement.cause {
                MovementCause::Initial => {
                    beginnings += 1;
                    brought += movement.available;
                }
                MovementCause::Adjusted => brought += movement.available,
                _ => {}
            }
        }
        let numbers = (signed(stock.available), signed(stock.reserved), signed(stock.sold));
        self.expect(sums == numbers, || {
            format!("{id}: the stock is {numbers:?}, its movements sum to {sums:?}")
        });
        self.expect(beginnings == 1, || format!("{id}: began {beginnings} times"));
        let total = numbers.0 + numbers.1 + numbers.2;
        self.expect(brought == total, || format!("{id}: {brought} were brought, {total} are there"));
        for (state, number) in [(LineState::Reserved, numbers.1), (LineState::Sold, numbers.2)] {
            let held = self.held(id, state);
            self.expect(held == number, || format!("{id}: {number} are {state:?}, reservations hold {held}"));
        }
    }

    /// How many pieces of a product the reservations hold in a state.
    fn held(&self, product: ProductId, state: LineState) -> i64 {
        let lines = self.books.reservations.iter().flat_map(|reservation| &reservation.lines);
        let lines = lines.filter(|line| line.product_id == product && line.state == state);
        lines.map(|line| i64::from(line.quantity.get())).sum()
    }

    /// Nothing is held for an order that isn't there.
    fn reservation(&mut self, reservation: &Reservation) {
        let id = reservation.order_id;
        let known = self.orders.contains_key(&id);
        self.expect(known, || format!("{id}: a reservation ({:?}) without its order", reservation.outcome));
    }

    fn order(&mut self, order: &Order) {
        let id = order.order_id;
        let shares: i64 = order.lines.iter().map(|line| line.share.minor_units()).sum();
        self.expect(shares == order.total.minor_units(), || {
            format!("{id}: the shares sum to {shares}, the total is {}", order.total.minor_units())
        });
        match order.state {
            OrderState::Pending => self.expect(false, || format!("{id}: PENDING")),
            OrderState::Confirmed => self.confirmed(order),
            OrderState::Cancelled => self.cancelled(order),
        }
        self.timeline(order);
    }

    /// Every live line is sold, and paid.
    fn confirmed(&mut self, order: &Order) {
        let id = order.order_id;
        self.expect(order.reason.is_none(), || format!("{id}: CONFIRMED with a reason"));
        let held = self.reservations.get(&id).map(|reservation| reservation.lines.as_slice());
        let live: Vec<_> =
            order.lines.iter().filter(|line| line.state != order::LineState::Cancelled).collect();
        for line in &live {
            let sold = held.unwrap_or_default().iter().any(|held| {
                (held.line_no, held.product_id, held.quantity)
                    == (line.line_no, line.product_id, line.quantity)
                    && held.state == LineState::Sold
            });
            self.expect(sold, || format!("{id}: line {} is CONFIRMED and not sold: {held:?}", line.line_no));
        }
        let cost: i64 = live.iter().map(|line| line.share.minor_units()).sum();
        let kept = self.payments.get(&id).map_or(0, |payment| kept(payment));
        self.expect(kept == cost, || format!("{id}: live lines cost {cost}, {kept} is kept of the payment"));
        let state = self.payments.get(&id).map(|payment| payment.state);
        self.expect(state == Some(PaymentState::Captured), || {
            format!("{id}: CONFIRMED, its payment {state:?}")
        });
    }

    /// Nothing is held, and nothing is kept of its money.
    fn cancelled(&mut self, order: &Order) {
        let id = order.order_id;
        self.expect(order.reason.is_some(), || format!("{id}: CANCELLED without a reason"));
        let live = order.lines.iter().filter(|line| line.state != order::LineState::Cancelled).count();
        self.expect(live == 0, || format!("{id}: CANCELLED with {live} live lines"));
        for line in self.reservations.get(&id).copied().into_iter().flat_map(|held| &held.lines) {
            let back = matches!(line.state, LineState::Released | LineState::Returned);
            self.expect(back, || format!("{id}: CANCELLED, line {} is {:?}", line.line_no, line.state));
        }
        let kept = self.payments.get(&id).map_or(0, |payment| kept(payment));
        self.expect(kept == 0, || format!("{id}: CANCELLED, {kept} is kept of the payment"));
    }

    fn payment(&mut self, payment: &Payment) {
        let id = payment.order_id;
        let known = self.orders.contains_key(&id);
        self.expect(known, || format!("{id}: a payment ({:?}) without its order", payment.state));
        let resting = match payment.state {
            PaymentState::Pending => false,
            // The provider hasn't said yet how the charge of a cancelled order ended.
            PaymentState::Processing => payment.cancel_requested,
            _ => true,
        };
        self.expect(resting, || format!("{id}: its payment is {:?}", payment.state));
        let begun = payment.refunds.iter().filter(|refund| refund.state == RefundState::Begun).count();
        self.expect(begun == 0, || format!("{id}: {begun} refunds are under way"));
        let keys: BTreeSet<_> = payment.refunds.iter().map(|refund| &refund.key).collect();
        self.expect(keys.len() == payment.refunds.len(), || format!("{id}: refunded twice under one key"));
        let entries: Vec<_> = self.books.ledger.iter().filter(|entry| entry.order_id == id).collect();
        let captures = entries.iter().filter(|entry| entry.kind == EntryKind::Captured).count();
        self.expect(captures <= 1, || format!("{id}: captured {captures} times"));
        for (kind, amount) in [
            (EntryKind::Captured, payment.captured),
            (EntryKind::RefundIssued, payment.refunded()),
            (EntryKind::RefundFailed, payment.refund_due()),
        ] {
            // What an entry moves is what its receiving account gains.
            let moved: i64 = entries
                .iter()
                .filter(|entry| entry.kind == kind)
                .flat_map(|entry| &entry.postings)
                .map(|posting| posting.amount.max(0))
                .sum();
            self.expect(moved == amount.minor_units(), || {
                format!("{id}: the ledger has {moved} as {kind:?}, the payment {}", amount.minor_units())
            });
        }
    }

    fn entry(&mut self, entry: &ledger::Entry) {
        let id = entry.order_id;
        let sum: i64 = entry.postings.iter().map(|posting| posting.amount).sum();
        self.expect(sum == 0, || format!("{id}: a ledger entry ({:?}) sums to {sum}", entry.kind));
        let known = self.payments.contains_key(&id);
        self.expect(known, || format!("{id}: a ledger entry without its payment"));
    }

    /// The timeline tells everything that was written anywhere, each once, with its causes.
    fn timeline(&mut self, order: &Order) {
        let id = order.order_id;
        let ids: BTreeSet<_> = order.timeline.iter().map(|entry| entry.id).collect();
        self.expect(ids.len() == order.timeline.len(), || format!("{id}: an event is told twice"));
        for entry in &order.timeline {
            let caused = entry.causationid.is_none_or(|cause| ids.contains(&cause));
            let beginning = entry.causationid.is_none();
            self.expect(caused && beginning == is_asked_for(entry), || {
                format!("{id}: {} was caused by {:?}, which isn't told", entry.kind, entry.causationid)
            });
        }
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &order.timeline {
            *told.entry(&entry.kind).or_default() += 1;
        }
        let wanted = self.wanted(order);
        self.expect(told == wanted, || format!("{id}: {:?}: tells {told:?}, not {wanted:?}", order.state));
    }

    /// What the timeline of an order has to tell, as the books of all services say.
    fn wanted(&self, order: &Order) -> BTreeMap<&'static str, usize> {
        let mut wanted = vec!["OrderPlaced"];
        match order.state {
            OrderState::Pending => {}
            OrderState::Confirmed => wanted.push("OrderConfirmed"),
            OrderState::Cancelled => wanted.push("OrderCancelled"),
        }
        if let Some(reservation) = self.reservations.get(&order.order_id) {
            let in_state =
                |states: &[LineState]| reservation.lines.iter().any(|line| states.contains(&line.state));
            match reservation.outcome {
                Outcome::Reserved => wanted.push("StockReserved"),
                Outcome::Rejected => wanted.push("StockRejected"),
                Outcome::Overtaken => {}
            }
            if in_state(&[LineState::Released, LineState::Returned]) {
                wanted.push("StockReleased");
            }
        }
        if let Some(payment) = self.payments.get(&order.order_id) {
            if payment.captured.minor_units() > 0 {
                wanted.push("PaymentCaptured");
            }
            if payment.state == PaymentState::Failed {
                wanted.push("PaymentFailed");
            }
            wanted.extend(payment.refunds.iter().filter_map(|refund| match refund.state {
                RefundState::Begun => None,
                RefundState::Issued => Some("RefundIssued"),
                RefundState::Failed => Some("RefundFailed"),
            }));
        }
        let mut counts = BTreeMap::new();
        for kind in wanted {
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }
}

/// What the shop keeps of a payment.
fn kept(payment: &Payment) -> i64 {
    let amounts = [payment.captured, payment.refunded(), payment.refund_due()];
    let [captured, refunded, due] = amounts.map(|amount| amount.minor_units());
    captured - refunded - due
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether a person or the clock led to it, and no event did.
fn is_asked_for(entry: &timeline::Entry) -> bool {
    match entry.kind.as_str() {
        "OrderPlaced" => true,
        "OrderCancelled" => matches!(entry.data["reason"].as_str(), Some("BUYER" | "TIMEOUT")),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
