use super::{
    auth_context::AuthContext,
    token_response::{COOKIE, tokens_issued},
    views::TokensBody,
};
use crate::application::refresh::{RefreshError, refresh};
use rialto_lambda::http::{self, Data, Problem, ProblemCode, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

/// Longer than any token.
const MAX_LENGTH: usize = 2_000;

pub fn main() {
    http::serve("accounts-refresh", |app| http::handler(AuthContext::open(app), handle));
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// Required unless the cookie is sent.
    #[schema(min_length = 1, max_length = 2000)]
    refresh_token: Option<String>,
}

/// Refresh the tokens
///
/// The refresh token is sent in the body or as the cookie and is valid once: the response contains
/// the next one. For 30 seconds the used token returns that same next token, in case a response was
/// lost; used later, it ends the session.
#[utoipa::path(
    post, path = "/auth/refresh",
    request_body = Option<RefreshRequest>,
    responses(
        (status = 200, body = Data<TokensBody>,
            headers(("Set-Cookie" = String, description = "The refresh token, for /auth only."))),
    ),
)]
pub(crate) async fn handle(auth: AuthContext, request: Request) -> Result<Response, Problem> {
    let token = refresh_token(&request)?;
    let (now, max_age) = (request.now(), auth.session_max_age().await?);
    let AuthContext { store, keys, stage, .. } = &auth;
    let tokens = refresh(store, keys, stage, &token, max_age, now).await?;
    tracing::info!(
        account = %tokens.account_id, session = %tokens.session_id, "tokens refreshed"
    );
    Ok(tokens_issued(&tokens, &request.base, now))
}

/// The body's token, or else the cookie's.
fn refresh_token(request: &Request) -> Result<String, Problem> {
    let cookie = request.cookie(COOKIE).map(str::to_owned);
    let no_body = request.body.is_empty() && request.header("content-type").is_none();
    if no_body || (request.body.is_empty() && cookie.is_some()) {
        return cookie.ok_or_else(|| unauthenticated().detail("No refresh token was sent."));
    }
    match request.json::<RefreshRequest>()?.refresh_token {
        Some(token) if (1..=MAX_LENGTH).contains(&token.len()) => Ok(token),
        Some(_) => {
            Err(Problem::field("refresh_token", format!("must have 1 to {MAX_LENGTH} characters")))
        }
        None => {
            cookie.ok_or_else(|| Problem::field("refresh_token", "is required without the cookie"))
        }
    }
}

fn unauthenticated() -> Problem {
    Problem::new(ProblemCode::Unauthenticated).title("A valid refresh token is required")
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Unauthenticated => unauthenticated(),
            RefreshError::Ended => {
                Self::new(ProblemCode::TokenExpired).detail("The session has ended; log in again.")
            }
            RefreshError::Issue(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_token(cookie: Option<&str>, body: Option<&str>) -> Result<String, ProblemCode> {
        let mut request = Request::default();
        request.headers.extend(cookie.map(|cookie| ("cookie".to_owned(), cookie.to_owned())));
        request
            .headers
            .extend(body.map(|_| ("content-type".to_owned(), "application/json".to_owned())));
        request.body = body.unwrap_or_default().as_bytes().to_vec();
        refresh_token(&request).map_err(|problem| problem.code)
    }

    #[test]
    fn the_token_comes_from_the_body_or_the_cookie() {
        let cookie = Some("theme=dark; refresh_token=from-cookie");
        let body = Some(r#"{"refresh_token":"from-body"}"#);
        assert_eq!(sent_token(cookie, None).unwrap(), "from-cookie");
        assert_eq!(sent_token(None, body).unwrap(), "from-body");
        assert_eq!(sent_token(cookie, body).unwrap(), "from-body");
        for empty in ["", "{}", r#"{"refresh_token":null}"#] {
            assert_eq!(sent_token(cookie, Some(empty)).unwrap(), "from-cookie");
            assert_eq!(sent_token(None, Some(empty)), Err(ProblemCode::Invalid), "{empty}");
        }
        assert_eq!(sent_token(None, None), Err(ProblemCode::Unauthenticated));
        assert_eq!(sent_token(cookie, Some(r#"{"refresh_token":""}"#)), Err(ProblemCode::Invalid));
        assert_eq!(sent_token(cookie, Some(r#"{"token":"x"}"#)), Err(ProblemCode::Invalid));
        let long = format!(r#"{{"refresh_token":"{}"}}"#, "x".repeat(MAX_LENGTH + 1));
        assert_eq!(sent_token(cookie, Some(&long)), Err(ProblemCode::Invalid));
    }
}
