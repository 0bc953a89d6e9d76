//! Webhooks of the payment provider: unsigned, duplicated, late and irrelevant ones.

use futures_util::future::join_all;
use rialto_e2e::{
    invariants::SagaTables,
    logs,
    provider::{STUCK, Signer, Simulator, event, webhook},
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
    tables::TableSnapshot,
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock, Timestamp, signature};
use rialto_platform::domain::intent::PaymentIntent;
use serde_json::{Value, json};
use std::time::Duration;

/// An order whose charge is PROCESSING until the test settles it.
struct Fixture {
    shop: Shop,
    simulator: Simulator,
    signer: Signer,
    buyer: DemoAccount,
    product: String,
    order: String,
}

async fn scene() -> Fixture {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Paid for later", 700, 10)).await;
    let (simulator, signer) = (Simulator::open(&shop.aws), Signer::of(&shop.aws).await);
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)]).paid_by(STUCK)).await;
    let scene = Fixture { shop, simulator, signer, buyer, product, order };
    scene.payment_is("PROCESSING").await;
    scene
}

impl Fixture {
    async fn payment_is(&self, state: &str) -> Value {
        eventually(&format!("the payment to be {state}"), async || {
            let answer = self.shop.payment(&self.buyer, &self.order).await;
            if answer.status == 200 && answer.json()["data"]["state"] == state {
                Ok(answer.data(200))
            } else {
                Err(answer)
            }
        })
        .await
    }

    async fn intent(&self) -> PaymentIntent {
        self.simulator.intents(&self.order).await.remove(0)
    }

    async fn in_order(&self) {
        SagaTables::wait_until_consistent(
            &self.shop.aws,
            &[&self.product],
            std::slice::from_ref(&self.order),
        )
        .await;
    }

    /// The items of the order in the payments table.
    async fn picture(&self) -> TableSnapshot {
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
    shop.timeline_events(
        &buyer,
        &order,
        &["OrderPlaced", "StockReserved", "PaymentCaptured", "OrderConfirmed"],
    )
    .await;
    eventually("the provider to have told twice", async || {
        let lines = logs::lines(&shop.aws, "payments", since, &order).await;
        let heard =
            lines.iter().filter(|line| line.text_of("message") == "told of a charge").count();
        if heard >= 2 { Ok(()) } else { Err(format!("{heard} times")) }
    })
    .await;
    assert_eq!(Simulator::open(&shop.aws).charges(&order).await, [(1_000, 0)]);
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_webhooks_for_a_charge_are_recorded_once() {
    let scene = scene().await;
    let intent = scene.simulator.settle(&scene.order).await;
    let told = join_all((0..20).map(|_| scene.signer.succeeded(&scene.shop, &intent))).await;
    let other: Vec<_> = told.into_iter().filter(|answer| answer.status != 204).collect();
    assert_eq!(other, []);
    assert_eq!(
        scene.shop.wait_until_settled(&scene.buyer, &scene.order).await["state"],
        "CONFIRMED"
    );
    scene.in_order().await;
    let types = ["OrderPlaced", "StockReserved", "PaymentCaptured", "OrderConfirmed"];
    scene.shop.timeline_events(&scene.buyer, &scene.order, &types).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charges_that_succeed_after_cancellation_are_refunded() {
    let scene = scene().await;
    let cancel = scene.shop.post(format!("/orders/{}/cancel", scene.order), &json!({}));
    cancel.token(&scene.buyer.token).send().await.expect(200);
    let intent = scene.simulator.settle(&scene.order).await;
    // If the webhook arrives before the cancellation, the charge is captured first and refunded
    // then.
    scene.signer.succeeded(&scene.shop, &intent).await.expect(204);
    let payment = scene.payment_is("REFUNDED").await;
    assert_eq!((&payment["captured"], &payment["refunded"]), (&json!(1_000), &json!(1_000)));
    assert_eq!(scene.simulator.charges(&scene.order).await, [(1_000, 1_000)]);
    scene.in_order().await;
    let before = scene.picture().await;
    scene.signer.succeeded(&scene.shop, &intent).await.expect(204);
    assert_eq!(scene.picture().await.differences(&before), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_without_a_current_signature_are_rejected() {
    let scene = scene().await;
    let (before, intent) = (scene.picture().await, scene.simulator.settle(&scene.order).await);
    let body = event("payment_intent.succeeded", &intent).to_string();
    let now = SystemClock.now();
    let good = scene.signer.sign(&body, now);
    let (time, signature) = good.split_once(',').unwrap();
    let ago = Timestamp::from_millis(now.millis() - 310_000);
    let mut calls = vec![("nothing", webhook(&scene.shop, &body))];
    for (what, header) in [
        ("an empty header", String::new()),
        ("only a time", time.to_owned()),
        ("only a signature", signature.to_owned()),
        (
            "a later time than the one that was signed",
            format!("t={},{signature}", now.seconds() + 1),
        ),
        ("another secret", signature::sign("whsec_another", body.as_bytes(), now)),
        ("an empty secret", signature::sign("", body.as_bytes(), now)),
        ("an older scheme", good.replace("v1=", "v0=")),
        ("half a signature", good[..good.len() - 2].to_owned()),
        ("an old signature", scene.signer.sign(&body, ago)),
        ("a signature of the future", scene.signer.sign(&body, now.plus(Duration::from_secs(310)))),
    ] {
        calls.push((what, webhook(&scene.shop, &body).header(signature::HEADER, header)));
    }
    let altered = format!("{body} ");
    calls.push((
        "another body",
        webhook(&scene.shop, &altered).header(signature::HEADER, good.clone()),
    ));
    for (what, call) in calls {
        let refused = call.send().await.is_problem(400, "invalid", &["Stripe-Signature"]);
        assert_eq!(refused, Ok(()), "{what}");
    }
    assert_eq!(scene.picture().await.differences(&before), Vec::<String>::new());

    // While the secret is rotated there are two signatures, and one valid one is enough.
    let two = format!("{time},v1={},{signature}", "0".repeat(64));
    webhook(&scene.shop, &body).header(signature::HEADER, two).send().await.expect(204);
    scene.payment_is("CAPTURED").await;
    scene.shop.wait_until_settled(&scene.buyer, &scene.order).await;
    scene.in_order().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_webhooks_are_verified_byte_for_byte() {
    let scene = scene().await;
    for body in ["", "{}", "[]", "a=1", "{\"type\":\"payment_intent.succeeded\"}"] {
        let refused = scene.signer.tell(&scene.shop, body).send().await;
        assert_eq!(refused.is_problem(400, "invalid", &["body"]), Ok(()), "{body}");
    }
    // White space and non-ASCII text, which a parser wouldn't reproduce; then the same in base 64,
    // as the gateway passes binary bodies.
    let intent = scene.simulator.settle(&scene.order).await;
    let body = event("payment_intent.processing", &intent).to_string();
    let body = format!("{{ \"note\" :\t\"Zürich \\u00fc 🦀\",\r\n{}", &body[1..]);
    scene.signer.tell(&scene.shop, &body).send().await.expect(204);
    let body = body.replace("processing", "succeeded");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &body);
    let answer = scene
        .shop
        .aws
        .invoke(
            "payments-receive-webhook",
            &json!({
                "resource": "/webhooks/payments", "path": "/webhooks/payments", "httpMethod": "POST",
                "headers": {"Stripe-Signature": scene.signer.sign(&body, SystemClock.now())},
                "requestContext": {"httpMethod": "POST", "resourcePath": "/webhooks/payments"},
                "body": encoded, "isBase64Encoded": true,
            }),
        )
        .await;
    assert_eq!(answer["statusCode"], 204, "{answer}");
    scene.payment_is("CAPTURED").await;
    scene.shop.wait_until_settled(&scene.buyer, &scene.order).await;
    scene.in_order().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_for_other_events_are_acknowledged_and_ignored() {
    let scene = scene().await;
    let (before, intent) = (scene.picture().await, scene.intent().await);
    let of = |id: &str, order: &str| PaymentIntent {
        id: id.to_owned(),
        metadata: [("order_id".to_owned(), order.to_owned())].into(),
        ..intent.clone()
    };
    let stranger = rialto_kernel::OrderId::derive(&[b"nobody's"]).to_string();
    for event in [
        // The provider's API says that the charge is still processing.
        event("payment_intent.succeeded", &intent),
        event("payment_intent.payment_failed", &intent),
        event("payment_intent.canceled", &intent),
        event("customer.created", &intent),
        event("payment_intent.succeeded", &of("pi_somebody_elses", &scene.order)),
        event("payment_intent.succeeded", &of(&intent.id, &stranger)),
        event("payment_intent.succeeded", &of(&intent.id, "nonsense")),
        json!({"type": "payment_intent.succeeded", "data": {"object": {"id": intent.id}}}),
    ] {
        scene.signer.tell(&scene.shop, &event.to_string()).send().await.expect(204);
        assert_eq!(scene.picture().await.differences(&before), Vec::<String>::new(), "{event}");
    }
    let intent = scene.simulator.settle(&scene.order).await;
    scene.signer.succeeded(&scene.shop, &intent).await.expect(204);
    scene.shop.wait_until_settled(&scene.buyer, &scene.order).await;
    scene.in_order().await;
}
