use super::tokens::{COOKIE, TokensBody, answer};
use crate::{
    adapters::{dynamodb::DynamoAccounts, secrets::SecretsManagerKeys},
    application::refresh::{RefreshError, refresh},
};
use rialto_aws::Stage;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, ProblemCode, Request, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// More than any token has.
const MAX: usize = 2_000;

pub fn main() {
    http::serve("accounts-refresh", build);
}

/// What refreshing needs.
pub struct RefreshContext {
    store: DynamoAccounts,
    keys: SecretsManagerKeys,
    stage: Stage,
}

fn build(app: &FunctionContext) -> http::Handler {
    let accounts = Arc::new(RefreshContext {
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
pub struct RefreshRequest {
    /// Needed unless the cookie is sent.
    #[schema(min_length = 1, max_length = 2000)]
    refresh_token: Option<String>,
}

/// Refresh the tokens
///
/// The refresh token comes in the body or as the cookie, and is good once: the answer has the next one. For 30 seconds it leads
/// to that same one again, in case the answer was lost; used later, it ends the session.
#[utoipa::path(
    post, path = "/auth/refresh",
    request_body = Option<RefreshRequest>,
    responses(
        (status = 200, body = Data<TokensBody>,
            headers(("Set-Cookie" = String, description = "The refresh token, for this API's /auth only."))),
    ),
)]
pub(crate) async fn handle(
    accounts: &RefreshContext,
    request: &Request,
) -> Result<Response, Problem> {
    let text = token(request)?;
    let tokens =
        refresh(&accounts.store, &accounts.keys, &accounts.stage, &text, request.now()).await?;
    tracing::info!(account = %tokens.account_id, "refreshed");
    Ok(answer(&tokens, &request.base))
}

/// The body's token, or else the cookie's.
fn token(request: &Request) -> Result<String, Problem> {
    let cookie = request.cookie(COOKIE).map(str::to_owned);
    let nothing = request.body.is_empty() && request.header("content-type").is_none();
    if nothing || (request.body.is_empty() && cookie.is_some()) {
        return cookie.ok_or_else(|| {
            Problem::new(ProblemCode::Unauthenticated).detail("Send the refresh token.")
        });
    }
    match request.json::<RefreshRequest>()?.refresh_token {
        Some(token) if (1..=MAX).contains(&token.len()) => Ok(token),
        Some(_) => Err(Problem::field("refresh_token", format!("must have 1 to {MAX} characters"))),
        None => {
            cookie.ok_or_else(|| Problem::field("refresh_token", "is required without the cookie"))
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Unauthenticated => Self::new(ProblemCode::Unauthenticated),
            RefreshError::Ended => {
                Self::new(ProblemCode::TokenExpired).detail("The session is over: log in again.")
            }
            RefreshError::Contended => Self::unavailable(error),
            RefreshError::Issue(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cookie: Option<&str>, body: Option<&str>) -> Result<String, ProblemCode> {
        let mut request = Request::default();
        request.headers.extend(cookie.map(|cookie| ("cookie".to_owned(), cookie.to_owned())));
        request
            .headers
            .extend(body.map(|_| ("content-type".to_owned(), "application/json".to_owned())));
        request.body = body.unwrap_or_default().as_bytes().to_vec();
        token(&request).map_err(|problem| problem.code)
    }

    #[test]
    fn the_token_comes_from_the_body_or_the_cookie() {
        let cookie = Some("theme=dark; refresh_token=from-cookie");
        let body = Some(r#"{"refresh_token":"from-body"}"#);
        assert_eq!(shown(cookie, None).unwrap(), "from-cookie");
        assert_eq!(shown(None, body).unwrap(), "from-body");
        assert_eq!(shown(cookie, body).unwrap(), "from-body");
        for empty in ["", "{}", r#"{"refresh_token":null}"#] {
            assert_eq!(shown(cookie, Some(empty)).unwrap(), "from-cookie");
            assert_eq!(shown(None, Some(empty)), Err(ProblemCode::Invalid), "{empty}");
        }
        assert_eq!(shown(None, None), Err(ProblemCode::Unauthenticated));
        assert_eq!(shown(cookie, Some(r#"{"refresh_token":""}"#)), Err(ProblemCode::Invalid));
        assert_eq!(shown(cookie, Some(r#"{"token":"x"}"#)), Err(ProblemCode::Invalid));
        let long = format!(r#"{{"refresh_token":"{}"}}"#, "x".repeat(MAX + 1));
        assert_eq!(shown(cookie, Some(&long)), Err(ProblemCode::Invalid));
    }
}
