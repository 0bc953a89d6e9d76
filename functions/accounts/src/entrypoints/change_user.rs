use super::views::{ChangeAccountRequest, UserBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::change_user::change_user};
use rialto_kernel::UserId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-change-user", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Change a buyer's account
///
/// For the buyer and supervisors.
#[utoipa::path(
    patch, path = "/users/{user_id}",
    params(("user_id" = UserId, Path)),
    request_body = ChangeAccountRequest,
    responses((status = 200, body = Data<UserBody>)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let patch = request.json::<ChangeAccountRequest>()?.parse()?;
    let account = change_user(&store, user_id, &patch).await?;
    tracing::info!(user = %user_id, "account changed");
    Ok(Response::ok(&UserBody::new(user_id, &account)))
}
