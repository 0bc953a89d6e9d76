use super::get_product::{ProductBody, currency, open};
use crate::{
    adapters::dynamodb::DynamoCatalog,
    application::list_products::{ListProductsError, list_products},
    domain::{listing::Sort, search::Search, words::Tokens},
};
use rialto_kernel::{Amount, BrandId, CategoryId, Fields, Invalid, SellerId, Text};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Page, Problem, Query, Request, Response},
    settings::Settings,
};
use std::{fmt::Display, sync::Arc};

pub fn main() {
    http::serve("catalog-list-products", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, settings) = open(app);
    Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move { handle(&store, &settings, &request).await })
    })
}

const PARAMETERS: &[&str] =
    &["category_id", "brand_id", "seller_id", "price_min", "price_max", "q", "sort"];

fn parse(query: &Query<'_>) -> Result<Search, Invalid> {
    let mut fields = Fields::default();
    let search = Search {
        category: given(&mut fields, query, "category_id", CategoryId::parse),
        brand: given(&mut fields, query, "brand_id", BrandId::parse),
        seller: given(&mut fields, query, "seller_id", SellerId::parse),
        price_min: given(&mut fields, query, "price_min", price),
        price_max: given(&mut fields, query, "price_max", price),
        words: given(&mut fields, query, "q", words).unwrap_or_default(),
        sort: given(&mut fields, query, "sort", str::parse::<Sort>).unwrap_or_default(),
    };
    if search.price_min.zip(search.price_max).is_some_and(|(min, max)| min > max) {
        fields.reject("price_max", "must be price_min or more");
    }
    fields.build(Some(search))
}

/// A parameter, if it is given; nothing and a note if it is bad.
fn given<T, E: Display>(
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

fn words(text: &str) -> Result<Tokens, String> {
    let text = Text::<1, 200>::parse(text).map_err(|error| error.to_string())?;
    let words = Tokens::of(text.as_str());
    if words.is_empty() { Err("must have a letter or a digit".to_owned()) } else { Ok(words) }
}

/// List products
///
/// Those that show as SELL or SOLD_OUT. A page may hold fewer than `limit` though there are more.
#[utoipa::path(
    get, path = "/products",
    params(
        ("category_id" = Option<CategoryId>, Query),
        ("brand_id" = Option<BrandId>, Query),
        ("seller_id" = Option<SellerId>, Query),
        ("price_min" = Option<Amount>, Query, description = "In minor units, this or more."),
        ("price_max" = Option<Amount>, Query, description = "In minor units, this or less."),
        ("q" = Option<String>, Query, min_length = 1, max_length = 200,
            description = "Words, all of which are among the first 12 of the title, in any case."),
        ("sort" = inline(Option<Sort>), Query,
            description = "newest (the default) first; price: cheapest first; rating: best first."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<ProductBody>>)),
)]
pub(crate) async fn handle(
    store: &DynamoCatalog,
    settings: &Settings,
    request: &Request,
) -> Result<Response, Problem> {
    let query = request.list_query(PARAMETERS)?;
    let search = parse(&query)?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (products, next) = list_products(store, &search, limit.get(), position.as_deref()).await?;
    let currency = currency(settings).await?;
    let items: Vec<_> =
        products.iter().map(|product| ProductBody::new(product, currency)).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
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
    fn without_parameters_everything_is_listed_newest_first() {
        assert_eq!(parse(&request(&[]).list_query(PARAMETERS).unwrap()), Ok(Search::default()));
        assert_eq!(Search::default().sort, Sort::Newest);
    }

    #[test]
    fn every_parameter_is_read() {
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
        assert_eq!(search.words, Tokens::of("red shoe"));
        assert_eq!(search.sort, Sort::Rating);
    }

    #[test]
    fn every_bad_parameter_is_named() {
        let bad = [
            ("category_id", "x"),
            ("price_min", "-1"),
            ("price_max", "1.5"),
            ("q", "!?"),
            ("sort", "best"),
        ];
        assert_eq!(bad_fields(&bad), ["category_id", "price_min", "price_max", "q", "sort"]);
        assert_eq!(bad_fields(&[("price_min", "2"), ("price_max", "1")]), ["price_max"]);
        assert_eq!(bad_fields(&[("q", "")]), ["q"]);
    }
}
