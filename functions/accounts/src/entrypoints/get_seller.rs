use super::register_seller::SellerBody;
use crate::{adapters::dynamodb::DynamoAccounts, application::get_user::get_account};
use rialto_kernel::{AccountId, SellerId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-get-seller", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Read a seller's account
///
/// For the seller and supervisors.
#[utoipa::path(
    get, path = "/sellers/{seller_id}",
    params(("seller_id" = SellerId, Path)),
    responses((status = 200, body = Data<SellerBody>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let seller_id = request.path("seller_id")?;
    let account = get_account(store, AccountId::Seller(seller_id)).await?;
    Ok(Response::ok(&SellerBody::new(seller_id, &account)))
}
