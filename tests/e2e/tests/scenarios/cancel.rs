//! Cancelling orders at various moments of the saga.

use rialto_e2e::{
    invariants::SagaTables,
    shop::{NewProduct, OrderDraft, Shop},
    wait::eventually,
};
use serde_json::json;
use std::time::Duration;

/// Number of orders. Each is cancelled a little later than the one before.
const ORDERS: u32 = 100;
const STEP: Duration = Duration::from_millis(3);

#[tokio::test(flavor = "multi_thread")]
async fn orders_can_be_cancelled_at_any_time_until_confirmed() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Perhaps not", 700, 1000)).await;
    let (mut orders, mut sold, mut cancelled) = (Vec::new(), 0, 0);
    for number in 0..ORDERS {
        let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 2)])).await;
        // A fixed delay on purpose: it decides at which step of the saga the order is cancelled.
        tokio::time::sleep(STEP * number).await;
        let response = shop
            .post(format!("/orders/{order}/cancel"), &json!({}))
            .token(&buyer.token)
            .send()
            .await;
        let now = response.data(200);
        if now["state"] == "CANCELLED" {
            assert_eq!(now["reason"], "BUYER", "{now}");
            cancelled += 1;
        } else {
            // After the confirmation each line's cancellation is only requested.
            let line = &now["lines"][0];
            assert_eq!((&now["state"], &line["state"]), (&json!("CONFIRMED"), &json!("CANCELING")));
            sold += 2;
        }
        orders.push(order);
    }
    println!("{cancelled} of {ORDERS} were cancelled in time");
    assert!(cancelled > 0, "none was cancelled in time");
    SagaTables::wait_until_consistent(&shop.aws, &[&product], &orders).await;
    eventually("the cancelled orders' stock to be released", async || {
        let stock = shop.stock(&seller, &product).await;
        if stock == (1000 - sold, 0, sold) {
            Ok(())
        } else {
            Err(format!("{stock:?}, {sold} sold"))
        }
    })
    .await;
    for order in &orders {
        let state = shop.order(&buyer, order).await["state"].clone();
        let payment = shop.payment(&buyer, order).await;
        if payment.status == 404 {
            assert_eq!(state, "CANCELLED", "{order} was confirmed without a payment");
            continue;
        }
        let payment = payment.data(200);
        let net = payment["captured"].as_i64().unwrap() - payment["refunded"].as_i64().unwrap();
        assert_eq!(net > 0, state == "CONFIRMED", "{order} is {state}, {payment}");
    }
}
