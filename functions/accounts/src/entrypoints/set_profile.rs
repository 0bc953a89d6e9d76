use super::views::ProfileBody;
use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::set_profile::{ProfileUpdate, SetProfileError, set_profile},
    domain::profile::{Grade, Nickname},
};
use rialto_kernel::{AccountId, Fields, ImageUrl, Invalid, Text, UserId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-set-profile", |app| http::handler(DynamoAccounts::open(app), handle));
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetProfileRequest {
    #[schema(value_type = Text<1, 40>, inline)]
    nickname: String,
    /// An `https` URL. Without one the profile has no image.
    #[schema(value_type = Option<ImageUrl>)]
    image: Option<String>,
    /// Unchanged if left out; only supervisors can change it.
    #[schema(value_type = Option<Grade>)]
    grade: Option<String>,
}

impl SetProfileRequest {
    fn parse(self, by_supervisor: bool) -> Result<ProfileUpdate, Invalid> {
        let mut fields = Fields::default();
        let nickname = fields.field("nickname", Nickname::parse(&self.nickname));
        let image = self.image.and_then(|url| fields.field("image", ImageUrl::parse(&url)));
        let grade = self.grade.and_then(|grade| fields.field("grade", grade.parse()));
        fields.build(nickname.map(|nickname| ProfileUpdate {
            nickname,
            image,
            grade,
            by_supervisor,
        }))
    }
}

/// Set a buyer's profile
///
/// For the buyer and supervisors; only supervisors can change the grade.
#[utoipa::path(
    put, path = "/users/{user_id}/profile",
    params(
        ("user_id" = UserId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the profile's entity tags: 412 if it has another one."),
    ),
    request_body = SetProfileRequest,
    responses(
        (status = 200, body = Data<ProfileBody>, headers(
            ("ETag" = String, description = "Changes with the fields that PUT can change."),
        )),
    ),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let by_supervisor = matches!(request.caller()?.account, AccountId::Supervisor(_));
    let user_id = request.path("user_id")?;
    let change = request.json::<SetProfileRequest>()?.parse(by_supervisor)?;
    let profile = set_profile(&store, user_id, &change, &request.if_match()?).await?;
    tracing::info!(user = %user_id, "profile changed");
    let etag = profile.etag();
    Ok(Response::ok(&ProfileBody::from(profile)).etag(&etag))
}

impl From<SetProfileError> for Problem {
    fn from(error: SetProfileError) -> Self {
        match error {
            SetProfileError::NotFound => Self::not_found(),
            SetProfileError::Forbidden => {
                Self::forbidden().detail("Only supervisors can change the grade.")
            }
            SetProfileError::PreconditionFailed(error) => error.into(),
            SetProfileError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invalid_field_is_reported() {
        let request = SetProfileRequest {
            nickname: String::new(),
            image: Some("http://img.example/a.png".to_owned()),
            grade: Some("gold".to_owned()),
        };
        let fields: Vec<_> =
            request.parse(true).unwrap_err().0.into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["nickname", "image", "grade"]);
    }
}
