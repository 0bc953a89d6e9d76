//! The gateway's authorizer.

use crate::ports::SessionReader;
use rialto_aws::Stage;
use rialto_kernel::{StoreError, Timestamp};
use rialto_lambda::{
    caller::{self, AuthError, AuthorizerContext},
    settings::{Settings, SettingsError},
};

/// The authorizer's decision on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizerDecision {
    /// The request is passed to its function with this context. Functions reject it unless the
    /// session is active.
    Allow(AuthorizerContext),
    /// The gateway rejects the request: its token isn't one of ours.
    Deny,
}

/// Errors that prevent a decision.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Decides on a request by its `Authorization` header, with one read of the session.
///
/// # Errors
/// [`AuthorizeError`] when keys or session can't be read. The request must be rejected.
pub async fn authorize(
    store: &impl SessionReader,
    settings: &Settings,
    stage: &Stage,
    authorization: Option<&str>,
    now: Timestamp,
) -> Result<AuthorizerDecision, AuthorizeError> {
    let Some(token) = authorization.and_then(caller::bearer) else {
        return Ok(AuthorizerDecision::Deny);
    };
    let (claims, account) = match caller::verify(settings, stage, token, now).await {
        Ok(verified) => verified,
        Err(AuthError::Expired) => return Ok(AuthorizerDecision::Allow(AuthorizerContext::Ended)),
        Err(AuthError::Unauthenticated | AuthError::Forbidden) => {
            return Ok(AuthorizerDecision::Deny);
        }
        Err(AuthError::Settings(error)) => return Err(error.into()),
    };
    let session = store.session(account, claims.sid).await?;
    Ok(AuthorizerDecision::Allow(match session {
        Some(session) if session.is_active(now) => {
            AuthorizerContext::Active { sub: claims.sub, sid: claims.sid, role: claims.role }
        }
        // The token proves that there was a session: a missing one was ended.
        Some(_) | None => AuthorizerContext::Ended,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{refresh_token::RefreshKey, session::Session};
    use rialto_kernel::{AccountId, Clock, Role, SellerId, SessionId, SystemClock, UserId};
    use rialto_lambda::token::{Claims, Jwks, SigningKey, generate_key};
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    /// Has one session at most and counts reads.
    #[derive(Default)]
    struct FakeSessions {
        session: Option<Session>,
        unavailable: bool,
        reads: AtomicU32,
    }

    impl SessionReader for FakeSessions {
        async fn session(
            &self,
            account: AccountId,
            id: SessionId,
        ) -> Result<Option<Session>, StoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if self.unavailable {
                return Err(StoreError::Unavailable("throttled".to_owned()));
            }
            let session = self.session.clone();
            Ok(session.filter(|session| (session.account_id, session.session_id) == (account, id)))
        }
    }

    struct Fixture {
        sessions: FakeSessions,
        settings: Settings,
        stage: Stage,
        user_key: SigningKey,
        seller_key: SigningKey,
        account: AccountId,
        session: SessionId,
        now: Timestamp,
    }

    impl Fixture {
        fn new() -> Self {
            let now = SystemClock.now();
            let account = AccountId::User(UserId::generate(now));
            let session = SessionId::generate(now);
            let (user, user_jwk) = generate_key("u".to_owned(), Role::User).unwrap();
            let (seller, seller_jwk) = generate_key("s".to_owned(), Role::Seller).unwrap();
            let jwks = serde_json::to_string(&Jwks { keys: vec![user_jwk, seller_jwk] }).unwrap();
            let (stored, _) = Session::start(session, account, &RefreshKey([1; 32]), now);
            Self {
                sessions: FakeSessions { session: Some(stored), ..FakeSessions::default() },
                settings: Settings::fixed(&[("auth/jwks", &jwks)]),
                stage: Stage::parse("test").unwrap(),
                user_key: SigningKey::from_pkcs8("u".to_owned(), &user).unwrap(),
                seller_key: SigningKey::from_pkcs8("s".to_owned(), &seller).unwrap(),
                account,
                session,
                now,
            }
        }

        fn claims(&self) -> Claims {
            Claims::new(&self.stage, self.account.to_string(), self.session, Role::User, self.now)
        }

        fn token(&self) -> String {
            self.user_key.sign(&self.claims()).unwrap()
        }

        async fn decide(&self, authorization: Option<&str>) -> AuthorizerDecision {
            authorize(&self.sessions, &self.settings, &self.stage, authorization, self.now)
                .await
                .unwrap()
        }

        async fn decide_on_token(&self, token: &str) -> AuthorizerDecision {
            self.decide(Some(&format!("Bearer {token}"))).await
        }

        fn reads(&self) -> u32 {
            self.sessions.reads.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn a_valid_token_of_an_active_session_is_allowed() {
        let fixture = Fixture::new();
        let active = AuthorizerContext::Active {
            sub: fixture.account.to_string(),
            sid: fixture.session,
            role: Role::User,
        };
        assert_eq!(
            fixture.decide_on_token(&fixture.token()).await,
            AuthorizerDecision::Allow(active)
        );
        assert_eq!(fixture.reads(), 1);
    }

    #[tokio::test]
    async fn foreign_tokens_are_denied_without_a_read() {
        let fixture = Fixture::new();
        let token = fixture.token();
        let mut as_seller = fixture.claims();
        as_seller.role = Role::Seller;
        let another_stage = Claims::new(
            &Stage::parse("other").unwrap(),
            fixture.account.to_string(),
            fixture.session,
            Role::User,
            fixture.now,
        );
        let foreign = generate_key("u".to_owned(), Role::User).unwrap().0;
        let foreign = SigningKey::from_pkcs8("u".to_owned(), &foreign).unwrap();
        let unknown = generate_key("x".to_owned(), Role::User).unwrap().0;
        let unknown = SigningKey::from_pkcs8("x".to_owned(), &unknown).unwrap();
        for forged in [
            fixture.seller_key.sign(&fixture.claims()).unwrap(),
            fixture.user_key.sign(&as_seller).unwrap(),
            fixture.seller_key.sign(&as_seller).unwrap(),
            fixture.user_key.sign(&another_stage).unwrap(),
            foreign.sign(&fixture.claims()).unwrap(),
            unknown.sign(&fixture.claims()).unwrap(),
            token[..token.len() - 2].to_owned(),
            "x".to_owned(),
        ] {
            assert_eq!(
                fixture.decide_on_token(&forged).await,
                AuthorizerDecision::Deny,
                "{forged}"
            );
        }
        for header in [None, Some(""), Some("Bearer"), Some("Basic YTpi"), Some(token.as_str())] {
            assert_eq!(fixture.decide(header).await, AuthorizerDecision::Deny, "{header:?}");
        }
        assert_eq!(fixture.reads(), 0);
    }

    #[tokio::test]
    async fn an_expired_token_is_marked_as_ended() {
        let fixture = Fixture::new();
        let token = fixture.token();
        let later = Fixture { now: fixture.now.plus(Duration::from_secs(15 * 60)), ..fixture };
        assert_eq!(
            later.decide_on_token(&token).await,
            AuthorizerDecision::Allow(AuthorizerContext::Ended)
        );
        assert_eq!(later.reads(), 0);
    }

    #[tokio::test]
    async fn expired_and_missing_sessions_are_marked_as_ended() {
        let ended = |change: fn(Session) -> Option<Session>| {
            let mut fixture = Fixture::new();
            fixture.sessions.session = fixture.sessions.session.take().and_then(change);
            fixture
        };
        for fixture in [
            ended(|session| Some(Session { expires_at: session.created_at, ..session })),
            ended(|_| None),
        ] {
            assert_eq!(
                fixture.decide_on_token(&fixture.token()).await,
                AuthorizerDecision::Allow(AuthorizerContext::Ended)
            );
            assert_eq!(fixture.reads(), 1);
        }
    }

    #[tokio::test]
    async fn a_session_of_another_account_is_marked_as_ended() {
        let mut fixture = Fixture::new();
        let other = AccountId::Seller(SellerId::generate(fixture.now));
        fixture.sessions.session =
            Some(Session::start(fixture.session, other, &RefreshKey([1; 32]), fixture.now).0);
        assert_eq!(
            fixture.decide_on_token(&fixture.token()).await,
            AuthorizerDecision::Allow(AuthorizerContext::Ended)
        );
    }

    #[tokio::test]
    async fn an_unavailable_store_fails_the_decision() {
        let mut fixture = Fixture::new();
        fixture.sessions.unavailable = true;
        let header = format!("Bearer {}", fixture.token());
        let decided = authorize(
            &fixture.sessions,
            &fixture.settings,
            &fixture.stage,
            Some(&header),
            fixture.now,
        )
        .await;
        assert!(matches!(decided, Err(AuthorizeError::Store(_))));
    }
}
