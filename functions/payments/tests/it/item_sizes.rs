//! The size of the item and the events of a payment that has grown to every limit.

use crate::simulation::{IN_TIME, Simulation};
use rialto_contracts::{EventContext, inventory::StockReserved};
use rialto_dynamo::{AttributeValue, Item, Key, write_item};
use rialto_kernel::{Amount, EventId};
use rialto_payments::domain::{
    dispute::{DisputeId, DisputeReport, DisputeStanding},
    intent::{ChargeOutcome, DeclineCode, IntentId},
    payment::{
        AttemptKey, Granted, MAX_DISPUTES, MAX_GOODWILL_REFUNDS, MAX_PAYMENT_ATTEMPTS, Payment,
        PaymentUpdate,
    },
    refund::{GoodwillReason, RefundOutcome},
};
use std::time::Duration;

/// The limit of an item.
const ITEM_BYTES: usize = 150_000;
const EVENT_BYTES: usize = 32 * 1_024;
/// The lines that an order may have, with those that were split off.
const LINES: u32 = 40;

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

fn cause() -> EventContext {
    EventContext {
        correlationid: None,
        causationid: Some(EventId::derive(&[b"cause"])),
        traceparent: Some(format!("00-{}-{}-01", "0".repeat(32), "0".repeat(16))),
    }
}

/// A payment, and the largest item and event of its writes so far.
struct LargePayment {
    payment: Payment,
    item: usize,
    event: usize,
}

impl LargePayment {
    fn save(&mut self, update: PaymentUpdate) {
        let key = Key::new(format!("ORDER#{}", update.payment.order_id), "PAYMENT");
        let item = write_item(&key, &update.payment, &update.events).unwrap();
        // The keys of the index of deadlines.
        self.item = self.item.max(item_size(&item) + 100);
        for event in &update.events {
            self.event = self.event.max(serde_json::to_string(event).unwrap().len());
        }
        self.payment = update.payment;
    }

    /// Charges an order with the largest total and the longest ids, at the last attempt.
    fn captured() -> Self {
        let reserved = Simulation::new(LONGEST_METHOD).stock_reserved();
        let reserved = StockReserved { total: Amount::MAX, ..reserved };
        let window = Duration::from_secs(3_600);
        let pending = Payment::pending(&reserved, window, IN_TIME, &cause());
        let mut large = Self { payment: pending.payment.clone(), item: 0, event: 0 };
        large.save(pending);
        let reason = DeclineCode::new(&"c".repeat(100));
        for attempt in 1..MAX_PAYMENT_ATTEMPTS {
            large.charge(attempt, &ChargeOutcome::Failed { reason: reason.clone() });
            let key = AttemptKey::of(&attempt.to_string(), LONGEST_METHOD);
            large.save(large.payment.pay_again(LONGEST_METHOD, key, IN_TIME).unwrap());
        }
        large.charge(MAX_PAYMENT_ATTEMPTS, &ChargeOutcome::Captured);
        large
    }

    fn charge(&mut self, attempt: u32, outcome: &ChargeOutcome) {
        let intent = IntentId::parse(&format!("{attempt:0255}")).unwrap();
        self.save(self.payment.record_intent(&intent, IN_TIME).unwrap());
        self.save(self.payment.settle(outcome, IN_TIME, &cause()).unwrap());
    }

    fn grant_goodwill(&mut self, number: usize) {
        let key = format!("{number:064}");
        let reason = GoodwillReason::parse(&"𐍈".repeat(200)).unwrap();
        let granted = self.payment.grant_goodwill(&key, part(), &reason).unwrap();
        let Granted::Now(update) = granted else { panic!("granted before") };
        self.save(*update);
    }

    /// Every refund is issued, taken back with the longest code, and tried again.
    fn fail_refunds(&mut self) {
        let reason = DeclineCode::new(&"c".repeat(100));
        for refund in self.payment.refunds.clone() {
            let refund_id = refund.refund_id;
            let failed = RefundOutcome::Failed { reason: reason.clone() };
            for outcome in [RefundOutcome::Issued, failed] {
                let payment = &self.payment;
                self.save(payment.settle_refund(refund_id, &outcome, IN_TIME, &cause()).unwrap());
            }
            self.save(self.payment.retry_failed_refund(refund_id, IN_TIME).unwrap());
        }
    }

    /// The provider reports a dispute of everything.
    fn lose_dispute(&mut self, number: usize) {
        let report = DisputeReport {
            dispute_id: DisputeId::parse(&format!("{number:0255}")).unwrap(),
            intent_id: self.payment.intent_id.clone().unwrap(),
            amount: self.payment.captured,
            state: DisputeStanding::Lost,
            withdrawn: self.payment.captured,
        };
        while let Some(update) = self.payment.record_dispute(&report, IN_TIME, &cause()) {
            self.save(update);
        }
    }
}

/// Of the most characters that a payment method may have.
const LONGEST_METHOD: &str = "pm_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// An amount with as many digits as the largest, of which all refunds fit into that.
fn part() -> Amount {
    Amount::new(Amount::MAX.minor_units() / 90).unwrap()
}

#[test]
fn the_largest_payment_stays_within_its_limits() {
    let mut large = LargePayment::captured();
    for line_no in 1..=LINES {
        let update = large.payment.compensate_line(line_no, part(), &cause()).unwrap();
        large.save(update.unwrap());
    }
    for number in 0..MAX_GOODWILL_REFUNDS {
        large.grant_goodwill(number);
    }
    large.save(large.payment.cancel(&cause()).unwrap());
    large.fail_refunds();
    for number in 0..MAX_DISPUTES {
        large.lose_dispute(number);
    }
    let LargePayment { payment, item, event } = large;
    let refunds = payment.refunds.len();
    assert_eq!(refunds, LINES as usize + MAX_GOODWILL_REFUNDS + 1);
    assert_eq!(payment.disputes.len(), MAX_DISPUTES);
    assert_eq!(payment.attempt(), MAX_PAYMENT_ATTEMPTS);
    println!(
        "{refunds} refunds, {MAX_DISPUTES} disputes: payment {} KiB, event {event} bytes",
        item.div_ceil(1_024)
    );
    assert!(item <= ITEM_BYTES && event < EVENT_BYTES, "{item} {event}");
}
