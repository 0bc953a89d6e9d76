use crate::{adapters::dynamodb::DynamoAccounts, application::addresses::remove_address};
use rialto_kernel::{AddressId, UserId};
use rialto_lambda::http::{self, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-remove-address", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Remove an address
///
/// If it was the default, the oldest remaining address becomes the default. Orders that were placed
/// keep their copy. For the buyer and supervisors.
#[utoipa::path(
    delete, path = "/users/{user_id}/addresses/{address_id}",
    params(
        ("user_id" = UserId, Path),
        ("address_id" = AddressId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the address's entity tags: 412 if it has another one."),
    ),
    responses((status = 204)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let (user_id, id): (UserId, AddressId) =
        (request.path("user_id")?, request.path("address_id")?);
    remove_address(&store, user_id, id, &request.if_match()?).await?;
    tracing::info!(user = %user_id, address = %id, "address removed");
    Ok(Response::no_content())
}
