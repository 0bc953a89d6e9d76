use super::{accounts::ChangeAccountRequest, register_seller::SellerBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::change_seller::change_seller};
use rialto_kernel::SellerId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-change-seller", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Change a seller's account
///
/// For the seller and supervisors.
#[utoipa::path(
    patch, path = "/sellers/{seller_id}",
    params(("seller_id" = SellerId, Path)),
    request_body = ChangeAccountRequest,
    responses((status = 200, body = Data<SellerBody>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let seller_id = request.path("seller_id")?;
    let edit = request.json::<ChangeAccountRequest>()?.parse()?;
    let account = change_seller(store, seller_id, &edit).await?;
    tracing::info!(seller = %seller_id, "changed");
    Ok(Response::ok(&SellerBody::new(seller_id, &account)))
}
