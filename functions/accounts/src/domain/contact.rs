//! Emails and names.

use super::redacted_debug;
use rialto_kernel::{Text, text::TextError};
use serde::{Deserialize, Serialize};

/// An email address in its owner's spelling: ASCII, 254 characters at most.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Email(String);

/// A person's name, 1 to 80 characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name(Text<1, 80>);

redacted_debug!(Email, Name);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an email address such as name@shop.example, 254 characters at most")]
pub struct EmailError;

impl Email {
    /// # Errors
    /// [`EmailError`] for anything but a plain address: quoted local parts, comments and IP
    /// addresses are rejected.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        if text.len() <= 254 && is_local_part(local) && is_domain(domain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(EmailError)
        }
    }

    /// The lower-case form, by which addresses are compared.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local_part(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= 64 && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
}

fn is_domain(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let Some((_, last)) = text.rsplit_once('.') else { return false };
    text.split('.').all(is_label) && last.bytes().any(|b| b.is_ascii_alphabetic())
}

impl Name {
    /// # Errors
    /// [`TextError`] for a wrong length or a control character.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        Text::parse(text).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;
    fn try_from(text: String) -> Result<Self, EmailError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_keeps_its_spelling_and_is_compared_without_case() {
        let email = Email::parse(" Ann.Lee+shop@Mail.Example.com ").unwrap();
        assert_eq!(email.as_str(), "Ann.Lee+shop@Mail.Example.com");
        assert_eq!(email.key(), "ann.lee+shop@mail.example.com");
    }

    #[test]
    fn invalid_emails_are_rejected() {
        let (local, label) = ("l".repeat(65), "d".repeat(64));
        let long = format!("a@{}", "abcdefghi.".repeat(30));
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@example",
            "ann@.com",
            "ann@example..com",
            "ann@example.com.",
            "ann@-example.com",
            "ann@example-.com",
            "ann@192.168.0.1",
            ".ann@example.com",
            "ann.@example.com",
            "a..n@example.com",
            "a n@example.com",
            "a@b@example.com",
            "\"ann\"@example.com",
            "ann@exa mple.com",
            "änn@example.com",
            "ann@exämple.com",
            "ann@example.com\u{0}",
            &format!("{local}@example.com"),
            &format!("ann@{label}.com"),
            &format!("{long}com"),
        ] {
            assert_eq!(Email::parse(bad), Err(EmailError), "{bad}");
        }
    }

    #[test]
    fn an_email_has_254_characters_at_most() {
        let address = |len: usize| {
            let domain =
                format!("{}.{}.{}.example", "a".repeat(60), "b".repeat(60), "c".repeat(60));
            let local = "l".repeat(len - domain.len() - 1);
            format!("{local}@{domain}")
        };
        assert!(Email::parse(&address(254)).is_ok());
        assert_eq!(Email::parse(&address(255)), Err(EmailError));
    }

    #[test]
    fn a_name_has_1_to_80_characters() {
        assert!(Name::parse(&"é".repeat(80)).is_ok());
        assert!(Name::parse(&"é".repeat(81)).is_err());
        assert!(Name::parse(" ").is_err());
    }

    #[test]
    fn debug_output_has_no_personal_data() {
        let printed = format!("{:?} {:?}", Email::parse("ann@example.com"), Name::parse("Ann Lee"));
        for personal in ["ann", "Ann"] {
            assert!(!printed.contains(personal), "{printed}");
        }
    }
}
