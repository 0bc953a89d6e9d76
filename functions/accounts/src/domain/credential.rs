//! What lets somebody log in.

use super::{contact::Email, redacted_debug};
use rialto_kernel::{AccountId, Text, Timestamp, text::TextError};
use serde::{Deserialize, Serialize};

/// A password as it was typed. White space at both ends doesn't count.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// A password's hash in PHC form, with algorithm, parameters and salt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash(pub String);

redacted_debug!(Password, PasswordHash);

impl Password {
    /// One that somebody chooses.
    ///
    /// # Errors
    /// [`TextError`] unless it has 10 to 128 characters.
    pub fn new(text: &str) -> Result<Self, TextError> {
        Text::<10, 128>::parse(text).map(|text| Self(text.into_string()))
    }

    /// One that somebody logs in with: it may be wrong, so it may be short.
    ///
    /// # Errors
    /// [`TextError`] unless it has 1 to 128 characters.
    pub fn from_login_input(text: &str) -> Result<Self, TextError> {
        Text::<1, 128>::parse(text).map(|text| Self(text.into_string()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The claim of an account to an email, and the password that goes with it. An email has one at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub email: Email,
    pub account_id: AccountId,
    pub password_hash: PasswordHash,
    /// Rises with every change of the password, from the millisecond in which the account was made: an email that became free
    /// never has a version again that another account's credential had.
    pub version: u64,
}

impl Credential {
    /// The credential that an account begins with.
    #[must_use]
    pub fn initial(
        email: Email,
        account_id: AccountId,
        password_hash: PasswordHash,
        now: Timestamp,
    ) -> Self {
        Self { email, account_id, password_hash, version: now.millis().unsigned_abs() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_10_to_128_characters() {
        assert!(Password::new("nine char").is_err());
        assert!(Password::new("ten chars!").is_ok());
        assert!(Password::new(&"é".repeat(128)).is_ok());
        assert!(Password::new(&"é".repeat(129)).is_err());
        assert!(Password::new("with a\u{7}bell in it").is_err());
        assert!(Password::new("             x").is_err());
    }

    #[test]
    fn an_attempt_may_be_too_short_to_be_right_but_not_endless() {
        assert!(Password::from_login_input("x").is_ok());
        assert!(Password::from_login_input("").is_err());
        assert!(Password::from_login_input(&"x".repeat(129)).is_err());
    }

    #[test]
    fn one_password_has_one_writing() {
        assert_eq!(
            Password::new("re\u{301}sume\u{301} 1234"),
            Password::from_login_input("r\u{e9}sum\u{e9} 1234")
        );
    }

    #[test]
    fn a_password_is_not_printed() {
        let password = Password::new("correct horse").unwrap();
        assert_eq!(
            format!("{password:?} {:?}", PasswordHash("$argon2".to_owned())),
            "Password(…) PasswordHash(…)"
        );
    }
}
