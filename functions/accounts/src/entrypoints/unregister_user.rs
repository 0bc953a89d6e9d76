use crate::{adapters::dynamodb::DynamoAccounts, application::unregister_user::unregister_user};
use rialto_kernel::UserId;
use rialto_lambda::http::{self, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-unregister-user", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Close a buyer's account
///
/// Login ends at once and the email becomes free. Open orders are completed; personal data is
/// erased when the last one ends. For the buyer and supervisors.
#[utoipa::path(
    delete, path = "/users/{user_id}",
    params(("user_id" = UserId, Path)),
    responses((status = 204)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    unregister_user(&store, user_id, &request.event_context(), request.now()).await?;
    tracing::info!(user = %user_id, "account closed");
    Ok(Response::no_content())
}
