//! Responses that set or clear the refresh token's cookie.

use super::views::TokensBody;
use crate::application::issue_tokens::SessionTokens;
use rialto_kernel::Timestamp;
use rialto_lambda::{http::Response, token::ACCESS_SECONDS};

pub(super) const COOKIE: &str = "refresh_token";

/// 200 with both tokens, the refresh token as a cookie, too, until the session
/// expires. `base` is the path of the stage.
pub(super) fn tokens_issued(tokens: &SessionTokens, base: &str, now: Timestamp) -> Response {
    let SessionTokens { account_id, access_token, refresh_token, expires_at, .. } = tokens;
    let body = TokensBody {
        access_token: access_token.clone(),
        refresh_token: refresh_token.as_str().to_owned(),
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        role: account_id.role(),
        account_id: *account_id,
    };
    let cookie = cookie(refresh_token.as_str(), expires_at.since(now).as_secs(), base);
    Response::ok(&body).header("Set-Cookie", cookie).header("Cache-Control", "no-store")
}

/// 204; the browser deletes its cookie.
pub(super) fn logged_out(base: &str) -> Response {
    Response::no_content().header("Set-Cookie", cookie("", 0, base))
}

fn cookie(value: &str, max_age: u64, base: &str) -> String {
    format!(
        "{COOKIE}={value}; Max-Age={max_age}; Path={base}/auth; HttpOnly; Secure; SameSite=Strict"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refresh_token::{RefreshKey, RefreshToken};
    use rialto_kernel::{AccountId, SessionId, UserId};
    use serde_json::{Value, json};

    fn set_cookie(response: &Response) -> &str {
        let mut headers = response.headers.iter();
        headers.find(|(name, _)| *name == "Set-Cookie").map(|(_, value)| value.as_str()).unwrap()
    }

    #[test]
    fn tokens_are_in_the_body_and_the_cookie_is_limited_to_auth() {
        let account_id = AccountId::User(UserId::derive(&[b"u"]));
        let session_id = SessionId::derive(&[b"1"]);
        let refresh_token = RefreshToken::issue(&RefreshKey([1; 32]), account_id, session_id, 1);
        let now = Timestamp::from_millis(1_000);
        let expires_at = now.plus(std::time::Duration::from_secs(2_592_000));
        let access_token = "a.b.c".to_owned();
        let tokens =
            SessionTokens { account_id, session_id, access_token, refresh_token, expires_at };
        let response = tokens_issued(&tokens, "/prod", now);
        let body: Value = serde_json::from_str(&response.body).unwrap();
        let token = tokens.refresh_token.as_str();
        assert_eq!(
            body["data"],
            json!({
                "access_token": "a.b.c", "refresh_token": token, "token_type": "Bearer",
                "expires_in": 900, "role": "USER", "account_id": account_id,
            })
        );
        let attributes = "Max-Age=2592000; Path=/prod/auth; HttpOnly; Secure; SameSite=Strict";
        assert_eq!(set_cookie(&response), format!("refresh_token={token}; {attributes}"));
        assert!(response.headers.contains(&("Cache-Control", "no-store".to_owned())));
    }

    #[test]
    fn logging_out_clears_the_cookie() {
        let response = logged_out("/prod");
        assert_eq!(response.status, 204);
        let cleared =
            "refresh_token=; Max-Age=0; Path=/prod/auth; HttpOnly; Secure; SameSite=Strict";
        assert_eq!(set_cookie(&response), cleared);
    }
}
