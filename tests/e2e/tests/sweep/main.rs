//! The sweeps with a simulated time. They run after all other tests, because they settle everything
//! on the stage.

use rialto_e2e::{
    invariants::SagaTables,
    provider::{STUCK, Signer, Simulator},
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Mutex;

/// Tests run one at a time, because each sweep affects the whole stage.
static ALONE: Mutex<()> = Mutex::const_new(());

/// An order whose charge the provider never decides.
struct Fixture {
    shop: Shop,
    simulator: Simulator,
    seller: DemoAccount,
    buyer: DemoAccount,
    product: String,
    order: String,
}

async fn scene() -> Fixture {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Never paid for", 700, 10)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 2)]).paid_by(STUCK)).await;
    let simulator = Simulator::open(&shop.aws);
    let scene = Fixture { shop, simulator, seller, buyer, product, order };
    scene.payment_is("PROCESSING").await;
    assert_eq!(scene.shop.stock(&scene.seller, &scene.product).await, (8, 2, 0));
    scene
}

impl Fixture {
    /// Runs a service's sweep as if it were this many minutes later.
    async fn sweep(&self, service: &str, minutes: u64) -> Value {
        let now = SystemClock.now().plus(Duration::from_secs(minutes * 60));
        self.shop.aws.invoke(&format!("{service}-sweep"), &json!({ "now": now })).await
    }

    async fn payment_is(&self, state: &str) {
        eventually(&format!("the payment to be {state}"), async || {
            let answer = self.shop.payment(&self.buyer, &self.order).await;
            if answer.text().contains(&format!("\"{state}\"")) { Ok(()) } else { Err(answer) }
        })
        .await;
    }

    /// Waits until the order is cancelled for this reason and its stock is released.
    async fn cancelled(&self, reason: &str) {
        let order = self.shop.wait_until_settled(&self.buyer, &self.order).await;
        assert_eq!((&order["state"], &order["reason"]), (&json!("CANCELLED"), &json!(reason)));
        eventually("the stock to come back", async || {
            let stock = self.shop.stock(&self.seller, &self.product).await;
            if stock == (10, 0, 0) { Ok(()) } else { Err(format!("{stock:?}")) }
        })
        .await;
    }

    async fn in_order(&self) {
        SagaTables::wait_until_consistent(
            &self.shop.aws,
            &[&self.product],
            std::slice::from_ref(&self.order),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeps_cancel_pending_orders_after_15_minutes() {
    let _alone = ALONE.lock().await;
    let scene = scene().await;
    scene.sweep("payments", 14).await;
    scene.sweep("orders", 14).await;
    assert_eq!(scene.shop.order(&scene.buyer, &scene.order).await["state"], "PENDING");
    scene.payment_is("PROCESSING").await;

    scene.sweep("orders", 15).await;
    scene.cancelled("TIMEOUT").await;
    eventually("the charge to be called off", async || {
        let swept = scene.sweep("payments", 15).await;
        assert_eq!(swept["failed"], 0, "{swept}");
        let payment = scene.shop.payment(&scene.buyer, &scene.order).await;
        if payment.text().contains("VOIDED") { Ok(()) } else { Err(payment) }
    })
    .await;
    assert_eq!(scene.simulator.charges(&scene.order).await, []);
    scene.in_order().await;
    assert_eq!(scene.sweep("payments", 15).await, json!({"settled": 0, "left": 0, "failed": 0}));

    // The charge succeeds after all: it is recorded, published and refunded at once.
    let intent = scene.simulator.settle(&scene.order).await;
    Signer::of(&scene.shop.aws).await.succeeded(&scene.shop, &intent).await.expect(204);
    scene.payment_is("REFUNDED").await;
    assert_eq!(scene.simulator.charges(&scene.order).await, [(1_700, 1_700)]);
    let mut told: Vec<String> = Vec::new();
    eventually("the refund to be told", async || {
        let timeline = scene.shop.timeline(&scene.buyer, &scene.order).await;
        told = timeline.iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect();
        let has = |kind: &str| told.iter().any(|told| told == kind);
        if has("PaymentCaptured") && has("RefundIssued") {
            Ok(())
        } else {
            Err(format!("{told:?}"))
        }
    })
    .await;
    scene.cancelled("TIMEOUT").await;
    scene.in_order().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_fails_undecided_charges_after_15_minutes() {
    let _alone = ALONE.lock().await;
    let scene = scene().await;
    scene.sweep("payments", 15).await;
    scene.payment_is("FAILED").await;
    scene.cancelled("PAYMENT_FAILED").await;
    assert_eq!(scene.simulator.charges(&scene.order).await, []);
    scene.in_order().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_successful_charges_without_a_webhook() {
    let _alone = ALONE.lock().await;
    let scene = scene().await;
    scene.simulator.settle(&scene.order).await;
    scene.sweep("payments", 15).await;
    scene.payment_is("CAPTURED").await;
    assert_eq!(
        scene.shop.wait_until_settled(&scene.buyer, &scene.order).await["state"],
        "CONFIRMED"
    );
    scene.in_order().await;
}
