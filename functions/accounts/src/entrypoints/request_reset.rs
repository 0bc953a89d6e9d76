use super::tokens::refused;
use crate::{
    adapters::{dynamodb::DynamoAccounts, mail::CodeMailer},
    application::request_reset::{RequestResetError, request_reset},
    domain::contact::Email,
};
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-request-reset", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, mailer) = (DynamoAccounts::open(app), CodeMailer::new(app));
    Arc::new(move |request| {
        let (store, mailer) = (store.clone(), mailer.clone());
        Box::pin(async move { handle(&store, &mailer, &request).await })
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestResetRequest {
    #[schema(format = Email, max_length = 254)]
    email: String,
}

/// Have a code mailed for a new password
///
/// The answer is the same for an email that nobody has. The code is good once, for half an hour; five are mailed in a quarter of an
/// hour.
#[utoipa::path(
    post, path = "/auth/password-reset",
    request_body = RequestResetRequest,
    responses((status = 204)),
)]
pub(crate) async fn handle(
    store: &DynamoAccounts,
    mailer: &CodeMailer,
    request: &Request,
) -> Result<Response, Problem> {
    let wanted = request.json::<RequestResetRequest>()?;
    let email = Email::parse(&wanted.email).map_err(|error| Problem::field("email", error))?;
    let now = request.now();
    match request_reset(store, mailer, &email, request.source, now).await {
        Ok(()) => Ok(Response::no_content()),
        Err(RequestResetError::RateLimited(error)) => Err(refused(error, now)),
        Err(RequestResetError::Store(error)) => Err(error.into()),
    }
}
