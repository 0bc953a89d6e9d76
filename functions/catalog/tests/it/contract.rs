//! The contract of catalog's ports, tested on every adapter.

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
        index::{IndexKey, Sort},
        item::{Attributes, Brand, Category, Item},
        product::{Product, ProductPatch, ProductUpdate, Registration},
        search::{Batch, Search},
        tokens::Tokens,
    },
    ports::{
        IndexReader, ProductPage, ProductReader, ProductWriteOutcome, ProductWriter,
        PublicProductReader, RegistrationContextReader, SellerEntryReader, SellerProductReader,
        SellerStatus, SellerWriter, TaxonomyWriter,
    },
};
use rialto_contracts::{EventContext, accounts::SellerUnregistered, catalog::ProductStatus};
use rialto_kernel::{
    Amount, BrandId, CategoryId, IfMatch, ItemId, ProductId, SellerId, StoreError, Text, Timestamp,
    Write,
};
use std::collections::BTreeMap;

mod search;
use search::*;

trait Store:
    ProductReader
    + ProductWriter
    + RegistrationContextReader
    + PublicProductReader
    + IndexReader
    + SellerEntryReader
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
        + PublicProductReader
        + IndexReader
        + SellerEntryReader
        + SellerProductReader
        + SellerWriter
        + TaxonomyWriter
        + Sync
{
}

rialto_testkit::contract! {
    memory: MemoryCatalog::default(),
    dynamodb: DynamoCatalog::on(rialto_testkit::new_table(SERVICE).await);
    a_registered_product_is_stored,
    a_registration_requires_an_existing_item,
    a_named_seller_must_be_known,
    closing_a_seller_ends_its_products_and_registrations,
    a_registration_fails_if_the_seller_closes_meanwhile,
    public_products_are_unpublished_despite_a_stale_index,
    products_of_a_closed_seller_cannot_become_public,
    categories_brands_and_items_are_created_once,
    a_write_requires_the_previous_version,
    a_seller_can_change_only_its_own_products,
    a_failed_precondition_comes_before_illegal_transitions,
    a_precondition_allows_changes_of_the_version_that_was_read,
    only_products_on_sale_or_sold_out_are_public,
    the_newest_stock_event_wins_in_any_order,
    stock_events_and_edits_do_not_overwrite_each_other,
    stock_events_of_unknown_products_fail,
    products_are_listed_in_order,
    pages_continue_after_the_last_product,
    pages_stay_complete_while_products_change,
    products_are_found_by_every_filter_and_their_combination,
    a_price_range_is_listed_in_order,
    a_new_title_is_found_by_its_words_only,
    only_public_products_are_indexed,
    a_title_is_found_by_its_first_twelve_words,
    products_are_listed_by_current_price_and_rating,
    a_sellers_list_has_every_status_newest_first,
    forged_positions_fail_as_invalid,
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

/// Creates an item of this category and brand, if necessary with these.
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

/// The properties of a product that tests depend on.
#[derive(Clone, Copy)]
struct ProductDraft {
    /// The time of registration in milliseconds.
    at: i64,
    seller: &'static str,
    category: &'static str,
    brand: &'static str,
    title: &'static str,
    price: i64,
    stock: u32,
}

const DRAFT: ProductDraft = ProductDraft {
    at: 1,
    seller: "s",
    category: "c",
    brand: "b",
    title: "Red shoe",
    price: 100,
    stock: 5,
};

fn registration(draft: ProductDraft) -> Registration {
    Registration {
        title: Text::parse(draft.title).unwrap(),
        description: Description::parse("one\ntwo").unwrap(),
        images: vec![ImageUrl::parse("https://img.example/a.png").unwrap()],
        price: price(draft.price).unwrap(),
        initial_stock: draft.stock,
        flash_sale: true,
    }
}

async fn register(store: &impl Store, draft: ProductDraft) -> Product {
    let request = RegisterProduct {
        product: ProductId::generate(now(draft.at)),
        owner: Owner::Caller(seller(draft.seller)),
        item: item(store, draft.category, draft.brand).await,
        registration: registration(draft),
    };
    register_product(store, request, now(draft.at), &EventContext::default()).await.unwrap()
}

async fn try_set_status(
    store: &impl Store,
    product: ProductId,
    status: ProductStatus,
) -> Result<Product, ChangeProductError> {
    let (if_match, context) = (IfMatch::Absent, EventContext::default());
    set_product_status(store, product, status, &if_match, |_| true, now(9), &context).await
}

async fn set_status(store: &impl Store, product: ProductId, status: ProductStatus) -> Product {
    try_set_status(store, product, status).await.unwrap()
}

/// Registers a product and sets its status to SELL.
async fn register_for_sale(store: &impl Store, draft: ProductDraft) -> ProductId {
    let product = register(store, draft).await.product_id;
    set_status(store, product, ProductStatus::Sell).await.product_id
}

async fn patch(store: &impl Store, product: ProductId, patch: ProductPatch) {
    change_product(
        store,
        product,
        &patch,
        &IfMatch::Absent,
        |_| true,
        now(9),
        &EventContext::default(),
    )
    .await
    .unwrap();
}

async fn search_ids(store: &impl Store, search: &Search) -> Vec<ProductId> {
    let (products, next) = list_products(store, search, 100, None).await.unwrap();
    assert_eq!(next, None);
    products.into_iter().map(|product| product.product_id).collect()
}

fn by_words(words: &str) -> Search {
    Search { query: Some(Tokens::of(words)), ..Search::default() }
}

fn by_order(sort: Sort) -> Search {
    Search { sort, ..Search::default() }
}

fn amount(minor_units: i64) -> Option<Amount> {
    Some(Amount::new(minor_units).unwrap())
}

async fn a_registered_product_is_stored(store: impl Store) {
    let product = register(&store, DRAFT).await;
    assert_eq!(product.chosen_status, ProductStatus::Registered);
    assert_eq!((product.category_id, product.brand_id), (category("c"), brand("b")));
    assert_eq!(store.product(product.product_id).await.unwrap(), Some(product));
    assert_eq!(store.product(ProductId::derive(&[b"none"])).await.unwrap(), None);
}

async fn a_registration_requires_an_existing_item(store: impl Store) {
    let request = RegisterProduct {
        product: ProductId::generate(now(1)),
        owner: Owner::Caller(seller("s")),
        item: ItemId::derive(&[b"none"]),
        registration: registration(DRAFT),
    };
    let id = request.product;
    let result = register_product(&store, request.clone(), now(1), &EventContext::default()).await;
    assert!(matches!(result, Err(RegisterProductError::UnknownItem)));
    assert_eq!(store.product(id).await.unwrap(), None);

    let request = RegisterProduct { item: item(&store, "c", "b").await, ..request };
    let product =
        register_product(&store, request.clone(), now(1), &EventContext::default()).await.unwrap();
    let again = register_product(&store, request.clone(), now(1), &EventContext::default()).await;
    assert_eq!(again.unwrap(), product);
    let other = register_product(&store, request, now(2), &EventContext::default()).await;
    assert!(matches!(other, Err(RegisterProductError::Duplicate)));
}

async fn a_named_seller_must_be_known(store: impl Store) {
    let request = RegisterProduct {
        product: ProductId::generate(now(1)),
        owner: Owner::Named(seller("s")),
        item: item(&store, "c", "b").await,
        registration: registration(DRAFT),
    };
    let result = register_product(&store, request.clone(), now(1), &EventContext::default()).await;
    assert!(matches!(result, Err(RegisterProductError::UnknownSeller)));

    assert_eq!(store.upsert_seller(seller("s")).await.unwrap(), Write::Done);
    assert_eq!(store.upsert_seller(seller("s")).await.unwrap(), Write::Conflict(()));
    let product =
        register_product(&store, request, now(1), &EventContext::default()).await.unwrap();
    assert_eq!(product.seller_id, seller("s"));
}

async fn closing_a_seller_ends_its_products_and_registrations(store: impl Store) {
    assert_eq!(store.upsert_seller(seller("s")).await.unwrap(), Write::Done);
    let product = register(&store, DRAFT).await;
    assert_eq!(product.seller_id, seller("s"));
    let sells = product.set_status(ProductStatus::Sell, now(2), &EventContext::default()).unwrap();
    assert_eq!(store.save(&sells).await.unwrap(), ProductWriteOutcome::Done);

    let event = SellerUnregistered { seller_id: seller("s") };
    let context = EventContext::default();
    assert_eq!(
        on_seller_unregistered(&store, &event, now(3), &context).await.unwrap(),
        Write::Done
    );
    assert_eq!(
        on_seller_unregistered(&store, &event, now(3), &context).await.unwrap(),
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
            registration: registration(DRAFT),
        };
        let result = register_product(&store, request, now(4), &context).await;
        assert!(matches!(result, Err(RegisterProductError::UnknownSeller)), "{owner:?}");
    }
}

/// A store in which the seller is closed right after it is read.
struct SellerClosingCatalog<'a, S>(&'a S);

impl<S: Store> RegistrationContextReader for SellerClosingCatalog<'_, S> {
    async fn registration_context(
        &self,
        item: ItemId,
        seller: SellerId,
    ) -> Result<(Option<Item>, Option<SellerStatus>), StoreError> {
        let found = self.0.registration_context(item, seller).await?;
        assert_eq!(self.0.close_seller(seller).await?, Write::Done);
        Ok(found)
    }
}

impl<S: Store> ProductReader for SellerClosingCatalog<'_, S> {
    async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        self.0.product(product).await
    }
}

impl<S: Store> ProductWriter for SellerClosingCatalog<'_, S> {
    async fn save(&self, update: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
        self.0.save(update).await
    }
}

async fn a_registration_fails_if_the_seller_closes_meanwhile(store: impl Store) {
    let item = item(&store, "c", "b").await;
    assert_eq!(store.upsert_seller(seller("known")).await.unwrap(), Write::Done);
    for (at, owner) in [(1, Owner::Named(seller("known"))), (2, Owner::Caller(seller("unknown")))] {
        let product = ProductId::generate(now(at));
        let request = RegisterProduct { product, owner, item, registration: registration(DRAFT) };
        let result = register_product(
            &SellerClosingCatalog(&store),
            request,
            now(at),
            &EventContext::default(),
        )
        .await;
        assert!(matches!(result, Err(RegisterProductError::UnknownSeller)), "{result:?}");
        assert_eq!(store.product(product).await.unwrap(), None);
    }
}

/// A store whose list of a seller's products is stale and empty.
struct StaleSellerListCatalog<'a, S>(&'a S);

impl<S: Store> SellerProductReader for StaleSellerListCatalog<'_, S> {
    async fn seller_products(
        &self,
        _: SellerId,
        _: u32,
        _: Option<&str>,
    ) -> Result<ProductPage, StoreError> {
        Ok((Vec::new(), None))
    }
}

impl<S: Store> SellerWriter for StaleSellerListCatalog<'_, S> {
    async fn upsert_seller(&self, seller: SellerId) -> Result<Write, StoreError> {
        self.0.upsert_seller(seller).await
    }

    async fn close_seller(&self, seller: SellerId) -> Result<Write, StoreError> {
        self.0.close_seller(seller).await
    }
}

impl<S: Store> SellerEntryReader for StaleSellerListCatalog<'_, S> {
    async fn seller_entries(
        &self,
        seller: SellerId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Batch, StoreError> {
        self.0.seller_entries(seller, after, limit).await
    }
}

impl<S: Store> ProductReader for StaleSellerListCatalog<'_, S> {
    async fn product(&self, product: ProductId) -> Result<Option<Product>, StoreError> {
        self.0.product(product).await
    }
}

impl<S: Store> ProductWriter for StaleSellerListCatalog<'_, S> {
    async fn save(&self, update: &ProductUpdate) -> Result<ProductWriteOutcome, StoreError> {
        self.0.save(update).await
    }
}

/// Unregisters the seller while the list of its products is stale.
async fn unregister_with_stale_list(store: &impl Store) {
    let event = SellerUnregistered { seller_id: seller("s") };
    let outcome = on_seller_unregistered(
        &StaleSellerListCatalog(store),
        &event,
        now(3),
        &EventContext::default(),
    )
    .await;
    assert_eq!(outcome.unwrap(), Write::Done);
}

async fn public_products_are_unpublished_despite_a_stale_index(store: impl Store) {
    let shown = register_for_sale(&store, DRAFT).await;
    let sold_out = register_for_sale(&store, ProductDraft { at: 2, stock: 0, ..DRAFT }).await;
    let foreign = register_for_sale(&store, ProductDraft { at: 3, seller: "other", ..DRAFT }).await;
    unregister_with_stale_list(&store).await;
    for product in [shown, sold_out] {
        let product = store.product(product).await.unwrap().unwrap();
        assert_eq!(product.chosen_status, ProductStatus::Unregistered);
    }
    assert_eq!(search_ids(&store, &Search::default()).await, [foreign]);
}

async fn products_of_a_closed_seller_cannot_become_public(store: impl Store) {
    let product = register(&store, DRAFT).await.product_id;
    unregister_with_stale_list(&store).await;
    for status in [ProductStatus::Sell, ProductStatus::SoldOut] {
        let outcome = try_set_status(&store, product, status).await;
        assert!(matches!(outcome, Err(ChangeProductError::SellerClosed)), "{outcome:?}");
    }
    assert_eq!(search_ids(&store, &Search::default()).await, []);
    set_status(&store, product, ProductStatus::Unregistered).await;
}

async fn categories_brands_and_items_are_created_once(store: impl Store) {
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

async fn a_write_requires_the_previous_version(store: impl Store) {
    let product = register(&store, DRAFT).await;
    let context = EventContext::default();
    // One write changes index entries, the other doesn't.
    let sells = product.set_status(ProductStatus::Sell, now(2), &context).unwrap();
    let dearer = product
        .apply_patch(
            &ProductPatch { price: amount(101), ..ProductPatch::default() },
            now(2),
            &context,
        )
        .unwrap();
    assert_eq!(store.save(&sells).await.unwrap(), ProductWriteOutcome::Done);
    assert_eq!(store.save(&dearer).await.unwrap(), ProductWriteOutcome::Conflict);
    assert_eq!(store.save(&sells).await.unwrap(), ProductWriteOutcome::Conflict);
    assert_eq!(store.product(product.product_id).await.unwrap(), Some(sells.product));
}

async fn a_seller_can_change_only_its_own_products(store: impl Store) {
    let product = register(&store, DRAFT).await.product_id;
    let patch = ProductPatch { price: amount(7), ..ProductPatch::default() };
    let context = EventContext::default();
    let change = async |product, seller_name| {
        let is_owner = |owner| owner == seller(seller_name);
        change_product(&store, product, &patch, &IfMatch::Absent, is_owner, now(2), &context).await
    };
    assert!(matches!(change(product, "x").await, Err(ChangeProductError::Forbidden)));
    let unknown = ProductId::derive(&[b"none"]);
    assert!(matches!(change(unknown, "s").await, Err(ChangeProductError::NotFound)));
    let changed = change(product, "s").await.unwrap();
    assert_eq!((changed.price, changed.version), (Amount::new(7).unwrap(), 2));

    set_status(&store, product, ProductStatus::Unregistered).await;
    let Err(ChangeProductError::IllegalTransition(error)) = change(product, "s").await else {
        panic!("an unregistered product was changed")
    };
    assert_eq!(error.state, ProductStatus::Unregistered);
}

async fn a_failed_precondition_comes_before_illegal_transitions(store: impl Store) {
    let product = register_for_sale(&store, DRAFT).await;
    let outdated = store.product(product).await.unwrap().unwrap().etag();
    set_status(&store, product, ProductStatus::Unregistered).await;
    let current = store.product(product).await.unwrap().unwrap().etag();
    let (patch, context) = (ProductPatch::default(), EventContext::default());
    let change = async |tag: &str, is_owner: bool| {
        let if_match = IfMatch::parse(tag).unwrap();
        change_product(&store, product, &patch, &if_match, |_| is_owner, now(2), &context).await
    };
    let forbidden = change(outdated.as_str(), false).await;
    assert!(matches!(forbidden, Err(ChangeProductError::Forbidden)));
    let failed = change(outdated.as_str(), true).await;
    assert!(matches!(failed, Err(ChangeProductError::PreconditionFailed(_))));
    for tag in [current.as_str(), "*"] {
        let illegal = change(tag, true).await;
        assert!(matches!(illegal, Err(ChangeProductError::IllegalTransition(_))), "{tag}");
    }
}

async fn a_precondition_allows_changes_of_the_version_that_was_read(store: impl Store) {
    let product = register_for_sale(&store, DRAFT).await;
    let read = get_product(&store, product).await.unwrap();
    let if_match = IfMatch::parse(read.etag().as_str()).unwrap();
    // Neither stock nor ratings are part of the tag.
    assert_eq!(on_stock_changed(&store, product, false, 2).await.unwrap(), Write::Done);
    rate(&store, product, 9, 2).await;
    let (patch, context) =
        (ProductPatch { price: amount(7), ..ProductPatch::default() }, EventContext::default());
    let change = async || {
        change_product(&store, product, &patch, &if_match, |_| true, now(3), &context).await
    };
    let changed = change().await.unwrap();
    assert_eq!((changed.price, changed.in_stock), (Amount::new(7).unwrap(), false));
    assert!(matches!(change().await, Err(ChangeProductError::PreconditionFailed(_))));

    let sold_out = ProductStatus::SoldOut;
    let outdated =
        set_product_status(&store, product, sold_out, &if_match, |_| true, now(4), &context).await;
    assert!(matches!(outdated, Err(ChangeProductError::PreconditionFailed(_))));
    assert_eq!(store.product(product).await.unwrap(), Some(changed));
}

async fn only_products_on_sale_or_sold_out_are_public(store: impl Store) {
    let product = register(&store, DRAFT).await.product_id;
    for (status, shown) in [
        (None, false),
        (Some(ProductStatus::SoldOut), true),
        (Some(ProductStatus::Sell), true),
        (Some(ProductStatus::Unregistered), false),
    ] {
        if let Some(status) = status {
            set_status(&store, product, status).await;
        }
        let read = get_product(&store, product).await;
        assert_eq!(read.is_ok(), shown, "{status:?}");
        assert_eq!(matches!(read, Err(GetProductError::NotFound)), !shown, "{status:?}");
        assert_eq!(
            search_ids(&store, &Search::default()).await.len(),
            usize::from(shown),
            "{status:?}"
        );
    }
}

async fn the_newest_stock_event_wins_in_any_order(store: impl Store) {
    let product = register_for_sale(&store, DRAFT).await;
    assert_eq!(on_stock_changed(&store, product, false, 4).await.unwrap(), Write::Done);
    let read = get_product(&store, product).await.unwrap();
    assert_eq!((read.in_stock, read.effective_status()), (false, ProductStatus::SoldOut));
    assert_eq!(on_stock_changed(&store, product, true, 3).await.unwrap(), Write::Conflict(()));
    assert_eq!(on_stock_changed(&store, product, true, 4).await.unwrap(), Write::Conflict(()));
    assert!(!get_product(&store, product).await.unwrap().in_stock);
    assert_eq!(on_stock_changed(&store, product, true, 5).await.unwrap(), Write::Done);
    assert_eq!(get_product(&store, product).await.unwrap().effective_status(), ProductStatus::Sell);
    assert_eq!(search_ids(&store, &Search::default()).await, [product]);
}

async fn stock_events_and_edits_do_not_overwrite_each_other(store: impl Store) {
    let product = register_for_sale(&store, DRAFT).await;
    let before = store.product(product).await.unwrap().unwrap();
    assert_eq!(on_stock_changed(&store, product, false, 2).await.unwrap(), Write::Done);
    let overtaken = before.apply_patch(
        &ProductPatch { price: amount(1), ..ProductPatch::default() },
        now(3),
        &EventContext::default(),
    );
    assert_eq!(store.save(&overtaken.unwrap()).await.unwrap(), ProductWriteOutcome::Conflict);
    patch(&store, product, ProductPatch { price: amount(1), ..ProductPatch::default() }).await;
    assert_eq!(on_stock_changed(&store, product, true, 3).await.unwrap(), Write::Done);
    let after = store.product(product).await.unwrap().unwrap();
    assert_eq!(
        (after.in_stock, after.price, after.version),
        (true, Amount::new(1).unwrap(), before.version + 3)
    );
}

async fn stock_events_of_unknown_products_fail(store: impl Store) {
    let product = ProductId::derive(&[b"none"]);
    let failed = on_stock_changed(&store, product, false, 2).await;
    assert!(
        matches!(failed, Err(OnStockChangedError::UnknownProduct(unknown)) if unknown == product)
    );
}

/// Sets a product's ratings, as reviews will.
async fn rate(store: &impl Store, product: ProductId, sum: u64, count: u64) {
    let before = store.product(product).await.unwrap().unwrap();
    let version = before.version + 1;
    let product = Product { rating_sum: sum, rating_count: count, version, ..before.clone() };
    let update = ProductUpdate { before: Some(before), product, events: Vec::new() };
    assert_eq!(store.save(&update).await.unwrap(), ProductWriteOutcome::Done);
}

async fn a_sellers_list_has_every_status_newest_first(store: impl Store) {
    let mut own = Vec::new();
    for (at, status) in [
        (1, None),
        (2, Some(ProductStatus::Sell)),
        (3, Some(ProductStatus::SoldOut)),
        (4, Some(ProductStatus::Unregistered)),
    ] {
        let product = register(&store, ProductDraft { at, ..DRAFT }).await.product_id;
        if let Some(status) = status {
            set_status(&store, product, status).await;
        }
        own.insert(0, product);
    }
    register(&store, ProductDraft { at: 5, seller: "other", ..DRAFT }).await;
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

async fn forged_positions_fail_as_invalid(store: impl Store) {
    register(&store, DRAFT).await;
    for position in rialto_testkit::fixtures::forged_positions() {
        let listed = store.seller_products(seller("s"), 10, Some(&position)).await;
        assert!(matches!(listed, Ok(_) | Err(StoreError::InvalidPosition)), "{listed:?}");
        for sort in [Sort::Newest, Sort::Price, Sort::Rating] {
            let key = IndexKey::Seller(seller("s"));
            let listed = store.entries(&key, sort, Some(&position), 10).await;
            assert!(matches!(listed, Ok(_) | Err(StoreError::InvalidPosition)), "{listed:?}");
        }
    }
}

#[tokio::test]
async fn reading_a_product_takes_one_call() {
    let store = DynamoCatalog::on(rialto_testkit::new_table(SERVICE).await);
    let product = register_for_sale(&store, DRAFT).await;
    let (read, calls) = rialto_aws::calls::count_requests(get_product(&store, product)).await;
    assert_eq!((read.unwrap().product_id, calls), (product, 1));
}

#[tokio::test]
async fn stock_events_take_two_calls_and_unfiltered_pages_five() {
    let store = DynamoCatalog::on(rialto_testkit::new_table(SERVICE).await);
    let product = register_for_sale(&store, DRAFT).await;
    let (_, calls) =
        rialto_aws::calls::count_requests(on_stock_changed(&store, product, false, 2)).await;
    assert_eq!(calls, 2);
    let (_, calls) =
        rialto_aws::calls::count_requests(search_ids(&store, &Search::default())).await;
    // Four partitions are queried side by side, then the products are read.
    assert_eq!(calls, 5);
}
