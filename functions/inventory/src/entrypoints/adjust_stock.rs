use super::views::StockBody;
use crate::{
    adapters::dynamodb::DynamoInventory,
    application::adjust_stock::{AdjustStock, AdjustStockError, adjust_stock},
    domain::adjustment::{Adjustment, AdjustmentError},
};
use rialto_kernel::{Fields, Invalid, ProductId, Text};
use rialto_lambda::http::{self, Data, Problem, ProblemCode, Request, Response};
use serde::Deserialize;
use utoipa::{
    ToSchema,
    openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type},
};

pub fn main() {
    http::serve("inventory-adjust-stock", |app| http::handler(DynamoInventory::open(app), handle));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustStockRequest {
    #[schema(schema_with = quantity)]
    quantity: i64,
    #[schema(value_type = Text<1, 200>, inline)]
    reason: String,
}

/// The schema of `quantity`: any number of units but 0.
fn quantity() -> Schema {
    let range = |minimum: i32, maximum: i32| {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(minimum))
            .maximum(Some(maximum))
    };
    let removed = range(-10_000_000, -1);
    let added = range(1, 10_000_000);
    let either = OneOfBuilder::new().item(removed).item(added);
    Schema::OneOf(either.description(Some("Units to add; negative to remove.")).build())
}

impl AdjustStockRequest {
    fn parse(self) -> Result<Adjustment, Invalid> {
        let mut fields = Fields::default();
        let quantity = fields
            .field("quantity", Adjustment::quantity(self.quantity).map_err(|error| error.message));
        let reason = fields.field("reason", Text::parse(&self.reason));
        fields.build(quantity.zip(reason).map(|(quantity, reason)| Adjustment { quantity, reason }))
    }
}

/// Adjust a product's stock
///
/// Increases or decreases the stock, with a reason. Stock can't go below zero. Requests with the
/// same Idempotency-Key are applied once.
#[utoipa::path(
    post, path = "/products/{product_id}/stock/adjustments",
    params(
        ("product_id" = ProductId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255),
    ),
    request_body = AdjustStockRequest,
    responses((status = 200, body = Data<StockBody>)),
)]
pub(crate) async fn handle(store: DynamoInventory, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let command = AdjustStock {
        product: request.path("product_id")?,
        idempotency_key: request.idempotency_key()?,
        adjustment: request.json::<AdjustStockRequest>()?.parse()?,
    };
    let may_adjust = |seller| caller.acts_for_seller(seller);
    let render = |stock: &_| Response::ok(&StockBody::from(stock)).body;
    let adjusted =
        adjust_stock(&store, &command, may_adjust, render, request.now(), &request.event_context())
            .await?;
    let response = Response::raw(200, "application/json", adjusted.response_body);
    Ok(if adjusted.replayed { response.header("Idempotent-Replayed", "true") } else { response })
}

impl From<AdjustStockError> for Problem {
    fn from(error: AdjustStockError) -> Self {
        match error {
            AdjustStockError::NotFound => Self::not_found(),
            AdjustStockError::Forbidden => Self::forbidden(),
            AdjustStockError::KeyReused => Self::new(ProblemCode::KeyReused),
            AdjustStockError::Refused(AdjustmentError::BelowZero { available }) => {
                Self::new(ProblemCode::InsufficientStock).with("available", available)
            }
            AdjustStockError::Refused(AdjustmentError::TooMany) => {
                Self::new(ProblemCode::LimitReached).detail(AdjustmentError::TooMany.to_string())
            }
            AdjustStockError::Store(error) => error.into(),
        }
    }
}
