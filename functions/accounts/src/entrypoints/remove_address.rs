use crate::{adapters::dynamodb::DynamoAccounts, application::addresses::remove_address};
use rialto_kernel::{AddressId, UserId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-remove-address", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Remove an address
///
/// If it was the default, the oldest one is it then. For the buyer and supervisors. Orders that were placed keep theirs.
#[utoipa::path(
    delete, path = "/users/{user_id}/addresses/{address_id}",
    params(("user_id" = UserId, Path), ("address_id" = AddressId, Path)),
    responses((status = 204)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let (user_id, id): (UserId, AddressId) =
        (request.path("user_id")?, request.path("address_id")?);
    remove_address(store, user_id, id).await?;
    tracing::info!(user = %user_id, address = %id, "removed");
    Ok(Response::no_content())
}
