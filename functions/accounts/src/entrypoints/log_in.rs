use super::{
    auth_context::AuthContext, problems::rate_limit_problem, token_response::tokens_issued,
    views::TokensBody,
};
use crate::{
    adapters::passwords::Argon2Hasher,
    application::log_in::{LogInError, LoginAttempt, log_in},
    domain::{contact::Email, credential::Password},
};
use rialto_kernel::{Fields, Invalid, SessionId, Text, Timestamp};
use rialto_lambda::http::{self, Data, Problem, ProblemCode, Request, Response};
use serde::Deserialize;
use std::{net::IpAddr, time::Duration};
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-log-in", |app| http::handler(AuthContext::open(app), handle));
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogInRequest {
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[schema(value_type = Text<1, 128>, inline)]
    password: String,
}

impl LogInRequest {
    fn parse(
        self,
        ip_address: Option<IpAddr>,
        session_max_age: Duration,
        now: Timestamp,
    ) -> Result<LoginAttempt, Invalid> {
        let mut fields = Fields::default();
        let email = fields.field("email", Email::parse(&self.email));
        let password = fields.field("password", Password::from_login_input(&self.password));
        let session_id = SessionId::generate(now);
        let parsed = email.zip(password);
        fields.build(parsed.map(|(email, password)| LoginAttempt {
            email,
            password,
            ip_address,
            session_id,
            session_max_age,
        }))
    }
}

/// Log in
///
/// Starts a session for an account of any role. An account has at most a hundred sessions: the
/// oldest ends. A wrong password and an unknown email get the same response. Within 15 minutes, ten
/// failed attempts are allowed per email and a hundred per IP address.
#[utoipa::path(
    post, path = "/auth/login",
    request_body = LogInRequest,
    responses(
        (status = 200, body = Data<TokensBody>,
            headers(("Set-Cookie" = String, description = "The refresh token, for /auth only."))),
    ),
)]
pub(crate) async fn handle(auth: AuthContext, request: Request) -> Result<Response, Problem> {
    let now = request.now();
    let max_age = auth.session_max_age().await?;
    let login = request.json::<LogInRequest>()?.parse(request.source, max_age, now)?;
    let AuthContext { store, keys, stage, .. } = &auth;
    let tokens = log_in(store, keys, &Argon2Hasher, stage, &login, &request.event_context(), now)
        .await
        .map_err(|error| problem(error, now))?;
    tracing::info!(account = %tokens.account_id, session = %login.session_id, "logged in");
    Ok(tokens_issued(&tokens, &request.base, now))
}

fn problem(error: LogInError, now: Timestamp) -> Problem {
    match error {
        LogInError::InvalidCredentials => Problem::new(ProblemCode::Unauthenticated)
            .title("Login failed")
            .detail("Wrong email or password."),
        LogInError::RateLimited(error) => rate_limit_problem(error, now),
        LogInError::Issue(error) => error.into(),
        LogInError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invalid_field_is_reported() {
        let request = LogInRequest { email: "ann".to_owned(), password: String::new() };
        let invalid = request.parse(None, Duration::MAX, Timestamp::from_millis(1)).unwrap_err();
        assert_eq!(
            invalid.0.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
            ["email", "password"]
        );
    }
}
