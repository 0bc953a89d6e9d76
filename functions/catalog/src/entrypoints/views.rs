//! Response bodies that several routes share.

use crate::domain::product::Product;
use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{
    Amount, BrandId, CategoryId, Currency, ItemId, ProductId, SellerId, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A product as everyone sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductBody {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub item_id: ItemId,
    pub category_id: CategoryId,
    pub brand_id: BrandId,
    pub title: String,
    /// May have several lines.
    pub description: String,
    /// `https` URLs.
    pub images: Vec<String>,
    pub price: Amount,
    pub currency: Currency,
    /// The status that the seller has set, but SOLD_OUT instead of SELL while out of stock.
    pub status: ProductStatus,
    pub in_stock: bool,
    pub flash_sale: bool,
    /// 1 to 5, rounded to one decimal; null without ratings.
    #[schema(minimum = 1, maximum = 5)]
    pub rating_average: Option<f64>,
    pub rating_count: u64,
    pub created_at: Timestamp,
}

impl ProductBody {
    pub(super) fn new(product: &Product, currency: Currency) -> Self {
        let tenths = product.rating_tenths();
        Self {
            product_id: product.product_id,
            seller_id: product.seller_id,
            item_id: product.item_id,
            category_id: product.category_id,
            brand_id: product.brand_id,
            title: product.title.as_str().to_owned(),
            description: product.description.as_str().to_owned(),
            images: product.images.iter().map(|image| image.as_str().to_owned()).collect(),
            price: product.price,
            currency,
            status: product.effective_status(),
            in_stock: product.in_stock,
            flash_sale: product.flash_sale,
            rating_average: (tenths > 0).then(|| f64::from(tenths) / 10.0),
            rating_count: product.rating_count,
            created_at: product.created_at,
        }
    }
}

/// A product as its seller sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnProduct)]
pub struct OwnProductBody {
    #[serde(flatten)]
    product: ProductBody,
    /// The status that the seller has set, whatever the stock.
    chosen_status: ProductStatus,
}

impl OwnProductBody {
    pub(super) fn new(product: &Product, currency: Currency) -> Self {
        Self { product: ProductBody::new(product, currency), chosen_status: product.chosen_status }
    }
}
