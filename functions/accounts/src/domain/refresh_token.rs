//! Refresh tokens: derived from a key, a token family and a generation, so that the same token can
//! be issued again. Only their hashes are stored.

use super::redacted_debug;
use rialto_kernel::{AccountId, SessionId, Timestamp, digest};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

/// A key of refresh tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshKey(pub [u8; 32]);

/// The stage's keys of refresh tokens: the one that issues them, and others whose tokens are
/// accepted. During a rotation, the next key is accepted before it issues tokens; afterwards, the
/// previous one is accepted for as long as its tokens may be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshKeys {
    pub current: RefreshKey,
    pub accepted: Vec<AcceptedRefreshKey>,
}

/// A key that doesn't issue tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRefreshKey {
    pub key: RefreshKey,
    pub until: Timestamp,
}

/// `<account>.<session>.<generation>.<HMAC-SHA256(key, account.session.generation)>`. The session
/// is the token family; generations count from 1. Account and session locate the session; whether
/// the token is valid is decided by the stored hash alone.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// A refresh token that was issued with one of our keys, and its fields.
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

impl From<RefreshKey> for RefreshKeys {
    fn from(current: RefreshKey) -> Self {
        Self { current, accepted: Vec::new() }
    }
}

impl RefreshKeys {
    /// Whether tokens of this key are accepted at `now`.
    #[must_use]
    pub fn contains(&self, key: &RefreshKey, now: Timestamp) -> bool {
        self.at(now).any(|known| known == key)
    }

    /// Whether a key's tokens are accepted at least until then. The current key's always are.
    pub(crate) fn accepts_until(&self, key: &RefreshKey, until: Timestamp) -> bool {
        let mut accepted = self.accepted.iter();
        self.current == *key
            || accepted.any(|accepted| accepted.key == *key && accepted.until >= until)
    }

    /// Accepts a key's tokens until a time, in place of an earlier one, and removes expired keys.
    pub(crate) fn accept(&mut self, key: &RefreshKey, until: Timestamp, now: Timestamp) {
        self.accepted.retain(|accepted| accepted.key != *key && now < accepted.until);
        self.accepted.push(AcceptedRefreshKey { key: key.clone(), until });
    }

    /// All keys, expired ones included.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &RefreshKey> {
        std::iter::once(&self.current).chain(self.accepted.iter().map(|accepted| &accepted.key))
    }

    /// The keys whose tokens are accepted at `now`, the current one first.
    fn at(&self, now: Timestamp) -> impl Iterator<Item = &RefreshKey> {
        let accepted = self.accepted.iter().filter(move |accepted| now < accepted.until);
        std::iter::once(&self.current).chain(accepted.map(|accepted| &accepted.key))
    }

    /// The token with this hash, if it is the session's token of this generation.
    pub(super) fn find(
        &self,
        account: AccountId,
        session: SessionId,
        generation: u64,
        hash: &str,
        now: Timestamp,
    ) -> Option<RefreshToken> {
        let issue = |key| RefreshToken::issue(key, account, session, generation);
        // Comparing digests, not tokens, leaks nothing about the token by timing.
        self.at(now).map(issue).find(|token| token.hash() == hash)
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
        let fields = format!("{account}.{session}.{generation}");
        let mac = mac(key, &fields);
        Self(format!("{fields}.{mac}"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses a presented token; `None` unless it was issued with one of these keys.
    #[must_use]
    pub fn verify(keys: &RefreshKeys, text: &str, now: Timestamp) -> Option<VerifiedRefreshToken> {
        let mut parts = text.splitn(4, '.');
        let account_id = parts.next()?.parse().ok()?;
        let session_id = parts.next()?.parse().ok()?;
        let generation = parts.next()?.parse().ok()?;
        let hash = Self(text.to_owned()).hash();
        let token = keys.find(account_id, session_id, generation, &hash, now)?;
        Some(VerifiedRefreshToken { account_id, session_id, generation, token })
    }

    /// The hash under which the token is stored.
    #[must_use]
    pub fn hash(&self) -> String {
        digest::hex(&digest::sha256(&[b"refresh token", self.0.as_bytes()]))
    }
}

fn mac(key: &RefreshKey, text: &str) -> String {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.0), text.as_bytes());
    digest::hex(mac.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::UserId;
    use std::time::Duration;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000)
    }

    fn verify(key: RefreshKey, text: &str) -> Option<VerifiedRefreshToken> {
        RefreshToken::verify(&key.into(), text, now())
    }

    #[test]
    fn a_token_is_determined_by_its_key_and_fields() {
        let (key, other) = (RefreshKey([1; 32]), RefreshKey([2; 32]));
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let stranger = AccountId::User(UserId::derive(&[b"s"]));
        let (session, another) = (SessionId::derive(&[b"1"]), SessionId::derive(&[b"2"]));
        let token = RefreshToken::issue(&key, account, session, 1);
        assert_eq!(token, RefreshToken::issue(&key, account, session, 1));
        assert_eq!(token.hash(), RefreshToken::issue(&key, account, session, 1).hash());
        let mac = |token: &RefreshToken| token.as_str().rsplit_once('.').unwrap().1.to_owned();
        for different in [
            RefreshToken::issue(&other, account, session, 1),
            RefreshToken::issue(&key, stranger, session, 1),
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
        let stranger = AccountId::User(UserId::derive(&[b"s"]));
        let session = SessionId::derive(&[b"1"]);
        let token = RefreshToken::issue(&key, account, session, 7);
        let verified = verify(key, token.as_str()).unwrap();
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
            &text.replace(&account.to_string(), &stranger.to_string()),
        ] {
            assert_eq!(verify(RefreshKey([1; 32]), forged), None, "{forged}");
        }
        assert_eq!(verify(RefreshKey([2; 32]), text), None);
    }

    #[test]
    fn a_mac_without_the_account_is_refused() {
        let (key, account) = (RefreshKey([1; 32]), AccountId::User(UserId::derive(&[b"u"])));
        let session = SessionId::derive(&[b"1"]);
        let mac = mac(&key, &format!("{session}.7"));
        assert_eq!(verify(key, &format!("{account}.{session}.7.{mac}")), None);
    }

    #[test]
    fn an_accepted_key_verifies_until_its_end() {
        let (old, until) = (RefreshKey([1; 32]), now().plus(Duration::from_secs(1)));
        let keys = RefreshKeys {
            current: RefreshKey([2; 32]),
            accepted: vec![AcceptedRefreshKey { key: old.clone(), until }],
        };
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let token = RefreshToken::issue(&old, account, SessionId::derive(&[b"1"]), 1);
        let verified = RefreshToken::verify(&keys, token.as_str(), now()).unwrap();
        assert_eq!(verified.token, token);
        assert_eq!(RefreshToken::verify(&keys, token.as_str(), until), None);
        assert!(keys.contains(&old, now()) && !keys.contains(&old, until));
        assert!(keys.contains(&keys.current, until));
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
