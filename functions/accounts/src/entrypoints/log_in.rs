use super::tokens::{TokensBody, answer, refused};
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Passwords, secrets::SecretsManagerKeys},
    application::log_in::{LogInError, LoginAttempt, log_in},
    domain::{contact::Email, credential::Password},
};
use rialto_aws::Stage;
use rialto_kernel::{Fields, Invalid, SessionId, Timestamp};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, ProblemCode, Request, Response},
};
use serde::Deserialize;
use std::{net::IpAddr, sync::Arc};
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-log-in", build);
}

/// What logging in needs.
pub struct LoginContext {
    store: DynamoAccounts,
    keys: SecretsManagerKeys,
    stage: Stage,
}

fn build(app: &FunctionContext) -> http::Handler {
    let accounts = Arc::new(LoginContext {
        store: DynamoAccounts::open(app),
        keys: SecretsManagerKeys::open(&app.aws, &app.stage),
        stage: app.stage.clone(),
    });
    Arc::new(move |request| {
        let accounts = Arc::clone(&accounts);
        Box::pin(async move { handle(&accounts, &request).await })
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogInRequest {
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[schema(format = Password, min_length = 1, max_length = 128)]
    password: String,
}

impl LogInRequest {
    fn parse(self, address: Option<IpAddr>, now: Timestamp) -> Result<LoginAttempt, Invalid> {
        let mut fields = Fields::default();
        let email = fields.field("email", Email::parse(&self.email));
        let password = fields.field("password", Password::from_login_input(&self.password));
        let session_id = SessionId::generate(now);
        let whole = email.zip(password);
        fields.build(whole.map(|(email, password)| LoginAttempt {
            email,
            password,
            address,
            session_id,
        }))
    }
}

/// Log in
///
/// Begins a session, for an account of any role. A wrong password and an email that nobody has get the same answer. Ten wrong
/// attempts in a quarter of an hour are admitted for an email, and a hundred from an address.
#[utoipa::path(
    post, path = "/auth/login",
    request_body = LogInRequest,
    responses(
        (status = 200, body = Data<TokensBody>,
            headers(("Set-Cookie" = String, description = "The refresh token, for this API's /auth only."))),
    ),
)]
pub(crate) async fn handle(
    accounts: &LoginContext,
    request: &Request,
) -> Result<Response, Problem> {
    let now = request.now();
    let wanted = request.json::<LogInRequest>()?.parse(request.source, now)?;
    let LoginContext { store, keys, stage } = accounts;
    let tokens = log_in(store, keys, &Argon2Passwords, stage, &wanted, &request.cause(), now).await;
    let tokens = tokens.map_err(|error| problem(error, now))?;
    tracing::info!(account = %tokens.account_id, session = %wanted.session_id, "logged in");
    Ok(answer(&tokens, &request.base))
}

fn problem(error: LogInError, now: Timestamp) -> Problem {
    match error {
        LogInError::InvalidCredentials => {
            Problem::new(ProblemCode::Unauthenticated).detail("Wrong email or password.")
        }
        LogInError::RateLimited(error) => refused(error, now),
        LogInError::Issue(error) => error.into(),
        LogInError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named() {
        let request = LogInRequest { email: "ann".to_owned(), password: String::new() };
        let invalid = request.parse(None, Timestamp::from_millis(1)).unwrap_err();
        assert_eq!(
            invalid.0.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
            ["email", "password"]
        );
    }
}
