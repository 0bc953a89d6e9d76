use super::list_addresses::{AddressRequest, KeptAddressBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::addresses::add_address};
use rialto_kernel::{AddressId, UserId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-add-address", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Keep an address
///
/// Three at most. The first one is the default. For the buyer and supervisors.
#[utoipa::path(
    post, path = "/users/{user_id}/addresses",
    params(("user_id" = UserId, Path)),
    request_body = AddressRequest,
    responses(
        (status = 201, body = Data<KeptAddressBody>,
            headers(("Location" = String, description = "Where it is, relative to the request."))),
    ),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let (address, default) = request.json::<AddressRequest>()?.parse()?;
    let id = AddressId::generate(request.now());
    let kept = add_address(store, user_id, id, &address, default).await?;
    tracing::info!(user = %user_id, address = %id, "kept");
    Ok(Response::created(format!("addresses/{id}"), &KeptAddressBody::from(kept)))
}
