use super::views::ProfileBody;
use crate::{adapters::dynamodb::DynamoAccounts, ports::ProfileStore};
use rialto_kernel::UserId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("accounts-get-profile", |app| http::handler(DynamoAccounts::open(app), handle));
}

/// Get a buyer's profile
///
/// For the buyer and supervisors.
#[utoipa::path(
    get, path = "/users/{user_id}/profile",
    params(("user_id" = UserId, Path)),
    responses(
        (status = 200, body = Data<ProfileBody>, headers(
            ("ETag" = String, description = "Changes with the fields that PUT can change."),
        )),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    profile_response(&store, &request).await
}

/// The response of this route and of `get_public_user`.
pub(super) async fn profile_response(
    store: &DynamoAccounts,
    request: &Request,
) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let profile = store.profile(user_id).await?.ok_or_else(Problem::not_found)?;
    let etag = profile.etag();
    Ok(Response::ok(&ProfileBody::from(profile)).etag(&etag))
}
