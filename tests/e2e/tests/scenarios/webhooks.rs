//! Webhooks of the payment provider: unsigned, duplicated, late and irrelevant ones.

use futures_util::future::join_all;
use rialto_e2e::{
    fixture::Fixture,
    invariants::SagaTables,
    logs,
    provider::{STUCK, Signer, Simulator, event, webhook},
    shop::{DemoAccount, EVENTS_OF_A_SALE, NewProduct, OrderDraft, Shop},
    tables::TableSnapshot,
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock, Timestamp, signature};
use rialto_platform::domain::intent::PaymentIntent;
use serde_json::{Value, json};
use std::time::Duration;

/// An order whose charge is PROCESSING until the test settles it.
struct WebhookFixture {
    shop: Shop,
    simulator: Simulator,
    signer: Signer,
    buyer: DemoAccount,
    product: String,
    order: String,
}

async fn fixture() -> WebhookFixture {
    let Fixture { shop, buyer, product, .. } =
        Fixture::new(&NewProduct::new("Paid for later", 700, 10)).await;
    let (simulator, signer) = (Simulator::open(&shop.aws), Signer::of(&shop.aws).await);
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)]).paid_by(STUCK)).await;
    let fixture = WebhookFixture { shop, simulator, signer, buyer, product, order };
    fixture.wait_for_payment("PROCESSING").await;
    fixture
}

impl WebhookFixture {
    async fn wait_for_payment(&self, state: &str) -> Value {
        self.shop.wait_for_payment(&self.buyer, &self.order, state).await
    }

    async fn intent(&self) -> PaymentIntent {
        self.simulator.intents(&self.order).await.remove(0)
    }

    async fn wait_until_consistent(&self) {
        SagaTables::wait_until_consistent(
            &self.shop.aws,
            &[&self.product],
            std::slice::from_ref(&self.order),
        )
        .await;
    }

    /// The items of the order in the payments table.
    async fn snapshot(&self) -> TableSnapshot {
        TableSnapshot::take(&self.shop.aws, &[("payments", format!("ORDER#{}", self.order))]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_webhooks_confirm_the_order_once() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Paid for soon", 700, 10)).await;
    let since = SystemClock.now().millis();
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)]).paid_by("pm_sim_async")).await;
    assert_eq!(shop.wait_until_settled(&buyer, &order).await["state"], "CONFIRMED");
    shop.timeline_events(&buyer, &order, &EVENTS_OF_A_SALE).await;
    eventually("two webhooks to be handled", async || {
        let lines = logs::lines(&shop.aws, "payments", since, &order).await;
        let handled = |line: &&logs::Line| {
            line.text_of("function") == "payments-receive-webhook"
                && line.text_of("level") == "INFO"
                && !line.text_of("intent").is_empty()
        };
        let count = lines.iter().filter(handled).count();
        if count >= 2 { Ok(()) } else { Err(format!("{count} times")) }
    })
    .await;
    assert_eq!(Simulator::open(&shop.aws).charges(&order).await, [(1_000, 0)]);
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_webhooks_for_a_charge_are_recorded_once() {
    let fixture = fixture().await;
    let intent = fixture.simulator.settle(&fixture.order).await;
    let responses =
        join_all((0..20).map(|_| fixture.signer.send_success(&fixture.shop, &intent))).await;
    let failed: Vec<_> = responses.into_iter().filter(|response| response.status != 204).collect();
    assert_eq!(failed, []);
    assert_eq!(
        fixture.shop.wait_until_settled(&fixture.buyer, &fixture.order).await["state"],
        "CONFIRMED"
    );
    fixture.wait_until_consistent().await;
    fixture.shop.timeline_events(&fixture.buyer, &fixture.order, &EVENTS_OF_A_SALE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charges_that_succeed_after_cancellation_are_refunded() {
    let fixture = fixture().await;
    let cancel = fixture.shop.post(format!("/orders/{}/cancel", fixture.order), &json!({}));
    cancel.token(&fixture.buyer.token).send().await.expect(200);
    let intent = fixture.simulator.settle(&fixture.order).await;
    // If the webhook arrives before the cancellation, the charge is captured first and refunded
    // then.
    fixture.signer.send_success(&fixture.shop, &intent).await.expect(204);
    let payment = fixture.wait_for_payment("REFUNDED").await;
    assert_eq!((&payment["captured"], &payment["refunded"]), (&json!(1_000), &json!(1_000)));
    assert_eq!(fixture.simulator.charges(&fixture.order).await, [(1_000, 1_000)]);
    fixture.wait_until_consistent().await;
    let before = fixture.snapshot().await;
    fixture.signer.send_success(&fixture.shop, &intent).await.expect(204);
    assert_eq!(fixture.snapshot().await.differences(&before), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_without_a_current_signature_are_rejected() {
    let fixture = fixture().await;
    let (before, intent) =
        (fixture.snapshot().await, fixture.simulator.settle(&fixture.order).await);
    let body = event("payment_intent.succeeded", &intent).to_string();
    let now = SystemClock.now();
    let good = fixture.signer.sign(&body, now);
    let (time, signature) = good.split_once(',').unwrap();
    let ago = Timestamp::from_millis(now.millis() - 310_000);
    let mut calls = vec![("nothing", webhook(&fixture.shop, &body))];
    for (what, header) in [
        ("an empty header", String::new()),
        ("only a time", time.to_owned()),
        ("only a signature", signature.to_owned()),
        ("a later time than the signed one", format!("t={},{signature}", now.seconds() + 1)),
        ("another secret", signature::sign("whsec_another", body.as_bytes(), now)),
        ("an empty secret", signature::sign("", body.as_bytes(), now)),
        ("an older scheme", good.replace("v1=", "v0=")),
        ("half a signature", good[..good.len() - 2].to_owned()),
        ("an old signature", fixture.signer.sign(&body, ago)),
        (
            "a signature from the future",
            fixture.signer.sign(&body, now.plus(Duration::from_secs(310))),
        ),
    ] {
        calls.push((what, webhook(&fixture.shop, &body).header(signature::HEADER, header)));
    }
    let altered = format!("{body} ");
    calls.push((
        "another body",
        webhook(&fixture.shop, &altered).header(signature::HEADER, good.clone()),
    ));
    for (what, call) in calls {
        let refused = call.send().await.is_problem(400, "invalid", &["Stripe-Signature"]);
        assert_eq!(refused, Ok(()), "{what}");
    }
    assert_eq!(fixture.snapshot().await.differences(&before), Vec::<String>::new());

    // While the secret is rotated there are two signatures, and one valid one is enough.
    let two = format!("{time},v1={},{signature}", "0".repeat(64));
    webhook(&fixture.shop, &body).header(signature::HEADER, two).send().await.expect(204);
    fixture.wait_for_payment("CAPTURED").await;
    fixture.shop.wait_until_settled(&fixture.buyer, &fixture.order).await;
    fixture.wait_until_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_webhooks_are_verified_byte_for_byte() {
    let fixture = fixture().await;
    for body in ["", "{}", "[]", "a=1", "{\"type\":\"payment_intent.succeeded\"}"] {
        let refused = fixture.signer.signed_webhook(&fixture.shop, body).send().await;
        assert_eq!(refused.is_problem(400, "invalid", &["body"]), Ok(()), "{body}");
    }
    // White space and non-ASCII text, which a parser wouldn't reproduce; then the same in base 64,
    // as the gateway passes binary bodies.
    let intent = fixture.simulator.settle(&fixture.order).await;
    let body = event("payment_intent.processing", &intent).to_string();
    let body = format!("{{ \"note\" :\t\"Zürich \\u00fc 🦀\",\r\n{}", &body[1..]);
    fixture.signer.signed_webhook(&fixture.shop, &body).send().await.expect(204);
    let body = body.replace("processing", "succeeded");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &body);
    let response = fixture
        .shop
        .aws
        .invoke(
            "payments-receive-webhook",
            &json!({
                "resource": "/webhooks/payments", "path": "/webhooks/payments", "httpMethod": "POST",
                "headers": {"Stripe-Signature": fixture.signer.sign(&body, SystemClock.now())},
                "requestContext": {"httpMethod": "POST", "resourcePath": "/webhooks/payments"},
                "body": encoded, "isBase64Encoded": true,
            }),
        )
        .await;
    assert_eq!(response["statusCode"], 204, "{response}");
    fixture.wait_for_payment("CAPTURED").await;
    fixture.shop.wait_until_settled(&fixture.buyer, &fixture.order).await;
    fixture.wait_until_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_for_other_events_are_acknowledged_and_ignored() {
    let fixture = fixture().await;
    let (before, intent) = (fixture.snapshot().await, fixture.intent().await);
    let of = |id: &str, order: &str| PaymentIntent {
        id: id.to_owned(),
        metadata: [("order_id".to_owned(), order.to_owned())].into(),
        ..intent.clone()
    };
    let unknown = rialto_kernel::OrderId::derive(&[b"no such order"]).to_string();
    for event in [
        // The provider's API says that the charge is still processing.
        event("payment_intent.succeeded", &intent),
        event("payment_intent.payment_failed", &intent),
        event("payment_intent.canceled", &intent),
        event("customer.created", &intent),
        event("payment_intent.succeeded", &of("pi_of_another_order", &fixture.order)),
        event("payment_intent.succeeded", &of(&intent.id, &unknown)),
        event("payment_intent.succeeded", &of(&intent.id, "nonsense")),
        json!({"type": "payment_intent.succeeded", "data": {"object": {"id": intent.id}}}),
    ] {
        fixture.signer.signed_webhook(&fixture.shop, &event.to_string()).send().await.expect(204);
        assert_eq!(fixture.snapshot().await.differences(&before), Vec::<String>::new(), "{event}");
    }
    let intent = fixture.simulator.settle(&fixture.order).await;
    fixture.signer.send_success(&fixture.shop, &intent).await.expect(204);
    fixture.shop.wait_until_settled(&fixture.buyer, &fixture.order).await;
    fixture.wait_until_consistent().await;
}
