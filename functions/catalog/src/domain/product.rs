use super::{
    details::{Description, ImageUrl, Title},
    item::Item,
    listing::IndexEntry,
    status::{self, IllegalTransition},
    words::Tokens,
};
use rialto_contracts::{
    Event, EventContext,
    catalog::{ProductChanged, ProductRegistered, ProductStatus},
};
use rialto_kernel::{Amount, BrandId, CategoryId, ItemId, ProductId, SellerId, Timestamp};
use serde::{Deserialize, Serialize};

/// Something that a seller sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub item_id: ItemId,
    /// The item's.
    pub category_id: CategoryId,
    /// The item's.
    pub brand_id: BrandId,
    pub title: Title,
    pub description: Description,
    pub images: Vec<ImageUrl>,
    pub price: Amount,
    /// Fixed from the start.
    pub flash_sale: bool,
    /// What the seller chose.
    pub chosen_status: ProductStatus,
    /// What inventory last told.
    pub in_stock: bool,
    /// The `sequence` of the event that told it; 0 before the first.
    pub stock_sequence: u64,
    /// All ratings' sum.
    pub rating_sum: u64,
    pub rating_count: u64,
    pub created_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

/// What a seller says at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub title: Title,
    pub description: Description,
    pub images: Vec<ImageUrl>,
    pub price: Amount,
    pub initial_stock: u32,
    pub flash_sale: bool,
}

/// What a seller says anew; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    pub title: Option<Title>,
    pub description: Option<Description>,
    pub images: Option<Vec<ImageUrl>>,
    pub price: Option<Amount>,
}

/// A write: the product before, as it will be, and what is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductUpdate {
    /// None if there is no such product yet.
    pub before: Option<Product>,
    pub product: Product,
    pub events: Vec<Event>,
}

impl ProductUpdate {
    /// Whether it is only for sellers who aren't closed: what is new, and what everybody sees from now on. So a list of
    /// what a closed seller shows can only get shorter.
    #[must_use]
    pub fn requires_open_seller(&self) -> bool {
        self.before.as_ref().is_none_or(|before| self.product.is_public() && !before.is_public())
    }
}

impl Product {
    /// A new product, made from an item. It is in stock if it begins with any.
    #[must_use]
    pub fn register(
        product_id: ProductId,
        seller_id: SellerId,
        item: &Item,
        registration: Registration,
        now: Timestamp,
        cause: &EventContext,
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
        let announced = ProductRegistered {
            product_id,
            seller_id,
            item_id: product.item_id,
            title: product.title.as_str().to_owned(),
            price: product.price,
            initial_stock,
            flash_sale: product.flash_sale,
            status: product.chosen_status,
        };
        let events = vec![Event::new(&announced, product.version, 0, now, cause)];
        ProductUpdate { before: None, product, events }
    }

    /// What everybody sees as its status.
    #[must_use]
    pub const fn effective_status(&self) -> ProductStatus {
        status::shown(self.chosen_status, self.in_stock)
    }

    /// Whether everybody sees it.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        status::is_public(self.effective_status())
    }

    /// The ratings' average in tenths, 10 to 50, rounded; 0 without any.
    #[must_use]
    pub fn rating_tenths(&self) -> u8 {
        let tenths = (self.rating_sum * 10 + self.rating_count / 2).checked_div(self.rating_count);
        tenths.and_then(|tenths| u8::try_from(tenths).ok()).unwrap_or(0)
    }

    /// What lists hold of it; nothing while it isn't public.
    #[must_use]
    pub fn entry(&self) -> Option<IndexEntry> {
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

    /// The product with what its seller says anew.
    ///
    /// # Errors
    /// [`IllegalTransition`] once it is UNREGISTERED.
    pub fn edit(
        &self,
        edit: &Edit,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<ProductUpdate, IllegalTransition> {
        if self.chosen_status == ProductStatus::Unregistered {
            return Err(IllegalTransition { state: self.chosen_status });
        }
        let edit = edit.clone();
        let after = Self {
            title: edit.title.unwrap_or_else(|| self.title.clone()),
            description: edit.description.unwrap_or_else(|| self.description.clone()),
            images: edit.images.unwrap_or_else(|| self.images.clone()),
            price: edit.price.unwrap_or(self.price),
            ..self.clone()
        };
        Ok(self.update_to(after, now, cause))
    }

    /// The product with another status.
    ///
    /// # Errors
    /// [`IllegalTransition`] unless that status may follow the chosen one.
    pub fn set_status(
        &self,
        status: ProductStatus,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<ProductUpdate, IllegalTransition> {
        if !status::may_follow(self.chosen_status, status) {
            return Err(IllegalTransition { state: self.chosen_status });
        }
        Ok(self.update_to(Self { chosen_status: status, ..self.clone() }, now, cause))
    }

    /// The product as inventory tells of its stock; nothing if something newer was heard.
    #[must_use]
    pub fn apply_stock_event(&self, in_stock: bool, sequence: u64) -> Option<ProductUpdate> {
        (sequence > self.stock_sequence).then(|| {
            let version = self.version + 1;
            let product = Self { in_stock, stock_sequence: sequence, version, ..self.clone() };
            ProductUpdate { before: Some(self.clone()), product, events: Vec::new() }
        })
    }

    /// Announces the change if the event would say anything new.
    fn update_to(&self, after: Self, now: Timestamp, cause: &EventContext) -> ProductUpdate {
        let product = Self { version: self.version + 1, ..after };
        let announced = product.to_event();
        let events = if announced == self.to_event() {
            Vec::new()
        } else {
            vec![Event::new(&announced, product.version, 0, now, cause)]
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
    fn a_registration_is_announced_with_its_stock() {
        let change = registered(100, "s", "Red shoe", 7);
        assert_eq!((change.events.len(), change.product.version), (1, 1));
        let event = &change.events[0];
        assert_eq!((event.kind.as_str(), event.sequence), ("ProductRegistered", 1));
        assert_eq!((&event.data["initial_stock"], &event.data["price"]), (&7.into(), &100.into()));
        assert_eq!(event.data["status"], "REGISTERED");
    }

    fn chosen(product: &Product, status: ProductStatus) -> Product {
        product.set_status(status, NOW, &EventContext::default()).unwrap().product
    }

    #[test]
    fn stock_events_in_any_order_lead_to_the_newest() {
        let sold = chosen(&product(5), Sell);
        let newest_last = [(false, 3), (true, 4), (false, 7)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut product = sold.clone();
            for at in order {
                let (in_stock, sequence) = newest_last[at];
                if let Some(change) = product.apply_stock_event(in_stock, sequence) {
                    assert!(change.events.is_empty());
                    product = change.product;
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
    fn without_initial_stock_a_product_shows_sold_out() {
        assert_eq!(chosen(&product(0), Sell).effective_status(), SoldOut);
        assert_eq!(chosen(&product(1), Sell).effective_status(), Sell);
        assert_eq!(chosen(&product(1), SoldOut).effective_status(), SoldOut);
    }

    #[test]
    fn only_what_the_event_carries_is_announced_and_every_change_counts() {
        let product = product(5);
        let edit = |edit: Edit| product.edit(&edit, NOW, &EventContext::default()).unwrap();
        let described = edit(Edit {
            description: Some(Description::parse("soft").unwrap()),
            ..Edit::default()
        });
        assert_eq!((described.product.version, described.events.len()), (2, 0));
        let same = edit(Edit { price: Some(product.price), ..Edit::default() });
        assert_eq!((same.product.version, same.events.len()), (2, 0));
        let dearer = edit(Edit { price: Some(Amount::new(101).unwrap()), ..Edit::default() });
        assert_eq!(dearer.events[0].data["price"], 101);
        assert_eq!(dearer.events[0].sequence, 2);
        let chosen = product.set_status(SoldOut, NOW, &EventContext::default()).unwrap();
        assert_eq!(chosen.events[0].data["status"], "SOLD_OUT");
    }

    #[test]
    fn an_unregistered_product_stays_as_it_is() {
        let gone = chosen(&product(5), Unregistered);
        let refused = IllegalTransition { state: Unregistered };
        assert_eq!(gone.edit(&Edit::default(), NOW, &EventContext::default()), Err(refused));
        for status in [Registered, Sell, SoldOut, Unregistered] {
            assert_eq!(gone.set_status(status, NOW, &EventContext::default()), Err(refused));
        }
        assert!(!gone.is_public());
    }

    #[test]
    fn an_average_is_rounded_to_tenths() {
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
    fn a_closed_seller_gets_nothing_new_and_shows_nothing_more() {
        let registered = registered(100, "s", "Red shoe", 7);
        assert!(registered.requires_open_seller());
        let product = registered.product;
        let choose = |product: &Product, status| {
            product.set_status(status, NOW, &EventContext::default()).unwrap()
        };
        for (from, to, needs) in [
            (&product, Sell, true),
            (&product, SoldOut, true),
            (&product, Unregistered, false),
            (&chosen(&product, SoldOut), Sell, false),
            (&chosen(&product, Sell), Unregistered, false),
        ] {
            assert_eq!(
                choose(from, to).requires_open_seller(),
                needs,
                "{:?} {to:?}",
                from.chosen_status
            );
        }
        assert!(
            !chosen(&product, Sell).apply_stock_event(false, 3).unwrap().requires_open_seller()
        );
    }

    #[test]
    fn only_public_products_are_listed() {
        let registered = product(5);
        assert_eq!(registered.entry(), None);
        let listed = chosen(&registered, Sell).entry().unwrap();
        assert_eq!(listed.words, Tokens::of("red shoe"));
        assert_eq!(chosen(&chosen(&registered, Sell), Unregistered).entry(), None);
    }
}
