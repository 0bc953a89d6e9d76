//! Access tokens: ES256, with a signing key per role.
//!
//! jsonwebtoken's own providers add RSA or a second cryptography library; this one uses ring, as
//! TLS does, and has the one algorithm in use.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error as JwtError, ErrorKind},
};
use rialto_aws::Stage;
use rialto_kernel::{Role, SessionId, Timestamp};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
    },
};
use serde::{Deserialize, Serialize};
use signature::{Signer, Verifier};

/// The lifetime of an access token.
pub const ACCESS_SECONDS: i64 = 15 * 60;

const ACCESS: &str = "access";

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The account.
    pub sub: String,
    /// The session.
    pub sid: SessionId,
    pub role: Role,
    pub iss: String,
    pub aud: String,
    pub iat: i64,
    pub exp: i64,
    /// Always `access`.
    pub typ: String,
}

impl Claims {
    #[must_use]
    pub fn new(
        stage: &Stage,
        account: String,
        session: SessionId,
        role: Role,
        now: Timestamp,
    ) -> Self {
        let iat = now.seconds();
        Self {
            sub: account,
            sid: session,
            role,
            iss: issuer(stage),
            aud: audience(stage),
            iat,
            exp: iat + ACCESS_SECONDS,
            typ: ACCESS.to_owned(),
        }
    }
}

/// The issuer of the stage's tokens.
#[must_use]
pub fn issuer(stage: &Stage) -> String {
    format!("rialto:{stage}:accounts")
}

/// The audience of the stage's tokens.
#[must_use]
pub fn audience(stage: &Stage) -> String {
    format!("rialto:{stage}:api")
}

/// A public key of the set, as `/.well-known/jwks.json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    pub x: String,
    pub y: String,
    pub kid: String,
    pub alg: String,
    #[serde(rename = "use")]
    pub purpose: String,
    /// The one role whose tokens this key signs.
    pub role: Role,
    /// The time, in seconds, from which a replaced key verifies nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<i64>,
}

impl Jwk {
    fn is_good(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|end| now.seconds() < end)
    }
}

/// The public keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

/// The token isn't valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("invalid token")]
    Invalid,
    #[error("the token was signed with an unknown key")]
    UnknownKey,
    #[error("the token has expired")]
    Expired,
}

impl Jwks {
    /// The keys that verify at `now`, as they are published.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let good = self.keys.iter().filter(|key| key.is_good(now));
        Self { keys: good.map(|key| Jwk { retires_at: None, ..key.clone() }).collect() }
    }

    /// # Errors
    /// [`TokenError`] unless the token is signed by its role's key for this stage and valid at
    /// `now`.
    pub fn verify(&self, stage: &Stage, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        install_provider();
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.alg != Algorithm::ES256 {
            return Err(TokenError::Invalid);
        }
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.kid == kid && key.is_good(now))
            .ok_or(TokenError::UnknownKey)?;
        let decoding =
            DecodingKey::from_ec_components(&key.x, &key.y).map_err(|_| TokenError::Invalid)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[issuer(stage)]);
        validation.set_audience(&[audience(stage)]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is checked below, against the caller's clock and without leeway.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &decoding, &validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        if claims.role != key.role || claims.typ != ACCESS {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= now.seconds() {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

/// A private key that signs the tokens of one role.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    key: EncodingKey,
}

/// The private key can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the signing key can't be used")]
pub struct KeyError;

impl SigningKey {
    /// Reads a PKCS#8 key.
    ///
    /// # Errors
    /// [`KeyError`] unless it is a P-256 key.
    pub fn from_pkcs8(kid: String, pkcs8: &[u8]) -> Result<Self, KeyError> {
        ecdsa(pkcs8).map_err(|_| KeyError)?;
        Ok(Self { kid, key: EncodingKey::from_ec_der(pkcs8) })
    }

    /// # Errors
    /// [`KeyError`] when signing fails.
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        install_provider();
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| KeyError)
    }
}

/// Generates a private key (PKCS#8) with its public key.
///
/// # Errors
/// [`KeyError`] without the system's randomness.
pub fn generate_key(kid: String, role: Role) -> Result<(Vec<u8>, Jwk), KeyError> {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError)?;
    let jwk = public_key(kid, role, pkcs8.as_ref())?;
    Ok((pkcs8.as_ref().to_vec(), jwk))
}

/// The public key of a private key (PKCS#8).
///
/// # Errors
/// [`KeyError`] unless it is a P-256 key.
pub fn public_key(kid: String, role: Role, pkcs8: &[u8]) -> Result<Jwk, KeyError> {
    use base64::Engine;
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let pair = ecdsa(pkcs8).map_err(|_| KeyError)?;
    // An uncompressed point: 4, x, y.
    let point = ring::signature::KeyPair::public_key(&pair).as_ref();
    let (x, y) = point.get(1..).ok_or(KeyError)?.split_at_checked(32).ok_or(KeyError)?;
    Ok(Jwk {
        kty: "EC".to_owned(),
        crv: "P-256".to_owned(),
        x: url.encode(x),
        y: url.encode(y),
        kid,
        alg: "ES256".to_owned(),
        purpose: "sig".to_owned(),
        role,
        retires_at: None,
    })
}

fn ecdsa(pkcs8: &[u8]) -> Result<EcdsaKeyPair, ring::error::KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new())
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        only_es256(*algorithm)?;
        Ok(Box::new(RingSigner(
            ecdsa(key.as_bytes()).map_err(|_| JwtError::from(ErrorKind::InvalidEcdsaKey))?,
        )))
    },
    verifier_factory: |algorithm, key| {
        only_es256(*algorithm)?;
        Ok(Box::new(RingVerifier(UnparsedPublicKey::new(
            &ECDSA_P256_SHA256_FIXED,
            key.try_get_as_bytes()?.to_vec(),
        ))))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn install_provider() {
    // It is already installed after the first time.
    PROVIDER.install_default().ok();
}

fn only_es256(algorithm: Algorithm) -> Result<(), JwtError> {
    if algorithm == Algorithm::ES256 { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct RingSigner(EcdsaKeyPair);

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let signed =
            self.0.sign(&SystemRandom::new(), message).map_err(|_| signature::Error::new())?;
        Ok(signed.as_ref().to_vec())
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct RingVerifier(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signed: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.verify(message, signed).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use rialto_kernel::{Clock, SystemClock};

    struct Shop {
        stage: Stage,
        jwks: Jwks,
        user: SigningKey,
        seller: SigningKey,
        now: Timestamp,
    }

    impl Shop {
        fn new() -> Self {
            let (user, user_jwk) = generate_key("u1".to_owned(), Role::User).unwrap();
            let (seller, seller_jwk) = generate_key("s1".to_owned(), Role::Seller).unwrap();
            Self {
                stage: Stage::parse("test").unwrap(),
                jwks: Jwks { keys: vec![user_jwk, seller_jwk] },
                user: SigningKey::from_pkcs8("u1".to_owned(), &user).unwrap(),
                seller: SigningKey::from_pkcs8("s1".to_owned(), &seller).unwrap(),
                now: SystemClock.now(),
            }
        }

        fn claims(&self, role: Role) -> Claims {
            Claims::new(
                &self.stage,
                "usr_1".to_owned(),
                SessionId::generate(self.now),
                role,
                self.now,
            )
        }

        fn verify(&self, token: &str) -> Result<Claims, TokenError> {
            self.jwks.verify(&self.stage, token, self.now)
        }
    }

    #[test]
    fn a_signed_token_verifies() {
        let shop = Shop::new();
        let claims = shop.claims(Role::User);
        assert_eq!(shop.verify(&shop.user.sign(&claims).unwrap()), Ok(claims));
    }

    #[test]
    fn a_replaced_key_verifies_until_it_retires() {
        let mut shop = Shop::new();
        let (new, jwk) = generate_key("u2".to_owned(), Role::User).unwrap();
        shop.jwks.keys[0].retires_at = Some(shop.now.seconds() + 60);
        shop.jwks.keys.push(jwk);
        let new = SigningKey::from_pkcs8("u2".to_owned(), &new).unwrap();
        let claims = shop.claims(Role::User);
        let (old_token, new_token) = (shop.user.sign(&claims).unwrap(), new.sign(&claims).unwrap());
        let kids = |jwks: &Jwks| jwks.keys.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
        for token in [&old_token, &new_token] {
            assert_eq!(shop.verify(token), Ok(claims.clone()));
        }
        assert_eq!(kids(&shop.jwks.at(shop.now)), ["u1", "s1", "u2"]);
        assert_eq!(shop.jwks.at(shop.now).keys[0].retires_at, None, "others needn't know");

        shop.now = shop.now.plus(std::time::Duration::from_secs(60));
        assert_eq!(shop.verify(&old_token), Err(TokenError::UnknownKey));
        assert_eq!(shop.verify(&new_token), Ok(claims));
        assert_eq!(kids(&shop.jwks.at(shop.now)), ["s1", "u2"]);
    }

    #[test]
    fn another_roles_key_does_not_sign_for_this_role() {
        let shop = Shop::new();
        let token = shop.seller.sign(&shop.claims(Role::User)).unwrap();
        assert_eq!(shop.verify(&token), Err(TokenError::Invalid));
    }

    #[test]
    fn expired_tokens_have_their_own_error() {
        let shop = Shop::new();
        let token = shop.user.sign(&shop.claims(Role::User)).unwrap();
        let later = shop.now.plus(std::time::Duration::from_secs(15 * 60));
        assert_eq!(shop.jwks.verify(&shop.stage, &token, later), Err(TokenError::Expired));
    }

    #[test]
    fn wrong_issuer_audience_type_key_and_algorithm_are_refused() {
        let shop = Shop::new();
        let forged = |change: fn(&mut Claims)| {
            let mut claims = shop.claims(Role::User);
            change(&mut claims);
            shop.verify(&shop.user.sign(&claims).unwrap())
        };
        assert_eq!(
            forged(|claims| claims.iss = "rialto:prod:accounts".to_owned()),
            Err(TokenError::Invalid)
        );
        assert_eq!(forged(|claims| claims.aud = "somebody".to_owned()), Err(TokenError::Invalid));
        assert_eq!(forged(|claims| claims.typ = "refresh".to_owned()), Err(TokenError::Invalid));

        let token = shop.user.sign(&shop.claims(Role::User)).unwrap();
        let empty = Jwks::default();
        assert_eq!(empty.verify(&shop.stage, &token, shop.now), Err(TokenError::UnknownKey));

        let (_, rest) = token.split_once('.').unwrap();
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        for header in
            [r#"{"alg":"none","kid":"u1"}"#, r#"{"alg":"HS256","kid":"u1"}"#, r#"{"alg":"ES256"}"#]
        {
            let forged = format!("{}.{rest}", url.encode(header));
            assert_eq!(shop.verify(&forged), Err(TokenError::Invalid), "{header}");
        }
    }

    #[test]
    fn an_altered_payload_is_refused() {
        let shop = Shop::new();
        let token = shop.user.sign(&shop.claims(Role::User)).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let payload =
            String::from_utf8(url.decode(parts[1]).unwrap()).unwrap().replace("USER", "SUPERVISOR");
        let forged = format!("{}.{}.{}", parts[0], url.encode(payload), parts[2]);
        assert_eq!(shop.verify(&forged), Err(TokenError::Invalid));
    }
}
