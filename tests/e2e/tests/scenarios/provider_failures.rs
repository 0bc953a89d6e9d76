//! Failures of the payment provider: lost responses, repeated errors, expired idempotency keys.
//! Every order is charged once, as counted at the provider.

use rialto_e2e::{
    bus::BusSubscription,
    invariants::SagaTables,
    logs,
    provider::{STUCK, Signer, Simulator},
    retries::with_short_visibility_timeout,
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
    wait::eventually,
};
use rialto_kernel::{Amount, Clock, OrderId, SystemClock, UserId};
use rialto_orders::domain::request::order_id;
use rialto_payments::domain::refund::Refund;
use serde_json::json;

const CONSUMER: &str = "payments-on-inventory";
/// The price of one piece and the shipping fee.
const TOTAL: u64 = 700 + 300;

struct Fixture {
    shop: Shop,
    simulator: Simulator,
    buyer: DemoAccount,
    product: String,
}

async fn scene() -> Fixture {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Paid for once", 700, 10)).await;
    let simulator = Simulator::open(&shop.aws);
    Fixture { shop, simulator, buyer, product }
}

impl Fixture {
    fn basket(&self, method: &'static str) -> OrderDraft {
        OrderDraft::of(&[(&self.product, 1)]).paid_by(method)
    }

    /// The id that the draft's order will have.
    fn order_of(&self, basket: &OrderDraft) -> String {
        order_id(UserId::parse(&self.buyer.id).unwrap(), &basket.key).to_string()
    }

    /// Waits until the order is CONFIRMED and consistent, with one intent and one charge.
    async fn paid_once(&self, order: &str) {
        assert_eq!(self.shop.wait_until_settled(&self.buyer, order).await["state"], "CONFIRMED");
        SagaTables::wait_until_consistent(&self.shop.aws, &[&self.product], &[order.to_owned()])
            .await;
        assert_eq!(self.simulator.charges(order).await, [(TOTAL, 0)]);
        assert_eq!(self.simulator.intents(order).await.len(), 1);
    }

    /// Waits until payments has failed this many times at this order because of the stored 500.
    async fn failed(&self, order: &str, times: usize, since: i64) {
        eventually("the kept failure to be met", async || {
            let lines = logs::lines(&self.shop.aws, "payments", since, order).await;
            let met = lines.iter().filter(|line| line.text.contains("status 500")).count();
            if met >= times { Ok(()) } else { Err(format!("{met} times of {times}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_charged_once_when_the_provider_misbehaves() {
    let scene = scene().await;
    with_short_visibility_timeout(&scene.shop.aws, CONSUMER, async {
        for method in ["pm_sim_lost", "pm_sim_flaky", "pm_sim_slow", "pm_sim_async"] {
            let order = scene.shop.place(&scene.buyer, &scene.basket(method)).await;
            scene.paid_once(&order).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_charged_once_after_the_providers_key_expired() {
    let scene = scene().await;
    for method in ["pm_sim_lost", "pm_card_visa"] {
        let basket = scene.basket(method);
        let order = scene.order_of(&basket);
        let tap = BusSubscription::on_orders(&scene.shop.aws, std::slice::from_ref(&order)).await;
        with_short_visibility_timeout(&scene.shop.aws, CONSUMER, async {
            scene.shop.place(&scene.buyer, &basket).await;
            eventually("the charge to be begun", async || {
                let intents = scene.simulator.intents(&order).await.len();
                if intents == 1 { Ok(()) } else { Err("no intent") }
            })
            .await;
            scene.simulator.age(&order).await;
            scene.paid_once(&order).await;
        })
        .await;
        let heard = tap.take_all().await;
        let reserved = heard.iter().find(|heard| heard.detail_type == "StockReserved").unwrap();
        tap.close().await;
        let again = [reserved.message(), reserved.message()];
        assert_eq!(scene.shop.aws.consume(CONSUMER, &again).await, [""; 0]);
        scene.paid_once(&order).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_charged_once_after_the_provider_repeats_an_error() {
    let scene = scene().await;
    let basket = scene.basket("pm_card_visa");
    let order = scene.order_of(&basket);
    let form = format!(
        "amount={TOTAL}&currency=eur&payment_method=pm_card_visa&automatic_payment_methods%5Benabled%5D=true\
         &automatic_payment_methods%5Ballow_redirects%5D=never&metadata%5Border_id%5D={order}"
    );
    scene.simulator.fail(&order, "v1/payment_intents", &form).await;
    let since = SystemClock.now().millis();
    with_short_visibility_timeout(&scene.shop.aws, CONSUMER, async {
        scene.shop.place(&scene.buyer, &basket).await;
        scene.failed(&order, 2, since).await;
        assert_eq!(scene.simulator.charges(&order).await, []);
        scene.simulator.age(&order).await;
        scene.paid_once(&order).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_refunded_once_after_the_provider_repeats_an_error() {
    let scene = scene().await;
    // The consumer of the cancellation may meet the failure too.
    with_short_visibility_timeout(&scene.shop.aws, "payments-on-orders", refunded_once(&scene))
        .await;
}

async fn refunded_once(scene: &Fixture) {
    let (shop, simulator) = (&scene.shop, &scene.simulator);
    let order = shop.place(&scene.buyer, &scene.basket(STUCK)).await;
    eventually("the charge to be begun", async || {
        let payment = shop.payment(&scene.buyer, &order).await;
        if payment.text().contains("PROCESSING") { Ok(()) } else { Err(payment) }
    })
    .await;
    let cancelled =
        shop.post(format!("/orders/{order}/cancel"), &json!({})).token(&scene.buyer.token);
    cancelled.send().await.expect(200);

    // The charge succeeds all the same, and a 500 is stored under its refund's key.
    let total = Amount::new(i64::try_from(TOTAL).unwrap()).unwrap();
    let refund = Refund::remaining(OrderId::parse(&order).unwrap(), total).refund_id.to_string();
    let intent = simulator.settle(&order).await;
    let form =
        format!("payment_intent={}&amount={TOTAL}&metadata%5Brefund_id%5D={refund}", intent.id);
    simulator.fail(&refund, "v1/refunds", &form).await;
    let signer = Signer::of(&shop.aws).await;
    eventually("the cancellation to be heard, and the refund to fail", async || {
        let answer = signer.succeeded(shop, &intent).await;
        if answer.status == 503 { Ok(()) } else { Err(answer) }
    })
    .await;
    signer.succeeded(shop, &intent).await.problem(503, "unavailable");
    assert_eq!(simulator.charges(&order).await, [(TOTAL, 0)]);

    simulator.age(&refund).await;
    for _ in 0..3 {
        signer.succeeded(shop, &intent).await.expect(204);
        assert_eq!(simulator.charges(&order).await, [(TOTAL, TOTAL)]);
    }
    let payment = shop.payment(&scene.buyer, &order).await.data(200);
    assert_eq!(
        (&payment["state"], payment["refunds"].as_array().unwrap().len()),
        (&json!("REFUNDED"), 1)
    );
    SagaTables::wait_until_consistent(&shop.aws, &[&scene.product], std::slice::from_ref(&order))
        .await;
}
