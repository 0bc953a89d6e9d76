use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::end_session::{EndSessionError, end_session},
};
use rialto_kernel::SessionId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-end-session", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// End one of one's own sessions
///
/// At once, for all services: a device that was lost is logged out.
#[utoipa::path(
    delete, path = "/auth/sessions/{session_id}",
    params(("session_id" = SessionId, Path)),
    responses((status = 204)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let session = request.path("session_id")?;
    end_session(store, caller.account, session).await?;
    tracing::info!(account = %caller.account, %session, "ended");
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
