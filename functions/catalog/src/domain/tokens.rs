//! Tokens for full-text search in titles.

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The words by which a text is found: its first 12 distinct ones, in lower case and normalisation
/// form C.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(Vec<String>);

impl Tokens {
    pub const MAX: usize = 12;

    /// Splits a text into words: runs of letters, digits and their combining marks.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text: String = text.to_lowercase().nfc().collect();
        let mut words: Vec<String> = Vec::new();
        let parts = text.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c));
        for word in parts.filter(|word| !word.is_empty()) {
            if words.len() == Self::MAX {
                break;
            }
            if !words.iter().any(|earlier| earlier == word) {
                words.push(word.to_owned());
            }
        }
        Self(words)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every word of `other` is among these.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|word| self.0.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Tokens::of(text).iter().map(str::to_owned).collect()
    }

    #[test]
    fn words_are_distinct_and_lower_case() {
        assert_eq!(words("Red SHOE, red/blue (42)"), ["red", "shoe", "blue", "42"]);
        assert_eq!(words("E\u{301}te\u{301} ÉTÉ"), ["été"]);
        assert_eq!(words("İstanbul"), ["i\u{307}stanbul"]);
        assert_eq!(words("!?"), [""; 0]);
    }

    #[test]
    fn only_the_first_twelve_words_are_indexed() {
        let text: Vec<String> =
            (0..20).map(|at| format!("w{}", at / 2)).chain(["x".into(), "y".into()]).collect();
        assert_eq!(words(&text.join(" ")).len(), 12);
        assert_eq!(
            words(&(0..20).map(|at| format!("w{at} ")).collect::<String>()).last().unwrap(),
            "w11"
        );
    }

    #[test]
    fn a_match_requires_every_word() {
        assert!(Tokens::of("red running shoe").contains_all(&Tokens::of("SHOE red")));
        assert!(!Tokens::of("red running shoe").contains_all(&Tokens::of("red boot")));
        assert!(!Tokens::of("red shoes").contains_all(&Tokens::of("shoe")));
    }
}
