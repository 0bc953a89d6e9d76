use super::{accounts::ChangeAccountRequest, register_user::UserBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::change_user::change_user};
use rialto_kernel::UserId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-change-user", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
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
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let edit = request.json::<ChangeAccountRequest>()?.parse()?;
    let account = change_user(store, user_id, &edit).await?;
    tracing::info!(user = %user_id, "changed");
    Ok(Response::ok(&UserBody::new(user_id, &account)))
}
