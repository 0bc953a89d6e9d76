use super::{route_state::RouteState, views::OwnProductBody};
use crate::{
    application::register_product::{
        Owner, RegisterProduct, RegisterProductError, register_product,
    },
    domain::{
        details::{self, Description, ImageUrl, Title},
        product::{Product, Registration},
    },
};
use rialto_kernel::{Fields, Invalid, ItemId, ProductId, SellerId, Text, Timestamp};
use rialto_lambda::{
    caller::Account,
    http::{self, Data, Problem, ProblemCode, Request, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("catalog-register-product", |app| http::handler(RouteState::open(app), handle));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterProductRequest {
    /// The product's seller. Required from supervisors, who register products for sellers; not
    /// allowed from sellers.
    #[schema(value_type = Option<SellerId>)]
    seller_id: Option<String>,
    /// The item that the product is made from.
    #[schema(value_type = ItemId)]
    item_id: String,
    #[schema(value_type = Text<1, 200>, inline)]
    title: String,
    /// May have several lines.
    #[serde(default)]
    #[schema(
        max_length = 5000,
        pattern = r"^([^\u0000-\u0009\u000b-\u001f\u007f-\u009f\ufffe\uffff]|\r\n)*$"
    )]
    description: String,
    /// `https` URLs.
    #[serde(default)]
    #[schema(value_type = Vec<ImageUrl>, max_items = 10)]
    images: Vec<String>,
    /// In minor units of the shop's currency.
    #[schema(minimum = 1, maximum = 1_000_000_000_000i64)]
    price: i64,
    /// In units.
    #[schema(minimum = 0, maximum = 1_000_000)]
    initial_stock: i64,
    /// Whether to prepare for many concurrent orders. Can't be changed later.
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
        let images = details::images(&mut fields, &self.images);
        let price = fields.field("price", details::price(self.price));
        let initial_stock =
            fields.field("initial_stock", details::initial_stock(self.initial_stock));
        let flash_sale = self.flash_sale;
        let build = || {
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
        fields.build(build())
    }
}

/// The owner of the new product: the calling seller, or the seller that a supervisor names.
fn owner(caller: Account, seller_id: Option<&str>) -> Result<Owner, String> {
    match (caller, seller_id) {
        (Account::Seller(seller), None) => Ok(Owner::Caller(seller)),
        (Account::Supervisor(_), Some(seller)) => {
            SellerId::parse(seller).map(Owner::Named).map_err(|error| error.to_string())
        }
        (Account::Supervisor(_), None) => Err("is required from supervisors".to_owned()),
        (_, _) => Err("is only allowed from supervisors".to_owned()),
    }
}

/// Register a product
///
/// Registers a product made from an item. It isn't public until its status is set to SELL or
/// SOLD_OUT.
#[utoipa::path(
    post, path = "/products",
    request_body = RegisterProductRequest,
    responses(
        (status = 201, body = Data<OwnProductBody>, headers(
            ("Location" = String),
            ("ETag" = String, description = "Changes with what the seller can change."),
        )),
    ),
)]
pub(crate) async fn handle(state: RouteState, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let now = request.now();
    let command = request.json::<RegisterProductRequest>()?.parse(caller.account, now)?;
    let currency = state.currency().await?;
    let product = register_product(&state.store, command, now, &request.event_context()).await?;
    // The path names neither id, and a supervisor isn't the seller.
    let Product { seller_id, product_id, .. } = &product;
    tracing::info!(seller = %seller_id, product = %product_id, "product registered");
    let location = format!("products/{product_id}");
    let body = OwnProductBody::new(&product, currency);
    Ok(Response::created(location, &body).etag(&product.etag()))
}

impl From<RegisterProductError> for Problem {
    fn from(error: RegisterProductError) -> Self {
        match error {
            RegisterProductError::UnknownItem => Self::field("item_id", "item not found"),
            RegisterProductError::UnknownSeller => Self::field("seller_id", "seller not found"),
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
            "item_id": ItemId::derive(&[b"i"]), "title": "Red shoe", "price": 100,
            "initial_stock": 5,
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
    fn optional_fields_have_defaults() {
        let command = body(&json!({})).parse(Account::Seller(seller()), NOW).unwrap();
        assert_eq!(command.owner, Owner::Caller(seller()));
        assert_eq!(command.registration.description, Description::default());
        assert_eq!(command.registration.images, []);
        assert!(!command.registration.flash_sale);
    }

    #[test]
    fn the_seller_id_is_for_supervisors_who_must_give_it() {
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
    fn every_invalid_field_is_named() {
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
