//! Problem responses for errors that several routes share.

use crate::{
    application::{
        addresses::AddressError,
        change_account::ChangeAccountError,
        get_user::GetAccountError,
        issue_tokens::IssueTokensError,
        rate_limit::RateLimitError,
        register_account::{RegisterError, RegistrationAttemptError},
        unregister_user::UnregisterError,
    },
    domain::{account::AccountStatus, address_book},
};
use rialto_kernel::Timestamp;
use rialto_lambda::http::{Problem, ProblemCode};

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Duplicate => Self::new(ProblemCode::Duplicate)
                .detail("An account with this email already exists."),
            RegisterError::Hash(error) => Self::internal(error),
            RegisterError::Store(error) => error.into(),
        }
    }
}

impl From<GetAccountError> for Problem {
    fn from(error: GetAccountError) -> Self {
        match error {
            GetAccountError::NotFound => Self::not_found(),
            GetAccountError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeAccountError> for Problem {
    fn from(error: ChangeAccountError) -> Self {
        match error {
            ChangeAccountError::NotFound => Self::not_found(),
            ChangeAccountError::Unregistered => {
                Self::new(ProblemCode::IllegalTransition).with("state", AccountStatus::Unregistered)
            }
            ChangeAccountError::PreconditionFailed(error) => error.into(),
            ChangeAccountError::Store(error) => error.into(),
        }
    }
}

impl From<UnregisterError> for Problem {
    fn from(error: UnregisterError) -> Self {
        match error {
            UnregisterError::NotFound => Self::not_found(),
            UnregisterError::Store(error) => error.into(),
        }
    }
}

impl From<AddressError> for Problem {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::NotFound => Self::not_found(),
            AddressError::LimitReached => Self::new(ProblemCode::LimitReached)
                .detail(format!("A buyer can save {} addresses.", address_book::MAX_ADDRESSES)),
            AddressError::PreconditionFailed(error) => error.into(),
            AddressError::Store(error) => error.into(),
        }
    }
}

impl From<IssueTokensError> for Problem {
    fn from(error: IssueTokensError) -> Self {
        match error {
            IssueTokensError::NoSigningKey(_) | IssueTokensError::NoRefreshKey => {
                Self::unavailable(error)
            }
            IssueTokensError::Key(error) => Self::internal(error),
            IssueTokensError::Store(error) => error.into(),
        }
    }
}

/// The problem of an attempt to register an account. `Retry-After` counts from `now`.
pub(super) fn registration_problem(error: RegistrationAttemptError, now: Timestamp) -> Problem {
    match error {
        RegistrationAttemptError::RateLimited(error) => rate_limit_problem(error, now),
        RegistrationAttemptError::Register(error) => error.into(),
    }
}

/// The problem of an attempt that its rate limit refuses. `Retry-After` counts from `now`.
pub(super) fn rate_limit_problem(error: RateLimitError, now: Timestamp) -> Problem {
    match error {
        RateLimitError::LimitExceeded { until } => Problem::too_many_requests(now, until),
        RateLimitError::Store(error) => error.into(),
    }
}
