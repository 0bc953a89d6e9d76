use super::{
    route_state::{CACHE_CONTROL, RouteState},
    views::ProductBody,
};
use crate::{
    application::list_products::{ListProductsError, list_products},
    domain::{index::Sort, search::Search, tokens::Tokens},
};
use rialto_kernel::{
    Amount, BrandId, CategoryId, Fields, Invalid, SellerId, Text, text::TextError,
};
use rialto_lambda::http::{self, Data, Page, Problem, Query, Request, Response};
use std::fmt::Display;

pub fn main() {
    http::serve("catalog-list-products", |app| http::handler(RouteState::open(app), handle));
}

const PARAMETERS: &[&str] =
    &["category_id", "brand_id", "seller_id", "price_min", "price_max", "q", "sort"];

fn parse(query: &Query<'_>) -> Result<Search, Invalid> {
    let mut fields = Fields::default();
    let search = Search {
        category: optional(&mut fields, query, "category_id", CategoryId::parse),
        brand: optional(&mut fields, query, "brand_id", BrandId::parse),
        seller: optional(&mut fields, query, "seller_id", SellerId::parse),
        price_min: optional(&mut fields, query, "price_min", price),
        price_max: optional(&mut fields, query, "price_max", price),
        query: optional(&mut fields, query, "q", tokens),
        sort: optional(&mut fields, query, "sort", str::parse::<Sort>).unwrap_or_default(),
    };
    if search.price_min.zip(search.price_max).is_some_and(|(min, max)| min > max) {
        fields.reject("price_max", "must be price_min or more");
    }
    fields.build(Some(search))
}

/// Parses a parameter. `None` if it is absent, and if it is invalid, which `fields` records.
fn optional<T, E: Display>(
    fields: &mut Fields,
    query: &Query<'_>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    query.get(name).and_then(|text| fields.field(name, parse(text)))
}

fn price(text: &str) -> Result<Amount, String> {
    let minor_units =
        text.parse().map_err(|_| "must be a whole number of minor units".to_owned())?;
    Amount::new(minor_units).map_err(|error| error.to_string())
}

/// The words of a query. Unlike other texts it may be blank: it has no word in it then.
fn tokens(text: &str) -> Result<Tokens, TextError> {
    match Text::<1, 200>::parse(text) {
        Ok(text) => Ok(Tokens::of(text.as_str())),
        Err(TextError::Length { .. }) if is_blank(text) => Ok(Tokens::default()),
        Err(error) => Err(error),
    }
}

fn is_blank(text: &str) -> bool {
    (1..=200).contains(&text.chars().count()) && text.trim().is_empty()
}

/// List products
///
/// Public products: those with the status SELL or SOLD_OUT. A page may have fewer products than
/// `limit` even if there are more; follow `next_cursor`. Eventually consistent: a change may take
/// some seconds to be seen.
#[utoipa::path(
    get, path = "/products",
    params(
        ("category_id" = Option<CategoryId>, Query),
        ("brand_id" = Option<BrandId>, Query),
        ("seller_id" = Option<SellerId>, Query),
        ("price_min" = Option<Amount>, Query, description = "Minimum price in minor units."),
        ("price_max" = Option<Amount>, Query, description = "Maximum price in minor units."),
        ("q" = Option<String>, Query, min_length = 1, max_length = 200,
            description = "Words, all of which must be among the first 12 words of the title. Case-insensitive. \
                A text without a word in it finds nothing."),
        ("sort" = inline(Option<Sort>), Query,
            description = "newest (the default): newest first; price: cheapest first; rating: best first."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = Data<Vec<ProductBody>>, headers(
            ("Cache-Control" = String, description = "A few seconds, for caches of everybody."),
        )),
    ),
)]
pub(crate) async fn handle(state: RouteState, request: Request) -> Result<Response, Problem> {
    let query = request.list_query(PARAMETERS)?;
    let search = parse(&query)?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (products, next) =
        list_products(&state.store, &search, limit.get(), position.as_deref()).await?;
    let currency = state.currency().await?;
    let items: Vec<_> =
        products.iter().map(|product| ProductBody::new(product, currency)).collect();
    let page = Page::new(items, limit, next.as_deref(), &query.identity());
    Ok(Response::page(&page).header("Cache-Control", CACHE_CONTROL))
}

impl From<ListProductsError> for Problem {
    fn from(error: ListProductsError) -> Self {
        match error {
            ListProductsError::Position(error) => Self::field("cursor", error),
            ListProductsError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &[(&str, &str)]) -> Request {
        let mut request = Request::default();
        request
            .query
            .extend(query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        request
    }

    fn bad_fields(query: &[(&str, &str)]) -> Vec<String> {
        let invalid = parse(&request(query).list_query(PARAMETERS).unwrap()).unwrap_err();
        invalid.0.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_query_without_parameters_lists_all_newest_first() {
        assert_eq!(parse(&request(&[]).list_query(PARAMETERS).unwrap()), Ok(Search::default()));
        assert_eq!(Search::default().sort, Sort::Newest);
    }

    #[test]
    fn every_parameter_is_parsed() {
        let seller = SellerId::derive(&[b"s"]);
        let query = [
            ("seller_id", seller.to_string()),
            ("price_min", "0".to_owned()),
            ("price_max", "5".to_owned()),
            ("q", "Red  SHOE!".to_owned()),
            ("sort", "rating".to_owned()),
        ];
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let search = parse(&request(&query).list_query(PARAMETERS).unwrap()).unwrap();
        assert_eq!(search.seller, Some(seller));
        assert_eq!(search.price_min, Some(Amount::ZERO));
        assert_eq!(search.query, Some(Tokens::of("red shoe")));
        assert_eq!(search.sort, Sort::Rating);
    }

    #[test]
    fn every_invalid_parameter_is_named() {
        let bad = [
            ("category_id", "x"),
            ("price_min", "-1"),
            ("price_max", "1.5"),
            ("q", "a\u{0}"),
            ("sort", "best"),
        ];
        assert_eq!(bad_fields(&bad), ["category_id", "price_min", "price_max", "q", "sort"]);
        assert_eq!(bad_fields(&[("price_min", "2"), ("price_max", "1")]), ["price_max"]);
        assert_eq!(bad_fields(&[("q", "")]), ["q"]);
        assert_eq!(bad_fields(&[("q", "a\u{ffff}")]), ["q"]);
        assert_eq!(bad_fields(&[("q", "x".repeat(201).as_str())]), ["q"]);
    }

    #[test]
    fn a_query_without_a_word_matches_nothing() {
        for text in ["!?", " ", "\u{a0}", "🛒"] {
            let search = parse(&request(&[("q", text)]).list_query(PARAMETERS).unwrap()).unwrap();
            assert!(search.matches_nothing(), "{text:?}");
        }
    }
}
