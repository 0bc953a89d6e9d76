use crate::ports::SessionReader;
use rialto_aws::Stage;
use rialto_kernel::{StoreError, Timestamp};
use rialto_lambda::{
    caller::{self, AuthError, AuthorizerContext},
    settings::{Settings, SettingsError},
};

/// What the gateway is told of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizerDecision {
    /// It goes on to its function, which is told this. Only a call whose session is active does anything there.
    Allow(AuthorizerContext),
    /// It ends at the gateway: its token never was one of ours.
    Deny,
}

/// The gateway can't be told anything.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Decides on a call by its `Authorization` header, with one read of the session.
///
/// # Errors
/// [`AuthorizeError`] when keys or session can't be read: the call must not go on.
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
        // One that isn't there any more was ended: the token says that there was one.
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

    /// Holds one session at most, and counts how often it is asked.
    #[derive(Default)]
    struct FakeSessions {
        session: Option<Session>,
        broken: bool,
        reads: AtomicU32,
    }

    impl SessionReader for FakeSessions {
        async fn session(
            &self,
            account: AccountId,
            id: SessionId,
        ) -> Result<Option<Session>, StoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if self.broken {
                return Err(StoreError::Unavailable("throttled".to_owned()));
            }
            let held = self.session.clone();
            Ok(held.filter(|session| (session.account_id, session.session_id) == (account, id)))
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
            let (held, _) = Session::start(session, account, &RefreshKey([1; 32]), now);
            Self {
                sessions: FakeSessions { session: Some(held), ..FakeSessions::default() },
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

        async fn decide_on(&self, token: &str) -> AuthorizerDecision {
            self.decide(Some(&format!("Bearer {token}"))).await
        }

        fn reads(&self) -> u32 {
            self.sessions.reads.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn a_good_token_of_an_active_session_passes_after_one_read() {
        let gate = Fixture::new();
        let active = AuthorizerContext::Active {
            sub: gate.account.to_string(),
            sid: gate.session,
            role: Role::User,
        };
        assert_eq!(gate.decide_on(&gate.token()).await, AuthorizerDecision::Allow(active));
        assert_eq!(gate.reads(), 1);
    }

    #[tokio::test]
    async fn what_never_was_a_token_of_ours_is_turned_away_without_a_read() {
        let gate = Fixture::new();
        let token = gate.token();
        let mut sold = gate.claims();
        sold.role = Role::Seller;
        let another_stage = Claims::new(
            &Stage::parse("other").unwrap(),
            gate.account.to_string(),
            gate.session,
            Role::User,
            gate.now,
        );
        let stranger = generate_key("u".to_owned(), Role::User).unwrap().0;
        let stranger = SigningKey::from_pkcs8("u".to_owned(), &stranger).unwrap();
        let unknown = generate_key("x".to_owned(), Role::User).unwrap().0;
        let unknown = SigningKey::from_pkcs8("x".to_owned(), &unknown).unwrap();
        for forged in [
            gate.seller_key.sign(&gate.claims()).unwrap(),
            gate.user_key.sign(&sold).unwrap(),
            gate.seller_key.sign(&sold).unwrap(),
            gate.user_key.sign(&another_stage).unwrap(),
            stranger.sign(&gate.claims()).unwrap(),
            unknown.sign(&gate.claims()).unwrap(),
            token[..token.len() - 2].to_owned(),
            "x".to_owned(),
        ] {
            assert_eq!(gate.decide_on(&forged).await, AuthorizerDecision::Deny, "{forged}");
        }
        for header in [None, Some(""), Some("Bearer"), Some("Basic YTpi"), Some(token.as_str())] {
            assert_eq!(gate.decide(header).await, AuthorizerDecision::Deny, "{header:?}");
        }
        assert_eq!(gate.reads(), 0);
    }

    #[tokio::test]
    async fn an_expired_token_is_marked_as_ended() {
        let gate = Fixture::new();
        let token = gate.token();
        let later = Fixture { now: gate.now.plus(Duration::from_secs(15 * 60)), ..gate };
        assert_eq!(
            later.decide_on(&token).await,
            AuthorizerDecision::Allow(AuthorizerContext::Ended)
        );
        assert_eq!(later.reads(), 0);
    }

    #[tokio::test]
    async fn an_outlived_and_a_missing_session_are_marked_as_ended() {
        let ended = |change: fn(Session) -> Option<Session>| {
            let mut gate = Fixture::new();
            gate.sessions.session = gate.sessions.session.take().and_then(change);
            gate
        };
        for gate in [
            ended(|session| Some(Session { expires_at: session.created_at, ..session })),
            ended(|_| None),
        ] {
            assert_eq!(
                gate.decide_on(&gate.token()).await,
                AuthorizerDecision::Allow(AuthorizerContext::Ended)
            );
            assert_eq!(gate.reads(), 1);
        }
    }

    #[tokio::test]
    async fn a_session_of_another_account_lets_nobody_in() {
        let mut gate = Fixture::new();
        let other = AccountId::Seller(SellerId::generate(gate.now));
        gate.sessions.session =
            Some(Session::start(gate.session, other, &RefreshKey([1; 32]), gate.now).0);
        assert_eq!(
            gate.decide_on(&gate.token()).await,
            AuthorizerDecision::Allow(AuthorizerContext::Ended)
        );
    }

    #[tokio::test]
    async fn when_the_session_cant_be_read_nobody_passes() {
        let mut gate = Fixture::new();
        gate.sessions.broken = true;
        let header = format!("Bearer {}", gate.token());
        let decided =
            authorize(&gate.sessions, &gate.settings, &gate.stage, Some(&header), gate.now).await;
        assert!(matches!(decided, Err(AuthorizeError::Store(_))));
    }
}
