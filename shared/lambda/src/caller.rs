//! Who calls, and whether they may.

use crate::{
    access::Who,
    settings::{Settings, SettingsError},
    token::{Claims, Jwks, TokenError},
};
use rialto_aws::Stage;
use rialto_kernel::{Role, SellerId, SessionId, SupervisorId, Timestamp, UserId, settings::JWKS};
use std::{fmt, time::Duration};

/// The account behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub account: Account,
    pub session: SessionId,
}

/// An account's id, by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    User(UserId),
    Seller(SellerId),
    Supervisor(SupervisorId),
}

impl Account {
    /// The account of this role with this id, if the id is one of that role's.
    #[must_use]
    pub fn parse(role: Role, id: &str) -> Option<Self> {
        match role {
            Role::User => UserId::parse(id).ok().map(Self::User),
            Role::Seller => SellerId::parse(id).ok().map(Self::Seller),
            Role::Supervisor => SupervisorId::parse(id).ok().map(Self::Supervisor),
        }
    }

    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::User(_) => Role::User,
            Self::Seller(_) => Role::Seller,
            Self::Supervisor(_) => Role::Supervisor,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Seller(id) => id.fmt(f),
            Self::Supervisor(id) => id.fmt(f),
        }
    }
}

impl Caller {
    /// Whether the caller may act as this seller.
    #[must_use]
    pub fn acts_for_seller(&self, seller: SellerId) -> bool {
        matches!(self.account, Account::Supervisor(_)) || self.account == Account::Seller(seller)
    }

    /// Whether the caller may act as this buyer.
    #[must_use]
    pub fn acts_for_user(&self, user: UserId) -> bool {
        matches!(self.account, Account::Supervisor(_)) || self.account == Account::User(user)
    }
}

/// Who checks the session: the gateway's authorizer, or nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// The default, and the only one on AWS: the authorizer's context must agree with the token.
    Gateway,
    /// Behind something that runs no authorizer: everything but the session is checked.
    Token,
}

/// Why a caller is turned away.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no valid token")]
    Unauthenticated,
    #[error("the token has expired")]
    Expired,
    #[error("not this caller's to call")]
    Forbidden,
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => Self::Expired,
            TokenError::Invalid | TokenError::UnknownKey => Self::Unauthenticated,
        }
    }
}

/// The token in an `Authorization` header.
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Verifies an access token with the stage's public keys; a key that isn't known is looked for once a minute.
///
/// # Errors
/// [`Refusal`] unless the token is good at `now`.
pub async fn verify(
    settings: &Settings,
    stage: &Stage,
    token: &str,
    now: Timestamp,
) -> Result<(Claims, Account), Refusal> {
    let jwks = keys(settings.get(&JWKS).await?)?;
    let claims = match jwks.verify(stage, token, now) {
        Err(TokenError::UnknownKey) => {
            keys(settings.get_newer_than(&JWKS, Duration::from_secs(60)).await?)?.verify(stage, token, now)?
        }
        verified => verified?,
    };
    let account = Account::parse(claims.role, &claims.sub).ok_or(Refusal::Unauthenticated)?;
    Ok((claims, account))
}

fn keys(jwks: String) -> Result<Jwks, Refusal> {
    serde_json::from_str(&jwks).map_err(|error| {
        tracing::error!(%error, "the public keys can't be read");
        Refusal::Unauthenticated
    })
}

/// Whether this caller may call a route whose path names `owner`.
///
/// # Errors
/// [`Refusal::Forbidden`] for the wrong role or somebody else's account.
pub fn allow(who: Who, account: Account, owner: Option<&str>) -> Result<(), Refusal> {
    let allowed = match who {
        _ if account.role() == Role::Supervisor => true,
        Who::Anonymous => true,
        Who::SignedIn(roles) => roles.contains(&account.role()),
        Who::Owner(role) => account.role() == role && owner == Some(account.to_string().as_str()),
    };
    if allowed { Ok(()) } else { Err(Refusal::Forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_account_itself_or_a_supervisor_is_the_owner() {
        let now = Timestamp::from_millis(1);
        let mine = UserId::generate(now);
        let owner = mine.to_string();
        let allowed = |account| allow(Who::Owner(Role::User), account, Some(&owner)).is_ok();
        assert!(allowed(Account::User(mine)));
        assert!(allowed(Account::Supervisor(SupervisorId::generate(now))));
        assert!(!allowed(Account::User(UserId::generate(now))));
        assert!(!allowed(Account::Seller(SellerId::generate(now))));
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer "), None);
    }
}
