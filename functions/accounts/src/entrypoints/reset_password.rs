use super::problems::rate_limit_problem;
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Hasher},
    application::reset_password::{PasswordResetForm, ResetPasswordError, reset_password},
    domain::{contact::Email, credential::Password, reset::ResetCode},
};
use rialto_kernel::{Fields, Invalid, Text, Timestamp};
use rialto_lambda::http::{self, Problem, Request, Response};
use serde::Deserialize;
use std::net::IpAddr;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-reset-password", |app| http::handler(DynamoAccounts::open(app), handle));
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordRequest {
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// The mailed code; case, hyphens and spaces are ignored.
    #[schema(min_length = 1, max_length = 64, pattern = "[^ -]")]
    code: String,
    #[schema(value_type = Text<10, 128>, inline)]
    password: String,
}

impl ResetPasswordRequest {
    fn parse(self, ip_address: Option<IpAddr>) -> Result<PasswordResetForm, Invalid> {
        let mut fields = Fields::default();
        let email = fields.field("email", Email::parse(&self.email));
        let code = fields.field("code", ResetCode::parse(&self.code));
        let password = fields.field("password", Password::new(&self.password));
        let parsed = email.zip(code).zip(password);
        fields.build(parsed.map(|((email, code), password)| PasswordResetForm {
            email,
            code,
            password,
            ip_address,
        }))
    }
}

/// Reset the password with a code
///
/// All sessions of the account end. Within 15 minutes, ten wrong codes are allowed per email.
#[utoipa::path(
    put, path = "/auth/password-reset",
    request_body = ResetPasswordRequest,
    responses((status = 204)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let now = request.now();
    let reset = request.json::<ResetPasswordRequest>()?.parse(request.source)?;
    let account = reset_password(&store, &Argon2Hasher, &reset, now)
        .await
        .map_err(|error| problem(error, now))?;
    tracing::info!(%account, "password reset");
    Ok(Response::no_content())
}

fn problem(error: ResetPasswordError, now: Timestamp) -> Problem {
    match error {
        ResetPasswordError::InvalidCode => Problem::field("code", "is wrong, used or expired"),
        ResetPasswordError::RateLimited(error) => rate_limit_problem(error, now),
        ResetPasswordError::Hash(error) => Problem::internal(error),
        ResetPasswordError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invalid_field_is_reported() {
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
