//! Refresh tokens: made from a key, a family and a number, so that the same one can be made again; kept as hashes.

use super::redacted_debug;
use rialto_kernel::{AccountId, SessionId, digest};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

/// The stage's key for refresh tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshKey(pub [u8; 32]);

/// `<account>.<session>.<n>.<HMAC-SHA256(key, session, n)>`: the session is the family, `n` counts its tokens from 1.
/// Account and session say where to look; nothing but the stored hash says that the token is good.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// A genuine token, with what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRefreshToken {
    pub account_id: AccountId,
    pub session_id: SessionId,
    pub n: u64,
    pub token: RefreshToken,
}

redacted_debug!(RefreshKey, RefreshToken);

/// The system has no randomness to make a key from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness")]
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
    pub fn issue(key: &RefreshKey, account: AccountId, session: SessionId, n: u64) -> Self {
        let mac = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &key.0),
            format!("{session}.{n}").as_bytes(),
        );
        Self(format!("{account}.{session}.{n}.{}", digest::hex(mac.as_ref())))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a token that somebody shows; nothing unless it is one that this key made.
    #[must_use]
    pub fn verify(key: &RefreshKey, text: &str) -> Option<VerifiedRefreshToken> {
        let mut parts = text.splitn(4, '.');
        let account_id = parts.next()?.parse().ok()?;
        let session_id = parts.next()?.parse().ok()?;
        let n = parts.next()?.parse().ok()?;
        let token = Self::issue(key, account_id, session_id, n);
        // Digests are compared: how far they agree tells nothing of the token.
        (token.hash() == Self(text.to_owned()).hash()).then_some(VerifiedRefreshToken {
            account_id,
            session_id,
            n,
            token,
        })
    }

    /// What is kept of it.
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
    fn a_token_can_be_made_again_and_only_from_the_same_key_family_and_number() {
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
    fn a_token_is_read_only_as_it_was_made() {
        let key = RefreshKey([1; 32]);
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let session = SessionId::derive(&[b"1"]);
        let token = RefreshToken::issue(&key, account, session, 7);
        let shown = RefreshToken::verify(&key, token.as_str()).unwrap();
        assert_eq!((shown.account_id, shown.session_id, shown.n), (account, session, 7));
        assert_eq!(shown.token, token);

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
    fn a_hash_does_not_tell_its_token() {
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let token =
            RefreshToken::issue(&RefreshKey([1; 32]), account, SessionId::derive(&[b"1"]), 1);
        let (_, mac) = token.as_str().rsplit_once('.').unwrap();
        assert_eq!(token.hash().len(), 64);
        assert_ne!(token.hash(), mac);
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    #[test]
    fn two_keys_are_not_alike() {
        assert_ne!(RefreshKey::generate(), RefreshKey::generate());
    }
}
