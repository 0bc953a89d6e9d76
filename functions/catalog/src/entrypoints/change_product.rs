use super::{
    get_product::{currency, open},
    register_product::{OwnProductBody, images},
};
use crate::{
    adapters::dynamodb::DynamoCatalog,
    application::change_product::{ChangeProductError, change_product},
    domain::{
        details::{self, Description, Title},
        product::Edit,
    },
};
use rialto_contracts::catalog::ProductStatus;
use rialto_kernel::{Fields, Invalid, ProductId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, ProblemCode, Request, Response},
    settings::Settings,
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("catalog-change-product", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, settings) = open(app);
    Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move { handle(&store, &settings, &request).await })
    })
}

/// At least one field; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct ChangeProductRequest {
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// Any number of lines.
    #[schema(max_length = 5000)]
    description: Option<String>,
    /// `https` URLs, instead of all that there were.
    #[schema(max_items = 10)]
    images: Option<Vec<String>>,
    /// In minor units of the shop's currency.
    #[schema(minimum = 1, maximum = 1_000_000_000_000i64)]
    price: Option<i64>,
}

impl ChangeProductRequest {
    fn parse(self) -> Result<Edit, Invalid> {
        let mut fields = Fields::default();
        let edit = Edit {
            title: self.title.and_then(|title| fields.field("title", Title::parse(&title))),
            description: self.description.and_then(|description| {
                fields.field("description", Description::parse(&description))
            }),
            images: self.images.and_then(|urls| images(&mut fields, &urls)),
            price: self.price.and_then(|price| fields.field("price", details::price(price))),
        };
        let edit = fields.build(Some(edit))?;
        if edit == Edit::default() {
            return Err(Invalid::field("body", "must have title, description, images or price"));
        }
        Ok(edit)
    }
}

/// Change a product
///
/// For its seller and supervisors, unless it is UNREGISTERED.
#[utoipa::path(
    patch, path = "/products/{product_id}",
    params(("product_id" = ProductId, Path)),
    request_body = ChangeProductRequest,
    responses((status = 200, body = Data<OwnProductBody>)),
)]
pub(crate) async fn handle(
    store: &DynamoCatalog,
    settings: &Settings,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let product = request.path("product_id")?;
    let edit = request.json::<ChangeProductRequest>()?.parse()?;
    let currency = currency(settings).await?;
    let may_change = |seller| caller.acts_for_seller(seller);
    let cause = request.cause();
    let product = change_product(store, product, &edit, may_change, request.now(), &cause).await?;
    Ok(Response::ok(&OwnProductBody::new(&product, currency)))
}

impl From<ChangeProductError> for Problem {
    fn from(error: ChangeProductError) -> Self {
        match error {
            ChangeProductError::NotFound => Self::not_found(),
            ChangeProductError::Forbidden => Self::forbidden(),
            ChangeProductError::Refused(refused) => {
                Self::new(ProblemCode::IllegalTransition).with("state", refused.state)
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

    fn parse(body: Value) -> Result<Edit, Vec<String>> {
        let request: ChangeProductRequest = serde_json::from_value(body).unwrap();
        request.parse().map_err(|invalid| invalid.0.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn a_change_changes_something() {
        assert_eq!(parse(json!({})), Err(vec!["body".to_owned()]));
        assert_eq!(parse(json!({"title": null})), Err(vec!["body".to_owned()]));
        assert!(parse(json!({"images": []})).unwrap().images.unwrap().is_empty());
        assert_eq!(
            parse(json!({"description": ""})).unwrap().description,
            Some(Description::default())
        );
    }

    #[test]
    fn every_bad_field_is_named() {
        let bad = json!({"title": " ", "description": "\u{7}", "images": ["x"], "price": 0});
        let fields = parse(bad).unwrap_err();
        assert_eq!(fields, ["title", "description", "images[0]", "price"]);
    }
}
