use super::views::{ChangeAccountRequest, UserBody};
use crate::{adapters::dynamodb::DynamoAccounts, application::change_account::change_account};
use rialto_kernel::{AccountId, UserId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-change-user", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Change a buyer's account
///
/// For the buyer and supervisors.
#[utoipa::path(
    patch, path = "/users/{user_id}",
    params(
        ("user_id" = UserId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the account's entity tags: 412 if it has another one."),
    ),
    request_body = ChangeAccountRequest,
    responses(
        (status = 200, body = Data<UserBody>, headers(
            ("ETag" = String, description = "Changes with the fields that PATCH can change."),
        )),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let patch = request.json::<ChangeAccountRequest>()?.parse()?;
    let (id, if_match) = (AccountId::User(user_id), request.if_match()?);
    let account = change_account(&store, id, &patch, &if_match).await?;
    tracing::info!(user = %user_id, "account changed");
    Ok(Response::ok(&UserBody::new(user_id, &account)).etag(&account.etag()))
}
