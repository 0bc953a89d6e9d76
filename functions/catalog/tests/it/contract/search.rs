//! Searches: order, pages, filters and the index behind them.

use super::*;

pub(super) async fn products_are_listed_in_order(store: impl Store) {
    let expensive = register_for_sale(&store, ProductDraft { at: 1, price: 1_000, ..DRAFT }).await;
    let cheap = register_for_sale(&store, ProductDraft { at: 2, price: 999, ..DRAFT }).await;
    let cheapest = register_for_sale(&store, ProductDraft { at: 3, price: 2, ..DRAFT }).await;
    rate(&store, cheap, 9, 2).await;
    rate(&store, expensive, 41, 10).await;
    assert_eq!(search_ids(&store, &by_order(Sort::Newest)).await, [cheapest, cheap, expensive]);
    assert_eq!(search_ids(&store, &by_order(Sort::Price)).await, [cheapest, cheap, expensive]);
    assert_eq!(search_ids(&store, &by_order(Sort::Rating)).await, [cheap, expensive, cheapest]);
    let by_word = Search { sort: Sort::Rating, ..by_words("shoe") };
    assert_eq!(search_ids(&store, &by_word).await, [cheap, expensive, cheapest]);
}

/// Reads all pages of a search.
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

pub(super) async fn pages_continue_after_the_last_product(store: impl Store) {
    let mut all = Vec::new();
    for at in 1..=7 {
        // Several products share prices and ratings.
        let title = if at % 2 == 0 { "Blue shoe" } else { "Red shoe" };
        all.push(
            register_for_sale(&store, ProductDraft { at, price: 100 + at % 2, title, ..DRAFT })
                .await,
        );
    }
    let newest_first: Vec<_> = all.iter().rev().copied().collect();
    let of_red = [6, 4, 2, 0].map(|at| all[at]);
    for limit in [1, 2, 3, 7, 8] {
        assert_eq!(all_pages(&store, &Search::default(), limit).await, newest_first, "{limit}");
        assert_eq!(
            all_pages(&store, &by_order(Sort::Rating), limit).await,
            newest_first,
            "{limit}"
        );
        assert_eq!(all_pages(&store, &by_words("shoe red"), limit).await, of_red, "{limit}");
        let by_price = all_pages(&store, &by_order(Sort::Price), limit).await;
        assert_eq!(by_price, [1, 3, 5, 0, 2, 4, 6].map(|at| all[at]), "{limit}");
    }
}

pub(super) async fn pages_stay_complete_while_products_change(store: impl Store) {
    let mut all = Vec::new();
    for at in 1..=6 {
        all.push(register_for_sale(&store, ProductDraft { at, ..DRAFT }).await);
    }
    let newest = Search::default();
    let (first, next) = list_products(&store, &newest, 2, None).await.unwrap();
    // The page's last product is hidden, a newer one is added, and the price of a later one
    // changes.
    set_status(&store, all[4], ProductStatus::Unregistered).await;
    register_for_sale(&store, ProductDraft { at: 7, ..DRAFT }).await;
    patch(&store, all[2], ProductPatch { price: amount(1), ..ProductPatch::default() }).await;
    let (second, next) = list_products(&store, &newest, 2, next.as_deref()).await.unwrap();
    let (third, next) = list_products(&store, &newest, 2, next.as_deref()).await.unwrap();
    let ids: Vec<_> =
        [first, second, third].concat().iter().map(|product| product.product_id).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1, 0].map(|at| all[at]));
    assert_eq!(next, None);
}

pub(super) async fn products_are_found_by_every_filter_and_their_combination(store: impl Store) {
    let all = [
        ProductDraft { at: 1, ..DRAFT },
        ProductDraft { at: 2, seller: "other", ..DRAFT },
        ProductDraft { at: 3, brand: "other", ..DRAFT },
        ProductDraft { at: 4, category: "other", ..DRAFT },
        ProductDraft { at: 5, title: "Red boot", ..DRAFT },
        ProductDraft { at: 6, price: 50, ..DRAFT },
    ];
    let mut ids = Vec::new();
    for draft in all {
        ids.push(register_for_sale(&store, draft).await);
    }
    let without = |left_out: usize| -> Vec<ProductId> {
        (0..6).rev().filter(|at| *at != left_out).map(|at| ids[at]).collect()
    };
    let (s, b, c) = (Some(seller("s")), Some(brand("b")), Some(category("c")));
    assert_eq!(search_ids(&store, &Search { seller: s, ..Search::default() }).await, without(1));
    assert_eq!(search_ids(&store, &Search { brand: b, ..Search::default() }).await, without(2));
    assert_eq!(search_ids(&store, &Search { category: c, ..Search::default() }).await, without(3));
    assert_eq!(search_ids(&store, &by_words("SHOE")).await, without(4));
    assert_eq!(
        search_ids(&store, &Search { price_min: amount(51), ..Search::default() }).await,
        without(5)
    );
    let combined =
        Search { seller: s, brand: b, category: c, price_min: amount(51), ..by_words("red shoe") };
    for sort in [Sort::Newest, Sort::Price, Sort::Rating] {
        assert_eq!(search_ids(&store, &Search { sort, ..combined.clone() }).await, [ids[0]]);
    }
    let none = Search { seller: Some(seller("none")), ..Search::default() };
    assert_eq!(search_ids(&store, &none).await, []);
    assert_eq!(search_ids(&store, &by_words("red sandal")).await, []);
}

pub(super) async fn a_price_range_is_listed_in_order(store: impl Store) {
    let mut ids = Vec::new();
    for at in 1..=6 {
        ids.push(register_for_sale(&store, ProductDraft { at, price: at * 10, ..DRAFT }).await);
    }
    let range = Search { price_min: amount(20), price_max: amount(50), ..by_order(Sort::Price) };
    assert_eq!(all_pages(&store, &range, 2).await, ids[1..5]);
    let newest = Search { sort: Sort::Newest, ..range };
    assert_eq!(all_pages(&store, &newest, 2).await, [4, 3, 2, 1].map(|at| ids[at]));
}

/// The number of entries under an index key, which must be the same in every order.
async fn entries(store: &impl Store, key: IndexKey) -> usize {
    let mut counts = Vec::new();
    for sort in [Sort::Newest, Sort::Price, Sort::Rating] {
        counts.push(store.entries(&key, sort, None, 100).await.unwrap().entries.len());
    }
    counts.dedup();
    assert_eq!(counts.len(), 1, "{key:?}");
    counts[0]
}

fn word(word: &str) -> IndexKey {
    IndexKey::Word(word.to_owned())
}

pub(super) async fn a_new_title_is_found_by_its_words_only(store: impl Store) {
    let product = register_for_sale(&store, DRAFT).await;
    assert_eq!(search_ids(&store, &by_words("red")).await, [product]);
    patch(
        &store,
        product,
        ProductPatch { title: Some(Text::parse("Blue shoe").unwrap()), ..ProductPatch::default() },
    )
    .await;
    assert_eq!(entries(&store, word("red")).await, 0);
    assert_eq!(search_ids(&store, &by_words("red")).await, []);
    assert_eq!(search_ids(&store, &by_words("blue")).await, [product]);
    assert_eq!(search_ids(&store, &by_words("shoe")).await, [product]);
    assert_eq!(entries(&store, word("shoe")).await, 1);
}

pub(super) async fn only_public_products_are_indexed(store: impl Store) {
    let product = register(&store, DRAFT).await.product_id;
    let keys = [
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
            set_status(&store, product, status).await;
        }
        for key in &keys {
            assert_eq!(entries(&store, key.clone()).await, listed, "{key:?} {status:?}");
        }
    }
}

pub(super) async fn a_title_is_found_by_its_first_twelve_words(store: impl Store) {
    let title = "a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13";
    let product = register_for_sale(&store, ProductDraft { title, ..DRAFT }).await;
    assert_eq!(search_ids(&store, &by_words(title)).await, [product]);
    assert_eq!(search_ids(&store, &by_words("a13")).await, []);
    let other = "b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 b12 b13";
    patch(
        &store,
        product,
        ProductPatch { title: Some(Text::parse(other).unwrap()), ..ProductPatch::default() },
    )
    .await;
    assert_eq!(entries(&store, word("a12")).await, 0);
    assert_eq!(search_ids(&store, &by_words(other)).await, [product]);
}

pub(super) async fn products_are_listed_by_current_price_and_rating(store: impl Store) {
    let first = register_for_sale(&store, ProductDraft { at: 1, price: 10, ..DRAFT }).await;
    let second = register_for_sale(&store, ProductDraft { at: 2, price: 20, ..DRAFT }).await;
    patch(&store, first, ProductPatch { price: amount(30), ..ProductPatch::default() }).await;
    assert_eq!(search_ids(&store, &by_order(Sort::Price)).await, [second, first]);
    let cheap = Search { price_max: amount(25), ..Search::default() };
    assert_eq!(search_ids(&store, &cheap).await, [second]);
    rate(&store, first, 3, 1).await;
    rate(&store, second, 4, 1).await;
    assert_eq!(search_ids(&store, &by_order(Sort::Rating)).await, [second, first]);
    rate(&store, first, 8, 2).await;
    rate(&store, second, 5, 2).await;
    assert_eq!(search_ids(&store, &by_order(Sort::Rating)).await, [first, second]);
    assert_eq!(entries(&store, IndexKey::All).await, 2);
}
