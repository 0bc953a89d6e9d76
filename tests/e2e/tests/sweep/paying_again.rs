//! Paying an order again after a declined payment, as long as a setting allows it.

use crate::{EXCLUSIVE, sweep};
use futures_util::future::join;
use rialto_e2e::{
    fixture::Fixture,
    http::HttpResponse,
    invariants::SagaTables,
    operator::Cli,
    provider::Simulator,
    shop::{DECLINES, NewProduct, OrderDraft, PAYS, unique},
    wait::eventually,
};
use serde_json::json;

async fn set_retry_window(fixture: &Fixture, seconds: u32) {
    let cli = Cli::new(env!("CARGO_BIN_EXE_operator"), &fixture.shop);
    cli.run(&format!("config set payments/retry-window {seconds}")).await.with_status(0);
}

/// An order whose card was declined and that may be paid again, as soon as the functions know of the
/// setting.
async fn declined_order(Fixture { shop, buyer, product, .. }: &Fixture) -> String {
    eventually("an order that may be paid again", async || {
        let draft = OrderDraft::of(&[(product, 2)]).paid_by(DECLINES);
        let order = shop.place(buyer, &draft).await;
        let payment = shop.wait_for_payment(buyer, &order, "FAILED").await;
        if payment["retry_until"].is_string() { Ok(order) } else { Err(payment) }
    })
    .await
}

async fn pay(fixture: &Fixture, order: &str, method: &str, key: &str) -> HttpResponse {
    let body = json!({ "payment_method": method });
    let call = fixture.shop.post(format!("/orders/{order}/payment"), &body);
    call.token(&fixture.buyer.token).header("Idempotency-Key", key).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_order_is_paid_again_once() {
    let _exclusive = EXCLUSIVE.lock().await;
    let fixture = Fixture::new(&NewProduct::new("Paid at last", 700, 10)).await;
    let Fixture { shop, seller, buyer, product } = &fixture;
    set_retry_window(&fixture, 3_600).await;
    let order = declined_order(&fixture).await;
    assert_eq!(shop.order(buyer, &order).await["state"], "PENDING");

    let key = unique("declined");
    pay(&fixture, &order, DECLINES, &key).await.data(200);
    shop.wait_for_payment(buyer, &order, "FAILED").await;
    let replayed = pay(&fixture, &order, DECLINES, &key).await;
    assert_eq!(replayed.header("Idempotent-Replayed"), Some("true"));
    pay(&fixture, &order, PAYS, &key).await.problem(422, "key_reused");

    let keys = [unique("first"), unique("second")];
    let [first, second] = &keys;
    let both = join(pay(&fixture, &order, PAYS, first), pay(&fixture, &order, PAYS, second)).await;
    assert!([both.0.status, both.1.status].contains(&200), "{both:?}");
    let confirmed = shop.wait_until_settled(buyer, &order).await;
    assert_eq!(confirmed["state"], "CONFIRMED", "{confirmed}");
    assert_eq!(confirmed["payment_method"], DECLINES, "an order's method stays the first");
    assert_eq!(Simulator::open(&shop.aws).charges(&order).await, [(1_700, 0)]);
    assert_eq!(shop.payment(buyer, &order).await.data(200)["payment_method"], PAYS);
    pay(&fixture, &order, PAYS, &unique("late")).await.problem(409, "illegal_transition");

    let expired = declined_order(&fixture).await;
    sweep(shop, "payments", 15).await;
    let cancelled = shop.wait_until_settled(buyer, &expired).await;
    assert_eq!(cancelled["reason"], "PAYMENT_FAILED", "{cancelled}");
    pay(&fixture, &expired, PAYS, &unique("late")).await.problem(409, "illegal_transition");
    set_retry_window(&fixture, 0).await;

    let orders = [order, expired];
    SagaTables::wait_until_consistent(&shop.aws, &[product], &orders).await;
    assert_eq!(shop.stock(seller, product).await, (8, 0, 2));
}
