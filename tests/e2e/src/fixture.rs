//! The shop with one seller, one buyer and one product, from which most tests start.

use crate::shop::{DemoAccount, NewProduct, Shop};

/// A shop with a new seller, a new buyer and a product that can be ordered.
#[derive(Debug)]
pub struct Fixture {
    pub shop: Shop,
    pub seller: DemoAccount,
    pub buyer: DemoAccount,
    pub product: String,
}

impl Fixture {
    pub async fn new(product: &NewProduct) -> Self {
        let shop = Shop::open();
        let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
        let product = shop.product(&seller, product).await;
        Self { shop, seller, buyer, product }
    }
}
