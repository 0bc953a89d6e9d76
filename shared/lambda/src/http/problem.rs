//! Errors as RFC 9457 has them: `application/problem+json` with a stable `code`.

use super::Response;
use rialto_kernel::{FieldError, Invalid, PreconditionFailed, StoreError, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

/// What went wrong, in a word that stays the same.
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

    /// The same for every problem with this code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Invalid => "The request is invalid",
            Self::Unauthenticated => "A valid access token is needed",
            Self::TokenExpired => "The access token has expired",
            Self::Forbidden => "Not yours to do",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "Method not allowed",
            Self::IllegalTransition => "Its state doesn't allow this",
            Self::NotOrderable => "A product can't be ordered",
            Self::InsufficientStock => "There isn't that much stock",
            Self::PriceChanged => "The price has changed",
            Self::LimitReached => "A limit is reached",
            Self::InUse => "It is in use",
            Self::Duplicate => "It exists already",
            Self::PreconditionFailed => "Precondition failed",
            Self::TooLarge => "The request is too large",
            Self::UnsupportedMediaType => "The body must be JSON",
            Self::KeyReused => "The Idempotency-Key belongs to another request",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Something went wrong here",
            Self::Unavailable => "Not possible at the moment",
            Self::Timeout => "It took too long",
        }
    }
}

/// An error as a client sees it. What is logged is another text, the `cause`, which no client sees.
#[derive(Debug)]
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

    /// Says more, to the client.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// One bad field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Invalid::field(field, message).into()
    }

    /// A further member, such as `state`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Serialize) -> Self {
        self.members.insert(member.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// 500: a fault of ours. `cause` is logged.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::new(ProblemCode::Internal) }
    }

    /// 503: something this depends on doesn't answer. `cause` is logged.
    #[must_use]
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            retry_after: Some(2),
            ..Self::new(ProblemCode::Unavailable)
        }
    }

    /// 429: not before that moment.
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

    pub(crate) fn into_reply(self) -> Response {
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
        let reply = Response::json(self.code.status(), "application/problem+json", &body);
        match self.retry_after {
            Some(seconds) => reply.header("Retry-After", seconds.to_string()),
            None => reply,
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
        }
    }
}

/// The form of every error.
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
    /// Each bad field of an invalid request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What belongs to the code: `state`, `quote`, …
    #[serde(flatten)]
    #[schema(value_type = Object)]
    members: Map<String, Value>,
}
