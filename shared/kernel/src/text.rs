//! Text from clients: UTF-8 in normal form C, of a bounded length, without control characters and
//! without U+FFFE and U+FFFF, which SQS refuses in a message.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// One line of text of `MIN` to `MAX` characters, trimmed at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("must have {min} to {max} characters")]
    Length { min: usize, max: usize },
    #[error("must not contain control characters")]
    Control,
    #[error("must not contain the characters U+FFFE and U+FFFF")]
    Noncharacter,
}

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// # Errors
    /// [`TextError`] for a wrong length, a control character or a noncharacter.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = nfc(text.trim());
        if text.chars().any(char::is_control) {
            return Err(TextError::Control);
        }
        if text.chars().any(is_noncharacter) {
            return Err(TextError::Noncharacter);
        }
        if !(MIN..=MAX).contains(&text.chars().count()) {
            return Err(TextError::Length { min: MIN, max: MAX });
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// The regular expression of trimmed [`Text`], without its maximum length.
fn pattern(min: usize) -> String {
    let printable = r"[^\u0000-\u001f\u007f-\u009f\ufffe\uffff]";
    let visible = r"[^\s\u0000-\u001f\u007f-\u009f\ufffe\uffff]";
    match min.checked_sub(2) {
        None => format!("^{visible}{printable}*$"),
        Some(inner) => format!("^{visible}{printable}{{{inner},}}{visible}$"),
    }
}

/// Whether this is U+FFFE or U+FFFF. SQS accepts the characters of XML 1.0, which are all others
/// except control characters; an event with one of these two could never be delivered.
#[must_use]
pub const fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A text in normal form C.
#[must_use]
pub fn nfc(text: &str) -> String {
    // ASCII already is, and most text is ASCII.
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

impl<const MIN: usize, const MAX: usize> std::fmt::Display for Text<MIN, MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    /// Items are read with this. Those that were stored while noncharacters were allowed must stay
    /// readable, or their owners couldn't change them any more.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?.replace(is_noncharacter, "\u{fffd}");
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<const MIN: usize, const MAX: usize> utoipa::PartialSchema for Text<MIN, MAX> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .min_length(Some(MIN))
            .max_length(Some(MAX))
            .pattern(Some(pattern(MIN)))
            .into()
    }
}

impl<const MIN: usize, const MAX: usize> utoipa::ToSchema for Text<MIN, MAX> {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Owned(format!("Text{MIN}To{MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Name = Text<1, 5>;

    #[test]
    fn text_is_composed_and_trimmed() {
        assert_eq!(Name::parse(" e\u{301} ").unwrap().as_str(), "\u{e9}");
    }

    #[test]
    fn characters_that_queues_refuse_are_refused() {
        for text in ["a\u{fffe}b", "\u{ffff}", "ab\u{ffff}"] {
            assert_eq!(Name::parse(text), Err(TextError::Noncharacter), "{text:?}");
        }
        // The neighbours, and noncharacters that XML 1.0 and so SQS allow.
        for text in ["\u{fffd}", "\u{e000}", "\u{fdd0}", "\u{10000}", "\u{1fffe}", "\u{10ffff}"] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn stored_noncharacters_are_replaced() {
        let stored: Name = serde_json::from_str("\"a\u{fffe}b\"").unwrap();
        assert_eq!(stored.as_str(), "a\u{fffd}b");
    }

    #[test]
    fn control_characters_and_wrong_lengths_are_refused() {
        assert_eq!(Name::parse("a\u{0}b"), Err(TextError::Control));
        assert_eq!(Name::parse("a\nb"), Err(TextError::Control));
        assert_eq!(Name::parse("  "), Err(TextError::Length { min: 1, max: 5 }));
        assert_eq!(Name::parse("abcdef"), Err(TextError::Length { min: 1, max: 5 }));
    }
}
