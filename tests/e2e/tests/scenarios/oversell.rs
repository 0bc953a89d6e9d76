//! Many concurrent orders for scarce stock.

use futures_util::future::join_all;
use rialto_e2e::{
    invariants::SagaTables,
    local::{Emulator, Local},
    shop::{DemoAccount, NewProduct, OrderDraft, Shop},
};
use serde_json::json;

const BUYERS: usize = 20;

/// Concurrent orders and rounds. Fewer on LocalStack, which starts a process per concurrent call.
fn size() -> (usize, usize) {
    if Local::read().emulator == Emulator::LocalStack { (40, 1) } else { (200, 3) }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_orders_are_confirmed_until_stock_runs_out() {
    let shop = Shop::open();
    let seller = shop.new_seller().await;
    let mut buyers = Vec::new();
    for _ in 0..BUYERS {
        buyers.push(shop.new_buyer().await);
    }
    let (orders, rounds) = size();
    for _ in 0..rounds {
        round(&shop, &seller, &buyers, orders).await;
    }
}

async fn round(shop: &Shop, seller: &DemoAccount, buyers: &[DemoAccount], orders: usize) {
    let a = shop.product(seller, &NewProduct::new("Everybody wants two", 700, 30)).await;
    let b = shop.product(seller, &NewProduct::new("Everybody wants one", 900, 20)).await;

    let place = async |at: usize| {
        let draft = OrderDraft::of(&[(&a, 2), (&b, 1)]);
        shop.place(&buyers[at % buyers.len()], &draft).await
    };
    let placed: Vec<String> = join_all((0..orders).map(place)).await;

    for buyer in buyers {
        shop.wait_until_all_settled(buyer).await;
    }
    let tables = SagaTables::wait_until_consistent(&shop.aws, &[&a, &b], &placed).await;
    assert_eq!(tables.orders.len(), orders);
    let ended = |state: &str, reason: Option<&str>| {
        let is = |order: &&rialto_orders::domain::order::Order| {
            json!(order.state) == json!(state) && json!(order.reason) == json!(reason)
        };
        tables.orders.iter().filter(is).count()
    };
    assert_eq!(ended("CONFIRMED", None), 15);
    assert_eq!(ended("CANCELLED", Some("OUT_OF_STOCK")), orders - 15);
    assert_eq!(shop.stock(seller, &a).await, (0, 0, 30));
    assert_eq!(shop.stock(seller, &b).await, (5, 0, 15));
    shop.wait_for_status(&a, ("SOLD_OUT", false)).await;
    shop.wait_for_status(&b, ("SELL", true)).await;
}
