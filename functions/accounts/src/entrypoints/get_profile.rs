use crate::{
    adapters::dynamodb::DynamoAccounts,
    domain::profile::{Grade, Nickname, Profile},
    ports::ProfileStore,
};
use rialto_kernel::UserId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-get-profile", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// What a buyer is known by.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ProfileBody {
    user_id: UserId,
    #[schema(value_type = String)]
    nickname: Nickname,
    /// Where a picture is.
    image: Option<String>,
    grade: Grade,
}

impl From<Profile> for ProfileBody {
    fn from(profile: Profile) -> Self {
        let image = profile.image.map(|image| image.as_str().to_owned());
        Self { user_id: profile.user_id, nickname: profile.nickname, image, grade: profile.grade }
    }
}

/// The profile that a request's path names.
pub(super) async fn profile(
    store: &DynamoAccounts,
    request: &Request,
) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let profile = store.profile(user_id).await?.ok_or_else(Problem::not_found)?;
    Ok(Response::ok(&ProfileBody::from(profile)))
}

/// Read a buyer's profile
///
/// For the buyer and supervisors.
#[utoipa::path(
    get, path = "/users/{user_id}/profile",
    params(("user_id" = UserId, Path)),
    responses((status = 200, body = Data<ProfileBody>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    profile(store, request).await
}
