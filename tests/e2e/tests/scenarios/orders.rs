//! The order saga, one test per ending.

use rialto_e2e::{
    fixture::Fixture,
    invariants::SagaTables,
    retries::with_short_visibility_timeout,
    shop::{DECLINES, DemoAccount, EVENTS_OF_A_SALE, LACKS_FUNDS, NewProduct, OrderDraft, Shop},
    wait::eventually,
};
use serde_json::{Value, json};

async fn fixture() -> Fixture {
    Fixture::new(&NewProduct::new("A thing to order", 1200, 10)).await
}

/// Asserts that each event of a timeline was caused by an earlier one, and isn't older than its
/// cause.
fn assert_chained(timeline: &[Value]) {
    for (at, entry) in timeline.iter().enumerate() {
        let cause = timeline[..at].iter().find(|earlier| earlier["id"] == entry["causationid"]);
        if at == 0 {
            assert_eq!(entry["causationid"], Value::Null, "the first event has no cause");
        } else {
            let cause = cause.unwrap_or_else(|| panic!("{entry} has no earlier cause"));
            assert!(
                cause["time"].as_str() <= entry["time"].as_str(),
                "{entry} is older than its cause"
            );
        }
        assert!(entry["source"].as_str().unwrap().starts_with("rialto."), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_is_confirmed() {
    let Fixture { shop, seller, buyer, product } = fixture().await;
    let draft = OrderDraft::of(&[(&product, 3)]);
    let placed = shop.place_request(&buyer, &draft).send().await;
    let order = placed.json()["data"]["order_id"].as_str().unwrap().to_owned();
    assert_eq!(placed.header("location"), Some(format!("../../orders/{order}").as_str()));
    let placed = placed.data(201);
    assert_eq!(placed["state"], "PENDING");
    let (day, tail) = placed["order_number"].as_str().unwrap().split_once('-').unwrap();
    assert_eq!(format!("20{day}"), placed["created_at"].as_str().unwrap()[..10].replace('-', ""));
    assert!(order.ends_with(&tail.to_lowercase()) && tail.len() == 8, "{placed}");
    // 3 × 1200, and the shipping fee below 5000.
    assert_eq!((&placed["total"], &placed["shipping_fee"]), (&json!(3900), &json!(300)));

    let timeline = shop.timeline_events(&buyer, &order, &EVENTS_OF_A_SALE).await;
    assert_chained(&timeline);
    for at in 1..timeline.len() {
        assert_eq!(
            timeline[at]["causationid"],
            timeline[at - 1]["id"],
            "each event causes the next"
        );
    }
    let confirmed = shop.order(&buyer, &order).await;
    assert_eq!(confirmed["state"], "CONFIRMED");
    assert_eq!(confirmed["reason"], Value::Null);
    assert_eq!(confirmed["lines"][0]["state"], "ORDERED");

    let payment = shop.payment(&buyer, &order).await.data(200);
    assert_eq!(payment["state"], "CAPTURED");
    assert_eq!((&payment["captured"], &payment["refunded"]), (&json!(3900), &json!(0)));
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order]).await;
    assert_eq!(shop.stock(&seller, &product).await, (7, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_several_sellers_is_confirmed() {
    let Fixture { shop, seller, buyer, product } = fixture().await;
    let other = shop.new_seller().await;
    let second = shop.product(&other, &NewProduct::new("Another thing", 333, 4)).await;
    // Two lines of the same product are added up.
    let draft = OrderDraft::of(&[(&product, 2), (&second, 1), (&product, 1)]);
    let order = shop.place(&buyer, &draft).await;
    assert_eq!(shop.wait_until_settled(&buyer, &order).await["state"], "CONFIRMED");
    SagaTables::wait_until_consistent(
        &shop.aws,
        &[&product, &second],
        std::slice::from_ref(&order),
    )
    .await;
    assert_eq!(shop.stock(&seller, &product).await, (7, 0, 3));
    assert_eq!(shop.stock(&other, &second).await, (3, 0, 1));

    let seen = shop.order(&other, &order).await;
    let lines = seen["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "a seller sees own lines only: {seen}");
    assert_eq!(lines[0]["product_id"], json!(second));
    for hidden in ["address", "total", "payment_method"] {
        assert!(seen.get(hidden).is_none(), "a seller sees the {hidden}: {seen}");
    }
    let listed = format!("/sellers/{}/orders?state=ORDERED", other.id);
    wait_for_list(&shop, &other, &listed, &[seen]).await;

    // Supervisors find the order by its number, in lower case too.
    let supervisor = shop.supervisor().await;
    let whole = shop.order(&supervisor, &order).await;
    let number = whole["order_number"].as_str().unwrap().to_lowercase();
    wait_for_list(&shop, &supervisor, &format!("/orders?number={number}"), &[whole]).await;
}

/// Waits until a list is exactly this, because indexes lag.
async fn wait_for_list(shop: &Shop, by: &DemoAccount, path: &str, expected: &[Value]) {
    eventually(path, async || {
        let listed = shop.pages(Some(by), path).await.concat();
        if listed == expected { Ok(()) } else { Err(format!("got {listed:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_cancels_the_order_and_releases_its_stock() {
    for method in [DECLINES, LACKS_FUNDS] {
        let Fixture { shop, seller, buyer, product } = fixture().await;
        let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 4)]).paid_by(method)).await;
        let types =
            ["OrderPlaced", "StockReserved", "PaymentFailed", "OrderCancelled", "StockReleased"];
        let timeline = shop.timeline_events(&buyer, &order, &types).await;
        assert_chained(&timeline);
        assert_eq!(timeline[4]["data"]["lines"][0]["quantity"], 4);
        let cancelled = shop.order(&buyer, &order).await;
        assert_eq!(
            (&cancelled["state"], &cancelled["reason"]),
            (&json!("CANCELLED"), &json!("PAYMENT_FAILED"))
        );
        assert_eq!(cancelled["lines"][0]["state"], "CANCELLED");
        let payment = shop.payment(&buyer, &order).await.data(200);
        assert_eq!((&payment["state"], &payment["captured"]), (&json!("FAILED"), &json!(0)));
        SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order]).await;
        assert_eq!(shop.stock(&seller, &product).await, (10, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_cancelled_when_stock_is_short() {
    let Fixture { shop, seller, buyer, product } = fixture().await;
    let plenty = shop.product(&seller, &NewProduct::new("Plenty of it", 500, 100)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&plenty, 5), (&product, 11)])).await;
    let timeline = shop
        .timeline_events(&buyer, &order, &["OrderPlaced", "StockRejected", "OrderCancelled"])
        .await;
    assert_chained(&timeline);
    let shortage = json!([{"product_id": product, "wanted": 11, "available": 10}]);
    assert_eq!(timeline[1]["data"]["shortages"], shortage);
    let cancelled = shop.order(&buyer, &order).await;
    assert_eq!(
        (&cancelled["state"], &cancelled["reason"]),
        (&json!("CANCELLED"), &json!("OUT_OF_STOCK"))
    );
    shop.payment(&buyer, &order).await.problem(404, "not_found");
    SagaTables::wait_until_consistent(&shop.aws, &[&product, &plenty], &[order]).await;
    assert_eq!(shop.stock(&seller, &product).await, (10, 0, 0));
    assert_eq!(shop.stock(&seller, &plenty).await, (100, 0, 0));
    let movements =
        shop.pages(Some(&seller), &format!("/products/{product}/stock/movements?limit=100")).await;
    assert_eq!(movements[0].len(), 1, "only the initial stock was recorded: {movements:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_charged_once_if_provider_responses_are_lost() {
    let fixture = fixture().await;
    let aws = fixture.shop.aws.clone();
    with_short_visibility_timeout(&aws, "payments-on-inventory", pay_by_failing_methods(fixture))
        .await;
}

async fn pay_by_failing_methods(fixture: Fixture) {
    let Fixture { shop, seller, buyer, product } = fixture;
    let mut orders = Vec::new();
    for method in ["pm_sim_lost", "pm_sim_flaky", "pm_sim_slow"] {
        orders.push(shop.place(&buyer, &OrderDraft::of(&[(&product, 1)]).paid_by(method)).await);
    }
    for order in &orders {
        assert_eq!(shop.wait_until_settled(&buyer, order).await["state"], "CONFIRMED");
        let payment = shop.payment(&buyer, order).await.data(200);
        assert_eq!((&payment["state"], &payment["captured"]), (&json!("CAPTURED"), &json!(1500)));
    }
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &orders).await;
    assert_eq!(shop.stock(&seller, &product).await, (7, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_orders_do_not_use_up_their_key() {
    let Fixture { shop, seller, buyer, product } = fixture().await;
    let draft = OrderDraft::of(&[(&product, 1)]);
    let mut body = draft.body();
    body["expected_total"] = json!(1499);
    let place_request = |body: &Value| {
        let call = shop.post(format!("/users/{}/orders", buyer.id), body).token(&buyer.token);
        call.header("idempotency-key", draft.key.clone())
    };
    let problem = place_request(&body).send().await.problem(409, "price_changed");
    assert_eq!(
        (&problem["quote"]["total"], &problem["quote"]["shipping_fee"]),
        (&json!(1500), &json!(300))
    );

    let hidden = shop.register(&seller, &NewProduct::new("Not for sale yet", 100, 1)).await;
    let unknown = rialto_kernel::ProductId::derive(&[b"no such product"]).to_string();
    for missing in [&hidden, &unknown] {
        let response =
            place_request(&OrderDraft::of(&[(&product, 1), (missing, 1)]).body()).send().await;
        assert_eq!(response.problem(409, "not_orderable")["products"], json!([missing]));
    }

    body["expected_total"] = json!(1500);
    let order =
        place_request(&body).send().await.data(201)["order_id"].as_str().unwrap().to_owned();
    assert_eq!(shop.wait_until_settled(&buyer, &order).await["state"], "CONFIRMED");
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order]).await;
    assert_eq!(shop.stock(&seller, &product).await, (9, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_sold_out_until_stock_is_added() {
    let Fixture { shop, seller, buyer, product } = fixture().await;
    shop.wait_for_status(&product, ("SELL", true)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 10)])).await;
    shop.wait_for_status(&product, ("SOLD_OUT", false)).await;
    shop.wait_until_settled(&buyer, &order).await;
    let body = json!({ "quantity": 2, "reason": "found in the cellar" });
    let call =
        shop.post(format!("/products/{product}/stock/adjustments"), &body).token(&seller.token);
    let adjusted = call.header("idempotency-key", "cellar").send().await.data(200);
    assert_eq!(adjusted["available"], 2);
    shop.wait_for_status(&product, ("SELL", true)).await;
    let tables = SagaTables::wait_until_consistent(&shop.aws, &[&product], &[order]).await;
    let stock = &tables.stocks[0];
    assert_eq!((stock.available, stock.reserved, stock.sold), (2, 0, 10));
}
