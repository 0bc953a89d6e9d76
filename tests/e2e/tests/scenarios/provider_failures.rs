//! Failures of the payment provider: lost responses, repeated errors, expired idempotency keys.
//! Every order is charged once, as counted at the provider.

use futures_util::future::join_all;
use rialto_e2e::{
    bus::BusSubscription,
    fixture::Fixture,
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
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

const CONSUMER: &str = "payments-on-inventory";
/// The price of one piece and the shipping fee.
const TOTAL: u64 = 700 + 300;

struct ProviderFixture {
    shop: Shop,
    simulator: Simulator,
    buyer: DemoAccount,
    product: String,
}

async fn fixture() -> ProviderFixture {
    let Fixture { shop, buyer, product, .. } =
        Fixture::new(&NewProduct::new("Paid for once", 700, 10)).await;
    let simulator = Simulator::open(&shop.aws);
    ProviderFixture { shop, simulator, buyer, product }
}

impl ProviderFixture {
    fn draft(&self, method: &'static str) -> OrderDraft {
        OrderDraft::of(&[(&self.product, 1)]).paid_by(method)
    }

    /// The id that the draft's order will have.
    fn order_of(&self, draft: &OrderDraft) -> String {
        order_id(UserId::parse(&self.buyer.id).unwrap(), &draft.key).to_string()
    }

    /// Waits until the order is CONFIRMED and consistent, with one intent and one charge.
    async fn wait_until_paid_once(&self, order: &str) {
        assert_eq!(self.shop.wait_until_settled(&self.buyer, order).await["state"], "CONFIRMED");
        SagaTables::wait_until_consistent(&self.shop.aws, &[&self.product], &[order.to_owned()])
            .await;
        assert_eq!(self.simulator.charges(order).await, [(TOTAL, 0)]);
        assert_eq!(self.simulator.intents(order).await.len(), 1);
    }

    /// Waits until payments has failed this many times at this order because of the stored 500.
    async fn wait_for_failures(&self, order: &str, times: usize, since: i64) {
        eventually("the stored failure to be returned", async || {
            let lines = logs::lines(&self.shop.aws, "payments", since, order).await;
            let failures = lines.iter().filter(|line| line.text.contains("status 500")).count();
            if failures >= times { Ok(()) } else { Err(format!("{failures} of {times} times")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_charged_once_when_the_provider_misbehaves() {
    let fixture = fixture().await;
    with_short_visibility_timeout(&fixture.shop.aws, CONSUMER, async {
        for method in ["pm_sim_lost", "pm_sim_flaky", "pm_sim_slow", "pm_sim_async"] {
            let order = fixture.shop.place(&fixture.buyer, &fixture.draft(method)).await;
            fixture.wait_until_paid_once(&order).await;
        }
    })
    .await;
}

/// A hundred orders whose answer is lost, with the queue's own visibility timeout.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_not_left_to_the_queue() {
    const ROUNDS: usize = 10;
    const AT_A_TIME: usize = 10;
    let product = NewProduct::new("Paid without an answer", 700, 100);
    let Fixture { shop, buyer, product, .. } = Fixture::new(&product).await;
    let since = SystemClock.now().millis();
    let mut times = Vec::new();
    let mut orders = BTreeSet::new();
    for _ in 0..ROUNDS {
        let round = (0..AT_A_TIME).map(|_| async {
            let draft = OrderDraft::of(&[(&product, 1)]).paid_by("pm_sim_lost");
            let started = Instant::now();
            let order = shop.place(&buyer, &draft).await;
            assert_eq!(shop.wait_until_settled(&buyer, &order).await["state"], "CONFIRMED");
            (order, started.elapsed())
        });
        for (order, time) in join_all(round).await {
            orders.insert(order);
            times.push(time);
        }
    }
    times.sort_unstable();
    println!("placed to CONFIRMED, {} orders:", times.len());
    for percent in [0, 50, 90, 99, 100] {
        println!(
            "| {percent:>3} % | {:>5} ms |",
            times[(times.len() - 1) * percent / 100].as_millis()
        );
    }

    let receives = eventually("every charge to be logged", async || {
        let lines = logs::lines(&shop.aws, "payments", since, "StockReserved").await;
        let receives: BTreeMap<String, String> = lines
            .iter()
            .map(|line| (line.text_of("correlation_id"), line.text_of("receives")))
            .filter(|(order, _)| orders.contains(*order))
            .map(|(order, receives)| (order.to_owned(), receives.to_owned()))
            .collect();
        if receives.len() == orders.len() { Ok(receives) } else { Err(receives.len()) }
    })
    .await;
    // On a busy machine a few deliveries run out of time; every one would need a second receive if
    // lost answers were left to the queue.
    let later: Vec<_> = receives.iter().filter(|(_, receives)| *receives != "1").collect();
    assert!(later.len() <= orders.len() / 5, "charged after more than one receive: {later:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_charged_once_after_the_providers_key_expired() {
    let fixture = fixture().await;
    for method in ["pm_sim_lost", "pm_card_visa"] {
        let draft = fixture.draft(method);
        let order = fixture.order_of(&draft);
        let subscription =
            BusSubscription::on_orders(&fixture.shop.aws, std::slice::from_ref(&order)).await;
        with_short_visibility_timeout(&fixture.shop.aws, CONSUMER, async {
            fixture.shop.place(&fixture.buyer, &draft).await;
            eventually("the charge to be created", async || {
                let intents = fixture.simulator.intents(&order).await.len();
                if intents == 1 { Ok(()) } else { Err("no intent") }
            })
            .await;
            fixture.simulator.age(&order).await;
            fixture.wait_until_paid_once(&order).await;
        })
        .await;
        let received = subscription.take_all().await;
        let reserved =
            received.iter().find(|received| received.detail_type == "StockReserved").unwrap();
        subscription.close().await;
        let again = [reserved.message(), reserved.message()];
        assert_eq!(fixture.shop.aws.consume(CONSUMER, &again).await, [""; 0]);
        fixture.wait_until_paid_once(&order).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_charged_once_after_the_provider_repeats_an_error() {
    let fixture = fixture().await;
    let draft = fixture.draft("pm_card_visa");
    let order = fixture.order_of(&draft);
    let form = format!(
        "amount={TOTAL}&currency=eur&payment_method=pm_card_visa&automatic_payment_methods%5Benabled%5D=true\
         &automatic_payment_methods%5Ballow_redirects%5D=never&metadata%5Border_id%5D={order}"
    );
    fixture.simulator.fail(&order, "v1/payment_intents", &form).await;
    let since = SystemClock.now().millis();
    with_short_visibility_timeout(&fixture.shop.aws, CONSUMER, async {
        fixture.shop.place(&fixture.buyer, &draft).await;
        fixture.wait_for_failures(&order, 2, since).await;
        assert_eq!(fixture.simulator.charges(&order).await, []);
        fixture.simulator.age(&order).await;
        fixture.wait_until_paid_once(&order).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_refunded_once_after_the_provider_repeats_an_error() {
    let fixture = fixture().await;
    // The consumer of the cancellation may meet the failure too.
    with_short_visibility_timeout(&fixture.shop.aws, "payments-on-orders", refund_once(&fixture))
        .await;
}

async fn refund_once(fixture: &ProviderFixture) {
    let (shop, simulator) = (&fixture.shop, &fixture.simulator);
    let order = shop.place(&fixture.buyer, &fixture.draft(STUCK)).await;
    eventually("the charge to be created", async || {
        let payment = shop.payment(&fixture.buyer, &order).await;
        if payment.text().contains("PROCESSING") { Ok(()) } else { Err(payment) }
    })
    .await;
    let cancelled =
        shop.post(format!("/orders/{order}/cancel"), &json!({})).token(&fixture.buyer.token);
    cancelled.send().await.expect(200);

    // The charge succeeds all the same, and a 500 is stored under its refund's key.
    let total = Amount::new(i64::try_from(TOTAL).unwrap()).unwrap();
    let refund = Refund::remaining(OrderId::parse(&order).unwrap(), total).refund_id.to_string();
    let intent = simulator.settle(&order).await;
    let form = format!(
        "payment_intent={}&amount={TOTAL}&metadata%5Border_id%5D={order}\
         &metadata%5Brefund_id%5D={refund}",
        intent.id
    );
    simulator.fail(&refund, "v1/refunds", &form).await;
    let signer = Signer::of(&shop.aws).await;
    eventually("the cancellation to be consumed and the refund to fail", async || {
        let response = signer.send_success(shop, &intent).await;
        if response.status == 503 { Ok(()) } else { Err(response) }
    })
    .await;
    signer.send_success(shop, &intent).await.problem(503, "unavailable");
    assert_eq!(simulator.charges(&order).await, [(TOTAL, 0)]);

    simulator.age(&refund).await;
    for _ in 0..3 {
        signer.send_success(shop, &intent).await.expect(204);
        assert_eq!(simulator.charges(&order).await, [(TOTAL, TOTAL)]);
    }
    let payment = shop.payment(&fixture.buyer, &order).await.data(200);
    assert_eq!(
        (&payment["state"], payment["refunds"].as_array().unwrap().len()),
        (&json!("REFUNDED"), 1)
    );
    SagaTables::wait_until_consistent(&shop.aws, &[&fixture.product], std::slice::from_ref(&order))
        .await;
}
