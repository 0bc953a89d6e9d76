use super::views::SellerBody;
use crate::{adapters::dynamodb::DynamoAccounts, application::list_sellers::list_sellers};
use rialto_kernel::AccountId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-list-sellers", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// List sellers
///
/// Newest first. For supervisors.
#[utoipa::path(
    get, path = "/sellers",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<SellerBody>>)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let (accounts, next) = list_sellers(&store, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = accounts
        .iter()
        .filter_map(|account| match account.account_id {
            AccountId::Seller(seller_id) => Some(SellerBody::new(seller_id, account)),
            AccountId::User(_) | AccountId::Supervisor(_) => None,
        })
        .collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
