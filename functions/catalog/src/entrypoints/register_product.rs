use super::get_product::{ProductBody, currency, open};
use crate::{
    adapters::dynamodb::DynamoCatalog,
    application::register_product::{
        Owner, RegisterProduct, RegisterProductError, register_product,
    },
    domain::{
        details::{self, Description, ImageUrl, MAX_IMAGES, Title},
        product::{Product, Registration},
    },
};
use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{Currency, Fields, Invalid, ItemId, ProductId, SellerId, Timestamp};
use rialto_lambda::{
    FunctionContext,
    caller::Account,
    http::{self, Data, Problem, ProblemCode, Request, Response},
    settings::Settings,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("catalog-register-product", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, settings) = open(app);
    Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move { handle(&store, &settings, &request).await })
    })
}

/// A product as its seller sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnProduct)]
pub struct OwnProductBody {
    #[serde(flatten)]
    product: ProductBody,
    /// What the seller chose, whether there is stock or not.
    chosen_status: ProductStatus,
}

impl OwnProductBody {
    pub(super) fn new(product: &Product, currency: Currency) -> Self {
        Self { product: ProductBody::new(product, currency), chosen_status: product.chosen_status }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterProductRequest {
    /// Whose product it is: from supervisors only, who must give it.
    #[schema(value_type = Option<SellerId>)]
    seller_id: Option<String>,
    /// What the product is made from.
    #[schema(value_type = ItemId)]
    item_id: String,
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Any number of lines.
    #[serde(default)]
    #[schema(max_length = 5000)]
    description: String,
    /// `https` URLs.
    #[serde(default)]
    #[schema(max_items = 10)]
    images: Vec<String>,
    /// In minor units of the shop's currency.
    #[schema(minimum = 1, maximum = 1_000_000_000_000i64)]
    price: i64,
    /// How many pieces there are at first.
    #[schema(minimum = 0, maximum = 1_000_000)]
    initial_stock: i64,
    /// Whether many will want it at once; fixed from then on.
    #[serde(default)]
    flash_sale: bool,
}

impl RegisterProductRequest {
    fn parse(self, caller: Account, now: Timestamp) -> Result<RegisterProduct, Invalid> {
        let mut fields = Fields::default();
        let owner = fields.field("seller_id", owner(caller, self.seller_id.as_deref()));
        let item = fields.field("item_id", ItemId::parse(&self.item_id));
        let title = fields.field("title", Title::parse(&self.title));
        let description = fields.field("description", Description::parse(&self.description));
        let images = images(&mut fields, &self.images);
        let price = fields.field("price", details::price(self.price));
        let initial_stock =
            fields.field("initial_stock", details::initial_stock(self.initial_stock));
        let flash_sale = self.flash_sale;
        let whole = || {
            let registration = Registration {
                title: title?,
                description: description?,
                images: images?,
                price: price?,
                initial_stock: initial_stock?,
                flash_sale,
            };
            Some(RegisterProduct {
                product: ProductId::generate(now),
                owner: owner?,
                item: item?,
                registration,
            })
        };
        fields.build(whole())
    }
}

/// A seller registers its own products; a supervisor says whose.
fn owner(caller: Account, seller_id: Option<&str>) -> Result<Owner, String> {
    match (caller, seller_id) {
        (Account::Seller(seller), None) => Ok(Owner::Caller(seller)),
        (Account::Supervisor(_), Some(seller)) => {
            SellerId::parse(seller).map(Owner::Named).map_err(|error| error.to_string())
        }
        (Account::Supervisor(_), None) => Err("is required from a supervisor".to_owned()),
        (_, _) => Err("is for supervisors only".to_owned()),
    }
}

/// Every picture's URL, or nothing and a note of each bad one.
pub(super) fn images(fields: &mut Fields, images: &[String]) -> Option<Vec<ImageUrl>> {
    if images.len() > MAX_IMAGES {
        fields.reject("images", format!("must be at most {MAX_IMAGES}"));
        return None;
    }
    let urls = images.iter().enumerate();
    let urls =
        urls.map(|(at, image)| fields.field(format!("images[{at}]"), ImageUrl::parse(image)));
    // All of them, so that each bad one is noted.
    urls.collect::<Vec<_>>().into_iter().collect()
}

/// Register a product
///
/// Made from an item. It is REGISTERED: nobody else sees it until its seller chooses SELL or SOLD_OUT.
#[utoipa::path(
    post, path = "/products",
    request_body = RegisterProductRequest,
    responses(
        (status = 201, body = Data<OwnProductBody>, headers(("Location" = String))),
    ),
)]
pub(crate) async fn handle(
    store: &DynamoCatalog,
    settings: &Settings,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let now = request.now();
    let command = request.json::<RegisterProductRequest>()?.parse(caller.account, now)?;
    let currency = currency(settings).await?;
    let product = register_product(store, command, now, &request.cause()).await?;
    // A supervisor says whose it is, and no path tells it.
    tracing::info!(seller = %product.seller_id, product = %product.product_id, "registered");
    let location = format!("products/{}", product.product_id);
    Ok(Response::created(location, &OwnProductBody::new(&product, currency)))
}

impl From<RegisterProductError> for Problem {
    fn from(error: RegisterProductError) -> Self {
        match error {
            RegisterProductError::UnknownItem => Self::field("item_id", "names no item"),
            RegisterProductError::UnknownSeller => Self::field("seller_id", "names no seller"),
            RegisterProductError::Duplicate => Self::new(ProblemCode::Duplicate),
            RegisterProductError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::SupervisorId;
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn seller() -> SellerId {
        SellerId::derive(&[b"s"])
    }

    fn body(changed: &Value) -> RegisterProductRequest {
        let mut body = json!({
            "item_id": ItemId::derive(&[b"i"]), "title": "Red shoe", "price": 100, "initial_stock": 5,
        });
        for (name, value) in changed.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn bad_fields(changed: &Value, caller: Account) -> Vec<String> {
        let invalid = body(changed).parse(caller, NOW).unwrap_err();
        invalid.0.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let command = body(&json!({})).parse(Account::Seller(seller()), NOW).unwrap();
        assert_eq!(command.owner, Owner::Caller(seller()));
        assert_eq!(command.registration.description, Description::default());
        assert_eq!(command.registration.images, []);
        assert!(!command.registration.flash_sale);
    }

    #[test]
    fn only_a_supervisor_says_whose_product_it_is_and_must() {
        let supervisor = Account::Supervisor(SupervisorId::derive(&[b"v"]));
        let named = body(&json!({"seller_id": seller()})).parse(supervisor, NOW).unwrap();
        assert_eq!(named.owner, Owner::Named(seller()));
        assert_eq!(bad_fields(&json!({}), supervisor), ["seller_id"]);
        assert_eq!(bad_fields(&json!({"seller_id": "sel_x"}), supervisor), ["seller_id"]);
        assert_eq!(
            bad_fields(&json!({"seller_id": seller()}), Account::Seller(seller())),
            ["seller_id"]
        );
    }

    #[test]
    fn every_bad_field_is_named() {
        let bad = json!({
            "item_id": "x", "title": "", "description": "\u{0}", "price": 0, "initial_stock": -1,
            "images": ["https://img.example/a", "ftp://img.example/a", "x"],
        });
        assert_eq!(
            bad_fields(&bad, Account::Seller(seller())),
            ["item_id", "title", "description", "images[1]", "images[2]", "price", "initial_stock"]
        );
        let eleven = json!({"images": vec!["https://img.example/a"; 11]});
        assert_eq!(bad_fields(&eleven, Account::Seller(seller())), ["images"]);
    }
}
