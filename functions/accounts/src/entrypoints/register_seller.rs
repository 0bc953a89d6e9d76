use super::{
    registration_state::RegistrationState,
    views::{RegisterRequest, SellerBody},
};
use crate::domain::rate_limit::LimitedAction;
use rialto_kernel::{AccountId, SellerId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-register-seller", |app| {
        http::handler(RegistrationState::open(app), handle)
    });
}

/// Register a seller
///
/// For supervisors. The attempts of an IP address within 15 minutes are limited.
#[utoipa::path(
    post, path = "/sellers",
    request_body = RegisterRequest,
    responses(
        (status = 201, body = Data<SellerBody>,
            headers(("Location" = String, description = "The new resource's relative URL."))),
    ),
)]
pub(crate) async fn handle(
    state: RegistrationState,
    request: Request,
) -> Result<Response, Problem> {
    let seller_id = SellerId::generate(request.now());
    let id = AccountId::Seller(seller_id);
    let account = state.register(LimitedAction::RegisterSeller, id, &request).await?;
    tracing::info!(seller = %seller_id, "account registered");
    Ok(Response::created(format!("sellers/{seller_id}"), &SellerBody::new(seller_id, &account)))
}
