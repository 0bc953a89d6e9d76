//! The saga's invariants at a quiet moment: nothing unpublished or undelivered, no order PENDING,
//! no pending refund.

mod deliveries;
mod lines;
mod timeline;

use super::{Discrepancy, Severity, Snapshot, Subject};
use rialto_delivery::domain::delivery::LineDelivery;
use rialto_inventory::domain::{
    movement::{Movement, MovementCause},
    reservation::Reservation,
    reserved_line::LineState,
    stock::Stock,
};
use rialto_kernel::{Amount, OrderId, ProductId, Timestamp};
use rialto_orders::domain::{
    line::OrderLine,
    order::{Order, OrderState},
};
use rialto_payments::domain::{
    ledger::{self, EntryKind},
    payment::{Payment, PaymentState},
    refund::{Refund, RefundKind, RefundState},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long an order may stay in progress after its deadline or its last event.
const GRACE_PERIOD: Duration = Duration::from_secs(600);

/// Every invariant that doesn't hold. Work in progress that is overdue at `now` is inconsistent.
#[must_use]
pub fn findings(snapshot: &Snapshot, now: Timestamp) -> Vec<Discrepancy> {
    let mut check = Check::of(snapshot, now);
    for (key, why) in &snapshot.unreadable {
        check.expect("readable", Subject::Item(key.clone()), false, || why.clone());
    }
    for stock in &snapshot.stocks {
        check.stock(stock);
    }
    for reservation in &snapshot.reservations {
        check.reservation(reservation);
    }
    for order in &snapshot.orders {
        check.order(order);
    }
    for payment in &snapshot.payments {
        check.payment(payment);
    }
    for entry in &snapshot.ledger {
        check.entry(entry);
    }
    check.findings
}

struct Check<'a> {
    orders: BTreeMap<OrderId, &'a Order>,
    reservations: BTreeMap<OrderId, &'a Reservation>,
    payments: BTreeMap<OrderId, &'a Payment>,
    deliveries: BTreeMap<(OrderId, u32), &'a LineDelivery>,
    movements: BTreeMap<ProductId, Vec<&'a Movement>>,
    ledger: BTreeMap<OrderId, Vec<&'a ledger::LedgerEntry>>,
    /// Units of products that reservations have as RESERVED and SOLD.
    held: BTreeMap<ProductId, (i64, i64)>,
    /// Orders that are overdue.
    overdue: BTreeSet<OrderId>,
    moving: &'a BTreeSet<ProductId>,
    findings: Vec<Discrepancy>,
}

impl<'a> Check<'a> {
    fn of(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let mut check = Self {
            orders: snapshot.orders.iter().map(|order| (order.order_id, order)).collect(),
            reservations: snapshot.reservations.iter().map(|held| (held.order_id, held)).collect(),
            payments: snapshot.payments.iter().map(|payment| (payment.order_id, payment)).collect(),
            deliveries: snapshot
                .deliveries
                .iter()
                .map(|delivery| ((delivery.order_id, delivery.line_no), delivery))
                .collect(),
            movements: BTreeMap::new(),
            ledger: BTreeMap::new(),
            held: BTreeMap::new(),
            overdue: BTreeSet::new(),
            moving: &snapshot.moving,
            findings: Vec::new(),
        };
        for movement in &snapshot.movements {
            check.movements.entry(movement.product_id).or_default().push(movement);
        }
        for entry in &snapshot.ledger {
            check.ledger.entry(entry.order_id).or_default().push(entry);
        }
        for line in snapshot.reservations.iter().flat_map(|reservation| &reservation.lines) {
            let pieces = i64::from(line.quantity.get());
            let held = check.held.entry(line.product_id).or_default();
            match line.state {
                LineState::Reserved => held.0 += pieces,
                LineState::Sold => held.1 += pieces,
                LineState::Released | LineState::Returned | LineState::WrittenOff => {}
            }
        }
        let overdue = |order: &&Order| check.last_of(order).plus(GRACE_PERIOD) < now;
        check.overdue =
            snapshot.orders.iter().filter(overdue).map(|order| order.order_id).collect();
        check
    }

    /// The later of an order's deadline and its last event.
    fn last_of(&self, order: &Order) -> Timestamp {
        let events = order.timeline.iter().map(|entry| entry.time);
        let moved = self.ledger.get(&order.order_id).into_iter().flatten().map(|entry| entry.at);
        events.chain(moved).fold(order.expires_at, Timestamp::max)
    }

    fn deliveries_of(&self, order: &Order) -> Vec<&'a LineDelivery> {
        let lines = (order.order_id, 0)..=(order.order_id, u32::MAX);
        self.deliveries.range(lines).map(|(_, delivery)| *delivery).collect()
    }

    fn expect(
        &mut self,
        check: &'static str,
        about: Subject,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        self.expect_as(check, Severity::Inconsistent, about, holds, what);
    }

    fn expect_as(
        &mut self,
        check: &'static str,
        standing: Severity,
        about: Subject,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        if holds {
            return;
        }
        let (what, standing) = match (&about, standing) {
            (Subject::Order(id), Severity::InProgress) if self.overdue.contains(id) => {
                (format!("{}, for too long", what()), Severity::Inconsistent)
            }
            (Subject::Product(id), _) if self.moving.contains(id) => {
                (format!("{} (it was being sold during the read)", what()), Severity::InProgress)
            }
            _ => (what(), standing),
        };
        self.findings.push(Discrepancy { check, about, what, standing });
    }

    /// Movements sum to the stock, the initial stock and the adjustments are all there, and
    /// reservations explain the rest.
    fn stock(&mut self, stock: &Stock) {
        let id = stock.product_id;
        let about = Subject::Product(id);
        let mut sums = (0, 0, 0);
        let (mut brought, mut beginnings) = (0, 0);
        for movement in self.movements.get(&id).into_iter().flatten() {
            sums.0 += movement.available;
            sums.1 += movement.reserved;
            sums.2 += movement.sold;
            match movement.cause {
                MovementCause::Initial => {
                    beginnings += 1;
                    brought += movement.available;
                }
                MovementCause::Adjusted => brought += movement.available,
                MovementCause::WrittenOff => brought += movement.reserved + movement.sold,
                _ => {}
            }
        }
        let numbers = (signed(stock.available), signed(stock.reserved), signed(stock.sold));
        self.expect("stock-movements", about.clone(), sums == numbers, || {
            format!("the stock is {numbers:?}, its movements sum to {sums:?}")
        });
        self.expect("stock-initial", about.clone(), beginnings == 1, || {
            format!("began {beginnings} times")
        });
        let total = numbers.0 + numbers.1 + numbers.2;
        self.expect("stock-total", about.clone(), brought == total, || {
            format!("{brought} were brought, {total} are there")
        });
        let held = self.held.get(&id).copied().unwrap_or_default();
        for (state, number, held) in
            [(LineState::Reserved, numbers.1, held.0), (LineState::Sold, numbers.2, held.1)]
        {
            self.expect("stock-reservations", about.clone(), held == number, || {
                format!("{number} are {state:?}, reservations have {held}")
            });
        }
    }

    /// No reservation without an order.
    fn reservation(&mut self, reservation: &Reservation) {
        let id = reservation.order_id;
        let known = self.orders.contains_key(&id);
        self.expect("reservation-order", Subject::Order(id), known, || {
            format!("a reservation ({:?}) without its order", reservation.outcome)
        });
    }

    fn order(&mut self, order: &Order) {
        let about = Subject::Order(order.order_id);
        let shares: i64 = order.lines.iter().map(|line| line.share.minor_units()).sum();
        self.expect("order-shares", about.clone(), shares == order.total.minor_units(), || {
            format!("the shares sum to {shares}, the total is {}", order.total.minor_units())
        });
        match order.state {
            OrderState::Pending => {
                self.expect_as("order-settled", Severity::InProgress, about, false, || {
                    "PENDING".to_owned()
                });
            }
            OrderState::Confirmed | OrderState::Completed => self.confirmed(order),
            OrderState::Cancelled => self.cancelled(order),
        }
        self.lines(order);
        self.deliveries(order);
        self.timeline(order);
    }

    /// Every live line is paid.
    fn confirmed(&mut self, order: &Order) {
        let id = order.order_id;
        let about = Subject::Order(id);
        self.expect("confirmed-reason", about.clone(), order.reason.is_none(), || {
            "CONFIRMED with a reason".to_owned()
        });
        let open = order.lines.iter().any(OrderLine::is_open);
        let delivered = order.lines.iter().any(OrderLine::was_delivered);
        let agrees = if order.state == OrderState::Completed { delivered } else { open };
        self.expect("confirmed-lines", about.clone(), agrees, || {
            format!("{:?}, a line is open: {open}, was delivered: {delivered}", order.state)
        });
        let retained = order.lines.iter().map(|line| line.retained_share().minor_units());
        let granted = self.payments.get(&id).map_or(0, |payment| goodwill(payment));
        let cost = (retained.sum::<i64>() - granted).max(0);
        let received = self.payments.get(&id).map_or(0, |payment| net_amount(payment));
        let standing = self.refund_severity(id);
        self.expect_as("confirmed-paid", standing, about.clone(), received == cost, || {
            format!("the lines cost {cost}, the shop has {received} of the payment")
        });
        let state = self.payments.get(&id).map(|payment| payment.state);
        let captured = matches!(
            state,
            Some(PaymentState::Captured | PaymentState::PartiallyRefunded | PaymentState::Refunded)
        );
        self.expect("confirmed-captured", about, captured, || {
            format!("CONFIRMED, its payment {state:?}")
        });
    }

    /// Every service has processed the cancellation, nothing is reserved or sold, and everything is
    /// refunded.
    fn cancelled(&mut self, order: &Order) {
        let id = order.order_id;
        let about = Subject::Order(id);
        // A service that hasn't yet would still reserve or charge.
        let processed = [
            (rialto_inventory::SERVICE, self.reservations.contains_key(&id)),
            (rialto_payments::SERVICE, self.payments.contains_key(&id)),
        ];
        for (service, processed) in processed {
            self.expect_as(
                "cancelled-processed",
                Severity::InProgress,
                about.clone(),
                processed,
                || format!("CANCELLED, but {service} hasn't processed it"),
            );
        }
        self.expect("cancelled-reason", about.clone(), order.reason.is_some(), || {
            "CANCELLED without a reason".to_owned()
        });
        let live = order.lines.iter().filter(|line| line.is_live()).count();
        self.expect("cancelled-lines", about.clone(), live == 0, || {
            format!("CANCELLED with {live} live lines")
        });
        for line in self.reservations.get(&id).copied().into_iter().flat_map(|held| &held.lines) {
            let back = matches!(line.state, LineState::Released | LineState::Returned);
            self.expect("cancelled-stock", about.clone(), back, || {
                format!("CANCELLED, line {} is {:?}", line.line_no, line.state)
            });
        }
        let received = self.payments.get(&id).map_or(0, |payment| net_amount(payment));
        let standing = self.refund_severity(id);
        self.expect_as("cancelled-refunded", standing, about, received == 0, || {
            format!("CANCELLED, {received} of the payment isn't refunded")
        });
    }

    /// The severity of money not yet refunded: a pending refund will return it.
    fn refund_severity(&self, order: OrderId) -> Severity {
        match self.payments.get(&order) {
            Some(payment) if pending_refunds(payment) > 0 => Severity::InProgress,
            _ => Severity::Inconsistent,
        }
    }

    fn payment(&mut self, payment: &Payment) {
        let id = payment.order_id;
        let about = Subject::Order(id);
        let order = self.orders.get(&id).map(|order| order.state);
        self.expect("payment-order", about.clone(), order.is_some(), || {
            format!("a payment ({:?}) without its order", payment.state)
        });
        let unended = match payment.state {
            _ if payment.is_charging() && payment.cancel_requested => {
                Some((Severity::InProgress, "the provider hasn't settled the charge".to_owned()))
            }
            PaymentState::Failed if payment.retry_until.is_some() => {
                Some((while_pending(order), "it may be paid again".to_owned()))
            }
            PaymentState::Pending | PaymentState::Processing | PaymentState::RequiresAction => {
                Some((while_pending(order), format!("its payment is {:?}", payment.state)))
            }
            _ => None,
        };
        if let Some((standing, what)) = unended {
            self.expect_as("payment-settled", standing, about.clone(), false, || what);
        }
        let begun = pending_refunds(payment);
        self.expect_as("refunds-settled", Severity::InProgress, about.clone(), begun == 0, || {
            format!("{begun} refunds are pending")
        });
        let waiting =
            payment.refunds.iter().filter(|refund| refund.state == RefundState::Waiting).count();
        let waits = waiting == 0 || payment.has_open_dispute();
        self.expect_as("refunds-waiting", Severity::InProgress, about.clone(), waits, || {
            format!("{waiting} refunds wait, and no dispute is open")
        });
        let keys: BTreeSet<_> = payment.refunds.iter().map(|refund| &refund.key).collect();
        self.expect("refund-keys", about.clone(), keys.len() == payment.refunds.len(), || {
            "refunded twice under one key".to_owned()
        });
        let settled: i64 = payment.refunds.iter().map(|refund| refund.settled.minor_units()).sum();
        let lost = payment.lost().minor_units();
        self.expect("disputes-settled", about, settled <= lost, || {
            format!("{settled} settled by disputes, which took {lost}")
        });
        self.ledger_of(payment);
    }

    /// The ledger's totals agree with the payment.
    fn ledger_of(&mut self, payment: &Payment) {
        let about = Subject::Order(payment.order_id);
        let entries = self.ledger.get(&payment.order_id).cloned().unwrap_or_default();
        let captures = entries.iter().filter(|entry| entry.kind == EntryKind::Captured).count();
        self.expect("ledger-captures", about.clone(), captures <= 1, || {
            format!("captured {captures} times")
        });
        // The refund of a success beside the capture isn't one of the capture.
        let surplus = payment.refunds.iter().filter(|refund| refund.attempt.is_some());
        let surplus: BTreeSet<_> = surplus.map(|refund| refund.refund_id).collect();
        let is_surplus = |entry: &ledger::LedgerEntry| {
            entry.refund_id.is_some_and(|refund| surplus.contains(&refund))
        };
        let successes =
            entries.iter().filter(|entry| entry.kind == EntryKind::SurplusCaptured).count();
        self.expect("ledger-surplus", about.clone(), successes == surplus.len(), || {
            format!("{successes} successes beside the capture, {} refunds of them", surplus.len())
        });
        // The amount of an entry is what the credited account gains.
        let sum = |kind| -> i64 {
            let of_kind = entries.iter().filter(|entry| entry.kind == kind && !is_surplus(entry));
            let postings = of_kind.flat_map(|entry| &entry.postings);
            postings.map(|posting| posting.amount.max(0)).sum()
        };
        // What failed after it was issued, less what was issued after it failed.
        let reversed = sum(EntryKind::RefundReversed) - sum(EntryKind::DueRefundIssued);
        for (kind, moved, amount) in [
            (EntryKind::Captured, sum(EntryKind::Captured), payment.captured),
            (EntryKind::RefundIssued, sum(EntryKind::RefundIssued) - reversed, payment.refunded()),
            (
                EntryKind::RefundFailed,
                sum(EntryKind::RefundFailed) + reversed - sum(EntryKind::DueRefundSettled),
                payment.refund_due(),
            ),
            (
                EntryKind::DisputeWithdrawn,
                sum(EntryKind::DisputeWithdrawn) - sum(EntryKind::DisputeReinstated),
                payment.withdrawn(),
            ),
            (EntryKind::DisputeLost, sum(EntryKind::DisputeLost), payment.lost()),
        ] {
            self.expect("ledger-payment", about.clone(), moved == amount.minor_units(), || {
                format!("the ledger has {moved} as {kind:?}, the payment {}", amount.minor_units())
            });
        }
    }

    fn entry(&mut self, entry: &ledger::LedgerEntry) {
        let about = Subject::Order(entry.order_id);
        let sum: i64 = entry.postings.iter().map(|posting| posting.amount).sum();
        self.expect("ledger-balance", about.clone(), sum == 0, || {
            format!("a ledger entry ({:?}) sums to {sum}", entry.kind)
        });
        let known = self.payments.contains_key(&entry.order_id);
        self.expect("ledger-order", about, known, || {
            "a ledger entry without its payment".to_owned()
        });
    }
}

/// The severity of a discrepancy that only events of a settled order can resolve.
const fn while_pending(order: Option<OrderState>) -> Severity {
    match order {
        Some(OrderState::Pending) => Severity::InProgress,
        _ => Severity::Inconsistent,
    }
}

/// The refunds that are under way. While a dispute is open, a failed one isn't tried again.
fn pending_refunds(payment: &Payment) -> usize {
    let waits = |refund: &Refund| refund.retrying && payment.has_open_dispute();
    payment.refunds.iter().filter(|refund| refund.is_open() && !waits(refund)).count()
}

/// The sum of goodwill refunds, which come out of the shares of the lines.
fn goodwill(payment: &Payment) -> i64 {
    let granted = payment.refunds.iter().filter(|refund| refund.kind() == RefundKind::Goodwill);
    granted.map(|refund| refund.amount.minor_units()).sum()
}

/// The money of a payment that the shop has, leaving out that a dispute may have taken it.
fn net_amount(payment: &Payment) -> i64 {
    let captured = payment.captured.minor_units();
    let returned = [payment.refunded(), payment.settled(), payment.waiting(), payment.refund_due()];
    captured - returned.map(Amount::minor_units).iter().sum::<i64>()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
