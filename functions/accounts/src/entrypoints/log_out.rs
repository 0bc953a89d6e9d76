use super::token_response::logged_out;
use crate::{adapters::dynamodb::DynamoAccounts, application::log_out::log_out};
use rialto_lambda::http::{self, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-log-out", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Log out
///
/// Ends the session at once, in all services.
#[utoipa::path(
    post, path = "/auth/logout",
    responses(
        (status = 204, headers(("Set-Cookie" = String, description = "Clears the refresh token."))),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    log_out(&store, caller.account, caller.session).await?;
    tracing::info!(account = %caller.account, session = %caller.session, "logged out");
    Ok(logged_out(&request.base))
}
