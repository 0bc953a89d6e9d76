//! Errors as problem details (RFC 9457): `application/problem+json` with a stable `code`.

use super::Response;
use rialto_kernel::{FieldError, Invalid, PreconditionFailed, StoreError, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

/// Stable, machine-readable error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    Invalid,
    Unauthenticated,
    TokenExpired,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    IllegalTransition,
    CancelPending,
    NotOrderable,
    InsufficientStock,
    PriceChanged,
    LimitReached,
    InUse,
    Duplicate,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    KeyReused,
    TooManyRequests,
    Internal,
    Unavailable,
    Timeout,
}

impl ProblemCode {
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated | Self::TokenExpired => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::IllegalTransition
            | Self::CancelPending
            | Self::NotOrderable
            | Self::InsufficientStock
            | Self::PriceChanged
            | Self::LimitReached
            | Self::InUse
            | Self::Duplicate => 409,
            Self::PreconditionFailed => 412,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::KeyReused => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// The title of problems with this code, unless it is replaced.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid request",
            Self::Unauthenticated => "Authentication required",
            Self::TokenExpired => "Access token expired",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::IllegalTransition => "Not allowed in the current state",
            Self::CancelPending => "Delivery not held yet",
            Self::NotOrderable => "Product not available for ordering",
            Self::InsufficientStock => "Insufficient stock",
            Self::PriceChanged => "Price changed",
            Self::LimitReached => "Limit reached",
            Self::InUse => "Already in use",
            Self::Duplicate => "Already exists",
            Self::PreconditionFailed => "Precondition failed",
            Self::TooLarge => "Request too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::KeyReused => "Idempotency-Key already used",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Internal error",
            Self::Unavailable => "Service temporarily unavailable",
            Self::Timeout => "Request timed out",
        }
    }
}

/// An error for the client. Its `cause` is logged and never sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: ProblemCode,
    title: &'static str,
    detail: Option<Box<str>>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    retry_after: Option<u32>,
    pub(crate) cause: Option<String>,
}

impl Problem {
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        Self {
            code,
            title: code.title(),
            detail: None,
            errors: Vec::new(),
            members: Map::new(),
            retry_after: None,
            cause: None,
        }
    }

    /// Replaces the code's usual title, where another one describes the problem better.
    #[must_use]
    pub fn title(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }

    /// Adds an explanation for the client.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// 400 with one invalid field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Invalid::field(field, message).into()
    }

    /// Names the fields that are the reason, where the code isn't `invalid`.
    #[must_use]
    pub fn errors(mut self, fields: Invalid) -> Self {
        self.errors = fields.0;
        self
    }

    /// Adds a member, such as `state`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Serialize) -> Self {
        self.members.insert(member.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// 500. `cause` is logged.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::new(ProblemCode::Internal) }
    }

    /// 503, because of a dependency. `cause` is logged.
    #[must_use]
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            retry_after: Some(2),
            ..Self::new(ProblemCode::Unavailable)
        }
    }

    /// 429 until a given time.
    #[must_use]
    pub fn too_many_requests(now: Timestamp, until: Timestamp) -> Self {
        let seconds = u32::try_from(until.since(now).as_secs()).unwrap_or(u32::MAX);
        Self {
            retry_after: Some(seconds.saturating_add(1)),
            ..Self::new(ProblemCode::TooManyRequests)
        }
    }

    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ProblemCode::NotFound)
    }

    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(ProblemCode::Forbidden)
    }

    pub(crate) fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: format!(
                "urn:rialto:problem:{}",
                serde_json::json!(self.code).as_str().unwrap_or_default()
            ),
            title: self.title,
            status: self.code.status(),
            code: self.code,
            detail: self.detail.map(String::from),
            errors: self.errors,
            members: self.members,
        };
        let response = Response::json(self.code.status(), "application/problem+json", &body);
        match self.retry_after {
            Some(seconds) => response.header("Retry-After", seconds.to_string()),
            None => response,
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self { errors: invalid.0, ..Self::new(ProblemCode::Invalid) }
    }
}

impl From<PreconditionFailed> for Problem {
    fn from(_: PreconditionFailed) -> Self {
        Self::new(ProblemCode::PreconditionFailed)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Contended => Self::unavailable(error),
            StoreError::Corrupt(_) => Self::internal(error),
            StoreError::InvalidPosition => Self::field("cursor", "is not a cursor of this query"),
        }
    }
}

/// The body of every error.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:rialto:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    #[schema(value_type = String)]
    title: &'static str,
    status: u16,
    code: ProblemCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The invalid fields of a request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// Members of the code: `state`, `quote`, …
    #[serde(flatten)]
    #[schema(value_type = Object)]
    members: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_says_when_to_try_again() {
        let [now, until] = [1_000, 61_500].map(Timestamp::from_millis);
        let response = Problem::too_many_requests(now, until).into_response();
        assert_eq!(response.status, 429);
        assert!(response.headers.contains(&("Retry-After", "61".to_owned())));
    }

    #[test]
    fn an_invalid_position_is_the_clients_error() {
        let problem = Problem::from(StoreError::InvalidPosition);
        assert_eq!(problem.code.status(), 400);
        assert_eq!(problem.errors[0].field, "cursor");
        assert_eq!(Problem::from(StoreError::Corrupt("torn".to_owned())).code.status(), 500);
        assert_eq!(Problem::from(StoreError::Contended).code.status(), 503);
    }
}
