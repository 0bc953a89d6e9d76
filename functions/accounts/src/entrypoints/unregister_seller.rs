use crate::{
    adapters::{dynamodb::DynamoAccounts, orders::Orders},
    application::unregister_seller::{UnregisterSellerError, unregister_seller},
};
use rialto_kernel::SellerId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, ProblemCode, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-unregister-seller", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, orders) = (DynamoAccounts::open(app), Orders::new(app));
    Arc::new(move |request| {
        let (store, orders) = (store.clone(), orders.clone());
        Box::pin(async move { handle(&store, &orders, &request).await })
    })
}

/// Close a seller's account
///
/// Not while lines of theirs are open. Then their products become UNREGISTERED; lines that are ordered meanwhile run on, and a
/// supervisor acts for the seller. For supervisors.
#[utoipa::path(
    delete, path = "/sellers/{seller_id}",
    params(("seller_id" = SellerId, Path)),
    responses((status = 204)),
)]
pub(crate) async fn handle(
    store: &DynamoAccounts,
    orders: &Orders,
    request: &Request,
) -> Result<Response, Problem> {
    let seller_id = request.path("seller_id")?;
    unregister_seller(store, orders, seller_id, &request.cause(), request.now()).await?;
    tracing::info!(seller = %seller_id, "unregistered");
    Ok(Response::no_content())
}

impl From<UnregisterSellerError> for Problem {
    fn from(error: UnregisterSellerError) -> Self {
        match error {
            UnregisterSellerError::OpenLines => {
                Self::new(ProblemCode::InUse).detail("Lines of the seller are open still.")
            }
            UnregisterSellerError::OrdersUnavailable(error) => Self::unavailable(error),
            UnregisterSellerError::Unregister(error) => error.into(),
        }
    }
}
