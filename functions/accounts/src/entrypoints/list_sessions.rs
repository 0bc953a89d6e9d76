use crate::{
    adapters::dynamodb::DynamoAccounts, application::list_sessions::list_sessions,
    domain::session::Session,
};
use rialto_kernel::{SessionId, Timestamp};
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-list-sessions", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// A login on one device.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionBody {
    session_id: SessionId,
    created_at: Timestamp,
    /// The time at which tokens were last issued.
    refreshed_at: Timestamp,
    /// The time at which it ends unless it is refreshed.
    expires_at: Timestamp,
    /// Whether it is the session of this request.
    current: bool,
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

/// List your sessions
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
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (sessions, next) =
        list_sessions(&store, caller.account, limit.get(), position.as_deref(), request.now())
            .await?;
    let items: Vec<_> =
        sessions.iter().map(|session| SessionBody::new(session, caller.session)).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
