use super::views::{SavedAddressBody, SavedAddressRequest};
use crate::{adapters::dynamodb::DynamoAccounts, application::addresses::add_address};
use rialto_kernel::{AddressId, UserId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-add-address", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Add an address
///
/// Three at most; the first becomes the default. For the buyer and supervisors.
#[utoipa::path(
    post, path = "/users/{user_id}/addresses",
    params(("user_id" = UserId, Path)),
    request_body = SavedAddressRequest,
    responses(
        (status = 201, body = Data<SavedAddressBody>,
            headers(("Location" = String, description = "The new resource's relative URL."))),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let (address, default) = request.json::<SavedAddressRequest>()?.parse()?;
    let id = AddressId::generate(request.now());
    let saved = add_address(&store, user_id, id, &address, default).await?;
    tracing::info!(user = %user_id, address = %id, "address added");
    Ok(Response::created(format!("addresses/{id}"), &SavedAddressBody::from(saved)))
}
