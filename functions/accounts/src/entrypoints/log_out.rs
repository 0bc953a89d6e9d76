use super::tokens::logged_out;
use crate::{adapters::dynamodb::DynamoAccounts, application::log_out::log_out};
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-log-out", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Log out
///
/// Ends the caller's session at once, for all services.
#[utoipa::path(
    post, path = "/auth/logout",
    responses(
        (status = 204, headers(("Set-Cookie" = String, description = "Takes the refresh token back."))),
    ),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    log_out(store, caller.account, caller.session).await?;
    tracing::info!(account = %caller.account, session = %caller.session, "logged out");
    Ok(logged_out(&request.base))
}
