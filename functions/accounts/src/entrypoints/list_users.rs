use super::views::UserBody;
use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::list_users::{UserFilter, list_users},
    domain::contact::{Email, Name},
};
use rialto_kernel::AccountId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-list-users", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// List buyers
///
/// Newest first. `email` finds the account with that address, `name` those whose name contains
/// it; both ignore case. A page examines at most 1,000 accounts and 310 days, so it can be short,
/// or empty, and still have a next page. For supervisors.
#[utoipa::path(
    get, path = "/users",
    params(
        ("email" = Option<String>, Query, format = Email, max_length = 254),
        ("name" = Option<String>, Query, min_length = 1, max_length = 80),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<UserBody>>)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
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
    let (accounts, next) = list_users(&store, &filter, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = accounts
        .iter()
        .filter_map(|account| match account.account_id {
            AccountId::User(user_id) => Some(UserBody::new(user_id, account)),
            AccountId::Seller(_) | AccountId::Supervisor(_) => None,
        })
        .collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
