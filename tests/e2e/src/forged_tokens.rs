//! Tokens that accounts would never issue, signed with the deployment's own keys.

use crate::aws::Aws;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rialto_kernel::Role;
use rialto_lambda::token::{Claims, SigningKey};
use serde_json::{Value, json};

/// The signing key of a role's tokens, read from the deployment's secrets.
#[derive(Debug, Clone)]
pub struct Key {
    kid: String,
    pkcs8: Vec<u8>,
}

impl Key {
    pub async fn of(aws: &Aws, role: Role) -> Self {
        let name = format!("auth/signing-key/{}", role.as_str().to_ascii_lowercase());
        let response = aws.secret(&aws.stage.secret(&name)).await;
        let secret: Value = serde_json::from_str(&response).expect("a key is JSON");
        let text =
            |member: &str| secret[member].as_str().expect("a key has this member").to_owned();
        Self {
            kid: text("kid"),
            pkcs8: STANDARD.decode(text("pkcs8")).expect("a key is in base 64"),
        }
    }

    /// This key with another key's id.
    #[must_use]
    pub fn named_as(&self, other: &Self) -> Self {
        Self { kid: other.kid.clone(), pkcs8: self.pkcs8.clone() }
    }

    pub fn sign(&self, claims: &Claims) -> String {
        let key = SigningKey::from_pkcs8(self.kid.clone(), &self.pkcs8).expect("a usable key");
        key.sign(claims).expect("a token")
    }
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Claims {
    let part = token.split('.').nth(1).expect("a token has claims");
    let part = URL_SAFE_NO_PAD.decode(part).expect("claims are in base 64");
    serde_json::from_slice(&part).expect("claims")
}

/// The token with one JSON member of the given part changed and its signature unchanged.
pub fn altered(token: &str, part: usize, member: &str, value: &Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let bytes = URL_SAFE_NO_PAD.decode(&parts[part]).expect("base 64");
    let mut content: Value = serde_json::from_slice(&bytes).expect("JSON");
    content[member] = json!(value);
    parts[part] = URL_SAFE_NO_PAD.encode(content.to_string());
    parts.join(".")
}
