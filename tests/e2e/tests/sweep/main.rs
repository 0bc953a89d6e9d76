//! The sweeps with a simulated time. They run after all other tests, because they settle everything
//! on the stage.

mod paying_again;

use rialto_e2e::{
    fixture::Fixture,
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
static EXCLUSIVE: Mutex<()> = Mutex::const_new(());

/// An order whose charge the provider never decides.
struct SweepFixture {
    shop: Shop,
    simulator: Simulator,
    seller: DemoAccount,
    buyer: DemoAccount,
    product: String,
    order: String,
}

async fn fixture() -> SweepFixture {
    let Fixture { shop, seller, buyer, product } =
        Fixture::new(&NewProduct::new("Never paid for", 700, 10)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 2)]).paid_by(STUCK)).await;
    let simulator = Simulator::open(&shop.aws);
    let fixture = SweepFixture { shop, simulator, seller, buyer, product, order };
    fixture.wait_for_payment("PROCESSING").await;
    assert_eq!(fixture.shop.stock(&fixture.seller, &fixture.product).await, (8, 2, 0));
    fixture
}

/// Runs a service's sweep as if it were this many minutes later.
async fn sweep(shop: &Shop, service: &str, minutes: u64) -> Value {
    let now = SystemClock.now().plus(Duration::from_secs(minutes * 60));
    shop.aws.invoke(&format!("{service}-sweep"), &json!({ "now": now })).await
}

impl SweepFixture {
    async fn sweep(&self, service: &str, minutes: u64) -> Value {
        sweep(&self.shop, service, minutes).await
    }

    async fn wait_for_payment(&self, state: &str) {
        self.shop.wait_for_payment(&self.buyer, &self.order, state).await;
    }

    /// Waits until the order is cancelled for this reason and its stock is released.
    async fn wait_until_cancelled(&self, reason: &str) {
        let order = self.shop.wait_until_settled(&self.buyer, &self.order).await;
        assert_eq!((&order["state"], &order["reason"]), (&json!("CANCELLED"), &json!(reason)));
        eventually("the stock to be released", async || {
            let stock = self.shop.stock(&self.seller, &self.product).await;
            if stock == (10, 0, 0) { Ok(()) } else { Err(format!("{stock:?}")) }
        })
        .await;
    }

    async fn wait_until_consistent(&self) {
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
    let _exclusive = EXCLUSIVE.lock().await;
    let fixture = fixture().await;
    fixture.sweep("payments", 14).await;
    fixture.sweep("orders", 14).await;
    assert_eq!(fixture.shop.order(&fixture.buyer, &fixture.order).await["state"], "PENDING");
    fixture.wait_for_payment("PROCESSING").await;

    fixture.sweep("orders", 15).await;
    fixture.wait_until_cancelled("TIMEOUT").await;
    eventually("the charge to be voided", async || {
        let swept = fixture.sweep("payments", 15).await;
        assert_eq!(swept["failed"], 0, "{swept}");
        let payment = fixture.shop.payment(&fixture.buyer, &fixture.order).await;
        if payment.text().contains("VOIDED") { Ok(()) } else { Err(payment) }
    })
    .await;
    assert_eq!(fixture.simulator.charges(&fixture.order).await, []);
    fixture.wait_until_consistent().await;
    let nothing = json!({"settled": 0, "waiting": 0, "skipped": 0, "failed": 0});
    assert_eq!(fixture.sweep("payments", 15).await, nothing);

    // The charge succeeds after all: it is recorded, published and refunded at once.
    let intent = fixture.simulator.settle(&fixture.order).await;
    Signer::of(&fixture.shop.aws).await.send_success(&fixture.shop, &intent).await.expect(204);
    fixture.wait_for_payment("REFUNDED").await;
    assert_eq!(fixture.simulator.charges(&fixture.order).await, [(1_700, 1_700)]);
    let mut types: Vec<String> = Vec::new();
    eventually("the refund in the timeline", async || {
        let timeline = fixture.shop.timeline(&fixture.buyer, &fixture.order).await;
        types = timeline.iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect();
        let has = |kind: &str| types.iter().any(|other| other == kind);
        if has("PaymentCaptured") && has("RefundIssued") {
            Ok(())
        } else {
            Err(format!("{types:?}"))
        }
    })
    .await;
    fixture.wait_until_cancelled("TIMEOUT").await;
    fixture.wait_until_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_fails_undecided_charges_after_15_minutes() {
    let _exclusive = EXCLUSIVE.lock().await;
    let fixture = fixture().await;
    fixture.sweep("payments", 15).await;
    fixture.wait_for_payment("FAILED").await;
    // Orders makes this of the failure's reason, `expired`, whichever sweep comes first.
    fixture.wait_until_cancelled("TIMEOUT").await;
    assert_eq!(fixture.simulator.charges(&fixture.order).await, []);
    fixture.wait_until_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_successful_charges_without_a_webhook() {
    let _exclusive = EXCLUSIVE.lock().await;
    let fixture = fixture().await;
    fixture.simulator.settle(&fixture.order).await;
    fixture.sweep("payments", 15).await;
    fixture.wait_for_payment("CAPTURED").await;
    assert_eq!(
        fixture.shop.wait_until_settled(&fixture.buyer, &fixture.order).await["state"],
        "CONFIRMED"
    );
    fixture.wait_until_consistent().await;
}
