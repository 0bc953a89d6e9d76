use super::problems::rate_limit_problem;
use crate::{
    adapters::{dynamodb::DynamoAccounts, mail::LambdaResetRequester},
    application::request_reset::{RequestResetError, request_reset},
    domain::contact::Email,
};
use rialto_lambda::http::{self, Problem, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-request-reset", |app| {
        http::handler((DynamoAccounts::open(app), LambdaResetRequester::new(app)), handle)
    });
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestResetRequest {
    #[schema(format = Email, max_length = 254)]
    email: String,
}

/// Request a password reset code
///
/// The response is the same for an unknown email. The code is valid once, for 30 minutes; five
/// codes are mailed within 15 minutes at most.
#[utoipa::path(
    post, path = "/auth/password-reset",
    request_body = RequestResetRequest,
    responses((status = 204)),
)]
pub(crate) async fn handle(
    (store, mailer): (DynamoAccounts, LambdaResetRequester),
    request: Request,
) -> Result<Response, Problem> {
    let body = request.json::<RequestResetRequest>()?;
    let email = Email::parse(&body.email).map_err(|error| Problem::field("email", error))?;
    let now = request.now();
    match request_reset(&store, &mailer, &email, request.source, now).await {
        Ok(()) => Ok(Response::no_content()),
        Err(RequestResetError::RateLimited(error)) => Err(rate_limit_problem(error, now)),
        Err(RequestResetError::Store(error)) => Err(error.into()),
    }
}
