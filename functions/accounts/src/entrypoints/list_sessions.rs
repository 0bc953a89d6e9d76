use crate::{
    adapters::dynamodb::DynamoAccounts, application::list_sessions::list_sessions,
    domain::session::Session,
};
use rialto_kernel::{SessionId, Timestamp};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Page, Problem, Request, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-list-sessions", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// One login on one device.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionBody {
    pub session_id: SessionId,
    pub created_at: Timestamp,
    /// When it got new tokens for the last time.
    pub refreshed_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl SessionBody {
    fn new(session: &Session, current: SessionId) -> Self {
        Self {
            session_id: session.session_id,
            created_at: session.created_at,
            refreshed_at: session.refreshed_at,
            expires_at: session.expires_at,
            current: session.session_id == current,
        }
    }
}

/// List one's own sessions
///
/// Newest first.
#[utoipa::path(
    get, path = "/auth/sessions",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<SessionBody>>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let listed =
        list_sessions(store, caller.account, limit.get(), position.as_deref(), request.now()).await;
    let (sessions, next) = listed?;
    let items: Vec<_> =
        sessions.iter().map(|session| SessionBody::new(session, caller.session)).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
