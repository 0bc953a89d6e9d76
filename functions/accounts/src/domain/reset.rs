//! Codes that are mailed to whoever has forgotten their password.

use super::{redacted_debug, refresh_token::RandomnessError};
use rialto_kernel::{AccountId, Timestamp, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a code is good.
pub const RESET_CODE_LIFETIME: Duration = Duration::from_secs(30 * 60);

const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 16;

/// Sixteen letters and digits, drawn by lot: too many to guess, even for whoever has the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetCode(String);

redacted_debug!(ResetCode);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 64 characters")]
pub struct CodeError;

impl ResetCode {
    /// # Errors
    /// [`RandomnessError`].
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut drawn = [0_u8; LENGTH];
        SystemRandom::new().fill(&mut drawn).map_err(|_| RandomnessError)?;
        Ok(Self(drawn.iter().map(|byte| LETTERS[usize::from(byte & 31)] as char).collect()))
    }

    /// A code as somebody types it: it may be wrong. Case, hyphens and spaces don't matter.
    ///
    /// # Errors
    /// [`CodeError`] for none, or one that is far too long.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let code: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        if code.is_empty() || text.len() > 64 {
            Err(CodeError)
        } else {
            Ok(Self(code.to_ascii_uppercase()))
        }
    }

    /// As it is mailed: in groups of four.
    #[must_use]
    pub fn formatted(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        groups.join("-")
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> String {
        digest::hex(&digest::sha256(&[b"password reset", self.0.as_bytes()]))
    }
}

/// A code that was mailed. An email has one at most: the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    pub account_id: AccountId,
    pub code_hash: String,
    pub expires_at: Timestamp,
    /// The password that it may replace: once that is another, the code is worth nothing.
    pub credential_version: u64,
    /// Rises with every code: when it was made, in milliseconds.
    pub version: u64,
}

impl PasswordReset {
    #[must_use]
    pub fn new(
        account_id: AccountId,
        credential_version: u64,
        code: &ResetCode,
        now: Timestamp,
    ) -> Self {
        Self {
            account_id,
            code_hash: code.hash(),
            expires_at: now.plus(RESET_CODE_LIFETIME),
            credential_version,
            version: now.millis().unsigned_abs(),
        }
    }

    /// Whether this code may be used at `now`. Digests are compared: how far they agree tells nothing of the code.
    #[must_use]
    pub fn accepts(&self, code: &ResetCode, now: Timestamp) -> bool {
        now < self.expires_at && code.hash() == self.code_hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::UserId;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = ResetCode::generate().unwrap();
        let shown = code.formatted();
        assert_eq!((shown.len(), shown.matches('-').count()), (19, 3));
        let typed =
            [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), shown.replace('-', " ")];
        for text in typed {
            assert_eq!(ResetCode::parse(&text), Ok(code.clone()), "{text}");
        }
        assert_ne!(ResetCode::generate().unwrap(), code);
        for bad in ["", " - ", &"x".repeat(65)] {
            assert_eq!(ResetCode::parse(bad), Err(CodeError));
        }
        assert!(!format!("{code:?}").contains(&shown[..4]));
    }

    #[test]
    fn a_code_is_good_for_half_an_hour_and_kept_as_a_hash() {
        let (code, now) = (ResetCode::generate().unwrap(), Timestamp::from_millis(1_000));
        let reset = PasswordReset::new(AccountId::User(UserId::derive(&[b"u"])), 1, &code, now);
        assert!(reset.accepts(&code, now));
        assert!(reset.accepts(&code, Timestamp::from_millis(reset.expires_at.millis() - 1)));
        assert!(!reset.accepts(&code, reset.expires_at));
        assert!(!reset.accepts(&ResetCode::generate().unwrap(), now));
        let kept = serde_json::to_string(&reset).unwrap();
        assert!(!kept.contains(&code.formatted()) && !kept.contains(&code.0), "{kept}");
    }
}
