//! Races that a large enough number of runs must have reached: each is counted, and one that was
//! never reached means that the simulation doesn't test what it claims to.

use crate::{
    faults::PointFault,
    io::{InvocationId, Kind, Moment, Point},
    queues::{Consumer, QueuedMessage},
    world::World,
};
use rialto_kernel::OrderId;
use rialto_lambda::sqs::Outcome;
use rialto_orders::domain::order::{Order, OrderState};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Race {
    /// Inventory handled a cancellation before the order itself.
    CancellationBeforeReservation,
    /// Payments handled a cancellation before StockReserved.
    CancellationBeforePayment,
    /// A charge succeeded after its order was cancelled.
    CaptureAfterCancellation,
    /// A webhook and the consumer of StockReserved worked on one payment at once.
    WebhookDuringCharge,
    /// A sweep ran while another invocation worked on the same service.
    SweepDuringHandler,
    /// A message was delivered while an earlier delivery was still being handled.
    ConcurrentDeliveries,
    /// An invocation crashed after the provider had confirmed a charge and before it was recorded.
    CrashAfterCharge,
    /// The response to a write that was done was lost.
    LostWriteResponse,
    /// The response of the provider to a confirmation was lost.
    LostChargeResponse,
    /// The response of the provider to a refund was lost.
    LostRefundResponse,
    /// A relay crashed after publishing, and published again.
    RepeatedPublication,
    /// A message used up its receives and was redriven.
    DeadLetter,
    /// Stock ran out.
    OutOfStock,
    /// Two requests with one Idempotency-Key were handled at once.
    ConcurrentPlacements,
    /// An order passed its deadline while its charge was under way.
    TimeoutDuringCharge,
    /// A buyer was unregistered with an open order.
    UnregisteredWithOpenOrder,
}

impl Race {
    pub const ALL: [Self; 16] = [
        Self::CancellationBeforeReservation,
        Self::CancellationBeforePayment,
        Self::CaptureAfterCancellation,
        Self::WebhookDuringCharge,
        Self::SweepDuringHandler,
        Self::ConcurrentDeliveries,
        Self::CrashAfterCharge,
        Self::LostWriteResponse,
        Self::LostChargeResponse,
        Self::LostRefundResponse,
        Self::RepeatedPublication,
        Self::DeadLetter,
        Self::OutOfStock,
        Self::ConcurrentPlacements,
        Self::TimeoutDuringCharge,
        Self::UnregisteredWithOpenOrder,
    ];
}

/// How often each race was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Races([u64; Race::ALL.len()]);

impl Races {
    pub fn reach(&mut self, race: Race) {
        self.0[race as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    #[must_use]
    pub fn unreached(&self) -> Vec<Race> {
        Race::ALL.into_iter().filter(|race| self.0[*race as usize] == 0).collect()
    }
}

impl fmt::Display for Races {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for race in Race::ALL {
            writeln!(f, "{:>12}  {race:?}", self.0[race as usize])?;
        }
        Ok(())
    }
}

impl World {
    pub(crate) fn record_races(
        &mut self,
        id: InvocationId,
        point: Point,
        fault: Option<PointFault>,
    ) {
        let Some(invocation) = self.invocations.get_mut(&id) else { return };
        let crashed = fault == Some(PointFault::Crash);
        if invocation.confirmed && crashed {
            self.races.reach(Race::CrashAfterCharge);
        }
        if point.moment == Moment::Before {
            return;
        }
        match point.name {
            "provider.confirm_intent" => invocation.confirmed = true,
            "payments.save" => invocation.confirmed = false,
            _ => {}
        }
        if fault == Some(PointFault::Fail) {
            match (point.name, point.kind) {
                ("provider.confirm_intent", _) => self.races.reach(Race::LostChargeResponse),
                ("provider.create_refund", _) => self.races.reach(Race::LostRefundResponse),
                (_, Kind::Write) => self.races.reach(Race::LostWriteResponse),
                (_, Kind::Read) => {}
            }
        }
    }

    pub(crate) fn record_outcome(&mut self, message: &QueuedMessage, outcome: Outcome) {
        if outcome != Outcome::Handled {
            return;
        }
        let order = OrderId::parse(&message.event.correlationid).ok();
        match (message.consumer, message.event.kind.as_str()) {
            (Consumer::InventoryOnOrders, "OrderCancelled") => {
                let stored = self.inventory.reservations().into_iter();
                let tombstone = stored
                    .filter(|reservation| Some(reservation.order_id) == order)
                    .any(|reservation| reservation.lines.is_empty());
                if tombstone {
                    self.races.reach(Race::CancellationBeforeReservation);
                }
            }
            (Consumer::PaymentsOnOrders, "OrderCancelled") => {
                let stored = self.payments.payments().into_iter();
                let mut of = stored.filter(|payment| Some(payment.order_id) == order);
                if of.any(|payment| payment.charge.is_none()) {
                    self.races.reach(Race::CancellationBeforePayment);
                }
            }
            (Consumer::OrdersOnPayments, "PaymentCaptured") => {
                let mut orders = self.orders.orders().into_iter();
                let order = orders.find(|stored| Some(stored.order_id) == order);
                if order.is_some_and(|order| order.state == OrderState::Cancelled) {
                    self.races.reach(Race::CaptureAfterCancellation);
                }
            }
            (Consumer::OrdersOnInventory, "StockRejected") => self.races.reach(Race::OutOfStock),
            (Consumer::OrdersOnAccounts, _) => {
                let open = |order: &Order| {
                    order.state == OrderState::Pending && self.unregistered.contains(&order.user_id)
                };
                if self.orders.orders().iter().any(open) {
                    self.races.reach(Race::UnregisteredWithOpenOrder);
                }
            }
            _ => {}
        }
    }
}
