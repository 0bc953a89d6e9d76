use crate::{adapters::dynamodb::DynamoAccounts, application::unregister_user::unregister_user};
use rialto_kernel::UserId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-unregister-user", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Close a buyer's account
///
/// Nobody logs in to it any more, at once, and its email is free. Open orders run on; what it tells of a person is erased when the
/// last one ends. For the buyer and supervisors.
#[utoipa::path(
    delete, path = "/users/{user_id}",
    params(("user_id" = UserId, Path)),
    responses((status = 204)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    unregister_user(store, user_id, &request.cause(), request.now()).await?;
    tracing::info!(user = %user_id, "unregistered");
    Ok(Response::no_content())
}
