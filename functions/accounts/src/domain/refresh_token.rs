//! Refresh tokens: derived from a key, a token family and a generation, so that the same token can
//! be issued again. Only their hashes are stored.

use super::redacted_debug;
use rialto_kernel::{AccountId, SessionId, digest};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

/// The stage's key for refresh tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshKey(pub [u8; 32]);

/// `<account>.<session>.<generation>.<HMAC-SHA256(key, session.generation)>`. The session is the
/// token family; generations count from 1. Account and session locate the session; whether the
/// token is valid is decided by the stored hash alone.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// A refresh token that was issued with our key, and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRefreshToken {
    pub account_id: AccountId,
    pub session_id: SessionId,
    pub generation: u64,
    pub token: RefreshToken,
}

redacted_debug!(RefreshKey, RefreshToken);

/// The system's random number generator failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random number generator failed")]
pub struct RandomnessError;

impl RefreshKey {
    /// # Errors
    /// [`RandomnessError`].
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).map_err(|_| RandomnessError)?;
        Ok(Self(key))
    }
}

impl RefreshToken {
    #[must_use]
    pub fn issue(
        key: &RefreshKey,
        account: AccountId,
        session: SessionId,
        generation: u64,
    ) -> Self {
        let mac = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &key.0),
            format!("{session}.{generation}").as_bytes(),
        );
        Self(format!("{account}.{session}.{generation}.{}", digest::hex(mac.as_ref())))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses a presented token; `None` unless it was issued with this key.
    #[must_use]
    pub fn verify(key: &RefreshKey, text: &str) -> Option<VerifiedRefreshToken> {
        let mut parts = text.splitn(4, '.');
        let account_id = parts.next()?.parse().ok()?;
        let session_id = parts.next()?.parse().ok()?;
        let generation = parts.next()?.parse().ok()?;
        let token = Self::issue(key, account_id, session_id, generation);
        // Comparing digests, not tokens, leaks nothing about the token by timing.
        (token.hash() == Self(text.to_owned()).hash()).then_some(VerifiedRefreshToken {
            account_id,
            session_id,
            generation,
            token,
        })
    }

    /// The hash under which the token is stored.
    #[must_use]
    pub fn hash(&self) -> String {
        digest::hex(&digest::sha256(&[b"refresh token", self.0.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::UserId;

    #[test]
    fn a_token_is_determined_by_key_family_and_generation() {
        let (key, other) = (RefreshKey([1; 32]), RefreshKey([2; 32]));
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let (session, another) = (SessionId::derive(&[b"1"]), SessionId::derive(&[b"2"]));
        let token = RefreshToken::issue(&key, account, session, 1);
        assert_eq!(token, RefreshToken::issue(&key, account, session, 1));
        assert_eq!(token.hash(), RefreshToken::issue(&key, account, session, 1).hash());
        let mac = |token: &RefreshToken| token.as_str().rsplit_once('.').unwrap().1.to_owned();
        for different in [
            RefreshToken::issue(&other, account, session, 1),
            RefreshToken::issue(&key, account, another, 1),
            RefreshToken::issue(&key, account, session, 2),
        ] {
            assert_ne!(mac(&different), mac(&token));
            assert_ne!(different.hash(), token.hash());
        }
    }

    #[test]
    fn only_unaltered_tokens_are_verified() {
        let key = RefreshKey([1; 32]);
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let session = SessionId::derive(&[b"1"]);
        let token = RefreshToken::issue(&key, account, session, 7);
        let verified = RefreshToken::verify(&key, token.as_str()).unwrap();
        assert_eq!(
            (verified.account_id, verified.session_id, verified.generation),
            (account, session, 7)
        );
        assert_eq!(verified.token, token);

        let text = token.as_str();
        let (rest, mac) = text.rsplit_once('.').unwrap();
        for forged in [
            "",
            "a.b.c.d",
            rest,
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!(" {text}"),
            &format!("{rest}.{}", mac.to_uppercase()),
            &text.replace(".7.", ".8."),
            &text.replace(".7.", ".07."),
        ] {
            assert_eq!(RefreshToken::verify(&key, forged), None, "{forged}");
        }
        assert_eq!(RefreshToken::verify(&RefreshKey([2; 32]), text), None);
    }

    #[test]
    fn a_hash_does_not_reveal_its_token() {
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let token =
            RefreshToken::issue(&RefreshKey([1; 32]), account, SessionId::derive(&[b"1"]), 1);
        let (_, mac) = token.as_str().rsplit_once('.').unwrap();
        assert_eq!(token.hash().len(), 64);
        assert_ne!(token.hash(), mac);
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    #[test]
    fn generated_keys_differ() {
        assert_ne!(RefreshKey::generate(), RefreshKey::generate());
    }
}
