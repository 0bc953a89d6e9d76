use super::{route_state::RouteState, views::OwnProductBody};
use crate::{
    application::change_product::{ChangeProductError, change_product},
    domain::{
        details::{self, Description, ImageUrl, Title},
        product::ProductPatch,
    },
};
use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{Fields, Invalid, ProductId, Text};
use rialto_lambda::http::{self, Data, Problem, ProblemCode, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("catalog-change-product", |app| http::handler(RouteState::open(app), handle));
}

/// At least one field. Fields that are left out don't change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct ChangeProductRequest {
    #[schema(value_type = Option<Text<1, 200>>, inline)]
    title: Option<String>,
    /// May have several lines.
    #[schema(
        max_length = 5000,
        pattern = r"^([^\u0000-\u0009\u000b-\u001f\u007f-\u009f\ufffe\uffff]|\r\n)*$"
    )]
    description: Option<String>,
    /// `https` URLs, which replace all existing ones.
    #[schema(value_type = Option<Vec<ImageUrl>>, max_items = 10)]
    images: Option<Vec<String>>,
    /// In minor units of the shop's currency.
    #[schema(minimum = 1, maximum = 1_000_000_000_000i64)]
    price: Option<i64>,
}

impl ChangeProductRequest {
    fn parse(self) -> Result<ProductPatch, Invalid> {
        let mut fields = Fields::default();
        let patch = ProductPatch {
            title: self.title.and_then(|title| fields.field("title", Title::parse(&title))),
            description: self.description.and_then(|description| {
                fields.field("description", Description::parse(&description))
            }),
            images: self.images.and_then(|urls| details::images(&mut fields, &urls)),
            price: self.price.and_then(|price| fields.field("price", details::price(price))),
        };
        let patch = fields.build(Some(patch))?;
        if patch == ProductPatch::default() {
            return Err(Invalid::field("body", "must have title, description, images or price"));
        }
        Ok(patch)
    }
}

/// Update a product
///
/// For the product's seller and supervisors, unless it is UNREGISTERED.
#[utoipa::path(
    patch, path = "/products/{product_id}",
    params(
        ("product_id" = ProductId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the product's entity tags: 412 if it has another one."),
    ),
    request_body = ChangeProductRequest,
    responses(
        (status = 200, body = Data<OwnProductBody>, headers(
            ("ETag" = String, description = "Changes with what the seller can change."),
        )),
    ),
)]
pub(crate) async fn handle(state: RouteState, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let product = request.path("product_id")?;
    let patch = request.json::<ChangeProductRequest>()?.parse()?;
    let if_match = request.if_match()?;
    let currency = state.currency().await?;
    let is_owner = |seller| caller.acts_for_seller(seller);
    let (now, context) = (request.now(), request.event_context());
    let product =
        change_product(&state.store, product, &patch, &if_match, is_owner, now, &context).await?;
    Ok(Response::ok(&OwnProductBody::new(&product, currency)).etag(&product.etag()))
}

impl From<ChangeProductError> for Problem {
    fn from(error: ChangeProductError) -> Self {
        match error {
            ChangeProductError::NotFound => Self::not_found(),
            ChangeProductError::Forbidden => Self::forbidden(),
            ChangeProductError::PreconditionFailed(error) => error.into(),
            ChangeProductError::IllegalTransition(error) => {
                Self::new(ProblemCode::IllegalTransition).with("state", error.state)
            }
            ChangeProductError::SellerClosed => {
                Self::new(ProblemCode::IllegalTransition).with("state", ProductStatus::Unregistered)
            }
            ChangeProductError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(body: Value) -> Result<ProductPatch, Vec<String>> {
        let request: ChangeProductRequest = serde_json::from_value(body).unwrap();
        request.parse().map_err(|invalid| invalid.0.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn an_update_without_any_field_is_rejected() {
        assert_eq!(parse(json!({})), Err(vec!["body".to_owned()]));
        assert_eq!(parse(json!({"title": null})), Err(vec!["body".to_owned()]));
        assert!(parse(json!({"images": []})).unwrap().images.unwrap().is_empty());
        assert_eq!(
            parse(json!({"description": ""})).unwrap().description,
            Some(Description::default())
        );
    }

    #[test]
    fn every_invalid_field_is_named() {
        let bad = json!({"title": " ", "description": "\u{7}", "images": ["x"], "price": 0});
        let fields = parse(bad).unwrap_err();
        assert_eq!(fields, ["title", "description", "images[0]", "price"]);
    }
}
