//! Authentication and authorization of callers.

use crate::{
    access::Access,
    settings::{MAX_CACHE_TTL, Settings, SettingsError},
    token::{Claims, TokenError},
};
use rialto_aws::Stage;
use rialto_kernel::{AccountId, Role, SellerId, SessionId, Timestamp, UserId, settings::JWKS};
use serde::{Deserialize, Serialize};

pub use rialto_kernel::AccountId as Account;

/// The authenticated caller of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub account: AccountId,
    pub session: SessionId,
}

impl Caller {
    /// Whether the caller may act as this seller.
    #[must_use]
    pub fn acts_for_seller(&self, seller: SellerId) -> bool {
        matches!(self.account, AccountId::Supervisor(_))
            || self.account == AccountId::Seller(seller)
    }

    /// Whether the caller may act as this buyer.
    #[must_use]
    pub fn acts_for_user(&self, user: UserId) -> bool {
        matches!(self.account, AccountId::Supervisor(_)) || self.account == AccountId::User(user)
    }
}

/// Whether the gateway's authorizer checks sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// The default, and the only one on AWS: the authorizer's context must agree with the token.
    Gateway,
    /// For emulators without an authorizer: everything but the session is checked.
    Token,
}

/// The result of the gateway's authorizer, passed to the function as the authorizer's context.
///
/// The gateway has one fixed response for requests that it rejects itself: `unauthenticated`. A
/// valid token that has expired, or whose session has ended, must get `token_expired`, which only a
/// function can return. Such requests therefore pass the gateway, marked as [`Ended`](Self::Ended),
/// and the function rejects them first of all. Only [`Active`](Self::Active), for this very token,
/// admits a request; a context that is missing or different is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "session", rename_all = "snake_case")]
pub enum AuthorizerContext {
    /// The token is valid and its session is active.
    Active { sub: String, sid: SessionId, role: Role },
    /// The token has expired or its session has ended.
    Ended,
}

/// Checks that the authorizer admitted the request with these claims.
///
/// # Errors
/// [`AuthError`] unless its context is for this very token.
pub(crate) fn check_authorizer_context(
    authorized: Option<&AuthorizerContext>,
    claims: &Claims,
) -> Result<(), AuthError> {
    match authorized {
        Some(AuthorizerContext::Active { sub, sid, role })
            if (sub, sid, role) == (&claims.sub, &claims.sid, &claims.role) =>
        {
            Ok(())
        }
        Some(AuthorizerContext::Ended) => Err(AuthError::Expired),
        Some(AuthorizerContext::Active { .. }) | None => Err(AuthError::Unauthenticated),
    }
}

/// A caller is rejected.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("no valid token")]
    Unauthenticated,
    #[error("the token has expired")]
    Expired,
    #[error("the caller isn't allowed to call this route")]
    Forbidden,
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl From<TokenError> for AuthError {
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

/// Verifies an access token with the stage's public keys. An unknown key makes it read them again,
/// at most once a minute.
///
/// # Errors
/// [`AuthError`] unless the token is valid at `now`.
pub async fn verify(
    settings: &Settings,
    stage: &Stage,
    token: &str,
    now: Timestamp,
) -> Result<(Claims, AccountId), AuthError> {
    let keys = settings.public_keys(MAX_CACHE_TTL).await?;
    let claims = match keys.verify(stage, token, now) {
        Err(TokenError::UnknownKey) => {
            let age = settings.refresh_age(JWKS.name);
            settings.public_keys(age).await?.verify(stage, token, now)?
        }
        verified => verified?,
    };
    let account = AccountId::parse(claims.role, &claims.sub).ok_or(AuthError::Unauthenticated)?;
    Ok((claims, account))
}

/// Checks that an account may call a route whose path names `owner`.
///
/// # Errors
/// [`AuthError::Forbidden`] for the wrong role or another account.
pub fn authorize(who: Access, account: AccountId, owner: Option<&str>) -> Result<(), AuthError> {
    let allowed = match who {
        Access::Provider => false,
        _ if account.role() == Role::Supervisor => true,
        Access::Anonymous => true,
        Access::SignedIn(roles) => roles.contains(&account.role()),
        Access::Owner(role) => {
            account.role() == role && owner == Some(account.to_string().as_str())
        }
    };
    if allowed { Ok(()) } else { Err(AuthError::Forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::SupervisorId;
    use serde_json::{Value, json};

    #[test]
    fn only_the_owner_and_supervisors_are_authorized() {
        let now = Timestamp::from_millis(1);
        let mine = UserId::generate(now);
        let owner = mine.to_string();
        let allowed = |account| authorize(Access::Owner(Role::User), account, Some(&owner)).is_ok();
        assert!(allowed(AccountId::User(mine)));
        assert!(allowed(AccountId::Supervisor(SupervisorId::generate(now))));
        assert!(!allowed(AccountId::User(UserId::generate(now))));
        assert!(!allowed(AccountId::Seller(SellerId::generate(now))));
    }

    #[tokio::test]
    async fn without_readable_keys_no_token_is_refused() {
        let settings = Settings::fixed(&[(JWKS.name, "{\"keys\":[{}]}")]);
        let stage = Stage::parse("test").unwrap();
        let error = verify(&settings, &stage, "token", Timestamp::from_millis(1)).await;
        assert!(matches!(error, Err(AuthError::Settings(_))), "{error:?}");
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer "), None);
    }

    #[test]
    fn only_an_active_session_of_the_token_is_admitted() {
        let now = Timestamp::from_millis(1);
        let stage = Stage::parse("test").unwrap();
        let claims =
            Claims::new(&stage, "usr_1".to_owned(), SessionId::generate(now), Role::User, now);
        let active = |sub: &str, sid: SessionId, role: &str| json!({"session": "active", "sub": sub, "sid": sid, "role": role, "principalId": sub});
        let said = |context: &Value| {
            let authorized = AuthorizerContext::deserialize(context).ok();
            match check_authorizer_context(authorized.as_ref(), &claims) {
                Ok(()) => "admitted",
                Err(AuthError::Expired) => "expired",
                Err(_) => "unauthenticated",
            }
        };
        assert_eq!(said(&active("usr_1", claims.sid, "USER")), "admitted");
        assert_eq!(said(&active("usr_2", claims.sid, "USER")), "unauthenticated");
        assert_eq!(said(&active("usr_1", SessionId::generate(now), "USER")), "unauthenticated");
        assert_eq!(said(&active("usr_1", claims.sid, "SUPERVISOR")), "unauthenticated");
        assert_eq!(said(&json!({"session": "ended", "principalId": "ended"})), "expired");
        for context in [
            json!({}),
            json!({"sub": "usr_1", "sid": claims.sid, "role": "USER"}),
            json!({"session": "", "sub": "usr_1", "sid": claims.sid, "role": "USER"}),
            json!({"session": "Active", "sub": "usr_1", "sid": claims.sid, "role": "USER"}),
            json!({"session": "active"}),
            json!({"session": "active", "sub": "usr_1", "sid": claims.sid}),
        ] {
            assert_eq!(said(&context), "unauthenticated", "{context}");
        }
    }
}
