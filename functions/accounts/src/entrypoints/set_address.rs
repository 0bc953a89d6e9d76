use super::list_addresses::{AddressRequest, KeptAddressBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::addresses::set_address};
use rialto_kernel::{AddressId, UserId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-set-address", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Replace an address
///
/// For the buyer and supervisors. Orders that were placed keep theirs.
#[utoipa::path(
    put, path = "/users/{user_id}/addresses/{address_id}",
    params(("user_id" = UserId, Path), ("address_id" = AddressId, Path)),
    request_body = AddressRequest,
    responses((status = 200, body = Data<KeptAddressBody>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let (user_id, id) = (request.path("user_id")?, request.path("address_id")?);
    let (address, default) = request.json::<AddressRequest>()?.parse()?;
    let kept = set_address(store, user_id, id, &address, default).await?;
    tracing::info!(user = %user_id, address = %id, "replaced");
    Ok(Response::ok(&KeptAddressBody::from(kept)))
}
