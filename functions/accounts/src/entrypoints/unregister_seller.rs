use crate::{
    adapters::{dynamodb::DynamoAccounts, orders::LambdaOrdersClient},
    application::unregister_seller::{UnregisterSellerError, unregister_seller},
};
use rialto_kernel::SellerId;
use rialto_lambda::http::{self, Problem, ProblemCode, Request, Response};

pub fn main() {
    http::serve("accounts-unregister-seller", |app| {
        http::handler((DynamoAccounts::open(app), LambdaOrdersClient::new(app)), handle)
    });
}

/// Close a seller's account
///
/// Refused while the seller has open order lines. The seller's products become UNREGISTERED; lines
/// ordered in the meantime are completed, and a supervisor acts for the seller. For supervisors.
#[utoipa::path(
    delete, path = "/sellers/{seller_id}",
    params(("seller_id" = SellerId, Path)),
    responses((status = 204)),
)]
pub(crate) async fn handle(
    (store, orders): (DynamoAccounts, LambdaOrdersClient),
    request: Request,
) -> Result<Response, Problem> {
    let seller_id = request.path("seller_id")?;
    unregister_seller(&store, &orders, seller_id, &request.event_context(), request.now()).await?;
    tracing::info!(seller = %seller_id, "account closed");
    Ok(Response::no_content())
}

impl From<UnregisterSellerError> for Problem {
    fn from(error: UnregisterSellerError) -> Self {
        match error {
            UnregisterSellerError::OpenLines => {
                Self::new(ProblemCode::InUse).detail("The seller has open order lines.")
            }
            UnregisterSellerError::OrdersUnavailable(error) => Self::unavailable(error),
            UnregisterSellerError::Unregister(error) => error.into(),
        }
    }
}
