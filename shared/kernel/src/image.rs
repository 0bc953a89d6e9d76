//! Image URLs.

use serde::{Deserialize, Serialize};

/// An `https` URL of an image: up to 500 characters, with a host and without a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(
    value_type = String,
    max_length = 500,
    pattern = r"^https://[A-Za-z0-9][A-Za-z0-9.:-]*([/?#][!#-;=?-\[\]_a-z~]*)?$"
)]
pub struct ImageUrl(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an https URL of at most {} characters", ImageUrl::MAX)]
pub struct ImageUrlError;

impl ImageUrl {
    pub const MAX: usize = 500;

    /// # Errors
    /// [`ImageUrlError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ImageUrlError> {
        let rest = text.strip_prefix("https://").ok_or(ImageUrlError)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let good_host = host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
        if good_host && text.len() <= Self::MAX && rest.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ImageUrlError)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_url_is_https_with_a_host() {
        for good in
            ["https://img.example/a.png?w=1#x", "https://img.example:8443", "https://1.2.3.4/%20"]
        {
            assert!(ImageUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://img.example/a.png",
            "HTTPS://img.example/a.png",
            "https://",
            "https:///a.png",
            "https://user@img.example/a.png",
            "https://img.example/a b.png",
            "https://img.example/ä.png",
            "https://img.example/\"a",
            "https://img.example/\n",
            "javascript:alert(1)",
        ] {
            assert!(ImageUrl::parse(bad).is_err(), "{bad}");
        }
        let of_length = |length: usize| format!("https://a/{}", "x".repeat(length - 10));
        assert!(ImageUrl::parse(&of_length(500)).is_ok());
        assert!(ImageUrl::parse(&of_length(501)).is_err());
    }
}
