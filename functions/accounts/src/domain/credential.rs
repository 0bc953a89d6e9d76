//! Login credentials.

use super::{contact::Email, redacted_debug};
use rialto_kernel::{AccountId, Text, Timestamp, text::TextError};
use serde::{Deserialize, Serialize};

/// A password as entered, without white space at both ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// A password hash in PHC format, with algorithm, parameters and salt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash(pub String);

redacted_debug!(Password, PasswordHash);

impl Password {
    /// A new password.
    ///
    /// # Errors
    /// [`TextError`] unless it has 10 to 128 characters.
    pub fn new(text: &str) -> Result<Self, TextError> {
        Text::<10, 128>::parse(text).map(|text| Self(text.into_string()))
    }

    /// A password to be verified. It may be wrong, and so shorter than a new one.
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

/// The email and password that an account logs in with. There is at most one credential per email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub email: Email,
    pub account_id: AccountId,
    pub password_hash: PasswordHash,
    /// Incremented by every change of the password. It starts from the millisecond in which the
    /// account was created, so that versions don't repeat when an email is registered again.
    pub version: u64,
}

impl Credential {
    /// The credential of a new account.
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
    fn login_input_has_1_to_128_characters() {
        assert!(Password::from_login_input("x").is_ok());
        assert!(Password::from_login_input("").is_err());
        assert!(Password::from_login_input(&"x".repeat(129)).is_err());
    }

    #[test]
    fn passwords_are_normalised() {
        assert_eq!(
            Password::new("re\u{301}sume\u{301} 1234"),
            Password::from_login_input("r\u{e9}sum\u{e9} 1234")
        );
    }

    #[test]
    fn debug_output_has_no_password() {
        let password = Password::new("correct horse").unwrap();
        assert_eq!(
            format!("{password:?} {:?}", PasswordHash("$argon2".to_owned())),
            "Password(…) PasswordHash(…)"
        );
    }
}
