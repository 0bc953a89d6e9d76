use rialto_kernel::settings::JWKS;
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
    token::Jwks,
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use utoipa::ToSchema;

/// How old what is answered may be, and for how long others may use it: together no longer than a new key waits until it signs.
const READ_WITHIN: Duration = Duration::from_secs(30);
const USED_FOR: Duration = Duration::from_secs(30);

pub fn main() {
    http::serve("accounts-get-jwks", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    app.settings.prefetch(&[JWKS.name]);
    let app = app.clone();
    Arc::new(move |request| {
        let app = app.clone();
        Box::pin(async move { handle(&app, &request).await })
    })
}

/// The public keys that access tokens are verified with (RFC 7517).
#[derive(Serialize, ToSchema)]
#[schema(as = Jwks)]
pub struct JwksBody {
    keys: Vec<JwkBody>,
}

/// A P-256 key for ES256.
#[derive(Serialize, ToSchema)]
#[schema(as = Jwk)]
pub struct JwkBody {
    kty: String,
    crv: String,
    x: String,
    y: String,
    kid: String,
    alg: String,
    r#use: String,
    /// The one role whose tokens this key signs.
    role: rialto_kernel::Role,
}

/// Read the public keys
///
/// Whoever has these can verify an access token: the key is the one that the token's `kid` names, and its `role` must be the
/// token's. While a key is replaced, the old one stays for as long as it may have signed a token that is still good. That a
/// session goes on they don't tell.
#[utoipa::path(
    get, path = "/.well-known/jwks.json",
    responses((status = 200, body = JwksBody)),
)]
pub(crate) async fn handle(app: &FunctionContext, request: &Request) -> Result<Response, Problem> {
    let text =
        app.settings.get_with_max_age(&JWKS, READ_WITHIN).await.map_err(Problem::unavailable)?;
    let published: Jwks = serde_json::from_str(&text).map_err(Problem::internal)?;
    let keys = published.at(request.now());
    let body = serde_json::to_string(&keys).map_err(Problem::internal)?;
    let caching = format!("public, max-age={}", USED_FOR.as_secs());
    Ok(Response::raw(200, "application/json", body).header("Cache-Control", caching))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::rotate_keys::PROPAGATION_DELAY;

    #[test]
    fn whoever_verifies_elsewhere_has_seen_a_new_key_before_it_signs() {
        assert!(READ_WITHIN + USED_FOR < PROPAGATION_DELAY);
    }
}
