//! The stage, and the names of a deployment's resources derived from it.

use std::fmt;

/// A deployment's name, such as `local` or `prod`: 1 to 20 lower-case letters and digits.
///
/// A hyphen ends the name in those of resources, so that a policy for `rialto-test-*` can't match
/// resources of another stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stage has 1 to 20 lower-case letters and digits, and begins with a letter")]
pub struct StageError;

impl Stage {
    /// # Errors
    /// [`StageError`] for a name that isn't valid in resource names.
    pub fn parse(text: &str) -> Result<Self, StageError> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.len() <= 20 && text.chars().all(letters) {
            Ok(Self(text.to_owned()))
        } else {
            Err(StageError)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A service's table.
    #[must_use]
    pub fn table(&self, service: &str) -> String {
        format!("rialto-{}-{service}", self.0)
    }

    /// The event bus.
    #[must_use]
    pub fn event_bus(&self) -> String {
        format!("rialto-{}", self.0)
    }

    /// A function's full name.
    #[must_use]
    pub fn function(&self, name: &str) -> String {
        format!("rialto-{}-{name}", self.0)
    }

    /// A parameter's full name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> String {
        format!("/rialto/{}/{name}", self.0)
    }

    /// A secret's full name.
    #[must_use]
    pub fn secret(&self, name: &str) -> String {
        format!("rialto/{}/{name}", self.0)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_names_its_resources() {
        let stage = Stage::parse("local").unwrap();
        assert_eq!(stage.table("orders"), "rialto-local-orders");
        assert_eq!(stage.function("orders-sweep"), "rialto-local-orders-sweep");
        assert_eq!(stage.parameter("auth/jwks"), "/rialto/local/auth/jwks");
        assert_eq!(stage.secret("auth/refresh-key"), "rialto/local/auth/refresh-key");
        for invalid in ["Prod", "", "1st", "test-2", "test_2", "a/b", "twenty1characters2long"] {
            assert!(Stage::parse(invalid).is_err(), "{invalid}");
        }
    }
}
