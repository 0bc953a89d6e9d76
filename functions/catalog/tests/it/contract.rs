//! What every adapter of catalog's ports must do.

use rialto_catalog::{
    SERVICE,
    adapters::{dynamodb::DynamoCatalog, memory::MemoryCatalog},
    application::{
        change_product::{ChangeProductError, change_product},
        get_product::{GetProductError, get_product},
        list_products::list_products,
        list_seller_products::list_seller_products,
        on_seller_unregistered::on_seller_unregistered,
        on_stock_changed::{OnStockChangedError, on_stock_changed},
        put_brand::put_brand,
        put_category::put_category,
        put_item::{PutItemError, put_item},
        register_product::{Owner, RegisterProduct, RegisterProductError, register_product},
        set_product_status::set_product_status,
    },
    domain::{
        details::{Description, ImageUrl, price},
        item::{Attributes, Brand, Category, Item},
        listing::{IndexKey, Sort},
        product::{Edit, Product, ProductUpdate, Registration},
        search::{Batch, Search},
        words::Tokens,
    },
    ports::{
        ListReader, ProductPage, ProductReader, ProductWriteOutcome, ProductWriter,
        RegistrationContextReader, SellerProductReader, SellerStatus, SellerWriter, TaxonomyWriter,
    },
};
use rialto_contracts::{EventContext, accounts::SellerUnregistered, catalog::ProductStatus};
use rialto_kernel::{
    Amount, BrandId, CategoryId, ItemId, ProductId, SellerId, StoreError, Text, Timestamp, Write,
};
use std::collections::BTreeMap;

trait Store:
    ProductReader
    + ProductWriter
    + RegistrationContextReader
    + ListReader
    + SellerProductReader
    + SellerWriter
    + TaxonomyWriter
    + Sync
{
}
impl<S> Store for S where
    S: ProductReader
        + ProductWriter
        + RegistrationContextReader
        + ListReader
        + SellerProductReader
        + SellerWriter
        + TaxonomyWriter
        + Sync
{
}

/// Runs each rule on each adapter, on a store of its own.
macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $rule() { super::$rule(super::MemoryCatalog::default()).await; })*
        }
        mod dynamodb {
            $(#[tokio::test] async fn $rule() {
                let table = rialto_testkit::new_table(super::SERVICE).await;
                super::$rule(super::DynamoCatalog::on(table)).await;
            })*
        }
    };
}

contract! {
    a_product_reads_back_as_it_was_registered,
    a_product_is_made_from_an_item_that_exists,
    a_seller_that_is_named_has_to_be_known,
    a_closed_seller_gets_no_products_and_loses_those_there_are,
    a_seller_that_goes_while_a_product_is_registered_does_not_get_it,
    what_a_seller_that_goes_shows_is_withdrawn_though_the_index_does_not_know_it,
    what_the_index_hid_from_the_withdrawal_is_never_shown,
    an_assortment_is_put_once,
    a_write_expects_the_version_before,
    a_seller_changes_only_its_own_products,
    only_sell_and_sold_out_are_shown,
    the_newest_stock_event_wins_in_any_order,
    stock_and_seller_do_not_overwrite_one_another,
    stock_of_an_unknown_product_waits,
    products_are_listed_in_order,
    a_page_goes_on_where_the_last_one_ended,
    newest_first_neither_skips_nor_repeats_while_products_come_and_go,
    every_filter_and_all_of_them_together,
    a_range_of_prices_is_read_in_the_order_of_prices,
    another_title_is_found_by_its_own_words_only,
    an_unregistered_product_stands_in_no_list,
    a_long_title_is_found_by_twelve_words,
    a_product_is_listed_with_its_price_and_rating_of_now,
    a_seller_sees_every_status_newest_first,
}

fn now(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn seller(name: &str) -> SellerId {
    SellerId::derive(&[name.as_bytes()])
}

fn category(name: &str) -> CategoryId {
    CategoryId::derive(&[name.as_bytes()])
}

fn brand(name: &str) -> BrandId {
    BrandId::derive(&[name.as_bytes()])
}

/// An item of this category and brand, which are put if they aren't there.
async fn item(store: &impl Store, category_name: &str, brand_name: &str) -> ItemId {
    let (category_id, brand_id) = (category(category_name), brand(brand_name));
    let name = |name| Text::parse(name).unwrap();
    let item_id = ItemId::derive(&[category_name.as_bytes(), brand_name.as_bytes()]);
    let a_category = Category { category_id, name: name(category_name), version: 1 };
    let a_brand = Brand { brand_id, name: name(brand_name), version: 1 };
    let attributes =
        BTreeMap::from([(Text::parse("colour").unwrap(), Text::parse("red").unwrap())]);
    let item = Item {
        item_id,
        name: Text::parse("thing").unwrap(),
        category_id,
        brand_id,
        attributes: Attributes::new(attributes).unwrap(),
        version: 1,
    };
    put_category(store, &a_category).await.map(drop).unwrap();
    put_brand(store, &a_brand).await.map(drop).unwrap();
    put_item(store, &item).await.map(drop).unwrap();
    item_id
}

/// What a product of a test is about; the rest doesn't matter.
#[derive(Clone, Copy)]
struct Sketch {
    /// When it is registered.
    at: i64,
    seller: &'static str,
    category: &'static str,
    brand: &'static str,
    title: &'static str,
    price: i64,
    stock: u32,
}

const SKETCH: Sketch = Sketch {
    at: 1,
    seller: "s",
    category: "c",
    brand: "b",
    title: "Red shoe",
    price: 100,
    stock: 5,
};

fn registration(sketch: Sketch) -> Registration {
    Registration {
        title: Text::parse(sketch.title).unwrap(),
        description: Description::parse("one\ntwo").unwrap(),
        images: vec![ImageUrl::parse("https://img.example/a.png").unwrap()],
        price: price(sketch.price).unwrap(),
        initial_stock: sketch.stock,
        flash_sale: true,
    }
}

async fn register(store: &impl Store, sketch: Sketch) -> Product {
    let request = RegisterProduct {
        product: ProductId::generate(now(sketch.at)),
        owner: Owner::Caller(seller(sketch.seller)),
        item: item(store, sketch.category, sketch.brand).await,
        registration: registration(sketch),
    };
    register_product(store, request, now(sketch.at), &EventContext::default()).await.unwrap()
}

async fn choose(store: &impl Store, product: ProductId, status: ProductStatus) -> Product {
    set_product_status(store, product, status, |_| true, now(9), &EventContext::default())
        .await
        .unwrap()
}

/// A product that is shown.
async fn sell(store: &impl Store, sketch: Sketch) -> ProductId {
    let product = register(store, sketch).await.product_id;
    choose(store, product, ProductStatus::Sell).await.product_id
}

async fn edit(store: &impl Store, product: ProductId, edit: Edit) {
    change_product(store, product, &edit, |_| true, now(9), &EventContext::default())
        .await
        .unwrap();
}

async fn found(store: &impl Store, search: &Search) -> Vec<ProductId> {
    let (products, next) = list_products(store, search, 100, None).await.unwrap();
    assert_eq!(next, None);
    products.into_iter().map(|product| product.product_id).collect()
}

fn of_words(words: &str) -> Search {
    Search { words: Tokens::of(words), ..Search::default() }
}

fn sorted(sort: Sort) -> Search {
    Search { sort, ..Search::default() }
}

fn amount(minor_units: i64) -> Option<Amount> {
    Some(Amount::new(minor_units).unwrap())
}

async fn a_product_reads_back_as_it_was_registered(store: impl Store) {
    let product = register(&store, SKETCH).await;
    assert_eq!(product.chosen_status, ProductStatus::Registered);
    assert_eq!((product.category_id, product.brand_id), (category("c"), brand("b")));
    assert_eq!(store.product(product.product_id).await.unwrap(), Some(product));
    assert_eq!(store.product(ProductId::derive(&[b"none"])).await.unwrap(), None);
}

async fn a_product_is_made_from_an_item_that_exists(store: impl Store) {
    let request = RegisterProduct {
        product: ProductId::generate(now(1)),
        owner: Owner::Caller(seller("s")),
        item: ItemId::derive(&[b"none"]),
        registration: registration(SKETCH),
    };
    let id = request.product;
    let refused = register_product(&store, request.clone(), now(1), &EventContext::default()).await;
    assert!(matches!(refused, Err(RegisterProductError::UnknownItem)));
    assert_eq!(store.product(id).await.unwrap(), None);

    let request = RegisterProduct { item: item(&store, "c", "b").await, ..request };
    let product =
        register_product(&store, request.clone(), now(1), &EventContext::default()).await.unwrap();
    let again = register_product(&store, request.clone(), now(1), &EventContext::default()).await;
    assert_eq!(again.unwrap(), product);
    let other = register_product(&store, request, now(2), &EventContext::default()).await;
    assert!(matches!(other, Err(RegisterProductError::Duplicate)));
}

async fn a_seller_that_is_named_has_to_be_known(store: impl Store) {
    let request = RegisterProduct {
        product: ProductId::generate(now(1)),
        owner: Owner::Named(seller("s")),
        item: item(&store, "c", "b").await,
        registration: registration(SKETCH),
    };
    let refused = register_product(&store, request.clone(), now(1), &EventContext::default()).await;
    assert!(matches!(refused, Err(RegisterProductError::UnknownSeller)));

    assert_eq!(store.upsert_seller(seller("s")).await.unwrap(), Write::Done);
    assert_eq!(store.upsert_seller(seller("s")).await.unwrap(), Write::Conflict(()));
    let product =
        register_product(&store, request, now(1), &EventContext::default()).await.unwrap();
    assert_eq!(product.seller_id, seller("s"));
}

async fn a_closed_seller_gets_no_products_and_loses_those_there_are(store: impl Store) {
    assert_eq!(store.upsert_seller(seller("s")).await.unwrap(), Write::Done);
    let product = register(&store, SKETCH).await;
    assert_eq!(product.seller_id, seller("s"));
    let sells = product.set_status(ProductStatus::Sell, now(2), &EventContext::default()).unwrap();
    assert_eq!(store.store(&sells).await.unwrap(), ProductWriteOutcome::Done);

    let gone = SellerUnregistered { seller_id: seller("s") };
    let cause = EventContext::default();
    assert_eq!(on_seller_unregistered(&store, &gone, now(3), &cause).await.unwrap(), Write::Done);
    assert_eq!(
        on_seller_unregistered(&store, &gone, now(3), &cause).await.unwrap(),
        Write::Conflict(())
    );
    let left = store.product(product.product_id).await.unwrap().unwrap();
    assert_eq!(left.chosen_status, ProductStatus::Unregistered);
    assert_eq!(store.upsert_seller(seller("s")).await.unwrap(), Write::Conflict(()));
    for owner in [Owner::Named(seller("s")), Owner::Caller(seller("s"))] {
        let request = RegisterProduct {
            product: ProductId::generate(now(4)),
            owner,
            item: product.item_id,
            registration: registration(SKETCH),
        };
        let refused = register_product(&store, request, now(4), &cause).await;
        assert!(matches!(refused, Err(RegisterProductError::UnknownSeller)), "{owner:?}");
    }
}

/// A store in which a seller goes right after it was looked at.
struct Leaving<'a, S>(&'a S);

impl<S: Store> RegistrationContextReader for Leaving<'_, S> {
    async fn registration_context(
        &self,
        item: ItemId,
        seller: SellerId,
    ) -> Result<(Option<Item>, Option<SellerStatus>), StoreError> {
        let origin = self.0.registration_context(item, seller).await?;
        assert_eq!(self.0.close_seller(seller).await?, Write::Done);
        Ok(origin)
    }
}

impl<S: Store> ProductReader for Leaving<'_, S> {
    async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        self.0.product(product).await
    }
}

impl<S: Store> ProductWriter for Leaving<'_, S> {
    async fn store(&self, change: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
        self.0.store(change).await
    }
}

async fn a_seller_that_goes_while_a_product_is_registered_does_not_get_it(store: impl Store) {
    let item = item(&store, "c", "b").await;
    assert_eq!(store.upsert_seller(seller("known")).await.unwrap(), Write::Done);
    for (at, owner) in
        [(1, Owner::Named(seller("known"))), (2, Owner::Caller(seller("unheard of")))]
    {
        let product = ProductId::generate(now(at));
        let request = RegisterProduct { product, owner, item, registration: registration(SKETCH) };
        let refused =
            register_product(&Leaving(&store), request, now(at), &EventContext::default()).await;
        assert!(matches!(refused, Err(RegisterProductError::UnknownSeller)), "{refused:?}");
        assert_eq!(store.product(product).await.unwrap(), None);
    }
}

/// A store whose index doesn't have a seller's products yet.
struct Lagging<'a, S>(&'a S);

impl<S: Store> SellerProductReader for Lagging<'_, S> {
    async fn seller_products(
        &self,
        _: SellerId,
        _: u32,
        _: Option<&str>,
    ) -> Result<ProductPage, StoreError> {
        Ok((Vec::new(), None))
    }
}

impl<S: Store> SellerWriter for Lagging<'_, S> {
    async fn upsert_seller(&self, seller: SellerId) -> Result<Write, StoreError> {
        self.0.upsert_seller(seller).await
    }

    async fn close_seller(&self, seller: SellerId) -> Result<Write, StoreError> {
        self.0.close_seller(seller).await
    }
}

impl<S: Store> ListReader for Lagging<'_, S> {
    async fn entries(
        &self,
        list: &IndexKey,
        sort: Sort,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Batch, StoreError> {
        self.0.entries(list, sort, after, limit).await
    }

    async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
        self.0.products(ids).await
    }
}

impl<S: Store> ProductReader for Lagging<'_, S> {
    async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        self.0.product(product).await
    }
}

impl<S: Store> ProductWriter for Lagging<'_, S> {
    async fn store(&self, change: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
        self.0.store(change).await
    }
}

/// The seller goes while the index has nothing of it.
async fn unregister_unseen(store: &impl Store) {
    let gone = SellerUnregistered { seller_id: seller("s") };
    let heard =
        on_seller_unregistered(&Lagging(store), &gone, now(3), &EventContext::default()).await;
    assert_eq!(heard.unwrap(), Write::Done);
}

async fn what_a_seller_that_goes_shows_is_withdrawn_though_the_index_does_not_know_it(
    store: impl Store,
) {
    let shown = sell(&store, SKETCH).await;
    let sold_out = sell(&store, Sketch { at: 2, stock: 0, ..SKETCH }).await;
    let strange = sell(&store, Sketch { at: 3, seller: "other", ..SKETCH }).await;
    unregister_unseen(&store).await;
    for product in [shown, sold_out] {
        let product = store.product(product).await.unwrap().unwrap();
        assert_eq!(product.chosen_status, ProductStatus::Unregistered);
    }
    assert_eq!(found(&store, &Search::default()).await, [strange]);
}

async fn what_the_index_hid_from_the_withdrawal_is_never_shown(store: impl Store) {
    let product = register(&store, SKETCH).await.product_id;
    unregister_unseen(&store).await;
    for status in [ProductStatus::Sell, ProductStatus::SoldOut] {
        let refused =
            set_product_status(&store, product, status, |_| true, now(9), &EventContext::default())
                .await;
        assert!(matches!(refused, Err(ChangeProductError::SellerClosed)), "{refused:?}");
    }
    assert_eq!(found(&store, &Search::default()).await, []);
    choose(&store, product, ProductStatus::Unregistered).await;
}

async fn an_assortment_is_put_once(store: impl Store) {
    let name = |name| Text::parse(name).unwrap();
    let first = Category { category_id: category("c"), name: name("first"), version: 1 };
    let second = Category { name: name("second"), ..first.clone() };
    assert_eq!(put_category(&store, &first).await.unwrap(), Write::Done);
    assert_eq!(put_category(&store, &second).await.unwrap(), Write::Conflict(()));

    let item = Item {
        item_id: ItemId::derive(&[b"i"]),
        name: Text::parse("thing").unwrap(),
        category_id: category("c"),
        brand_id: brand("b"),
        attributes: Attributes::default(),
        version: 1,
    };
    let elsewhere = Item { category_id: category("none"), ..item.clone() };
    assert!(matches!(put_item(&store, &elsewhere).await, Err(PutItemError::UnknownCategory)));
    assert!(matches!(put_item(&store, &item).await, Err(PutItemError::UnknownBrand)));
    let a_brand = Brand { brand_id: brand("b"), name: name("brand"), version: 1 };
    assert_eq!(put_brand(&store, &a_brand).await.unwrap(), Write::Done);
    assert_eq!(put_brand(&store, &a_brand).await.unwrap(), Write::Conflict(()));
    assert_eq!(put_item(&store, &item).await.unwrap(), Write::Done);
    assert_eq!(put_item(&store, &item).await.unwrap(), Write::Conflict(()));
    assert_eq!(
        store.registration_context(item.item_id, seller("s")).await.unwrap(),
        (Some(item), None)
    );
}

async fn a_write_expects_the_version_before(store: impl Store) {
    let product = register(&store, SKETCH).await;
    let cause = EventContext::default();
    // One that changes lists too, and one that doesn't.
    let sells = product.set_status(ProductStatus::Sell, now(2), &cause).unwrap();
    let dearer =
        product.edit(&Edit { price: amount(101), ..Edit::default() }, now(2), &cause).unwrap();
    assert_eq!(store.store(&sells).await.unwrap(), ProductWriteOutcome::Done);
    assert_eq!(store.store(&dearer).await.unwrap(), ProductWriteOutcome::Conflict);
    assert_eq!(store.store(&sells).await.unwrap(), ProductWriteOutcome::Conflict);
    assert_eq!(store.product(product.product_id).await.unwrap(), Some(sells.product));
}

async fn a_seller_changes_only_its_own_products(store: impl Store) {
    let product = register(&store, SKETCH).await.product_id;
    let edit = Edit { price: amount(7), ..Edit::default() };
    let cause = EventContext::default();
    let own = |owner: SellerId| move |seller: SellerId| seller == owner;
    let refused = change_product(&store, product, &edit, own(seller("x")), now(2), &cause).await;
    assert!(matches!(refused, Err(ChangeProductError::Forbidden)));
    let nothing = ProductId::derive(&[b"none"]);
    let refused = change_product(&store, nothing, &edit, own(seller("s")), now(2), &cause).await;
    assert!(matches!(refused, Err(ChangeProductError::NotFound)));
    let changed =
        change_product(&store, product, &edit, own(seller("s")), now(2), &cause).await.unwrap();
    assert_eq!((changed.price, changed.version), (Amount::new(7).unwrap(), 2));

    choose(&store, product, ProductStatus::Unregistered).await;
    let refused = change_product(&store, product, &edit, own(seller("s")), now(2), &cause).await;
    let Err(ChangeProductError::Refused(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.state, ProductStatus::Unregistered);
}

async fn only_sell_and_sold_out_are_shown(store: impl Store) {
    let product = register(&store, SKETCH).await.product_id;
    for (status, shown) in [
        (None, false),
        (Some(ProductStatus::SoldOut), true),
        (Some(ProductStatus::Sell), true),
        (Some(ProductStatus::Unregistered), false),
    ] {
        if let Some(status) = status {
            choose(&store, product, status).await;
        }
        let read = get_product(&store, product).await;
        assert_eq!(read.is_ok(), shown, "{status:?}");
        assert_eq!(matches!(read, Err(GetProductError::NotFound)), !shown, "{status:?}");
        assert_eq!(found(&store, &Search::default()).await.len(), usize::from(shown), "{status:?}");
    }
}

async fn the_newest_stock_event_wins_in_any_order(store: impl Store) {
    let product = sell(&store, SKETCH).await;
    assert_eq!(on_stock_changed(&store, product, false, 4).await.unwrap(), Write::Done);
    let read = get_product(&store, product).await.unwrap();
    assert_eq!((read.in_stock, read.effective_status()), (false, ProductStatus::SoldOut));
    assert_eq!(on_stock_changed(&store, product, true, 3).await.unwrap(), Write::Conflict(()));
    assert_eq!(on_stock_changed(&store, product, true, 4).await.unwrap(), Write::Conflict(()));
    assert!(!get_product(&store, product).await.unwrap().in_stock);
    assert_eq!(on_stock_changed(&store, product, true, 5).await.unwrap(), Write::Done);
    assert_eq!(get_product(&store, product).await.unwrap().effective_status(), ProductStatus::Sell);
    assert_eq!(found(&store, &Search::default()).await, [product]);
}

async fn stock_and_seller_do_not_overwrite_one_another(store: impl Store) {
    let product = sell(&store, SKETCH).await;
    let before = store.product(product).await.unwrap().unwrap();
    assert_eq!(on_stock_changed(&store, product, false, 2).await.unwrap(), Write::Done);
    let overtaken = before.edit(
        &Edit { price: amount(1), ..Edit::default() },
        now(3),
        &EventContext::default(),
    );
    assert_eq!(store.store(&overtaken.unwrap()).await.unwrap(), ProductWriteOutcome::Conflict);
    edit(&store, product, Edit { price: amount(1), ..Edit::default() }).await;
    assert_eq!(on_stock_changed(&store, product, true, 3).await.unwrap(), Write::Done);
    let after = store.product(product).await.unwrap().unwrap();
    assert_eq!(
        (after.in_stock, after.price, after.version),
        (true, Amount::new(1).unwrap(), before.version + 3)
    );
}

async fn stock_of_an_unknown_product_waits(store: impl Store) {
    let product = ProductId::derive(&[b"none"]);
    let failed = on_stock_changed(&store, product, false, 2).await;
    assert!(
        matches!(failed, Err(OnStockChangedError::UnknownProduct(unknown)) if unknown == product)
    );
}

/// The same product with these ratings, as reviews will write it.
async fn rate(store: &impl Store, product: ProductId, sum: u64, count: u64) {
    let before = store.product(product).await.unwrap().unwrap();
    let version = before.version + 1;
    let product = Product { rating_sum: sum, rating_count: count, version, ..before.clone() };
    let change = ProductUpdate { before: Some(before), product, events: Vec::new() };
    assert_eq!(store.store(&change).await.unwrap(), ProductWriteOutcome::Done);
}

async fn products_are_listed_in_order(store: impl Store) {
    let dear = sell(&store, Sketch { at: 1, price: 1_000, ..SKETCH }).await;
    let cheap = sell(&store, Sketch { at: 2, price: 999, ..SKETCH }).await;
    let free_next = sell(&store, Sketch { at: 3, price: 2, ..SKETCH }).await;
    rate(&store, cheap, 9, 2).await;
    rate(&store, dear, 41, 10).await;
    assert_eq!(found(&store, &sorted(Sort::Newest)).await, [free_next, cheap, dear]);
    assert_eq!(found(&store, &sorted(Sort::Price)).await, [free_next, cheap, dear]);
    assert_eq!(found(&store, &sorted(Sort::Rating)).await, [cheap, dear, free_next]);
    let by_word = Search { sort: Sort::Rating, ..of_words("shoe") };
    assert_eq!(found(&store, &by_word).await, [cheap, dear, free_next]);
}

/// Every product of a search, page by page.
async fn all_pages(store: &impl Store, search: &Search, limit: u32) -> Vec<ProductId> {
    let mut seen = Vec::new();
    let mut position = None;
    loop {
        let (products, next) =
            list_products(store, search, limit, position.as_deref()).await.unwrap();
        assert!(products.len() <= limit as usize);
        seen.extend(products.iter().map(|product| product.product_id));
        position = next;
        if position.is_none() {
            return seen;
        }
    }
}

async fn a_page_goes_on_where_the_last_one_ended(store: impl Store) {
    let mut all = Vec::new();
    for at in 1..=7 {
        // Prices and ratings that many share.
        let title = if at % 2 == 0 { "Blue shoe" } else { "Red shoe" };
        all.push(sell(&store, Sketch { at, price: 100 + at % 2, title, ..SKETCH }).await);
    }
    let newest_first: Vec<_> = all.iter().rev().copied().collect();
    let of_red = [6, 4, 2, 0].map(|at| all[at]);
    for limit in [1, 2, 3, 7, 8] {
        assert_eq!(all_pages(&store, &Search::default(), limit).await, newest_first, "{limit}");
        assert_eq!(all_pages(&store, &sorted(Sort::Rating), limit).await, newest_first, "{limit}");
        assert_eq!(all_pages(&store, &of_words("shoe red"), limit).await, of_red, "{limit}");
        let by_price = all_pages(&store, &sorted(Sort::Price), limit).await;
        assert_eq!(by_price, [1, 3, 5, 0, 2, 4, 6].map(|at| all[at]), "{limit}");
    }
}

async fn newest_first_neither_skips_nor_repeats_while_products_come_and_go(store: impl Store) {
    let mut all = Vec::new();
    for at in 1..=6 {
        all.push(sell(&store, Sketch { at, ..SKETCH }).await);
    }
    let newest = Search::default();
    let (first, next) = list_products(&store, &newest, 2, None).await.unwrap();
    // The product that the page ended with vanishes, a newer one appears, one to come gets dearer.
    choose(&store, all[4], ProductStatus::Unregistered).await;
    sell(&store, Sketch { at: 7, ..SKETCH }).await;
    edit(&store, all[2], Edit { price: amount(1), ..Edit::default() }).await;
    let (second, next) = list_products(&store, &newest, 2, next.as_deref()).await.unwrap();
    let (third, next) = list_products(&store, &newest, 2, next.as_deref()).await.unwrap();
    let ids: Vec<_> =
        [first, second, third].concat().iter().map(|product| product.product_id).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1, 0].map(|at| all[at]));
    assert_eq!(next, None);
}

async fn every_filter_and_all_of_them_together(store: impl Store) {
    let all = [
        Sketch { at: 1, ..SKETCH },
        Sketch { at: 2, seller: "other", ..SKETCH },
        Sketch { at: 3, brand: "other", ..SKETCH },
        Sketch { at: 4, category: "other", ..SKETCH },
        Sketch { at: 5, title: "Red boot", ..SKETCH },
        Sketch { at: 6, price: 50, ..SKETCH },
    ];
    let mut ids = Vec::new();
    for sketch in all {
        ids.push(sell(&store, sketch).await);
    }
    let without = |left_out: usize| -> Vec<ProductId> {
        (0..6).rev().filter(|at| *at != left_out).map(|at| ids[at]).collect()
    };
    let (s, b, c) = (Some(seller("s")), Some(brand("b")), Some(category("c")));
    assert_eq!(found(&store, &Search { seller: s, ..Search::default() }).await, without(1));
    assert_eq!(found(&store, &Search { brand: b, ..Search::default() }).await, without(2));
    assert_eq!(found(&store, &Search { category: c, ..Search::default() }).await, without(3));
    assert_eq!(found(&store, &of_words("SHOE")).await, without(4));
    assert_eq!(
        found(&store, &Search { price_min: amount(51), ..Search::default() }).await,
        without(5)
    );
    let together =
        Search { seller: s, brand: b, category: c, price_min: amount(51), ..of_words("red shoe") };
    for sort in [Sort::Newest, Sort::Price, Sort::Rating] {
        assert_eq!(found(&store, &Search { sort, ..together.clone() }).await, [ids[0]]);
    }
    let none = Search { seller: Some(seller("none")), ..Search::default() };
    assert_eq!(found(&store, &none).await, []);
    assert_eq!(found(&store, &of_words("red sandal")).await, []);
}

async fn a_range_of_prices_is_read_in_the_order_of_prices(store: impl Store) {
    let mut ids = Vec::new();
    for at in 1..=6 {
        ids.push(sell(&store, Sketch { at, price: at * 10, ..SKETCH }).await);
    }
    let range = Search { price_min: amount(20), price_max: amount(50), ..sorted(Sort::Price) };
    assert_eq!(all_pages(&store, &range, 2).await, ids[1..5]);
    let newest = Search { sort: Sort::Newest, ..range };
    assert_eq!(all_pages(&store, &newest, 2).await, [4, 3, 2, 1].map(|at| ids[at]));
}

/// How many entries a list has, in every order alike.
async fn entries(store: &impl Store, list: IndexKey) -> usize {
    let mut numbers = Vec::new();
    for sort in [Sort::Newest, Sort::Price, Sort::Rating] {
        numbers.push(store.entries(&list, sort, None, 100).await.unwrap().entries.len());
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 1, "{list:?}");
    numbers[0]
}

fn word(word: &str) -> IndexKey {
    IndexKey::Word(word.to_owned())
}

async fn another_title_is_found_by_its_own_words_only(store: impl Store) {
    let product = sell(&store, SKETCH).await;
    assert_eq!(found(&store, &of_words("red")).await, [product]);
    edit(
        &store,
        product,
        Edit { title: Some(Text::parse("Blue shoe").unwrap()), ..Edit::default() },
    )
    .await;
    assert_eq!(entries(&store, word("red")).await, 0);
    assert_eq!(found(&store, &of_words("red")).await, []);
    assert_eq!(found(&store, &of_words("blue")).await, [product]);
    assert_eq!(found(&store, &of_words("shoe")).await, [product]);
    assert_eq!(entries(&store, word("shoe")).await, 1);
}

async fn an_unregistered_product_stands_in_no_list(store: impl Store) {
    let product = register(&store, SKETCH).await.product_id;
    let lists = [
        IndexKey::All,
        IndexKey::Seller(seller("s")),
        IndexKey::Brand(brand("b")),
        IndexKey::Category(category("c")),
        word("red"),
        word("shoe"),
    ];
    for (status, listed) in [
        (None, 0),
        (Some(ProductStatus::Sell), 1),
        (Some(ProductStatus::SoldOut), 1),
        (Some(ProductStatus::Unregistered), 0),
    ] {
        if let Some(status) = status {
            choose(&store, product, status).await;
        }
        for list in &lists {
            assert_eq!(entries(&store, list.clone()).await, listed, "{list:?} {status:?}");
        }
    }
}

async fn a_long_title_is_found_by_twelve_words(store: impl Store) {
    let title = "a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13";
    let product = sell(&store, Sketch { title, ..SKETCH }).await;
    assert_eq!(found(&store, &of_words(title)).await, [product]);
    assert_eq!(found(&store, &of_words("a13")).await, []);
    let other = "b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 b12 b13";
    edit(&store, product, Edit { title: Some(Text::parse(other).unwrap()), ..Edit::default() })
        .await;
    assert_eq!(entries(&store, word("a12")).await, 0);
    assert_eq!(found(&store, &of_words(other)).await, [product]);
}

async fn a_product_is_listed_with_its_price_and_rating_of_now(store: impl Store) {
    let first = sell(&store, Sketch { at: 1, price: 10, ..SKETCH }).await;
    let second = sell(&store, Sketch { at: 2, price: 20, ..SKETCH }).await;
    edit(&store, first, Edit { price: amount(30), ..Edit::default() }).await;
    assert_eq!(found(&store, &sorted(Sort::Price)).await, [second, first]);
    let cheap = Search { price_max: amount(25), ..Search::default() };
    assert_eq!(found(&store, &cheap).await, [second]);
    rate(&store, first, 3, 1).await;
    rate(&store, second, 4, 1).await;
    assert_eq!(found(&store, &sorted(Sort::Rating)).await, [second, first]);
    rate(&store, first, 8, 2).await;
    rate(&store, second, 5, 2).await;
    assert_eq!(found(&store, &sorted(Sort::Rating)).await, [first, second]);
    assert_eq!(entries(&store, IndexKey::All).await, 2);
}

async fn a_seller_sees_every_status_newest_first(store: impl Store) {
    let mut own = Vec::new();
    for (at, status) in [
        (1, None),
        (2, Some(ProductStatus::Sell)),
        (3, Some(ProductStatus::SoldOut)),
        (4, Some(ProductStatus::Unregistered)),
    ] {
        let product = register(&store, Sketch { at, ..SKETCH }).await.product_id;
        if let Some(status) = status {
            choose(&store, product, status).await;
        }
        own.insert(0, product);
    }
    register(&store, Sketch { at: 5, seller: "other", ..SKETCH }).await;
    let mut seen = Vec::new();
    let mut position = None;
    loop {
        let page = list_seller_products(&store, seller("s"), 3, position.as_deref()).await.unwrap();
        assert!(page.0.len() <= 3);
        seen.extend(page.0.iter().map(|product| product.product_id));
        position = page.1;
        if position.is_none() {
            break;
        }
    }
    assert_eq!(seen, own);
}

#[tokio::test]
async fn a_product_is_read_in_one_call() {
    let store = DynamoCatalog::on(rialto_testkit::new_table(SERVICE).await);
    let product = sell(&store, SKETCH).await;
    let (read, calls) = rialto_aws::calls::count_requests(get_product(&store, product)).await;
    assert_eq!((read.unwrap().product_id, calls), (product, 1));
}

#[tokio::test]
async fn a_stock_event_is_two_calls_and_a_page_without_filters_too() {
    let store = DynamoCatalog::on(rialto_testkit::new_table(SERVICE).await);
    let product = sell(&store, SKETCH).await;
    let (_, calls) =
        rialto_aws::calls::count_requests(on_stock_changed(&store, product, false, 2)).await;
    assert_eq!(calls, 2);
    let (_, calls) = rialto_aws::calls::count_requests(found(&store, &Search::default())).await;
    assert_eq!(calls, 2);
}
