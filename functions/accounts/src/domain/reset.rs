//! Password reset codes.

use super::{redacted_debug, refresh_token::RandomnessError};
use rialto_kernel::{AccountId, Timestamp, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The validity of a reset code.
pub const RESET_CODE_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LENGTH: usize = 16;

/// A reset code of 16 random letters and digits: 80 bits, too many to guess even from the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetCode(String);

redacted_debug!(ResetCode);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 64 characters")]
pub struct ResetCodeError;

impl ResetCode {
    /// # Errors
    /// [`RandomnessError`].
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut bytes = [0_u8; CODE_LENGTH];
        SystemRandom::new().fill(&mut bytes).map_err(|_| RandomnessError)?;
        Ok(Self(bytes.iter().map(|byte| ALPHABET[usize::from(byte & 31)] as char).collect()))
    }

    /// A code as entered, which may be wrong. Case, hyphens and spaces are ignored.
    ///
    /// # Errors
    /// [`ResetCodeError`] for an empty code or one of more than 64 characters.
    pub fn parse(text: &str) -> Result<Self, ResetCodeError> {
        let code: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        if code.is_empty() || text.len() > 64 {
            Err(ResetCodeError)
        } else {
            Ok(Self(code.to_ascii_uppercase()))
        }
    }

    /// The code in groups of four, as it is mailed.
    #[must_use]
    pub fn formatted(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        groups.join("-")
    }

    /// The hash under which the code is stored.
    #[must_use]
    pub fn hash(&self) -> String {
        digest::hex(&digest::sha256(&[b"password reset", self.0.as_bytes()]))
    }
}

/// A pending password reset. There is at most one per email: the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    pub account_id: AccountId,
    pub code_hash: String,
    pub expires_at: Timestamp,
    /// The version of the credential that the code may replace; once the password has changed, the
    /// code is invalid.
    pub credential_version: u64,
    /// The time of creation in milliseconds, so that newer codes have higher versions.
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

    /// Whether this code is valid at `now`. Comparing digests, not codes, leaks nothing about the
    /// code by timing.
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
    fn a_code_is_parsed_without_case_hyphens_and_spaces() {
        let code = ResetCode::generate().unwrap();
        let formatted = code.formatted();
        assert_eq!((formatted.len(), formatted.matches('-').count()), (19, 3));
        let typed = [
            formatted.clone(),
            formatted.to_lowercase(),
            formatted.replace('-', ""),
            formatted.replace('-', " "),
        ];
        for text in typed {
            assert_eq!(ResetCode::parse(&text), Ok(code.clone()), "{text}");
        }
        assert_ne!(ResetCode::generate().unwrap(), code);
        for bad in ["", " - ", &"x".repeat(65)] {
            assert_eq!(ResetCode::parse(bad), Err(ResetCodeError));
        }
        assert!(!format!("{code:?}").contains(&formatted[..4]));
    }

    #[test]
    fn a_code_is_valid_for_half_an_hour_and_stored_as_a_hash() {
        let (code, now) = (ResetCode::generate().unwrap(), Timestamp::from_millis(1_000));
        let reset = PasswordReset::new(AccountId::User(UserId::derive(&[b"u"])), 1, &code, now);
        assert!(reset.accepts(&code, now));
        assert!(reset.accepts(&code, Timestamp::from_millis(reset.expires_at.millis() - 1)));
        assert!(!reset.accepts(&code, reset.expires_at));
        assert!(!reset.accepts(&ResetCode::generate().unwrap(), now));
        let stored = serde_json::to_string(&reset).unwrap();
        assert!(!stored.contains(&code.formatted()) && !stored.contains(&code.0), "{stored}");
    }
}
