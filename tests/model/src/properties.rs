//! What holds in every state, and what must be reachable.

use crate::{
    model::{Bounds, Provider, SagaModel},
    state::{
        Call, Event, Intent, Invocation, Order, PaymentState, Reason, RefundState, Reservation,
        Saga, State, Trigger,
    },
};
use stateright::Property;

type Condition = fn(&SagaModel, &State) -> bool;

/// The invariants of the saga, and the ends and races that the bounds must allow.
#[must_use]
pub(crate) fn properties(bounds: &Bounds) -> Vec<Property<SagaModel>> {
    let mut properties: Vec<_> =
        ALWAYS.iter().map(|(name, condition)| Property::always(name, *condition)).collect();
    let mut sometimes = SOMETIMES.to_vec();
    if bounds.provider == Provider::Complete {
        sometimes.extend(WITH_COMPLETE_PROVIDER);
    }
    if bounds.orders > 1 {
        sometimes.extend(WITH_COMPETITION);
    }
    if bounds.invocations > 1 {
        sometimes.extend(WITH_CONCURRENCY);
    }
    if bounds.forgets_keys {
        sometimes.extend(WITH_FORGOTTEN_KEYS);
    }
    properties.extend(sometimes.iter().map(|(name, reached)| Property::sometimes(name, *reached)));
    properties
}

const ALWAYS: [(&str, Condition); 8] = [
    ("stock adds up", |model, state| {
        let held =
            |wanted| state.sagas.iter().filter(|saga| saga.reservation == wanted).count() as u64;
        let stock = state.stock;
        u64::from(stock.reserved) == held(Reservation::Reserved)
            && u64::from(stock.sold) == held(Reservation::Sold)
            && stock.available + stock.reserved + stock.sold == model.bounds.stock
    }),
    ("an order has one successful charge at most, and no more refunds than that", |_, state| {
        state
            .sagas
            .iter()
            .all(|saga| saga.charges() <= 1 && usize::from(saga.provider.refunds) <= saga.charges())
    }),
    ("an order is confirmed or cancelled, never both", |_, state| {
        never_both(state, Event::OrderConfirmed, Event::OrderCancelled)
    }),
    ("a payment is captured or failed, never both", |_, state| {
        never_both(state, Event::PaymentCaptured, Event::PaymentFailed)
    }),
    ("a confirmed order has its stock and its money", |_, state| {
        all(
            state,
            |saga| saga.order == Order::Confirmed,
            |saga| {
                matches!(saga.reservation, Reservation::Reserved | Reservation::Sold)
                    && saga.charges() == 1
                    && saga.provider.refunds == 0
                    && saga.payment.is_some_and(|payment| payment.state == PaymentState::Captured)
            },
        )
    }),
    ("at rest a confirmed order's stock is sold", |_, state| {
        !state.is_quiet()
            || all(
                state,
                |saga| saga.order == Order::Confirmed,
                |saga| saga.reservation == Reservation::Sold,
            )
    }),
    ("at rest a cancelled order has no stock, and its money is given back", |_, state| {
        !state.is_quiet()
            || all(
                state,
                |saga| matches!(saga.order, Order::Cancelled(_)),
                |saga| {
                    !matches!(saga.reservation, Reservation::Reserved | Reservation::Sold)
                        && saga.charges() == usize::from(saga.provider.refunds)
                        && saga
                            .payment
                            .is_none_or(|payment| payment.state != PaymentState::Captured)
                },
            )
    }),
    ("what can't go on is at rest", |model, state| {
        state.is_quiet() || !model.progress(state).is_empty()
    }),
];

const SOMETIMES: [(&str, Condition); 16] = [
    ("an order is confirmed and sold", |_, state| {
        at_rest(state, |saga| saga.reservation == Reservation::Sold)
    }),
    ("an order is cancelled by its buyer", |_, state| cancelled(state, Reason::Buyer)),
    ("an order is cancelled as its time is over", |_, state| cancelled(state, Reason::Timeout)),
    ("an order is cancelled as its payment failed", |_, state| {
        cancelled(state, Reason::PaymentFailed)
    }),
    ("a cancelled order's money is given back", |_, state| {
        at_rest(state, |saga| saga.provider.refunds == 1)
    }),
    ("a cancellation overtakes its order at inventory", |_, state| {
        any(state, |saga| saga.reservation == Reservation::CancelledFirst)
    }),
    ("a cancellation overtakes StockReserved at payments", |_, state| {
        any(state, |saga| saga.payment.is_some_and(|payment| payment.tombstone))
    }),
    ("a cancellation comes before the charge", |_, state| {
        any(state, |saga| has(saga, PaymentState::Voided) && saga.provider.intents.is_empty())
    }),
    ("a cancellation comes during the charge, which succeeds", |_, state| {
        any(state, |saga| cancelled_in_charge(saga) && has(saga, PaymentState::Captured))
    }),
    ("a cancellation comes during the charge, which fails", |_, state| {
        any(state, |saga| cancelled_in_charge(saga) && has(saga, PaymentState::Voided))
    }),
    ("a cancellation comes after the capture", |_, state| {
        any(state, |saga| {
            matches!(saga.order, Order::Cancelled(_))
                && saga.payment.is_some_and(|payment| {
                    payment.refund == Some(RefundState::Pending) && !payment.cancel_requested
                })
        })
    }),
    ("PaymentCaptured arrives at a cancelled order", |_, state| {
        any(state, |saga| {
            matches!(saga.order, Order::Cancelled(_))
                && saga.handled.has(crate::state::Delivery::PaymentCapturedToOrders)
        })
    }),
    ("an invocation crashes between charge and record", |_, state| {
        any(state, |saga| is_unrecorded(saga) && saga.invocations.is_empty())
    }),
    ("the deadline passes between charge and record", |_, state| {
        state.late && any(state, is_unrecorded)
    }),
    ("an invocation crashes between refund and record", |_, state| {
        any(state, |saga| {
            saga.provider.refunds == 1
                && has(saga, PaymentState::Captured)
                && saga.invocations.is_empty()
        })
    }),
    ("the sweep cancels an unfinished charge", |_, state| {
        any(state, |saga| {
            let records = |next| {
                next == Call::RecordOutcome(Intent::Canceled) && saga.recorded_intent().is_some()
            };
            saga.recorded_intent() == Some(Intent::Canceled)
                && saga.invocations.iter().any(|invocation| {
                    invocation.trigger == Trigger::Sweep && records(invocation.next)
                })
        })
    }),
];

/// Reached with a provider that does everything.
const WITH_COMPLETE_PROVIDER: [(&str, Condition); 7] = [
    ("the provider decides later", |_, state| {
        any(state, |saga| saga.provider.intents.has(Intent::Processing))
    }),
    ("the provider refuses the payment method", |_, state| {
        any(state, |saga| saga.provider.refuses && has(saga, PaymentState::Failed))
    }),
    ("a charge that needs the buyer succeeds", |_, state| {
        any(state, |saga| {
            saga.published.has(Event::PaymentActionRequired)
                && saga.published.has(Event::PaymentCaptured)
                && saga.order == Order::Confirmed
        })
    }),
    ("a charge that needs the buyer is abandoned", |_, state| {
        at_rest(state, |saga| {
            saga.published.has(Event::PaymentActionRequired)
                && saga.payment.is_some_and(|payment| payment.expired)
                && saga.order == Order::Cancelled(Reason::Timeout)
        })
    }),
    ("a cancellation comes while a charge needs the buyer", |_, state| {
        any(state, |saga| cancelled_in_charge(saga) && has(saga, PaymentState::RequiresAction))
    }),
    ("the buyer acts while a charge is cancelled", |_, state| {
        any(state, |saga| {
            saga.recorded_intent() == Some(Intent::Succeeded)
                && cancelled_in_charge(saga)
                && saga.published.has(Event::PaymentActionRequired)
                && saga.invocations.iter().any(|invocation| invocation.next == Call::CancelIntent)
        })
    }),
    ("an intent needs the buyer and is canceled", |_, state| {
        any(state, |saga| {
            saga.recorded_intent() == Some(Intent::RequiresAction)
                && saga.invocations.iter().any(|invocation| invocation.next == Call::CancelIntent)
        })
    }),
];

/// Reached with two orders for the last unit.
const WITH_COMPETITION: [(&str, Condition); 3] = [
    ("an order is cancelled for want of stock", |_, state| cancelled(state, Reason::OutOfStock)),
    ("the last unit is sold once", |_, state| {
        state.is_quiet()
            && state.stock.sold == 1
            && any(state, |saga| saga.reservation == Reservation::Rejected)
    }),
    ("the last unit is released and sold to another", |_, state| {
        state.is_quiet()
            && state.stock.sold == 1
            && any(state, |saga| saga.reservation == Reservation::Released)
    }),
];

/// Reached with two invocations at once.
const WITH_CONCURRENCY: [(&str, Condition); 6] = [
    ("two invocations confirm one intent at once", |_, state| {
        any(state, |saga| at_once(saga, &[Call::ConfirmIntent, Call::ConfirmIntent]))
    }),
    ("one invocation confirms while another cancels", |_, state| {
        any(state, |saga| at_once(saga, &[Call::ConfirmIntent, Call::CancelIntent]))
    }),
    ("two invocations refund at once", |_, state| {
        any(state, |saga| at_once(saga, &[Call::CreateRefund, Call::CreateRefund]))
    }),
    ("a webhook records the capture before the consumer", |_, state| {
        any(state, |saga| {
            saga.published.has(Event::PaymentCaptured)
                && saga.invocations.iter().any(|invocation| {
                    invocation.trigger == Trigger::StockReserved
                        && invocation.next == Call::RecordOutcome(Intent::Succeeded)
                })
        })
    }),
    ("a sweep meets the consumer at one payment", |_, state| {
        any(state, |saga| {
            let is_sweep = |invocation: Invocation| invocation.trigger == Trigger::Sweep;
            saga.invocations.iter().any(is_sweep)
                && saga.invocations.iter().any(|invocation| !is_sweep(invocation))
        })
    }),
    ("an intent is created for an order that is cancelled meanwhile", |_, state| {
        any(state, |saga| {
            has(saga, PaymentState::Voided)
                && saga
                    .invocations
                    .iter()
                    .any(|invocation| matches!(invocation.next, Call::CancelUnrecorded { .. }))
        })
    }),
];

/// Reached if the provider forgets its idempotency keys.
const WITH_FORGOTTEN_KEYS: [(&str, Condition); 1] =
    [("an order has two intents and one charge", |_, state| {
        at_rest(state, |saga| saga.provider.intents.len() == 2 && saga.charges() == 1)
    })];

fn all(state: &State, of: impl Fn(&Saga) -> bool, holds: impl Fn(&Saga) -> bool) -> bool {
    state.sagas.iter().filter(|saga| of(saga)).all(holds)
}

fn any(state: &State, holds: impl Fn(&Saga) -> bool) -> bool {
    state.sagas.iter().any(holds)
}

fn at_rest(state: &State, holds: impl Fn(&Saga) -> bool) -> bool {
    state.is_quiet() && any(state, holds)
}

fn cancelled(state: &State, reason: Reason) -> bool {
    at_rest(state, |saga| saga.order == Order::Cancelled(reason))
}

fn never_both(state: &State, one: Event, other: Event) -> bool {
    all(state, |_| true, |saga| !(saga.published.has(one) && saga.published.has(other)))
}

fn has(saga: &Saga, state: PaymentState) -> bool {
    saga.payment.is_some_and(|payment| payment.state == state)
}

fn cancelled_in_charge(saga: &Saga) -> bool {
    saga.payment.is_some_and(|payment| payment.cancel_requested)
}

/// The provider has the money, and payments doesn't know.
fn is_unrecorded(saga: &Saga) -> bool {
    saga.recorded_intent() == Some(Intent::Succeeded) && has(saga, PaymentState::Processing)
}

/// Whether different invocations make these calls next.
fn at_once(saga: &Saga, calls: &[Call; 2]) -> bool {
    let count = |call| saga.invocations.iter().filter(|invocation| invocation.next == call).count();
    if calls[0] == calls[1] {
        count(calls[0]) > 1
    } else {
        calls.iter().all(|call| count(*call) > 0)
    }
}
