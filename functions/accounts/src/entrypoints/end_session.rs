use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::end_session::{EndSessionError, end_session},
};
use rialto_kernel::SessionId;
use rialto_lambda::http::{self, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-end-session", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Revoke one of your sessions
///
/// Takes effect at once in all services, for example to log out a lost device.
#[utoipa::path(
    delete, path = "/auth/sessions/{session_id}",
    params(("session_id" = SessionId, Path)),
    responses((status = 204)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let session = request.path("session_id")?;
    end_session(&store, caller.account, session).await?;
    tracing::info!(account = %caller.account, %session, "session revoked");
    Ok(Response::no_content())
}

impl From<EndSessionError> for Problem {
    fn from(error: EndSessionError) -> Self {
        match error {
            EndSessionError::NotFound => Self::not_found(),
            EndSessionError::Store(error) => error.into(),
        }
    }
}
