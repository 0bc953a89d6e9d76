use super::{
    registration_state::RegistrationState,
    views::{RegisterRequest, UserBody},
};
use crate::domain::rate_limit::LimitedAction;
use rialto_kernel::{AccountId, UserId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-register-user", |app| {
        http::handler(RegistrationState::open(app), handle)
    });
}

/// Sign up
///
/// Creates a buyer's account with a default profile. The attempts of an IP address within 15
/// minutes are limited.
#[utoipa::path(
    post, path = "/users",
    request_body = RegisterRequest,
    responses(
        (status = 201, body = Data<UserBody>,
            headers(("Location" = String, description = "The new resource's relative URL."))),
    ),
)]
pub(crate) async fn handle(
    state: RegistrationState,
    request: Request,
) -> Result<Response, Problem> {
    let user_id = UserId::generate(request.now());
    let id = AccountId::User(user_id);
    let account = state.register(LimitedAction::RegisterUser, id, &request).await?;
    tracing::info!(user = %user_id, "account registered");
    Ok(Response::created(format!("users/{user_id}"), &UserBody::new(user_id, &account)))
}
