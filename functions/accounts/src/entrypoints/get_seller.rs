use super::views::SellerBody;
use crate::{adapters::dynamodb::DynamoAccounts, application::get_user::get_account};
use rialto_kernel::{AccountId, SellerId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-get-seller", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Get a seller's account
///
/// For the seller and supervisors.
#[utoipa::path(
    get, path = "/sellers/{seller_id}",
    params(("seller_id" = SellerId, Path)),
    responses(
        (status = 200, body = Data<SellerBody>, headers(
            ("ETag" = String, description = "Changes with the fields that PATCH can change."),
        )),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let seller_id = request.path("seller_id")?;
    let account = get_account(&store, AccountId::Seller(seller_id)).await?;
    Ok(Response::ok(&SellerBody::new(seller_id, &account)).etag(&account.etag()))
}
