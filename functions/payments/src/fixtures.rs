//! Fixtures of unit tests.

use crate::domain::{
    intent::{ChargeOutcome, IntentId},
    payment::Payment,
};
use rialto_contracts::{
    EventContext,
    inventory::StockReserved,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::{Amount, Currency, OrderId, Timestamp, UserId};
use std::time::Duration;

/// Before [`EXPIRES_AT`].
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000);
/// The deadline of [`stock_reserved`].
pub(crate) const EXPIRES_AT: Timestamp = Timestamp::from_millis(2_000);

pub(crate) fn stock_reserved() -> StockReserved {
    StockReserved {
        order_id: OrderId::derive(&[b"o"]),
        user_id: UserId::derive(&[b"u"]),
        total: Amount::new(2_500).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        payment_method: "pm_card_visa".to_owned(),
        expires_at: EXPIRES_AT,
    }
}

/// The cancellation of the same order.
pub(crate) fn order_cancelled() -> OrderCancelled {
    let StockReserved { order_id, user_id, .. } = stock_reserved();
    OrderCancelled { order_id, user_id, reason: CancelReason::Buyer }
}

pub(crate) fn intent_id() -> IntentId {
    IntentId::parse("pi_1").unwrap()
}

pub(crate) fn pending() -> Payment {
    Payment::pending(&stock_reserved(), Duration::ZERO, NOW, &EventContext::default()).payment
}

pub(crate) fn processing() -> Payment {
    pending().record_intent(&intent_id(), NOW).unwrap().payment
}

pub(crate) fn captured() -> Payment {
    let outcome = ChargeOutcome::Captured;
    processing().settle(&outcome, NOW, &EventContext::default()).unwrap().payment
}

/// A captured payment with a pending refund of everything.
pub(crate) fn refunding() -> Payment {
    captured().cancel(&EventContext::default()).unwrap().payment
}
