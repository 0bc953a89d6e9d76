use super::views::{ChangeAccountRequest, SellerBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::change_seller::change_seller};
use rialto_kernel::SellerId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-change-seller", |app| http::handler(DynamoAccounts::open(app), handle));
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
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let seller_id = request.path("seller_id")?;
    let patch = request.json::<ChangeAccountRequest>()?.parse()?;
    let account = change_seller(&store, seller_id, &patch).await?;
    tracing::info!(seller = %seller_id, "account changed");
    Ok(Response::ok(&SellerBody::new(seller_id, &account)))
}
