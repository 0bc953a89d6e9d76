use rialto_kernel::settings::JWKS;
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The maximum age of the keys in a response.
const CACHE_TTL: Duration = Duration::from_secs(30);
/// The lifetime of a response in clients' caches. A new key signs only after both times, so that
/// every verifier has seen it by then.
const CLIENT_CACHE_TTL: Duration = Duration::from_secs(30);

pub fn main() {
    http::serve("accounts-get-jwks", |app| {
        app.settings.prefetch(&[JWKS.name]);
        http::handler(app.clone(), handle)
    });
}

/// The public keys that access tokens are verified with (RFC 7517).
#[derive(Serialize, ToSchema)]
#[schema(as = Jwks)]
pub struct JwksBody {
    keys: Vec<JwkBody>,
}

/// A public P-256 key for ES256.
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
    /// The role whose tokens this key signs.
    role: rialto_kernel::Role,
}

/// Get the public keys
///
/// Access tokens are verified with the key that the token's `kid` names; the key's `role` must
/// equal the token's. While a key is rotated, the old one is listed for as long as tokens signed
/// with it are valid. A valid signature doesn't prove that the session is still active.
#[utoipa::path(
    get, path = "/.well-known/jwks.json",
    responses((status = 200, body = JwksBody)),
)]
pub(crate) async fn handle(app: FunctionContext, request: Request) -> Result<Response, Problem> {
    let published = app.settings.public_keys(CACHE_TTL).await.map_err(Problem::unavailable)?;
    let keys = published.at(request.now());
    let body = serde_json::to_string(&keys).map_err(Problem::internal)?;
    let cache_control = format!("public, max-age={}", CLIENT_CACHE_TTL.as_secs());
    Ok(Response::raw(200, "application/json", body).header("Cache-Control", cache_control))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::rotate_keys::PROPAGATION_DELAY;

    #[test]
    fn caches_expire_before_a_new_key_signs() {
        assert!(CACHE_TTL + CLIENT_CACHE_TTL < PROPAGATION_DELAY);
    }
}
