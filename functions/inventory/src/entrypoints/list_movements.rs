use crate::{
    adapters::dynamodb::DynamoInventory,
    application::list_movements::list_movements,
    domain::movement::{Movement, MovementCause},
};
use rialto_kernel::{MovementId, OrderId, ProductId, Timestamp};
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("inventory-list-movements", |app| {
        http::handler(DynamoInventory::open(app), handle)
    });
}

/// One change of a product's stock, in units; negative numbers were removed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Movement)]
pub struct MovementBody {
    pub movement_id: MovementId,
    pub at: Timestamp,
    pub cause: MovementCause,
    /// The order that caused the movement, if any.
    pub order_id: Option<OrderId>,
    /// The seller's reason, for an adjustment.
    pub reason: Option<String>,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

impl From<Movement> for MovementBody {
    fn from(movement: Movement) -> Self {
        Self {
            movement_id: movement.movement_id,
            at: movement.at,
            cause: movement.cause,
            order_id: movement.order_id,
            reason: movement.reason,
            available: movement.available,
            reserved: movement.reserved,
            sold: movement.sold,
        }
    }
}

/// List a product's stock movements
///
/// Newest first; they sum to the stock. For the product's seller and supervisors.
#[utoipa::path(
    get, path = "/products/{product_id}/stock/movements",
    params(
        ("product_id" = ProductId, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<MovementBody>>)),
)]
pub(crate) async fn handle(store: DynamoInventory, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let product = request.path("product_id")?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let may_see = |seller| caller.acts_for_seller(seller);
    let (movements, next) =
        list_movements(&store, product, may_see, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = movements.into_iter().map(MovementBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
