//! The life of an order's lines after it was confirmed: cancellation, delivery, returns, refunds.

use futures_util::future::join_all;
use rialto_e2e::{
    http::HttpResponse,
    invariants::SagaTables,
    shop::{DemoAccount, NewProduct, OrderDraft, Shop, unique},
    wait::eventually,
};
use serde_json::{Value, json};

/// An order of two sellers' products: 2 of A in line 1, and 1 of B in line 2. It is shipped free.
struct TwoSellers {
    shop: Shop,
    buyer: DemoAccount,
    sellers: [DemoAccount; 2],
    products: [String; 2],
    order: String,
}

const PRICE_OF_A: i64 = 3_000;
const PRICE_OF_B: i64 = 4_000;
const STOCK: i64 = 10;

impl TwoSellers {
    async fn confirmed() -> Self {
        let shop = Shop::open();
        let buyer = shop.new_buyer().await;
        let sellers = [shop.new_seller().await, shop.new_seller().await];
        let a = shop.product(&sellers[0], &NewProduct::new("A", PRICE_OF_A, STOCK)).await;
        let b = shop.product(&sellers[1], &NewProduct::new("B", PRICE_OF_B, STOCK)).await;
        let order = shop.place(&buyer, &OrderDraft::of(&[(&a, 2), (&b, 1)])).await;
        let confirmed = shop.wait_until_settled(&buyer, &order).await;
        assert_eq!(confirmed["state"], "CONFIRMED", "{confirmed}");
        Self { shop, buyer, sellers, products: [a, b], order }
    }

    /// Posts to a route of a line.
    async fn post(&self, by: &DemoAccount, line: u32, route: &str, body: Value) -> HttpResponse {
        let path = format!("/orders/{}/lines/{line}/{route}", self.order);
        let request = self.shop.post(path, &body).token(&by.token);
        request.header("Idempotency-Key", unique("line")).send().await
    }

    /// The state of each line of the order, by its number.
    async fn states(&self) -> Vec<(u64, String)> {
        let order = self.shop.order(&self.buyer, &self.order).await;
        let lines = order["lines"].as_array().unwrap().iter();
        let state = |line: &Value| {
            (line["line_no"].as_u64().unwrap(), line["state"].as_str().unwrap().to_owned())
        };
        lines.map(state).collect()
    }

    async fn wait_for_line(&self, line: u64, state: &str) {
        eventually(&format!("line {line} to be {state}"), async || {
            let states = self.states().await;
            match states.contains(&(line, state.to_owned())) {
                true => Ok(()),
                false => Err(format!("{states:?}")),
            }
        })
        .await;
    }

    /// Confirms the cancellation of a line, once it is held.
    async fn confirm_cancel(&self, seller: &DemoAccount, line: u32) {
        eventually("the cancellation to be confirmed", async || {
            let response = self.post(seller, line, "confirm-cancel", json!({})).await;
            match response.status {
                200 => Ok(()),
                _ => Err(response.problem(409, "cancel_pending").to_string()),
            }
        })
        .await;
    }

    /// The delivery of a line, once it exists.
    async fn delivery(&self, seller: &DemoAccount, line: u64) -> Value {
        let path = format!("/sellers/{}/deliveries?limit=100", seller.id);
        eventually(&format!("the delivery of line {line}"), async || {
            let listed = self.shop.get(&path).token(&seller.token).send().await.data(200);
            let listed = listed.as_array().unwrap();
            let of_line = |delivery: &&Value| {
                delivery["order_id"] == self.order.as_str() && delivery["line_no"] == line
            };
            listed.iter().find(of_line).cloned().ok_or_else(|| format!("{listed:?}"))
        })
        .await
    }

    /// Changes the status of a line's delivery, once that is possible.
    async fn set_delivery(&self, seller: &DemoAccount, line: u64, body: Value) -> Value {
        let delivery = self.delivery(seller, line).await;
        let path = format!("/deliveries/{}/status", delivery["delivery_id"].as_str().unwrap());
        eventually("the delivery's status to change", async || {
            let response = self.shop.put(&path, &body).token(&seller.token).send().await;
            match response.status {
                200 => Ok(response.data(200)),
                _ => Err(response.problem(409, "illegal_transition").to_string()),
            }
        })
        .await
    }

    async fn ship(&self, seller: &DemoAccount, line: u64) -> Value {
        let body =
            json!({"status": "DELIVERING", "carrier": "DHL", "tracking_number": "JD0146000"});
        self.set_delivery(seller, line, body).await
    }

    /// Accepts, ships, delivers and receives a line.
    async fn complete(&self, seller: &DemoAccount, line: u32) {
        self.post(seller, line, "accept", json!({})).await.data(200);
        self.ship(seller, line.into()).await;
        let delivered =
            self.set_delivery(seller, line.into(), json!({"status": "DELIVERED"})).await;
        let path = format!("/deliveries/{}/receipt", delivered["delivery_id"].as_str().unwrap());
        let receipt = self.shop.post(path, &json!({})).token(&self.buyer.token).send().await;
        assert_eq!(receipt.data(200)["state"], "CONFIRMED");
        self.wait_for_line(line.into(), "COMPLETED").await;
    }

    async fn wait_for_refunds(&self, amount: i64) {
        eventually("the refunds", async || {
            let payment = self.shop.payment(&self.buyer, &self.order).await.data(200);
            match payment["refunded"].as_i64() {
                Some(refunded) if refunded == amount => Ok(()),
                _ => Err(payment.to_string()),
            }
        })
        .await;
    }

    async fn wait_for_stock(&self, number: usize, expected: (u64, u64, u64)) {
        eventually("the stock", async || {
            let stock = self.shop.stock(&self.sellers[number], &self.products[number]).await;
            if stock == expected { Ok(()) } else { Err(format!("{stock:?}")) }
        })
        .await;
    }

    /// Waits until the tables of all services agree.
    async fn check(&self) {
        let products = self.products.each_ref().map(String::as_str);
        SagaTables::wait_until_consistent(
            &self.shop.aws,
            &products,
            std::slice::from_ref(&self.order),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_cancelled_and_the_other_is_completed() {
    let sale = TwoSellers::confirmed().await;
    let [first, second] = &sale.sellers;
    sale.wait_for_stock(0, (8, 0, 2)).await;
    let requested = sale.post(&sale.buyer, 1, "cancel", json!({})).await.data(200);
    assert_eq!(requested["lines"][0]["state"], "CANCELING", "{requested}");
    sale.wait_for_stock(0, (8, 0, 2)).await;
    sale.confirm_cancel(first, 1).await;
    sale.wait_for_stock(0, (10, 0, 0)).await;
    sale.wait_for_refunds(2 * PRICE_OF_A).await;
    sale.complete(second, 2).await;
    let order = sale.shop.order(&sale.buyer, &sale.order).await;
    assert_eq!(order["state"], "COMPLETED", "{order}");
    assert_eq!(order["lines"][0]["state"], "CANCELLED", "{order}");
    sale.wait_for_stock(1, (9, 0, 1)).await;
    sale.wait_for_refunds(2 * PRICE_OF_A).await;
    sale.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_of_a_line_is_cancelled_and_the_rest_completed() {
    let sale = TwoSellers::confirmed().await;
    let [first, second] = &sale.sellers;
    let order = sale.post(&sale.buyer, 1, "cancel", json!({"quantity": 1})).await.data(200);
    let lines = order["lines"].as_array().unwrap();
    let part = lines.iter().find(|line| line["line_no"] == 3).unwrap();
    assert_eq!((&part["state"], &part["quantity"]), (&json!("CANCELING"), &json!(1)), "{order}");
    assert_eq!((&part["share"], &lines[0]["share"]), (&json!(PRICE_OF_A), &json!(PRICE_OF_A)));
    sale.confirm_cancel(first, 3).await;
    sale.wait_for_stock(0, (9, 0, 1)).await;
    sale.wait_for_refunds(PRICE_OF_A).await;
    sale.complete(first, 1).await;
    sale.complete(second, 2).await;
    let order = sale.shop.order(&sale.buyer, &sale.order).await;
    assert_eq!(order["state"], "COMPLETED", "{order}");
    sale.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_changed_only_by_their_seller_and_buyer() {
    let sale = TwoSellers::confirmed().await;
    let [first, second] = &sale.sellers;
    let stranger = sale.shop.new_seller().await;
    let other_buyer = sale.shop.new_buyer().await;
    for route in ["accept", "reject", "confirm-cancel", "confirm-return", "split"] {
        let body = if route == "split" { json!({"quantity": 1}) } else { json!({}) };
        sale.post(&sale.buyer, 1, route, body.clone()).await.problem(403, "forbidden");
        sale.post(second, 1, route, body.clone()).await.problem(404, "not_found");
        sale.post(&stranger, 1, route, body).await.problem(404, "not_found");
    }
    for (route, body) in [("cancel", json!({})), ("return", json!({"reason": "too small"}))] {
        sale.post(first, 1, route, body.clone()).await.problem(403, "forbidden");
        sale.post(&other_buyer, 1, route, body).await.problem(404, "not_found");
    }
    sale.post(first, 3, "accept", json!({})).await.problem(404, "not_found");
    let seen = sale.shop.order(second, &sale.order).await;
    let numbers: Vec<_> =
        seen["lines"].as_array().unwrap().iter().map(|line| line["line_no"].clone()).collect();
    assert_eq!(numbers, [json!(2)], "{seen}");
    for (by, line, route, body) in [
        (&sale.buyer, 1, "return", json!({"reason": "too small"})),
        (first, 1, "confirm-cancel", json!({})),
        (first, 1, "confirm-return", json!({})),
        (first, 1, "decline-return", json!({"reason": "worn"})),
    ] {
        let problem = sale.post(by, line, route, body).await.problem(409, "illegal_transition");
        assert_eq!(problem["state"], "ORDERED", "{route}: {problem}");
    }
    let all = ["ORDERED"; 2].map(str::to_owned);
    assert_eq!(sale.states().await.into_iter().map(|(_, state)| state).collect::<Vec<_>>(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_pieces_are_refunded_and_restocked() {
    let sale = TwoSellers::confirmed().await;
    let [first, second] = &sale.sellers;
    sale.post(second, 2, "reject", json!({})).await.data(200);
    sale.wait_for_refunds(PRICE_OF_B).await;
    sale.complete(first, 1).await;
    let body = json!({"quantity": 1, "reason": "too small"});
    sale.post(&sale.buyer, 1, "return", body).await.data(200);
    let too_much = json!({"refund": PRICE_OF_A + 1});
    let refused = sale.post(first, 3, "confirm-return", too_much).await;
    assert_eq!(refused.is_problem(400, "invalid", &["refund"]), Ok(()));
    let granted = json!({"refund": 1_000});
    let order = sale.post(first, 3, "confirm-return", granted).await.data(200);
    assert_eq!(order["lines"].as_array().unwrap().len(), 2, "{order}");
    sale.wait_for_refunds(PRICE_OF_B + 1_000).await;
    sale.wait_for_stock(0, (9, 0, 1)).await;
    sale.post(&sale.buyer, 1, "return", json!({"reason": "too big"})).await.data(200);
    sale.post(first, 1, "decline-return", json!({"reason": "worn"})).await.data(200);
    sale.wait_for_line(1, "COMPLETED").await;
    assert_eq!(sale.shop.order(&sale.buyer, &sale.order).await["state"], "COMPLETED");
    sale.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_line_is_shipped_in_one_parcel() {
    let sale = TwoSellers::confirmed().await;
    let first = &sale.sellers[0];
    sale.post(first, 1, "accept", json!({})).await.data(200);
    sale.post(first, 1, "split", json!({"quantity": 1})).await.data(200);
    sale.wait_for_line(3, "ACCEPTED").await;
    let ids = [sale.delivery(first, 1).await, sale.delivery(first, 3).await];
    let ids = ids.map(|delivery| delivery["delivery_id"].clone());
    let path = format!("/sellers/{}/parcels", first.id);
    let body = json!({"delivery_ids": ids, "carrier": "DHL", "tracking_number": "JD0146001"});
    let key = unique("parcel");
    let send = async || {
        let request = sale.shop.post(&path, &body).token(&first.token);
        request.header("Idempotency-Key", &key).send().await
    };
    let parcel = eventually("the parcel", async || {
        let response = send().await;
        match response.status {
            409 => Err(response.to_string()),
            _ => Ok(response.data(201)),
        }
    })
    .await;
    assert_eq!(send().await.header("Idempotent-Replayed"), Some("true"));
    let path = format!("/parcels/{}", parcel["parcel_id"].as_str().unwrap());
    let seen = sale.shop.get(&path).token(&sale.buyer.token).send().await.data(200);
    assert_eq!(seen["deliveries"].as_array().map(Vec::len), Some(2), "{seen}");
    let body = json!({"status": "DELIVERED"});
    let put = sale.shop.put(format!("{path}/status"), &body).token(&first.token);
    put.send().await.data(200);
    for id in &ids {
        let path = format!("/deliveries/{}", id.as_str().unwrap());
        let delivery = sale.shop.get(&path).token(&sale.buyer.token).send().await.data(200);
        assert_eq!(delivery["state"], "DELIVERED", "{delivery}");
        assert_eq!(delivery["address"]["receiver"], "Ottilie Example", "{delivery}");
    }
    sale.post(&sale.buyer, 1, "cancel", json!({})).await.problem(409, "illegal_transition");
    sale.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_actions_on_a_line_leave_it_consistent() {
    let sales: Vec<_> = join_all((0..4).map(|_| TwoSellers::confirmed())).await;
    let race = async |sale: &TwoSellers| {
        let first = &sale.sellers[0];
        join_all([
            sale.post(first, 1, "accept", json!({})),
            sale.post(first, 1, "reject", json!({})),
            sale.post(first, 1, "split", json!({"quantity": 1})),
            sale.post(&sale.buyer, 1, "cancel", json!({})),
            sale.post(&sale.buyer, 1, "cancel", json!({"quantity": 1})),
            sale.post(first, 1, "accept", json!({})),
        ])
        .await;
        let accepted = sale.states().await.into_iter();
        let accepted: Vec<_> = accepted.filter(|(_, state)| state == "ACCEPTED").collect();
        join_all(accepted.iter().map(|(line, _)| sale.ship(first, *line))).await;
        sale.check().await;
    };
    join_all(sales.iter().map(race)).await;
}
