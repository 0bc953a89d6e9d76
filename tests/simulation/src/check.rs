//! The invariants at the end of a run.

use crate::world::World;
use rialto_cli::reconcile::{Discrepancy, Snapshot, findings};
use rialto_kernel::{Amount, Timestamp};
use rialto_orders::domain::order::OrderState;
use std::fmt;

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

/// Every violated invariant.
#[must_use]
pub fn violations(world: &World) -> Vec<Violation> {
    let snapshot = Snapshot {
        stocks: world.inventory.stocks(),
        movements: world.inventory.all_movements(),
        reservations: world.inventory.reservations(),
        orders: world.orders.orders(),
        payments: world.payments.payments(),
        ledger: world.payments.all_entries(),
        ..Snapshot::default()
    };
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
        let recorded = payment
            .map_or(0, |payment| payment.captured.minor_units() - payment.refunded().minor_units());
        expect("provider-money", at_provider == recorded, &|| {
            format!("the provider has {at_provider} of the buyer's money, the payment {recorded}")
        });
        let stored = snapshot.orders.iter().find(|stored| stored.order_id == order);
        expect("order-stored", placement.response.is_none() || stored.is_some(), &|| {
            "answered, but not stored".to_owned()
        });
        let erased = stored.is_none_or(|stored| {
            !world.unregistered.contains(&stored.user_id)
                || stored.address.is_none()
                || stored.state != OrderState::Cancelled
        });
        expect("address-erased", erased, &|| {
            "the address of an unregistered buyer is still there".to_owned()
        });
    }
    violations.extend(world.complaints.iter().cloned());
    violations
}
