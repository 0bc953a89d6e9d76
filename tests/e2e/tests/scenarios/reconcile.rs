//! `rialto reconcile` on consistent and on corrupted tables.

use rialto_dynamo::{AttributeValue, Item, Key, Table, number};
use rialto_e2e::{
    invariants::SagaTables,
    operator::Cli,
    shop::{NewProduct, OrderDraft, Shop},
    tables::{partition, table},
};

async fn put(table: &Table, item: Item) {
    table.client.put_item().table_name(&table.name).set_item(Some(item)).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_reports_corrupted_stock_and_payments() {
    let shop = Shop::open();
    let rialto = Cli::new(env!("CARGO_BIN_EXE_operator"), &shop);
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Counted", 700, 10)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 2)])).await;
    shop.wait_until_settled(&buyer, &order).await;
    SagaTables::wait_until_consistent(&shop.aws, &[&product], std::slice::from_ref(&order)).await;
    let consistent = rialto.run(&format!("reconcile --product {product}")).await.with_status(0);
    let consistent = consistent
        .output_containing(&["Checked 1 orders, 1 reservations, 1 payments", "Everything agrees."]);
    assert_eq!(consistent.out, "", "{consistent}");

    // One available piece too many.
    let inventory = table(&shop.aws, "inventory");
    let stock =
        inventory.get(&Key::new(format!("PRODUCT#{product}"), "STOCK")).await.unwrap().unwrap();
    let mut corrupted = stock.clone();
    corrupted.insert("available".to_owned(), number(9));
    put(&inventory, corrupted).await;
    let stocked = rialto.run(&format!("reconcile --product {product}")).await;
    // A confirmed order without a captured payment.
    let payments = table(&shop.aws, "payments");
    let items = partition(&payments, &format!("ORDER#{order}")).await;
    let payment = items
        .iter()
        .find(|item| item["sk"] == AttributeValue::S("PAYMENT".to_owned()))
        .unwrap()
        .clone();
    let mut unpaid = payment.clone();
    unpaid.insert("captured".to_owned(), number(0));
    put(&payments, unpaid).await;
    let paid = rialto.run(&format!("reconcile --order {order}")).await;
    // Restore before asserting: other tests check whole tables.
    put(&inventory, stock).await;
    put(&payments, payment).await;

    let stocked = stocked.with_status(1);
    assert!(
        stocked.out.contains(&format!(
            "{product}: the stock is (9, 0, 2), its movements sum to (8, 0, 2)"
        )),
        "{stocked}"
    );
    assert!(
        stocked.out.contains(&format!("{product}: 10 were brought, 11 are there")),
        "{stocked}"
    );
    assert!(!stocked.out.contains(&order), "nothing is wrong with the order: {stocked}");
    let paid = paid.with_status(1);
    assert!(paid.out.contains(&format!("{order}: the lines cost ")), "{paid}");
    assert!(paid.out.contains(&format!("{order}: the ledger has ")), "{paid}");
    assert!(paid.err.contains("things don't agree"), "{paid}");
    rialto.run(&format!("reconcile --product {product} --order {order}")).await.with_status(0);
}
