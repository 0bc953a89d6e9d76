use super::*;
use crate::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    application::{on_order_cancelled::on_order_cancelled, on_stock_reserved::on_stock_reserved},
    domain::{
        intent::{DeclineCode, IntentState},
        payment::{Payment, PaymentState},
    },
};
use rialto_contracts::{
    EventContext,
    inventory::StockReserved,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::{Amount, Clock, Currency, Timestamp, UserId, Write};
use rialto_lambda::http::ProblemCode;
use serde_json::json;
use std::time::Duration;

const SECRET: &str = "whsec_test";
/// The time of requests without a gateway's event.
const NOW: Timestamp = Timestamp::from_millis(0);

/// A clock that always shows [`NOW`].
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// A payment whose charge is processing at the provider.
struct ProcessingPayment {
    store: MemoryPayments,
    provider: MemoryProvider,
    order: OrderId,
}

impl ProcessingPayment {
    async fn new() -> Self {
        let payment = Self {
            store: MemoryPayments::default(),
            provider: MemoryProvider::default(),
            order: OrderId::derive(&[b"o"]),
        };
        let reserved = StockReserved {
            order_id: payment.order,
            user_id: UserId::derive(&[b"u"]),
            total: Amount::new(2_500).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            payment_method: "pm_sim_async".to_owned(),
            expires_at: Timestamp::from_millis(1_000),
        };
        let (store, provider) = (&payment.store, &payment.provider);
        let charged = on_stock_reserved(
            store,
            provider,
            &reserved,
            Duration::ZERO,
            &EventContext::default(),
            &StoppedClock,
        )
        .await;
        assert_eq!(charged.unwrap(), Write::Done);
        payment
    }

    async fn stored(&self) -> Payment {
        self.store.payment(self.order).await.unwrap().unwrap()
    }

    async fn event(&self, kind: &str) -> Value {
        let intent = self.stored().await.intent_id.unwrap();
        let object =
            json!({"id": intent, "object": "payment_intent", "metadata": {"order_id": self.order}});
        json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}})
    }

    /// Posts a webhook; returns the problem's code and text, if any.
    async fn post(&self, secret: &str, request: &Request) -> Result<(), (ProblemCode, String)> {
        match receive(&self.store, &self.provider, secret, request, &StoppedClock).await {
            Ok(response) => {
                assert_eq!((response.status, response.body.as_str()), (204, ""));
                Ok(())
            }
            Err(problem) => Err((problem.code, format!("{problem:?}"))),
        }
    }
}

fn signed(body: &[u8]) -> Request {
    request(body, &signature::sign(SECRET, body, NOW))
}

fn request(body: &[u8], header: &str) -> Request {
    let mut request = Request::default();
    request.body = body.to_vec();
    request.headers.insert(signature::HEADER.to_owned(), header.to_owned());
    request
}

#[tokio::test]
async fn a_successful_charge_is_recorded_once() {
    let payment = ProcessingPayment::new().await;
    let body = payment.event("payment_intent.succeeded").await.to_string();
    // The event's type isn't trusted: the provider is still processing the charge.
    assert_eq!(payment.post(SECRET, &signed(body.as_bytes())).await, Ok(()));
    assert_eq!(payment.stored().await.state, PaymentState::Processing);

    payment.provider.end_processing(payment.order, &IntentState::Succeeded);
    for _ in 0..3 {
        assert_eq!(payment.post(SECRET, &signed(body.as_bytes())).await, Ok(()));
        assert_eq!(
            (payment.stored().await.state, payment.store.published_events().len()),
            (PaymentState::Captured, 1)
        );
    }
    // Events that arrive out of order change nothing.
    for kind in
        ["payment_intent.payment_failed", "payment_intent.canceled", "payment_intent.processing"]
    {
        let late = payment.event(kind).await.to_string();
        assert_eq!(payment.post(SECRET, &signed(late.as_bytes())).await, Ok(()));
    }
    assert_eq!(
        (payment.stored().await.state, payment.store.published_events().len()),
        (PaymentState::Captured, 1)
    );
}

/// Every order of these values.
fn permutations<'a>(values: &[&'a str]) -> Vec<Vec<&'a str>> {
    if values.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in values.iter().enumerate() {
        let others = [&values[..at], &values[at + 1..]].concat();
        for mut rest in permutations(&others) {
            rest.insert(0, first);
            all.push(rest);
        }
    }
    all
}

#[tokio::test]
async fn webhooks_in_any_order_record_what_the_provider_says() {
    let kinds = [
        "payment_intent.processing",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.succeeded",
        "charge.succeeded",
    ];
    let failed = IntentState::Failed { reason: DeclineCode::new("generic_decline") };
    for (state, recorded, event) in [
        (IntentState::Processing, PaymentState::Processing, None),
        (failed, PaymentState::Failed, Some("PaymentFailed")),
        (IntentState::Canceled, PaymentState::Failed, Some("PaymentFailed")),
        (IntentState::Succeeded, PaymentState::Captured, Some("PaymentCaptured")),
    ] {
        for order in permutations(&kinds) {
            let payment = ProcessingPayment::new().await;
            payment.provider.end_processing(payment.order, &state);
            for kind in &order {
                let body = payment.event(kind).await.to_string();
                assert_eq!(payment.post(SECRET, &signed(body.as_bytes())).await, Ok(()));
            }
            let published: Vec<String> =
                payment.store.published_events().into_iter().map(|event| event.kind).collect();
            assert_eq!(payment.stored().await.state, recorded, "{order:?}");
            assert_eq!(published, Vec::from_iter(event), "{order:?}");
        }
    }
}

#[tokio::test]
async fn a_refund_that_fails_after_it_succeeded_is_recorded_once() {
    let payment = ProcessingPayment::new().await;
    payment.provider.end_processing(payment.order, &IntentState::Succeeded);
    let cancelled = OrderCancelled {
        order_id: payment.order,
        user_id: UserId::derive(&[b"u"]),
        reason: CancelReason::Buyer,
    };
    let (store, provider) = (&payment.store, &payment.provider);
    let cause = EventContext::default();
    let marked = on_order_cancelled(store, provider, &cancelled, &cause, NOW).await;
    assert_eq!(marked.unwrap(), Write::Done);
    let body = payment.event("payment_intent.succeeded").await.to_string();
    assert_eq!(payment.post(SECRET, &signed(body.as_bytes())).await, Ok(()));
    let refunded = payment.stored().await;
    assert_eq!(refunded.state, PaymentState::Refunded);

    let event = |kind: &str, refund_id: &str| {
        let metadata = json!({"order_id": payment.order, "refund_id": refund_id});
        let object = json!({
            "id": "re_1", "object": "refund", "payment_intent": refunded.intent_id,
            "metadata": metadata,
        });
        json!({"type": kind, "data": {"object": object}}).to_string()
    };
    let name = refunded.refunds[0].try_name();
    // The event isn't trusted: at the provider the refund has succeeded.
    let failed = event("refund.failed", &name);
    assert_eq!(payment.post(SECRET, &signed(failed.as_bytes())).await, Ok(()));
    assert_eq!(payment.stored().await, refunded);

    payment.provider.take_refunds_back();
    let unknown = event("refund.failed", &RefundId::derive(&[b"another"]).to_string());
    assert_eq!(payment.post(SECRET, &signed(unknown.as_bytes())).await, Ok(()));
    assert_eq!(payment.stored().await, refunded);
    for kind in ["refund.failed", "refund.updated", "charge.refund.updated"] {
        let body = event(kind, &name);
        assert_eq!(payment.post(SECRET, &signed(body.as_bytes())).await, Ok(()));
        let payment = payment.stored().await;
        assert_eq!(
            (payment.state, payment.refund_due()),
            (PaymentState::Captured, payment.captured)
        );
    }
    let published: Vec<String> =
        payment.store.published_events().into_iter().map(|event| event.kind).collect();
    assert_eq!(published, ["PaymentCaptured", "RefundIssued", "RefundFailed"]);
}

#[tokio::test]
async fn webhooks_with_invalid_signatures_are_rejected() {
    let payment = ProcessingPayment::new().await;
    payment.provider.end_processing(payment.order, &IntentState::Succeeded);
    let body = payment.event("payment_intent.succeeded").await.to_string();
    let good = signature::sign(SECRET, body.as_bytes(), NOW);
    let old = signature::sign(SECRET, body.as_bytes(), Timestamp::from_millis(-301_000));
    let early = signature::sign(SECRET, body.as_bytes(), Timestamp::from_millis(301_000));
    let other_secret = signature::sign("whsec_other", body.as_bytes(), NOW);
    for header in ["", "t=0", "v1=00", "nonsense", &old, &early, &other_secret] {
        let (code, text) =
            payment.post(SECRET, &request(body.as_bytes(), header)).await.unwrap_err();
        assert!(
            code == ProblemCode::Invalid && text.contains("Stripe-Signature"),
            "{header}: {text}"
        );
    }
    let altered = body.replace("succeeded", "canceled");
    assert!(payment.post(SECRET, &request(altered.as_bytes(), &good)).await.is_err());
    let mut unsigned = request(body.as_bytes(), &good);
    unsigned.headers.clear();
    assert!(payment.post(SECRET, &unsigned).await.is_err());
    assert_eq!(payment.stored().await.state, PaymentState::Processing);
}

#[tokio::test]
async fn webhooks_are_rejected_without_a_secret() {
    let payment = ProcessingPayment::new().await;
    let body = payment.event("payment_intent.succeeded").await.to_string();
    let forged = request(body.as_bytes(), &signature::sign("", body.as_bytes(), NOW));
    assert_eq!(payment.post("", &forged).await.unwrap_err().0, ProblemCode::Unavailable);
}

#[tokio::test]
async fn signed_bodies_that_are_not_events_are_rejected() {
    let payment = ProcessingPayment::new().await;
    for body in
        ["", "{}", "[]", "null", "{\"type\":\"x\"}", "{\"type\":7,\"data\":{\"object\":{}}}"]
    {
        let (code, text) = payment.post(SECRET, &signed(body.as_bytes())).await.unwrap_err();
        assert!(code == ProblemCode::Invalid && text.contains("body"), "{body}: {text}");
    }
}

#[tokio::test]
async fn irrelevant_webhooks_are_acknowledged_and_ignored() {
    let payment = ProcessingPayment::new().await;
    payment.provider.end_processing(payment.order, &IntentState::Succeeded);
    let good = payment.event("payment_intent.succeeded").await;
    let with = |pointer: &str, value: Value| {
        let mut event = good.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let another = OrderId::derive(&[b"another"]);
    for event in [
        with("/type", json!("customer.created")),
        with("/type", json!("payment_intent.created")),
        with("/data/object", json!({})),
        with("/data/object", json!("pi_1")),
        with("/data/object/metadata", json!(null)),
        with("/data/object/metadata/order_id", json!("nonsense")),
        with("/data/object/metadata/order_id", json!(another)),
        with("/data/object/id", json!("pi_another")),
        with("/data/object/id", json!("../refunds")),
    ] {
        assert_eq!(
            payment.post(SECRET, &signed(event.to_string().as_bytes())).await,
            Ok(()),
            "{event}"
        );
    }
    assert_eq!(payment.stored().await.state, PaymentState::Processing);
}

#[tokio::test]
async fn every_event_about_a_dispute_has_it_retrieved() {
    for kind in DISPUTE_EVENTS {
        let payment = ProcessingPayment::new().await;
        payment.provider.end_processing(payment.order, &IntentState::Succeeded);
        let amount = Amount::new(2_500).unwrap();
        let dispute = payment.provider.open_dispute(payment.order, amount).unwrap();
        // Whatever else the event says isn't used.
        let object = json!({"id": dispute, "object": "dispute", "status": "won", "amount": 1});
        let event = json!({"id": "evt_1", "type": kind, "data": {"object": object}}).to_string();
        assert_eq!(payment.post(SECRET, &signed(event.as_bytes())).await, Ok(()));
        let stored = payment.stored().await;
        assert!(stored.has_open_dispute(), "{kind}");
        assert_eq!((stored.disputes[0].amount, stored.withdrawn()), (amount, amount));
    }
    let payment = ProcessingPayment::new().await;
    let unknown = json!({"type": "charge.dispute.created", "data": {"object": {"id": "du_9"}}});
    let unknown = unknown.to_string();
    assert_eq!(payment.post(SECRET, &signed(unknown.as_bytes())).await, Ok(()));
}
