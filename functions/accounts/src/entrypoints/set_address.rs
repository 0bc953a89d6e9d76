use super::views::{SavedAddressBody, SavedAddressRequest};
use crate::{adapters::dynamodb::DynamoAccounts, application::addresses::set_address};
use rialto_kernel::{AddressId, UserId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-set-address", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Replace an address
///
/// Orders that were placed keep their copy. For the buyer and supervisors.
#[utoipa::path(
    put, path = "/users/{user_id}/addresses/{address_id}",
    params(
        ("user_id" = UserId, Path),
        ("address_id" = AddressId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the address's entity tags: 412 if it has another one."),
    ),
    request_body = SavedAddressRequest,
    responses((status = 200, body = Data<SavedAddressBody>)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let (user_id, id) = (request.path("user_id")?, request.path("address_id")?);
    let (address, default) = request.json::<SavedAddressRequest>()?.parse()?;
    let if_match = request.if_match()?;
    let saved = set_address(&store, user_id, id, &address, default, &if_match).await?;
    tracing::info!(user = %user_id, address = %id, "address replaced");
    Ok(Response::ok(&SavedAddressBody::from(saved)))
}
