//! The invariants at the end of a run.

use crate::world::World;
use rialto_cli::reconcile::{Snapshot, broken};

/// Every violated invariant, in words.
#[must_use]
pub fn violations(world: &World) -> Vec<String> {
    let snapshot = Snapshot {
        stocks: world.inventory.stocks(),
        movements: world.inventory.all_movements(),
        reservations: world.inventory.reservations(),
        orders: world.orders.orders(),
        payments: world.payments.payments(),
        ledger: world.payments.all_entries(),
        ..Snapshot::default()
    };
    let mut violations = broken(&snapshot);
    for letter in world.queues.dead_letters() {
        violations.push(format!(
            "{:?} of {} is a dead letter",
            letter.event.kind,
            letter.consumer.name()
        ));
    }
    for placement in &world.workload.placements {
        let order = placement.order;
        let sum = |amounts: Vec<rialto_kernel::Amount>| -> i64 {
            amounts.iter().map(|amount| amount.minor_units()).sum()
        };
        let charges = world.provider.charges(order);
        let at_provider = sum(charges) - sum(world.provider.refunds(order));
        let payment = snapshot.payments.iter().find(|payment| payment.order_id == order);
        let recorded = payment
            .map_or(0, |payment| payment.captured.minor_units() - payment.refunded().minor_units());
        if at_provider != recorded {
            violations.push(format!(
                "{order}: the provider has {at_provider} of the buyer's money, the payment {recorded}"
            ));
        }
        let stored = snapshot.orders.iter().find(|stored| stored.order_id == order);
        if placement.response.is_some() && stored.is_none() {
            violations.push(format!("{order}: answered, but not stored"));
        }
        if let Some(stored) = stored
            && world.unregistered.contains(&stored.user_id)
            && stored.address.is_some()
            && stored.state == rialto_orders::domain::order::OrderState::Cancelled
        {
            violations
                .push(format!("{order}: the address of an unregistered buyer is still there"));
        }
    }
    violations.extend(world.complaints.iter().cloned());
    violations
}
