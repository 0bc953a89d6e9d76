//! Collects the validation errors of a request, so that one response names every bad field.

use std::fmt::Display;

/// The validation error of one field.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field's path in the request, such as `lines[2].quantity`.
    pub field: String,
    pub message: String,
}

/// A request with at least one bad field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request has invalid fields")]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Display) -> Self {
        Self(vec![FieldError { field: field.into(), message: message.to_string() }])
    }
}

/// Validates the fields of a request one by one.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// The parsed value; `None` if it is invalid, which is recorded.
    pub fn field<T, E: Display>(
        &mut self,
        field: impl Into<String>,
        parsed: Result<T, E>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.reject(field, error);
                None
            }
        }
    }

    pub fn reject(&mut self, field: impl Into<String>, message: impl Display) {
        self.0.push(FieldError { field: field.into(), message: message.to_string() });
    }

    /// # Errors
    /// [`Invalid`] with every recorded error. `value` is `None` only if there is one.
    pub fn build<T>(self, value: Option<T>) -> Result<T, Invalid> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Invalid(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quantity;

    #[test]
    fn every_bad_field_is_named() {
        let mut fields = Fields::default();
        let a = fields.field("a", Quantity::new(0));
        let b = fields.field("b", Quantity::new(1000));
        let invalid = fields.build(a.zip(b)).unwrap_err();
        assert_eq!(
            invalid.0.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
    }
}
