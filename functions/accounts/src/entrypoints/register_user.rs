use super::views::{RegisterRequest, UserBody};
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Hasher},
    application::register_account::register_account,
};
use rialto_kernel::{AccountId, UserId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-register-user", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Sign up
///
/// Creates a buyer's account with a default profile.
#[utoipa::path(
    post, path = "/users",
    request_body = RegisterRequest,
    responses(
        (status = 201, body = Data<UserBody>,
            headers(("Location" = String, description = "The new resource's relative URL."))),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let (details, password) = request.json::<RegisterRequest>()?.parse()?;
    let (now, context) = (request.now(), request.event_context());
    let user_id = UserId::generate(now);
    let id = AccountId::User(user_id);
    let account =
        register_account(&store, &Argon2Hasher, id, details, &password, &context, now).await?;
    tracing::info!(user = %user_id, "account registered");
    Ok(Response::created(format!("users/{user_id}"), &UserBody::new(user_id, &account)))
}
