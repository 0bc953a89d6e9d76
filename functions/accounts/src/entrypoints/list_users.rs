use super::register_user::UserBody;
use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::list_users::{UserFilter, list_users},
    domain::contact::{Email, Name},
};
use rialto_kernel::AccountId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Page, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-list-users", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// List buyers
///
/// Newest first; `email` leads to the one who has it, `name` to those whose name contains it, both without case. A page of a search
/// by name looks at 1,000 accounts at most, so it may be short and go on. For supervisors.
#[utoipa::path(
    get, path = "/users",
    params(
        ("email" = Option<String>, Query, max_length = 254),
        ("name" = Option<String>, Query, min_length = 1, max_length = 80),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<UserBody>>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let query = request.list_query(&["email", "name"])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let email = query.get("email").map(Email::parse).transpose();
    let name = query.get("name").map(Name::parse).transpose();
    let filter = UserFilter {
        email: email.map_err(|error| Problem::field("email", error))?,
        name: name
            .map_err(|error| Problem::field("name", error))?
            .map(|name| name.as_str().to_owned()),
    };
    let (accounts, next) = list_users(store, &filter, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = accounts
        .iter()
        .filter_map(|account| match account.account_id {
            AccountId::User(user_id) => Some(UserBody::new(user_id, account)),
            AccountId::Seller(_) | AccountId::Supervisor(_) => None,
        })
        .collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
