//! Orders with saved addresses, and erasing addresses after their buyer is unregistered.

use aws_sdk_sqs::types::QueueAttributeName;
use rialto_e2e::{
    provider::{STUCK, Signer, Simulator},
    shop::{DemoAccount, NewProduct, OrderDraft, PERSONAL, Shop, address},
    tables::{partition, table},
    wait::eventually,
};
use serde_json::{Value, json};

async fn add_address(shop: &Shop, buyer: &DemoAccount) -> Value {
    let path = format!("/users/{}/addresses", buyer.id);
    shop.post(path, &address()).token(&buyer.token).send().await.data(201)["address_id"].clone()
}

fn body_with_saved_address(draft: &OrderDraft, address_id: &Value) -> Value {
    let mut body = draft.body();
    body.as_object_mut().unwrap().remove("address");
    body["address_id"] = address_id.clone();
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_need_either_a_saved_or_an_inline_address() {
    let shop = Shop::open();
    let (seller, buyer, another) =
        (shop.new_seller().await, shop.new_buyer().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Delivered", 700, 10)).await;
    let (own, others) = (add_address(&shop, &buyer).await, add_address(&shop, &another).await);
    let draft = OrderDraft::of(&[(&product, 1)]);
    let place = async |body: Value| {
        let path = format!("/users/{}/orders", buyer.id);
        shop.post(path, &body)
            .token(&buyer.token)
            .header("idempotency-key", &draft.key)
            .send()
            .await
    };
    for bad in [&others, &json!("adr_0")] {
        let refused = place(body_with_saved_address(&draft, bad)).await;
        assert_eq!(refused.is_problem(400, "invalid", &["address_id"]), Ok(()));
    }
    let mut both = draft.body();
    both["address_id"] = own.clone();
    assert_eq!(place(both).await.is_problem(400, "invalid", &["address_id"]), Ok(()));
    let mut neither = draft.body();
    neither.as_object_mut().unwrap().remove("address");
    assert_eq!(place(neither).await.is_problem(400, "invalid", &["address"]), Ok(()));

    let placed = place(body_with_saved_address(&draft, &own)).await.data(201);
    for (field, value) in address().as_object().unwrap() {
        assert_eq!(&placed["address"][field], value, "{placed}");
    }
    // A replay doesn't call accounts, so the address may have been removed.
    let path = format!("/users/{}/addresses/{}", buyer.id, own.as_str().unwrap());
    shop.http.request("DELETE", path).token(&buyer.token).send().await.expect(204);
    let again = place(body_with_saved_address(&draft, &own)).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.data(201), placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_erased_once_no_open_order_needs_them() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let supervisor = shop.supervisor().await;
    // Outside this test the queue waits until the index contains the last order.
    let queue = shop.aws.queue_url("orders-on-accounts").await;
    let now = shop.aws.queues.set_queue_attributes().queue_url(queue);
    now.attributes(QueueAttributeName::DelaySeconds, "0").send().await.unwrap();

    let product = shop.product(&seller, &NewProduct::new("Still open", 700, 10)).await;
    let ended = shop.place(&buyer, &OrderDraft::of(&[(&product, 99)])).await;
    assert_eq!(shop.wait_until_settled(&buyer, &ended).await["state"], "CANCELLED");
    let open = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)]).paid_by(STUCK)).await;
    let wait_for_payment = async |state: &str| {
        eventually(&format!("the payment to be {state}"), async || {
            let response = shop.payment(&supervisor, &open).await;
            if response.status == 200 && response.json()["data"]["state"] == state {
                Ok(())
            } else {
                Err(response)
            }
        })
        .await;
    };
    wait_for_payment("PROCESSING").await;
    shop.timeline_events(&buyer, &open, &["OrderPlaced", "StockReserved"]).await;

    shop.http
        .request("DELETE", format!("/users/{}", buyer.id))
        .token(&buyer.token)
        .send()
        .await
        .expect(204);
    shop.get(format!("/orders/{open}"))
        .token(&buyer.token)
        .send()
        .await
        .problem(401, "token_expired");
    eventually("the address of the ended order to be erased", async || {
        let order = shop.order(&supervisor, &ended).await;
        if order["address"].is_null() { Ok(()) } else { Err(order.to_string()) }
    })
    .await;
    let running = shop.order(&supervisor, &open).await;
    assert_eq!(
        (&running["state"], &running["address"]["line1"]),
        (&json!("PENDING"), &address()["line1"])
    );

    let cancel = shop.post(format!("/orders/{open}/cancel"), &json!({})).token(&supervisor.token);
    let cancelled = cancel.send().await.data(200);
    assert!(cancelled["address"].is_null(), "{cancelled}");
    let orders = table(&shop.aws, "orders");
    for order in [&ended, &open] {
        let rows = format!("{:?}", partition(&orders, &format!("ORDER#{order}")).await);
        for word in PERSONAL {
            assert!(!rows.contains(word), "{word} is still stored in {order}");
        }
    }
    // The provider completes the pending charge, and the unregistered buyer is refunded.
    let intent = Simulator::open(&shop.aws).settle(&open).await;
    Signer::of(&shop.aws).await.send_success(&shop, &intent).await.expect(204);
    wait_for_payment("REFUNDED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_with_open_lines_cannot_be_unregistered() {
    let shop = Shop::open();
    let (first, second, buyer) =
        (shop.new_seller().await, shop.new_seller().await, shop.new_buyer().await);
    let supervisor = shop.supervisor().await;
    let one = shop.product(&first, &NewProduct::new("One of two", 700, 10)).await;
    let two = shop.product(&second, &NewProduct::new("Two of two", 700, 10)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&one, 1), (&two, 1)])).await;
    assert_eq!(shop.wait_until_settled(&buyer, &order).await["state"], "CONFIRMED");
    let remove = async |seller: &DemoAccount| {
        shop.http
            .request("DELETE", format!("/sellers/{}", seller.id))
            .token(&supervisor.token)
            .send()
            .await
    };
    for seller in [&first, &second] {
        eventually("the line to be indexed as open", async || {
            remove(seller).await.is_problem(409, "in_use", &[])
        })
        .await;
        shop.get(format!("/sellers/{}", seller.id)).token(&seller.token).send().await.data(200);
    }
}
