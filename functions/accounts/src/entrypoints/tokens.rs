//! The answer that logging in and refreshing have in common, and what can go wrong with both.

use crate::{
    application::{
        issue_tokens::{IssueTokensError, SessionTokens},
        rate_limit::RateLimitError,
    },
    domain::session::SESSION_LIFETIME,
};
use rialto_kernel::{AccountId, Role, Timestamp};
use rialto_lambda::{
    http::{Problem, Response},
    token::ACCESS_SECONDS,
};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) const COOKIE: &str = "refresh_token";

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

pub(super) fn answer(tokens: &SessionTokens, base: &str) -> Response {
    let SessionTokens { account_id, access_token, refresh_token } = tokens;
    let body = TokensBody {
        access_token: access_token.clone(),
        refresh_token: refresh_token.as_str().to_owned(),
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        role: account_id.role(),
        account_id: *account_id,
    };
    let cookie = cookie(refresh_token.as_str(), SESSION_LIFETIME.as_secs(), base);
    Response::ok(&body).header("Set-Cookie", cookie).header("Cache-Control", "no-store")
}

/// 204, and the browser forgets its refresh token.
pub(super) fn logged_out(base: &str) -> Response {
    Response::no_content().header("Set-Cookie", cookie("", 0, base))
}

fn cookie(value: &str, seconds: u64, base: &str) -> String {
    format!(
        "{COOKIE}={value}; Max-Age={seconds}; Path={base}/auth; HttpOnly; Secure; SameSite=Strict"
    )
}

impl From<IssueTokensError> for Problem {
    fn from(error: IssueTokensError) -> Self {
        match error {
            IssueTokensError::NoSigningKey(_) | IssueTokensError::NoRefreshKey => {
                Self::unavailable(error)
            }
            IssueTokensError::Key(error) => Self::internal(error),
            IssueTokensError::Store(error) => error.into(),
        }
    }
}

pub(super) fn refused(error: RateLimitError, now: Timestamp) -> Problem {
    match error {
        RateLimitError::LimitExceeded { until } => Problem::too_many_requests(now, until),
        RateLimitError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refresh_token::{RefreshKey, RefreshToken};
    use rialto_kernel::{SessionId, UserId};

    fn set_cookie(reply: &Response) -> &str {
        reply
            .headers
            .iter()
            .find(|(name, _)| *name == "Set-Cookie")
            .map(|(_, value)| value.as_str())
            .unwrap()
    }

    #[test]
    fn the_answer_has_both_tokens_and_the_cookie_is_for_the_stages_auth_only() {
        let account_id = AccountId::User(UserId::derive(&[b"u"]));
        let refresh_token =
            RefreshToken::issue(&RefreshKey([1; 32]), account_id, SessionId::derive(&[b"1"]), 1);
        let tokens = SessionTokens { account_id, access_token: "a.b.c".to_owned(), refresh_token };
        let reply = answer(&tokens, "/prod");
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        let token = tokens.refresh_token.as_str();
        assert_eq!(
            body["data"],
            serde_json::json!({
                "access_token": "a.b.c", "refresh_token": token, "token_type": "Bearer", "expires_in": 900,
                "role": "USER", "account_id": account_id,
            })
        );
        assert_eq!(
            set_cookie(&reply),
            format!(
                "refresh_token={token}; Max-Age=2592000; Path=/prod/auth; HttpOnly; Secure; SameSite=Strict"
            )
        );
        assert!(reply.headers.contains(&("Cache-Control", "no-store".to_owned())));
    }

    #[test]
    fn logging_out_takes_the_cookie_back() {
        let reply = logged_out("/prod");
        assert_eq!(reply.status, 204);
        let forgotten =
            "refresh_token=; Max-Age=0; Path=/prod/auth; HttpOnly; Secure; SameSite=Strict";
        assert_eq!(set_cookie(&reply), forgotten);
    }
}
