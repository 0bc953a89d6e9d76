//! Deliveries of a confirmed order, as its buyer and its seller see them.

use rialto_e2e::{
    shop::{DemoAccount, NewProduct, OrderDraft, Shop, address, unique},
    wait::eventually,
};
use serde_json::{Value, json};

/// The deliveries of an order that are under way for its buyer, once there are `count`.
async fn deliveries(shop: &Shop, buyer: &DemoAccount, order: &str, count: usize) -> Vec<Value> {
    let path = format!("/users/{}/deliveries?limit=100", buyer.id);
    eventually("the deliveries to be prepared", async || {
        let all = shop.get(&path).token(&buyer.token).send().await.data(200);
        let of_order = all.as_array().unwrap().iter().filter(|of| of["order_id"] == *order);
        let found: Vec<Value> = of_order.cloned().collect();
        if found.len() == count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
}

fn id(delivery: &Value) -> &str {
    delivery["delivery_id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_orders_lines_are_prepared_for_delivery() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let other = shop.new_seller().await;
    let product = shop.product(&seller, &NewProduct::new("To be sent", 700, 10)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 2)])).await;
    assert_eq!(shop.wait_until_settled(&buyer, &order).await["state"], "CONFIRMED");
    let [delivery] = deliveries(&shop, &buyer, &order, 1).await.try_into().unwrap();
    assert_eq!((&delivery["state"], &delivery["quantity"]), (&json!("PREPARED"), &json!(2)));

    let path = format!("/deliveries/{}", id(&delivery));
    for reader in [&buyer, &seller] {
        let read = shop.get(&path).token(&reader.token).send().await.data(200);
        assert_eq!(read["title"], "To be sent");
        assert_eq!(read["address"]["receiver"], address()["receiver"], "{read}");
        assert!(read.get("degraded").is_none(), "{read}");
    }
    shop.get(&path).token(&other.token).send().await.problem(404, "not_found");
    let of_seller = format!("/sellers/{}/deliveries", seller.id);
    let listed = shop.get(&of_seller).token(&seller.token).send().await.data(200);
    assert_eq!(listed[0]["delivery_id"], delivery["delivery_id"]);

    // The line isn't accepted yet.
    let status = json!({ "status": "DELIVERING", "carrier": "DHL", "tracking_number": "1" });
    let sending = shop.put(format!("{path}/status"), &status).token(&seller.token);
    let problem = sending.send().await.problem(409, "illegal_transition");
    assert_eq!(problem["state"], "PREPARED", "{problem}");
    let parcel =
        json!({ "delivery_ids": [id(&delivery)], "carrier": "DHL", "tracking_number": "1" });
    let sending = shop
        .post(format!("/sellers/{}/parcels", seller.id), &parcel)
        .token(&seller.token)
        .header("idempotency-key", unique("parcel"));
    let refused = sending.send().await;
    assert_eq!(refused.is_problem(409, "illegal_transition", &["delivery_ids[0]"]), Ok(()));
    let receipt = shop.post(format!("{path}/receipt"), &json!({})).token(&buyer.token);
    receipt.send().await.problem(409, "illegal_transition");
}
