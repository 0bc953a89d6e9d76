use super::{get_profile::profile_response, views::ProfileBody};
use crate::adapters::dynamodb::DynamoAccounts;
use rialto_kernel::UserId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-get-public-user", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Get a buyer's public profile
///
/// Nickname, image and grade; nothing personal.
#[utoipa::path(
    get, path = "/users/{user_id}/public",
    params(("user_id" = UserId, Path)),
    responses(
        (status = 200, body = Data<ProfileBody>, headers(
            ("ETag" = String, description = "The profile's, which changes with its fields."),
        )),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    profile_response(&store, &request).await
}
