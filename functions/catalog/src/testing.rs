//! Fixtures of the unit tests.

use crate::{
    adapters::memory::MemoryCatalog,
    domain::{
        details::Description,
        item::{Attributes, Item},
        product::{Product, ProductUpdate, Registration},
    },
    ports::{ProductWriteOutcome, ProductWriter},
};
use rialto_contracts::{EventContext, catalog::ProductStatus};
use rialto_kernel::{Amount, BrandId, CategoryId, ItemId, ProductId, SellerId, Text, Timestamp};

/// A new product registered at this time. Its price is the time in milliseconds.
pub(crate) fn registered(
    millis: i64,
    seller: &str,
    title: &str,
    initial_stock: u32,
) -> ProductUpdate {
    let item = Item {
        item_id: ItemId::derive(&[b"i"]),
        name: Text::parse("thing").unwrap(),
        category_id: CategoryId::derive(&[b"c"]),
        brand_id: BrandId::derive(&[b"b"]),
        attributes: Attributes::default(),
        version: 1,
    };
    let registration = Registration {
        title: Text::parse(title).unwrap(),
        description: Description::default(),
        images: Vec::new(),
        price: Amount::new(millis).unwrap(),
        initial_stock,
        flash_sale: false,
    };
    let now = Timestamp::from_millis(millis);
    let (id, seller) = (ProductId::generate(now), SellerId::derive(&[seller.as_bytes()]));
    Product::register(id, seller, &item, registration, now, &EventContext::default())
}

/// Stores a product with the status SELL.
pub(crate) async fn register_for_sale(
    store: &MemoryCatalog,
    millis: i64,
    seller: &str,
    title: &str,
) -> ProductId {
    let registered = registered(millis, seller, title, 1);
    let now = Timestamp::from_millis(millis);
    let for_sale =
        registered.product.set_status(ProductStatus::Sell, now, &EventContext::default()).unwrap();
    assert_eq!(store.save(&registered).await.unwrap(), ProductWriteOutcome::Done);
    assert_eq!(store.save(&for_sale).await.unwrap(), ProductWriteOutcome::Done);
    for_sale.product.product_id
}
