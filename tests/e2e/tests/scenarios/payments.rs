//! Payments that their buyer authenticates (3-D Secure), disputes, and the list of all payments.

use futures_util::future::join_all;
use rialto_aws::SecretStore;
use rialto_e2e::{
    fixture::Fixture,
    http::{HttpClient, HttpResponse},
    invariants::SagaTables,
    operator::Cli,
    provider::Simulator,
    shop::{NewProduct, OrderDraft, Shop, unique},
    wait::eventually,
};
use rialto_kernel::settings::PROVIDER_KEY;
use serde_json::{Value, json};

/// A payment method that the buyer has to authenticate.
const AUTHENTICATES: &str = "pm_sim_3ds";

/// An order of 2 pieces for 700 each, whose payment waits for its buyer.
struct UnauthenticatedOrder {
    fixture: Fixture,
    simulator: Simulator,
    order: String,
    /// The address of the bank's page.
    page: String,
}

impl UnauthenticatedOrder {
    async fn place() -> Self {
        let fixture = Fixture::new(&NewProduct::new("Paid with care", 700, 10)).await;
        let Fixture { shop, buyer, product, .. } = &fixture;
        let draft = OrderDraft::of(&[(product, 2)]).paid_by(AUTHENTICATES);
        let order = shop.place(buyer, &draft).await;
        let payment = shop.wait_for_payment(buyer, &order, "REQUIRES_ACTION").await;
        let page = payment["next_action"]["url"].as_str().unwrap().to_owned();
        let simulator = Simulator::open(&shop.aws);
        Self { simulator, order, page, fixture }
    }

    /// Presses a button on the bank's page.
    async fn act(&self, action: &str) -> HttpResponse {
        let (page, secret) = self.page.split_once('?').unwrap();
        let form = format!("{secret}&action={action}");
        let call = HttpClient::new(page).request("POST", "");
        call.body("application/x-www-form-urlencoded", form).send().await
    }

    /// Waits until the order has this state and reason, and checks the stock and all tables.
    async fn wait_for(&self, state: &str, reason: Option<&str>, stock: (u64, u64, u64)) {
        let Fixture { shop, seller, buyer, product } = &self.fixture;
        let order = shop.wait_until_settled(buyer, &self.order).await;
        assert_eq!((&order["state"], &order["reason"]), (&json!(state), &json!(reason)), "{order}");
        let orders = std::slice::from_ref(&self.order);
        SagaTables::wait_until_consistent(&shop.aws, &[product], orders).await;
        assert_eq!(shop.stock(seller, product).await, stock);
        assert_eq!(self.simulator.intents(&self.order).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticated_payment_confirms_its_order_once() {
    let waiting = UnauthenticatedOrder::place().await;
    let Fixture { shop, seller, buyer, product } = &waiting.fixture;
    assert_eq!(shop.order(buyer, &waiting.order).await["state"], "PENDING");
    assert_eq!(shop.stock(seller, product).await, (8, 2, 0));
    let seen = shop.payment(&shop.supervisor().await, &waiting.order).await.data(200);
    assert_eq!(seen.get("next_action"), None, "only the buyer may authenticate: {seen}");
    let clicks = join_all((0..5).map(|_| waiting.act("accept"))).await;
    assert!(clicks.iter().all(|click| click.status == 200), "{clicks:?}");
    waiting.wait_for("CONFIRMED", None, (8, 0, 2)).await;
    assert_eq!(waiting.simulator.charges(&waiting.order).await, [(1_700, 0)]);
    let payment = shop.payment(buyer, &waiting.order).await.data(200);
    assert_eq!((&payment["state"], payment.get("next_action")), (&json!("CAPTURED"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_authentication_cancels_its_order() {
    let waiting = UnauthenticatedOrder::place().await;
    assert_eq!(waiting.act("decline").await.status, 200);
    waiting.wait_for("CANCELLED", Some("PAYMENT_FAILED"), (10, 0, 0)).await;
    assert_eq!(waiting.simulator.charges(&waiting.order).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_cannot_be_authenticated() {
    let waiting = UnauthenticatedOrder::place().await;
    let Fixture { shop, buyer, .. } = &waiting.fixture;
    let path = format!("/orders/{}/cancel", waiting.order);
    shop.post(path, &json!({})).token(&buyer.token).send().await.data(200);
    shop.wait_for_payment(buyer, &waiting.order, "VOIDED").await;
    waiting.act("accept").await;
    waiting.wait_for("CANCELLED", Some("BUYER"), (10, 0, 0)).await;
    assert_eq!(waiting.simulator.charges(&waiting.order).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_list_payments_by_state() {
    let waiting = UnauthenticatedOrder::place().await;
    let Fixture { shop, seller, buyer, .. } = &waiting.fixture;
    let supervisor = shop.supervisor().await;
    let path = "/payments?state=REQUIRES_ACTION&limit=100";
    for other in [buyer, seller] {
        shop.get(path).token(&other.token).send().await.problem(403, "forbidden");
    }
    let is_listed = async || {
        let listed = shop.pages(Some(&supervisor), path).await.concat();
        let other = |payment: &&Value| payment["state"] != "REQUIRES_ACTION";
        assert_eq!(listed.iter().find(other), None);
        listed.iter().any(|payment| payment["order_id"] == waiting.order.as_str())
    };
    eventually("the payment to be listed", async || {
        if is_listed().await { Ok(()) } else { Err("it isn't") }
    })
    .await;
    waiting.act("accept").await;
    waiting.wait_for("CONFIRMED", None, (8, 0, 2)).await;
    eventually("the payment not to be listed", async || {
        if is_listed().await { Err("it is") } else { Ok(()) }
    })
    .await;
}

/// Decides a dispute, as the bank does.
async fn close_dispute(shop: &Shop, dispute: &Value, status: &str) {
    let cli = Cli::new(env!("CARGO_BIN_EXE_operator"), shop);
    let provider = cli.run("config get payments/provider-url").await.with_status(0);
    let secret = shop.aws.stage.secret(PROVIDER_KEY.name);
    let key = SecretStore::new(&shop.aws.config).get(&secret).await.unwrap().unwrap();
    let path = format!("/v1/simulator/disputes/{}/close", dispute.as_str().unwrap());
    let call = HttpClient::new(provider.out.trim()).request("POST", path).token(&key);
    let call = call.body("application/x-www-form-urlencoded", format!("status={status}"));
    assert_eq!(call.send().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_wait_until_a_dispute_is_decided() {
    for (status, refunded, settled) in [("won", 1_700, 0), ("lost", 0, 1_700)] {
        let fixture = Fixture::new(&NewProduct::new("Disputed", 700, 10)).await;
        let Fixture { shop, seller, buyer, product } = &fixture;
        let draft = OrderDraft::of(&[(product, 2)]).paid_by("pm_sim_dispute");
        let order = shop.place(buyer, &draft).await;
        assert_eq!(shop.wait_until_settled(buyer, &order).await["state"], "CONFIRMED");
        let payment_with = async |field: &str, expected: Value| {
            eventually(&format!("{field} of the payment to be {expected}"), async || {
                let payment = shop.payment(buyer, &order).await.data(200);
                let found = payment.pointer(field) == Some(&expected);
                if found { Ok(payment) } else { Err(payment.to_string()) }
            })
            .await
        };
        let disputed = payment_with("/dispute/state", json!("OPEN")).await;
        let goodwill = json!({ "amount": 100, "reason": "late" });
        let refund = shop.post(format!("/orders/{order}/refunds"), &goodwill);
        let refund = refund.token(&shop.supervisor().await.token);
        let refused = refund.header("Idempotency-Key", unique("goodwill")).send().await;
        refused.problem(409, "illegal_transition");
        let reject = shop.post(format!("/orders/{order}/lines/1/reject"), &json!({}));
        reject.token(&seller.token).send().await.data(200);
        payment_with("/waiting", json!(1_700)).await;
        close_dispute(shop, &disputed["dispute"]["dispute_id"], status).await;
        payment_with("/refunded", json!(refunded)).await;
        payment_with("/settled", json!(settled)).await;
        let simulator = Simulator::open(&shop.aws);
        assert_eq!(simulator.charges(&order).await, [(1_700, refunded)]);
        let orders = std::slice::from_ref(&order);
        SagaTables::wait_until_consistent(&shop.aws, &[product], orders).await;
        assert_eq!(shop.stock(seller, product).await, (10, 0, 0));
    }
}
