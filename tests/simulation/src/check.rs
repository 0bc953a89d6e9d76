//! The invariants at the end of a run.

use crate::{
    io::{InvocationId, Moment, Point, ready},
    world::World,
};
use rialto_cli::reconcile::{Discrepancy, Snapshot, findings};
use rialto_kernel::{Amount, OrderId, ProductId, Timestamp, UserId};
use rialto_orders::ports::OrderPlacer as _;
use rialto_payments::domain::{
    dispute::DisputeStanding,
    payment::Payment,
    refund::{Refund, RefundState},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

/// How far the clock of an invocation is off at most.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(3);

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The name of the invariant, such as `stock-movements`.
    pub check: &'static str,
    /// The subject, and what is wrong with it.
    pub what: String,
}

impl Violation {
    #[must_use]
    pub const fn new(check: &'static str, what: String) -> Self {
        Self { check, what }
    }
}

impl From<Discrepancy> for Violation {
    fn from(found: Discrepancy) -> Self {
        Self { check: found.check, what: found.to_string() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// The violations of a run, one a line.
#[must_use]
pub fn lines(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("\n")
}

/// The state of a run.
#[must_use]
pub fn snapshot(world: &World) -> Snapshot {
    Snapshot {
        stocks: world.inventory.stocks(),
        movements: world.inventory.all_movements(),
        reservations: world.inventory.reservations(),
        orders: world.orders.orders(),
        payments: world.payments.payments(),
        ledger: world.payments.all_entries(),
        deliveries: world.delivery.deliveries(),
        ..Snapshot::default()
    }
}

/// Every violated invariant.
#[must_use]
pub fn violations(world: &World) -> Vec<Violation> {
    let snapshot = snapshot(world);
    // Without a time nothing is overdue: whatever is in progress isn't settled.
    let found = findings(&snapshot, Timestamp::from_millis(0));
    let mut violations: Vec<Violation> = found.into_iter().map(Violation::from).collect();
    for letter in world.queues.dead_letters() {
        let what = format!("{:?} of {}", letter.event.kind, letter.consumer.name());
        violations.push(Violation::new("dead-letters", what));
    }
    for placement in &world.workload.placements {
        let order = placement.order;
        let mut expect = |check, holds: bool, what: &dyn Fn() -> String| {
            if !holds {
                violations.push(Violation::new(check, format!("{order}: {}", what())));
            }
        };
        let sum = |amounts: Vec<Amount>| -> i64 {
            amounts.iter().map(|amount| amount.minor_units()).sum()
        };
        let charges = world.provider.charges(order);
        let at_provider = sum(charges) - sum(world.provider.refunds(order));
        let payment = snapshot.payments.iter().find(|payment| payment.order_id == order);
        let surplus = payment.map_or_else(Vec::new, surplus_refunds);
        // What a dispute took isn't refunded.
        let unrefunded = surplus.iter().map(|refund| match refund.state {
            RefundState::Issued => refund.settled.minor_units(),
            _ => refund.amount.minor_units(),
        });
        let unrefunded: i64 = unrefunded.sum();
        let recorded = payment
            .map_or(0, |payment| payment.captured.minor_units() - payment.refunded().minor_units())
            + unrefunded;
        expect("provider-money", at_provider == recorded, &|| {
            format!("the provider has {at_provider} of the buyer's money, the payment {recorded}")
        });
        let captures = world.provider.charges(order).len();
        expect("charged-once", captures <= 1 + surplus.len(), &|| {
            format!("charged {captures} times, {} refunded whole", surplus.len())
        });
        let keys = payment.map_or_else(Vec::new, attempt_keys);
        let distinct: BTreeSet<_> = keys.iter().collect();
        expect("attempt-keys", keys.len() == distinct.len(), &|| {
            "two attempts to pay under one Idempotency-Key".to_owned()
        });
        expect("provider-disputes", disputes_agree(world, order, payment), &|| {
            format!("the payment doesn't have the disputes {:?}", world.disputes(order))
        });
        let failed = payment.map_or_else(Vec::new, |payment| failed_refunds(world, payment));
        expect("refunds-failed", failed.is_empty(), &|| format!("still failed: {failed:?}"));
        let stored = snapshot.orders.iter().find(|stored| stored.order_id == order);
        expect("order-stored", placement.response.is_none() || stored.is_some(), &|| {
            "answered, but not stored".to_owned()
        });
        let erased = stored.is_none_or(|stored| {
            !world.unregistered.contains(&stored.user_id)
                || stored.address.is_none()
                || stored.is_open()
        });
        expect("address-erased", erased, &|| {
            "the address of an unregistered buyer is still there".to_owned()
        });
    }
    violations.extend(repeated_responses(world));
    violations.extend(stale_products(world));
    violations.extend(world.complaints.iter().cloned());
    // By the numbers that the trace has.
    for (number, placement) in world.workload.placements.iter().enumerate() {
        let (id, name) = (placement.order.to_string(), format!("order {number}"));
        for violation in &mut violations {
            violation.what = violation.what.replace(&id, &name);
        }
    }
    violations
}

/// The refunds of attempts that succeeded beside the capture.
fn surplus_refunds(payment: &Payment) -> Vec<&Refund> {
    payment.refunds.iter().filter(|refund| refund.attempt.is_some()).collect()
}

/// The Idempotency-Keys that have begun an attempt to pay.
fn attempt_keys(payment: &Payment) -> Vec<&str> {
    let earlier = payment.failed_attempts.iter().filter_map(|attempt| attempt.key.as_ref());
    earlier.chain(&payment.attempt_key).map(|key| key.key.as_str()).collect()
}

/// Whether a payment has recorded what the provider reports of an order's disputes.
fn disputes_agree(world: &World, order: OrderId, payment: Option<&Payment>) -> bool {
    world.disputes(order).iter().all(|report| {
        let recorded = payment.and_then(|payment| payment.dispute(&report.dispute_id));
        recorded.is_some_and(|recorded| {
            let taken = report.state == DisputeStanding::Lost && recorded.taken != report.withdrawn;
            (recorded.state, recorded.withdrawn) == (report.state, report.withdrawn) && !taken
        })
    })
}

/// The failed refunds that shouldn't be: because of a dispute they wait, and none is left after all
/// were tried again, unless a dispute is open.
fn failed_refunds<'a>(world: &World, payment: &'a Payment) -> Vec<&'a Refund> {
    let retried = world.refunds_retried && !payment.has_open_dispute();
    let disputed = |refund: &Refund| refund.reason.as_ref().is_some_and(Refund::is_disputed);
    let failed = payment.refunds.iter().filter(|refund| refund.state == RefundState::Failed);
    failed.filter(|refund| retried || disputed(refund)).collect()
}

/// DeliveryHeld and DeliveryNotHeld by which one cancel request was answered more than once.
fn repeated_responses(world: &World) -> Vec<Violation> {
    let mut responses = BTreeMap::new();
    for event in world.delivery.published_events_from(0) {
        if matches!(event.kind.as_str(), "DeliveryHeld" | "DeliveryNotHeld") {
            let request = (event.correlationid, event.subject, event.causationid);
            responses.entry(request).or_insert_with(BTreeSet::new).insert(event.id);
        }
    }
    let repeated = responses.into_iter().filter(|(_, events)| events.len() > 1);
    repeated
        .map(|((order, ..), events)| {
            let what = format!("{order}: a cancel request had {} responses", events.len());
            Violation::new("cancel-answered-once", what)
        })
        .collect()
}

/// Copies of products in orders that aren't as new as in catalog.
fn stale_products(world: &World) -> Vec<Violation> {
    let products = &world.workload.products;
    let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
    let (order, buyer) = (OrderId::derive(&[b"none"]), UserId::derive(&[b"none"]));
    let context = ready(world.orders.load_placement_context(order, buyer, &ids, &[]));
    let copies = context.map(|context| context.products).unwrap_or_default();
    let registered = products.iter().filter(|product| {
        world.upstream.iter().any(|event| event.subject == product.id.to_string())
    });
    let stale = registered.filter(|product| {
        copies.get(&product.id).is_none_or(|copy| {
            (copy.version, copy.price, copy.status)
                != (product.version, product.price, product.status)
        })
    });
    stale
        .map(|product| {
            let copy = copies.get(&product.id);
            Violation::new("product-copy", format!("orders has {copy:?} of {product:?}"))
        })
        .collect()
}

impl World {
    /// Records a violation if an invocation is about to charge an order whose deadline has passed.
    /// To be called when it has just reached the point.
    pub(crate) fn check_charge(&mut self, id: InvocationId) {
        let charges = |point: &Point| {
            point.name == "provider.confirm_intent" && point.moment == Moment::Before
        };
        let Some(invocation) = self.invocations.get(&id) else { return };
        if !self.board.points_of(id).iter().any(charges) {
            return;
        }
        let subject = &invocation.subject;
        let payments = self.payments.payments();
        let payment = payments.iter().find(|payment| payment.order_id.to_string() == *subject);
        let Some(charge) = payment.and_then(|payment| payment.charge.as_ref()) else { return };
        let late = self.now().since(charge.expires_at);
        let what = format!("{subject}: charged {late:?} after the deadline");
        self.expect("charge-in-time", late <= MAX_CLOCK_SKEW, || what);
    }

    /// Records a violation if an invocation that has read of an open dispute is about to send a
    /// refund of its payment to the provider, or to grant one.
    pub(crate) fn check_refund(&mut self, id: InvocationId, call: &str) {
        let Some(invocation) = self.invocations.get(&id) else { return };
        let grants = invocation.function == "payments-refund-order" && invocation.has_read_payment;
        let refunds = match call {
            "provider.create_refund" => true,
            "payments.save" => grants,
            _ => false,
        };
        let what = format!("{}: refunded while a dispute is open", invocation.subject);
        self.expect("refund-undisputed", !refunds || !invocation.reads_open_dispute, || what);
    }
}
