use super::views::SavedAddressBody;
use crate::{adapters::dynamodb::DynamoAccounts, application::addresses::list_addresses};
use rialto_kernel::UserId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-list-addresses", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// List a buyer's addresses
///
/// Oldest first, three at most. For the buyer and supervisors.
#[utoipa::path(
    get, path = "/users/{user_id}/addresses",
    params(
        ("user_id" = UserId, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<SavedAddressBody>>)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let mut addresses = list_addresses(&store, user_id).await?;
    // All are in one item, oldest first: a position is an index.
    let start = position.and_then(|index| index.parse().ok()).unwrap_or(0).min(addresses.len());
    let end = (start + limit.get() as usize).min(addresses.len());
    let next = (end < addresses.len()).then(|| end.to_string());
    let items: Vec<_> = addresses.drain(start..end).map(SavedAddressBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
