use super::views::{RegisterRequest, SellerBody};
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Hasher},
    application::register_account::register_account,
};
use rialto_kernel::{AccountId, SellerId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-register-seller", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Register a seller
///
/// For supervisors.
#[utoipa::path(
    post, path = "/sellers",
    request_body = RegisterRequest,
    responses(
        (status = 201, body = Data<SellerBody>,
            headers(("Location" = String, description = "The new resource's relative URL."))),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let (details, password) = request.json::<RegisterRequest>()?.parse()?;
    let (now, context) = (request.now(), request.event_context());
    let seller_id = SellerId::generate(now);
    let id = AccountId::Seller(seller_id);
    let account =
        register_account(&store, &Argon2Hasher, id, details, &password, &context, now).await?;
    tracing::info!(seller = %seller_id, "account registered");
    Ok(Response::created(format!("sellers/{seller_id}"), &SellerBody::new(seller_id, &account)))
}
