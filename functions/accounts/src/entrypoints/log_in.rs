use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Passwords, secrets::SecretKeys},
    application::log_in::{LogIn, LogInError, LoggedIn, log_in},
    domain::{contact::Email, credential::Password, session::LIFETIME},
};
use rialto_aws::Stage;
use rialto_kernel::{AccountId, Fields, Invalid, Role, SessionId, Timestamp};
use rialto_lambda::{
    App,
    http::{self, Code, Data, Problem, ProblemBody, Reply, Request},
    token::ACCESS_SECONDS,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-log-in", build);
}

/// What logging in needs.
pub struct Accounts {
    store: DynamoAccounts,
    keys: SecretKeys,
    stage: Stage,
}

fn build(app: &App) -> http::Handler {
    let accounts = Arc::new(Accounts {
        store: DynamoAccounts::open(app),
        keys: SecretKeys::open(&app.aws, &app.stage),
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
    fn parse(self, now: Timestamp) -> Result<LogIn, Invalid> {
        let mut fields = Fields::default();
        let email = fields.take("email", Email::parse(&self.email));
        let password = fields.take("password", Password::attempt(&self.password));
        let session_id = SessionId::generate(now);
        fields.finish(email.zip(password).map(|(email, password)| LogIn { email, password, session_id }))
    }
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub struct TokensBody {
    /// Goes into each call's `Authorization` header, after `Bearer`.
    pub access_token: String,
    /// Gets the next tokens, once. Set as a cookie, too.
    pub refresh_token: String,
    #[schema(value_type = String, example = "Bearer")]
    pub token_type: &'static str,
    /// For how many seconds the access token is good.
    pub expires_in: i64,
    pub role: Role,
    pub account_id: AccountId,
}

/// Log in
///
/// Begins a session, for an account of any role. A wrong password and an email that nobody has get the same answer.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "accountsLogIn", tag = "accounts",
    request_body = LogInRequest,
    responses(
        (status = 200, body = Data<TokensBody>,
            headers(("Set-Cookie" = String, description = "The refresh token, for this API's /auth only."))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn handle(accounts: &Accounts, request: &Request) -> Result<Reply, Problem> {
    let now = request.now();
    let wanted = request.json::<LogInRequest>()?.parse(now)?;
    let Accounts { store, keys, stage } = accounts;
    let logged_in = log_in(store, keys, &Argon2Passwords, stage, &wanted, now).await?;
    tracing::info!(account = %logged_in.account_id, session = %wanted.session_id, "logged in");
    Ok(answer(&logged_in, &request.base))
}

fn answer(logged_in: &LoggedIn, base: &str) -> Reply {
    let LoggedIn { account_id, access_token, refresh_token } = logged_in;
    let body = TokensBody {
        access_token: access_token.clone(),
        refresh_token: refresh_token.as_str().to_owned(),
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        role: account_id.role(),
        account_id: *account_id,
    };
    let cookie = format!(
        "refresh_token={}; Max-Age={}; Path={base}/auth; HttpOnly; Secure; SameSite=Strict",
        refresh_token.as_str(),
        LIFETIME.as_secs(),
    );
    Reply::ok(&body).header("Set-Cookie", cookie).header("Cache-Control", "no-store")
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::Unauthenticated => {
                Self::new(Code::Unauthenticated).detail("Wrong email or password.")
            }
            LogInError::NoSigningKey(_) | LogInError::NoRefreshKey => Self::unavailable(error),
            LogInError::Key(error) => Self::internal(error),
            LogInError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refresh_token::{RefreshKey, RefreshToken};
    use rialto_kernel::UserId;

    #[test]
    fn the_answer_has_both_tokens_and_the_cookie_is_for_the_stages_auth_only() {
        let account_id = AccountId::User(UserId::derive(&[b"u"]));
        let refresh_token =
            RefreshToken::issue(&RefreshKey([1; 32]), account_id, SessionId::derive(&[b"1"]), 1);
        let logged_in = LoggedIn { account_id, access_token: "a.b.c".to_owned(), refresh_token };
        let reply = answer(&logged_in, "/prod");
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        let token = logged_in.refresh_token.as_str();
        assert_eq!(
            body["data"],
            serde_json::json!({
                "access_token": "a.b.c", "refresh_token": token, "token_type": "Bearer", "expires_in": 900,
                "role": "USER", "account_id": account_id,
            })
        );
        let (_, cookie) = reply.headers.iter().find(|(name, _)| *name == "Set-Cookie").unwrap();
        assert_eq!(
            cookie,
            &format!(
                "refresh_token={token}; Max-Age=2592000; Path=/prod/auth; HttpOnly; Secure; SameSite=Strict"
            )
        );
        assert!(reply.headers.contains(&("Cache-Control", "no-store".to_owned())));
    }

    #[test]
    fn every_bad_field_is_named() {
        let request = LogInRequest { email: "ann".to_owned(), password: String::new() };
        let invalid = request.parse(Timestamp::from_millis(1)).unwrap_err();
        assert_eq!(
            invalid.0.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
            ["email", "password"]
        );
    }
}
