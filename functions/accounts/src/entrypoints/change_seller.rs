use super::views::{ChangeAccountRequest, SellerBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::change_account::change_account};
use rialto_kernel::{AccountId, SellerId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-change-seller", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Change a seller's account
///
/// For the seller and supervisors.
#[utoipa::path(
    patch, path = "/sellers/{seller_id}",
    params(
        ("seller_id" = SellerId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the account's entity tags: 412 if it has another one."),
    ),
    request_body = ChangeAccountRequest,
    responses(
        (status = 200, body = Data<SellerBody>, headers(
            ("ETag" = String, description = "Changes with the fields that PATCH can change."),
        )),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let seller_id = request.path("seller_id")?;
    let patch = request.json::<ChangeAccountRequest>()?.parse()?;
    let (id, if_match) = (AccountId::Seller(seller_id), request.if_match()?);
    let account = change_account(&store, id, &patch, &if_match).await?;
    tracing::info!(seller = %seller_id, "account changed");
    Ok(Response::ok(&SellerBody::new(seller_id, &account)).etag(&account.etag()))
}
