use super::*;
use crate::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    application::on_stock_reserved::on_stock_reserved,
    domain::{
        intent::IntentState,
        payment::{Payment, PaymentState},
    },
};
use rialto_contracts::{EventContext, inventory::StockReserved};
use rialto_kernel::{Amount, Clock, Currency, Timestamp, UserId, Write};
use rialto_lambda::http::ProblemCode;
use serde_json::json;

const SECRET: &str = "whsec_test";
/// Requests that no gateway brought have come then.
const NOW: Timestamp = Timestamp::from_millis(0);

/// A clock that shows it.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// A payment whose charge the provider is still at.
struct World {
    store: MemoryPayments,
    provider: MemoryProvider,
    order: OrderId,
}

impl World {
    async fn new() -> Self {
        let world = Self {
            store: MemoryPayments::default(),
            provider: MemoryProvider::default(),
            order: OrderId::derive(&[b"o"]),
        };
        let reserved = StockReserved {
            order_id: world.order,
            user_id: UserId::derive(&[b"u"]),
            total: Amount::new(2_500).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            payment_method: "pm_sim_async".to_owned(),
            expires_at: Timestamp::from_millis(1_000),
        };
        let (store, provider) = (&world.store, &world.provider);
        let begun =
            on_stock_reserved(store, provider, &reserved, &EventContext::default(), &Stopped).await;
        assert_eq!(begun.unwrap(), Write::Done);
        world
    }

    async fn payment(&self) -> Payment {
        self.store.payment(self.order).await.unwrap().unwrap()
    }

    async fn event(&self, kind: &str) -> Value {
        let intent = self.payment().await.intent_id.unwrap();
        let object =
            json!({"id": intent, "object": "payment_intent", "metadata": {"order_id": self.order}});
        json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}})
    }

    /// The problem's code and how it is told, if there is one.
    async fn post(&self, secret: &str, request: &Request) -> Result<(), (ProblemCode, String)> {
        match handle(&self.store, &self.provider, secret, request).await {
            Ok(reply) => {
                assert_eq!((reply.status, reply.body.as_str()), (204, ""));
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
async fn a_charge_that_succeeded_is_recorded_once_however_often_it_is_told() {
    let world = World::new().await;
    let body = world.event("payment_intent.succeeded").await.to_string();
    // Nothing of the event is believed: the provider is asked.
    assert_eq!(world.post(SECRET, &signed(body.as_bytes())).await, Ok(()));
    assert_eq!(world.payment().await.state, PaymentState::Processing);

    world.provider.decide(world.order, &IntentState::Succeeded);
    for _ in 0..3 {
        assert_eq!(world.post(SECRET, &signed(body.as_bytes())).await, Ok(()));
        assert_eq!(
            (world.payment().await.state, world.store.published_events().len()),
            (PaymentState::Captured, 1)
        );
    }
    // What comes out of order says nothing new either.
    for kind in
        ["payment_intent.payment_failed", "payment_intent.canceled", "payment_intent.processing"]
    {
        let late = world.event(kind).await.to_string();
        assert_eq!(world.post(SECRET, &signed(late.as_bytes())).await, Ok(()));
    }
    assert_eq!(
        (world.payment().await.state, world.store.published_events().len()),
        (PaymentState::Captured, 1)
    );
}

#[tokio::test]
async fn what_is_not_signed_is_refused_and_changes_nothing() {
    let world = World::new().await;
    world.provider.decide(world.order, &IntentState::Succeeded);
    let body = world.event("payment_intent.succeeded").await.to_string();
    let good = signature::sign(SECRET, body.as_bytes(), NOW);
    let old = signature::sign(SECRET, body.as_bytes(), Timestamp::from_millis(-301_000));
    let early = signature::sign(SECRET, body.as_bytes(), Timestamp::from_millis(301_000));
    let stranger = signature::sign("whsec_other", body.as_bytes(), NOW);
    for header in ["", "t=0", "v1=00", "nonsense", &old, &early, &stranger] {
        let (code, told) = world.post(SECRET, &request(body.as_bytes(), header)).await.unwrap_err();
        assert!(
            code == ProblemCode::Invalid && told.contains("Stripe-Signature"),
            "{header}: {told}"
        );
    }
    let altered = body.replace("succeeded", "canceled");
    assert!(world.post(SECRET, &request(altered.as_bytes(), &good)).await.is_err());
    let mut unsigned = request(body.as_bytes(), &good);
    unsigned.headers.clear();
    assert!(world.post(SECRET, &unsigned).await.is_err());
    assert_eq!(world.payment().await.state, PaymentState::Processing);
}

#[tokio::test]
async fn without_a_secret_nobody_is_believed() {
    let world = World::new().await;
    let body = world.event("payment_intent.succeeded").await.to_string();
    let forged = request(body.as_bytes(), &signature::sign("", body.as_bytes(), NOW));
    assert_eq!(world.post("", &forged).await.unwrap_err().0, ProblemCode::Unavailable);
}

#[tokio::test]
async fn what_is_signed_and_no_event_is_refused() {
    let world = World::new().await;
    for body in
        ["", "{}", "[]", "null", "{\"type\":\"x\"}", "{\"type\":7,\"data\":{\"object\":{}}}"]
    {
        let (code, told) = world.post(SECRET, &signed(body.as_bytes())).await.unwrap_err();
        assert!(code == ProblemCode::Invalid && told.contains("body"), "{body}: {told}");
    }
}

#[tokio::test]
async fn what_is_about_something_else_is_acknowledged() {
    let world = World::new().await;
    world.provider.decide(world.order, &IntentState::Succeeded);
    let good = world.event("payment_intent.succeeded").await;
    let with = |pointer: &str, value: Value| {
        let mut event = good.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let another = OrderId::derive(&[b"another"]);
    for event in [
        with("/type", json!("customer.created")),
        with("/type", json!("payment_intent.processing")),
        with("/data/object", json!({})),
        with("/data/object", json!("pi_1")),
        with("/data/object/metadata", json!(null)),
        with("/data/object/metadata/order_id", json!("nonsense")),
        with("/data/object/metadata/order_id", json!(another)),
        with("/data/object/id", json!("pi_another")),
        with("/data/object/id", json!("../refunds")),
    ] {
        assert_eq!(
            world.post(SECRET, &signed(event.to_string().as_bytes())).await,
            Ok(()),
            "{event}"
        );
    }
    assert_eq!(world.payment().await.state, PaymentState::Processing);
}
