use super::tokens::refused;
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Passwords},
    application::reset_password::{PasswordResetForm, ResetPasswordError, reset_password},
    domain::{contact::Email, credential::Password, reset::ResetCode},
};
use rialto_kernel::{Fields, Invalid, Timestamp};
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
};
use serde::Deserialize;
use std::{net::IpAddr, sync::Arc};
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-reset-password", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordRequest {
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// As it was mailed; case, hyphens and spaces don't matter.
    #[schema(min_length = 1, max_length = 64)]
    code: String,
    #[schema(format = Password, min_length = 10, max_length = 128)]
    password: String,
}

impl ResetPasswordRequest {
    fn parse(self, address: Option<IpAddr>) -> Result<PasswordResetForm, Invalid> {
        let mut fields = Fields::default();
        let email = fields.field("email", Email::parse(&self.email));
        let code = fields.field("code", ResetCode::parse(&self.code));
        let password = fields.field("password", Password::new(&self.password));
        let whole = email.zip(code).zip(password);
        fields.build(whole.map(|((email, code), password)| PasswordResetForm {
            email,
            code,
            password,
            address,
        }))
    }
}

/// Choose a new password with a mailed code
///
/// Every session of the account ends. Ten wrong codes in a quarter of an hour are admitted for an email.
#[utoipa::path(
    put, path = "/auth/password-reset",
    request_body = ResetPasswordRequest,
    responses((status = 204)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let now = request.now();
    let wanted = request.json::<ResetPasswordRequest>()?.parse(request.source)?;
    let done = reset_password(store, &Argon2Passwords, &wanted, now).await;
    let account = done.map_err(|error| problem(error, now))?;
    tracing::info!(%account, "the password was reset");
    Ok(Response::no_content())
}

fn problem(error: ResetPasswordError, now: Timestamp) -> Problem {
    match error {
        ResetPasswordError::InvalidCode => Problem::field("code", "is wrong, used or too old"),
        ResetPasswordError::RateLimited(error) => refused(error, now),
        ResetPasswordError::Hash(error) => Problem::internal(error),
        ResetPasswordError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named() {
        let request = ResetPasswordRequest {
            email: "ann".to_owned(),
            code: "-".to_owned(),
            password: "short".to_owned(),
        };
        let fields: Vec<_> =
            request.parse(None).unwrap_err().0.into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["email", "code", "password"]);
    }
}
