//! The product aggregate: registered by its seller, then changed by its seller and by inventory's
//! events.

use super::{
    details::{Description, ImageUrl, Title},
    index::IndexEntry,
    item::Item,
    status::{self, IllegalTransition},
    tokens::Tokens,
};
use rialto_contracts::{
    Event, EventContext,
    catalog::{ProductChanged, ProductRegistered, ProductStatus},
};
use rialto_kernel::{Amount, BrandId, CategoryId, ETag, ItemId, ProductId, SellerId, Timestamp};
use serde::{Deserialize, Serialize};

/// A product of a seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub item_id: ItemId,
    /// Copied from the item.
    pub category_id: CategoryId,
    /// Copied from the item.
    pub brand_id: BrandId,
    pub title: Title,
    pub description: Description,
    pub images: Vec<ImageUrl>,
    pub price: Amount,
    /// Set at registration; never changes.
    pub flash_sale: bool,
    /// The status that the seller has set.
    pub chosen_status: ProductStatus,
    /// Whether there is stock, by inventory's last event.
    pub in_stock: bool,
    /// The `sequence` of inventory's last event; 0 before the first.
    pub stock_sequence: u64,
    /// The sum of all ratings.
    pub rating_sum: u64,
    pub rating_count: u64,
    pub created_at: Timestamp,
    /// Incremented by every write.
    pub version: u64,
}

/// The fields that a seller sets at registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub title: Title,
    pub description: Description,
    pub images: Vec<ImageUrl>,
    pub price: Amount,
    pub initial_stock: u32,
    pub flash_sale: bool,
}

/// Changes of the fields that a seller can change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductPatch {
    pub title: Option<Title>,
    pub description: Option<Description>,
    pub images: Option<Vec<ImageUrl>>,
    pub price: Option<Amount>,
}

/// A pending write: the product before, the product after, and the events to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductUpdate {
    /// `None` for a new product.
    pub before: Option<Product>,
    pub product: Product,
    pub events: Vec<Event>,
}

impl ProductUpdate {
    /// Whether the seller must not be closed: for new products and for those that become public. A
    /// closed seller's list of public products can therefore only get shorter.
    #[must_use]
    pub fn requires_open_seller(&self) -> bool {
        self.before.as_ref().is_none_or(|before| self.product.is_public() && !before.is_public())
    }
}

impl Product {
    /// A new product made from an item. It is in stock if its initial stock isn't zero.
    #[must_use]
    pub fn register(
        product_id: ProductId,
        seller_id: SellerId,
        item: &Item,
        registration: Registration,
        now: Timestamp,
        context: &EventContext,
    ) -> ProductUpdate {
        let initial_stock = registration.initial_stock;
        let product = Self {
            product_id,
            seller_id,
            item_id: item.item_id,
            category_id: item.category_id,
            brand_id: item.brand_id,
            title: registration.title,
            description: registration.description,
            images: registration.images,
            price: registration.price,
            flash_sale: registration.flash_sale,
            chosen_status: ProductStatus::Registered,
            in_stock: initial_stock > 0,
            stock_sequence: 0,
            rating_sum: 0,
            rating_count: 0,
            created_at: now,
            version: 1,
        };
        let registered = ProductRegistered {
            product_id,
            seller_id,
            item_id: product.item_id,
            title: product.title.as_str().to_owned(),
            price: product.price,
            initial_stock,
            flash_sale: product.flash_sale,
            status: product.chosen_status,
        };
        let events = vec![Event::new(&registered, product.version, 0, now, context)];
        ProductUpdate { before: None, product, events }
    }

    /// The status that everyone sees: SOLD_OUT instead of SELL while out of stock.
    #[must_use]
    pub const fn effective_status(&self) -> ProductStatus {
        status::effective(self.chosen_status, self.in_stock)
    }

    /// Whether the product is visible to everyone.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        status::is_public(self.effective_status())
    }

    /// The average rating in tenths, 10 to 50, rounded; 0 without ratings.
    #[must_use]
    pub fn rating_tenths(&self) -> u8 {
        let tenths = (self.rating_sum * 10 + self.rating_count / 2).checked_div(self.rating_count);
        tenths.and_then(|tenths| u8::try_from(tenths).ok()).unwrap_or(0)
    }

    /// The product's entry in the index; `None` while it isn't public.
    #[must_use]
    pub fn index_entry(&self) -> Option<IndexEntry> {
        self.is_public().then(|| IndexEntry {
            product_id: self.product_id,
            seller_id: self.seller_id,
            category_id: self.category_id,
            brand_id: self.brand_id,
            price: self.price,
            rating_tenths: self.rating_tenths(),
            words: Tokens::of(self.title.as_str()),
        })
    }

    /// The product's entity tag: of what PATCH and PUT can change, so that neither stock nor
    /// ratings affect it.
    #[must_use]
    pub fn etag(&self) -> ETag {
        ETag::of(&(&self.title, &self.description, &self.images, self.price, self.chosen_status))
    }

    /// Changes the fields that the seller can change.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the product is UNREGISTERED.
    pub fn apply_patch(
        &self,
        patch: &ProductPatch,
        now: Timestamp,
        context: &EventContext,
    ) -> Result<ProductUpdate, IllegalTransition> {
        if self.chosen_status == ProductStatus::Unregistered {
            return Err(IllegalTransition { state: self.chosen_status });
        }
        let patch = patch.clone();
        let after = Self {
            title: patch.title.unwrap_or_else(|| self.title.clone()),
            description: patch.description.unwrap_or_else(|| self.description.clone()),
            images: patch.images.unwrap_or_else(|| self.images.clone()),
            price: patch.price.unwrap_or(self.price),
            ..self.clone()
        };
        Ok(self.update_to(after, now, context))
    }

    /// Changes the status that the seller has set.
    ///
    /// # Errors
    /// [`IllegalTransition`] unless `status` may follow the current one.
    pub fn set_status(
        &self,
        status: ProductStatus,
        now: Timestamp,
        context: &EventContext,
    ) -> Result<ProductUpdate, IllegalTransition> {
        if !status::is_legal_transition(self.chosen_status, status) {
            return Err(IllegalTransition { state: self.chosen_status });
        }
        Ok(self.update_to(Self { chosen_status: status, ..self.clone() }, now, context))
    }

    /// Applies an event of inventory; `None` if a newer event has been applied already.
    #[must_use]
    pub fn apply_stock_event(&self, in_stock: bool, sequence: u64) -> Option<ProductUpdate> {
        (sequence > self.stock_sequence).then(|| {
            let version = self.version + 1;
            let product = Self { in_stock, stock_sequence: sequence, version, ..self.clone() };
            ProductUpdate { before: Some(self.clone()), product, events: Vec::new() }
        })
    }

    /// The update to `after`, with an event only if a field that the event carries has changed.
    fn update_to(&self, after: Self, now: Timestamp, context: &EventContext) -> ProductUpdate {
        let product = Self { version: self.version + 1, ..after };
        let changed = product.to_event();
        let events = if changed == self.to_event() {
            Vec::new()
        } else {
            vec![Event::new(&changed, product.version, 0, now, context)]
        };
        ProductUpdate { before: Some(self.clone()), product, events }
    }

    fn to_event(&self) -> ProductChanged {
        ProductChanged {
            product_id: self.product_id,
            seller_id: self.seller_id,
            title: self.title.as_str().to_owned(),
            price: self.price,
            status: self.chosen_status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::registered;
    use ProductStatus::{Registered, Sell, SoldOut, Unregistered};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn product(initial_stock: u32) -> Product {
        registered(100, "s", "Red shoe", initial_stock).product
    }

    #[test]
    fn a_registration_emits_an_event_with_the_initial_stock() {
        let update = registered(100, "s", "Red shoe", 7);
        assert_eq!((update.events.len(), update.product.version), (1, 1));
        let event = &update.events[0];
        assert_eq!((event.kind.as_str(), event.sequence), ("ProductRegistered", 1));
        assert_eq!((&event.data["initial_stock"], &event.data["price"]), (&7.into(), &100.into()));
        assert_eq!(event.data["status"], "REGISTERED");
    }

    fn with_status(product: &Product, status: ProductStatus) -> Product {
        product.set_status(status, NOW, &EventContext::default()).unwrap().product
    }

    #[test]
    fn the_newest_stock_event_wins_in_any_order() {
        let sold = with_status(&product(5), Sell);
        let events = [(false, 3), (true, 4), (false, 7)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut product = sold.clone();
            for at in order {
                let (in_stock, sequence) = events[at];
                if let Some(update) = product.apply_stock_event(in_stock, sequence) {
                    assert!(update.events.is_empty());
                    product = update.product;
                }
            }
            assert_eq!((product.in_stock, product.stock_sequence), (false, 7), "{order:?}");
            assert_eq!(product.effective_status(), SoldOut);
            assert_eq!(product.apply_stock_event(true, 7), None);
            assert_eq!(
                product.apply_stock_event(true, 8).unwrap().product.effective_status(),
                Sell
            );
        }
    }

    #[test]
    fn products_without_initial_stock_are_sold_out() {
        assert_eq!(with_status(&product(0), Sell).effective_status(), SoldOut);
        assert_eq!(with_status(&product(1), Sell).effective_status(), Sell);
        assert_eq!(with_status(&product(1), SoldOut).effective_status(), SoldOut);
    }

    #[test]
    fn events_are_emitted_only_for_fields_that_they_carry() {
        let product = product(5);
        let patched = |patch: ProductPatch| {
            product.apply_patch(&patch, NOW, &EventContext::default()).unwrap()
        };
        let described = patched(ProductPatch {
            description: Some(Description::parse("soft").unwrap()),
            ..ProductPatch::default()
        });
        assert_eq!((described.product.version, described.events.len()), (2, 0));
        let same = patched(ProductPatch { price: Some(product.price), ..ProductPatch::default() });
        assert_eq!((same.product.version, same.events.len()), (2, 0));
        let dearer = patched(ProductPatch {
            price: Some(Amount::new(101).unwrap()),
            ..ProductPatch::default()
        });
        assert_eq!(dearer.events[0].data["price"], 101);
        assert_eq!(dearer.events[0].sequence, 2);
        let sold_out = product.set_status(SoldOut, NOW, &EventContext::default()).unwrap();
        assert_eq!(sold_out.events[0].data["status"], "SOLD_OUT");
    }

    #[test]
    fn an_unregistered_product_cannot_be_changed() {
        let unregistered = with_status(&product(5), Unregistered);
        let illegal = IllegalTransition { state: Unregistered };
        assert_eq!(
            unregistered.apply_patch(&ProductPatch::default(), NOW, &EventContext::default()),
            Err(illegal)
        );
        for status in [Registered, Sell, SoldOut, Unregistered] {
            assert_eq!(
                unregistered.set_status(status, NOW, &EventContext::default()),
                Err(illegal)
            );
        }
        assert!(!unregistered.is_public());
    }

    #[test]
    fn average_ratings_are_rounded_to_tenths() {
        let rated = |rating_sum, rating_count| {
            Product { rating_sum, rating_count, ..product(1) }.rating_tenths()
        };
        assert_eq!(rated(0, 0), 0);
        assert_eq!(rated(5, 1), 50);
        assert_eq!(rated(13, 3), 43);
        assert_eq!(rated(14, 3), 47);
        assert_eq!(rated(1, 1), 10);
        assert_eq!(rated(9, 4), 23);
    }

    #[test]
    fn new_and_newly_public_products_require_an_open_seller() {
        let registered = registered(100, "s", "Red shoe", 7);
        assert!(registered.requires_open_seller());
        let product = registered.product;
        let update = |product: &Product, status| {
            product.set_status(status, NOW, &EventContext::default()).unwrap()
        };
        for (from, to, required) in [
            (&product, Sell, true),
            (&product, SoldOut, true),
            (&product, Unregistered, false),
            (&with_status(&product, SoldOut), Sell, false),
            (&with_status(&product, Sell), Unregistered, false),
        ] {
            assert_eq!(
                update(from, to).requires_open_seller(),
                required,
                "{:?} {to:?}",
                from.chosen_status
            );
        }
        assert!(
            !with_status(&product, Sell)
                .apply_stock_event(false, 3)
                .unwrap()
                .requires_open_seller()
        );
    }

    #[test]
    fn only_public_products_are_indexed() {
        let registered = product(5);
        assert_eq!(registered.index_entry(), None);
        let entry = with_status(&registered, Sell).index_entry().unwrap();
        assert_eq!(entry.words, Tokens::of("red shoe"));
        assert_eq!(with_status(&with_status(&registered, Sell), Unregistered).index_entry(), None);
    }

    #[test]
    fn the_etag_covers_what_the_seller_can_change() {
        let product = product(5);
        for patch in [
            ProductPatch { title: Some(Title::parse("Blue shoe").unwrap()), ..Default::default() },
            ProductPatch {
                description: Some(Description::parse("soft").unwrap()),
                ..Default::default()
            },
            ProductPatch {
                images: Some(vec![ImageUrl::parse("https://img.example/a").unwrap()]),
                ..Default::default()
            },
            ProductPatch { price: Some(Amount::new(7).unwrap()), ..Default::default() },
        ] {
            let patched = product.apply_patch(&patch, NOW, &EventContext::default()).unwrap();
            assert_ne!(patched.product.etag(), product.etag(), "{patch:?}");
        }
        assert_ne!(with_status(&product, SoldOut).etag(), product.etag());

        let out_of_stock = product.apply_stock_event(false, 3).unwrap().product;
        assert_eq!(out_of_stock.etag(), product.etag());
        let rated = Product { rating_sum: 9, rating_count: 2, ..product.clone() };
        assert_eq!(rated.etag(), product.etag());
    }
}
