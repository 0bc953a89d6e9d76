use super::issue_tokens::{IssueTokensError, SessionTokens, access_token, refresh_keys};
use crate::{
    domain::{
        refresh_token::RefreshToken,
        session::{RefreshOutcome, Session},
    },
    ports::{KeyReader, SessionEnder, SessionReader, SessionWriter},
};
use rialto_aws::Stage;
use rialto_kernel::{
    StoreError, Timestamp, Write,
    store::{self, Attempt},
};
use std::time::Duration;

/// Errors of refreshing tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("invalid refresh token")]
    Unauthenticated,
    /// The session was ended, possibly because this token was reused, or has expired.
    #[error("the session has ended")]
    Ended,
    #[error(transparent)]
    Issue(#[from] IssueTokensError),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Issue(error.into())
    }
}

/// Issues new tokens for a refresh token. Reuse of a token ends the session, except within the
/// grace period, when the response may have been lost. So does its use by a session that is older
/// than `max_age`.
///
/// # Errors
/// [`RefreshError`]. The token stays valid unless the session has ended or the store's outcome is
/// unknown.
pub async fn refresh(
    store: &(impl SessionReader + SessionWriter + SessionEnder),
    keys: &impl KeyReader,
    stage: &Stage,
    text: &str,
    max_age: Duration,
    now: Timestamp,
) -> Result<SessionTokens, RefreshError> {
    let refresh_keys = refresh_keys(keys).await?;
    let presented =
        RefreshToken::verify(&refresh_keys, text, now).ok_or(RefreshError::Unauthenticated)?;
    let (account_id, session_id) = (presented.account_id, presented.session_id);
    store::update(|| async {
        let session = store.session(account_id, session_id).await?.ok_or(RefreshError::Ended)?;
        let session = session.limited_to(max_age);
        let tokens = async |session: &Session, refresh_token| -> Result<_, RefreshError> {
            let access_token = access_token(keys, stage, account_id, session_id, now).await?;
            let expires_at = session.expires_at;
            Ok(SessionTokens { account_id, session_id, access_token, refresh_token, expires_at })
        };
        match session.refresh(&presented.token, presented.generation, &refresh_keys, now) {
            RefreshOutcome::Rotated(next, token) => {
                let next = next.limited_to(max_age);
                // Before the write, so that the presented token stays valid without a signing key.
                let tokens = tokens(&next, token).await?;
                // After a conflict, the session that was refreshed concurrently leads to a grace
                // replay or to its end.
                Ok(store.save(&next).await?.into_attempt(tokens))
            }
            RefreshOutcome::GraceReplay(token) => Ok(Attempt::Done(tokens(&session, token).await?)),
            RefreshOutcome::ReuseDetected => {
                tracing::warn!(
                    account = %account_id, session = %session_id,
                    "refresh token reuse detected; session revoked"
                );
                end(store, &session).await
            }
            RefreshOutcome::Expired => end(store, &session).await,
            RefreshOutcome::Unknown => Err(RefreshError::Unauthenticated),
        }
    })
    .await
}

/// Ends the session and returns that it has ended.
async fn end<T>(store: &impl SessionEnder, session: &Session) -> Result<T, RefreshError> {
    match store.end(session.account_id, session.session_id).await? {
        Write::Done | Write::Conflict(()) => Err(RefreshError::Ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryAccounts, MemoryKeys},
        application::init_keys::init_keys,
        domain::{
            refresh_token::{RefreshKey, RefreshKeys},
            session::GRACE_PERIOD,
            signing_key::SigningSecret,
        },
        ports::SessionStarter,
        testing,
    };
    use rialto_kernel::{AccountId, Clock, Role, SessionId, SystemClock};
    use rialto_lambda::token::Claims;

    const MAX_AGE: Duration = Duration::from_secs(90 * 24 * 3600);

    struct DeviceFixture {
        store: MemoryAccounts,
        keys: MemoryKeys,
        stage: Stage,
        session: Session,
        first: RefreshToken,
        now: Timestamp,
    }

    impl DeviceFixture {
        async fn new() -> Self {
            let now = SystemClock.now();
            let (store, keys) = (MemoryAccounts::default(), MemoryKeys::default());
            init_keys(&keys).await.unwrap();
            let credential = testing::registered_buyer(&store, "ann@example.com").await;
            let key = keys.refresh_keys().await.unwrap().unwrap().current;
            let id = SessionId::generate(now);
            let (session, first) = Session::start(id, credential.account_id, &key, now);
            assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));
            Self { store, keys, stage: Stage::parse("test").unwrap(), session, first, now }
        }

        async fn refresh_at(
            &self,
            token: &RefreshToken,
            now: Timestamp,
        ) -> Result<SessionTokens, RefreshError> {
            refresh(&self.store, &self.keys, &self.stage, token.as_str(), MAX_AGE, now).await
        }

        async fn refresh(&self, token: &RefreshToken) -> Result<SessionTokens, RefreshError> {
            self.refresh_at(token, self.now).await
        }

        async fn stored(&self) -> Option<Session> {
            self.store.session(self.session.account_id, self.session.session_id).await.unwrap()
        }

        fn claims(&self, tokens: &SessionTokens, keys: &rialto_lambda::token::Jwks) -> Claims {
            keys.verify(&self.stage, &tokens.access_token, self.now).unwrap()
        }
    }

    #[tokio::test]
    async fn a_refresh_issues_both_tokens_of_the_session() {
        let device = DeviceFixture::new().await;
        let tokens = device.refresh(&device.first).await.unwrap();
        let published = crate::ports::KeyWriter::published(&device.keys).await.unwrap();
        let claims = device.claims(&tokens, &published);
        assert_eq!(claims.sid, device.session.session_id);
        assert_eq!(tokens.session_id, device.session.session_id);
        assert_eq!(claims.sub, device.session.account_id.to_string());
        assert_eq!(device.stored().await.unwrap().refresh_hash, tokens.refresh_token.hash());
        assert!(device.refresh(&tokens.refresh_token).await.is_ok());
    }

    #[tokio::test]
    async fn a_client_that_lost_the_response_gets_the_same_token() {
        let device = DeviceFixture::new().await;
        let lost = device.refresh(&device.first).await.unwrap();
        let before = device.stored().await;
        let again = device.refresh(&device.first).await.unwrap();
        assert_eq!(again.refresh_token, lost.refresh_token);
        assert_eq!(device.stored().await, before);
        assert!(device.refresh(&again.refresh_token).await.is_ok());
    }

    #[tokio::test]
    async fn reuse_of_a_token_ends_the_session() {
        let device = DeviceFixture::new().await;
        let tokens = device.refresh(&device.first).await.unwrap();
        let late = device.now.plus(GRACE_PERIOD);
        assert!(matches!(device.refresh_at(&device.first, late).await, Err(RefreshError::Ended)));
        assert_eq!(device.stored().await, None);
        let newest = device.refresh_at(&tokens.refresh_token, late).await;
        assert!(matches!(newest, Err(RefreshError::Ended)));
    }

    #[tokio::test]
    async fn a_forged_token_is_rejected_and_ends_no_session() {
        let device = DeviceFixture::new().await;
        let tokens = device.refresh(&device.first).await.unwrap();
        let (account, session) = (device.session.account_id, device.session.session_id);
        for n in [1, 2, 3] {
            let forged = RefreshToken::issue(&RefreshKey([9; 32]), account, session, n);
            let refused =
                device.refresh_at(&forged, device.now.plus(Duration::from_secs(60))).await;
            assert!(matches!(refused, Err(RefreshError::Unauthenticated)), "{n}");
        }
        assert!(device.refresh(&tokens.refresh_token).await.is_ok());
    }

    #[tokio::test]
    async fn without_a_signing_key_the_refresh_token_stays_good() {
        let device = DeviceFixture::new().await;
        let without = MemoryKeys::default();
        let key = device.keys.refresh_keys().await.unwrap().unwrap().current;
        assert_eq!(crate::ports::KeyWriter::add_refresh_key(&without, &key).await, Ok(Write::Done));
        let text = device.first.as_str();
        let refused =
            refresh(&device.store, &without, &device.stage, text, MAX_AGE, device.now).await;
        assert!(matches!(refused, Err(RefreshError::Issue(IssueTokensError::NoSigningKey(_)))));
        assert_eq!(device.stored().await, Some(device.session.clone()));
    }

    /// Keys of refresh tokens without any that signs.
    struct UnreadSigningKeys(MemoryKeys);

    impl KeyReader for UnreadSigningKeys {
        async fn signing_key(&self, role: Role) -> Result<Option<SigningSecret>, StoreError> {
            panic!("the key of {role} tokens was read")
        }
        async fn refresh_keys(&self) -> Result<Option<RefreshKeys>, StoreError> {
            self.0.refresh_keys().await
        }
    }

    #[tokio::test]
    async fn nothing_is_signed_for_a_session_that_is_not_found() {
        let device = DeviceFixture::new().await;
        let (account, session) = (device.session.account_id, device.session.session_id);
        assert_eq!(device.store.end(account, session).await, Ok(Write::Done));
        let (keys, text) = (UnreadSigningKeys(device.keys.clone()), device.first.as_str());
        let refused = refresh(&device.store, &keys, &device.stage, text, MAX_AGE, device.now).await;
        assert!(matches!(refused, Err(RefreshError::Ended)));
    }

    #[tokio::test]
    async fn a_session_ends_at_its_maximum_age() {
        let device = DeviceFixture::new().await;
        let (mut token, mut now) = (device.first.clone(), device.now);
        let end = device.session.created_at.plus(MAX_AGE);
        while now < end {
            let tokens = device.refresh_at(&token, now).await.unwrap();
            assert!(tokens.expires_at <= end);
            (token, now) = (tokens.refresh_token, now.plus(Duration::from_secs(10 * 24 * 3600)));
        }
        assert_eq!(device.stored().await.unwrap().expires_at, end);
        assert!(matches!(device.refresh_at(&token, end).await, Err(RefreshError::Ended)));
        assert_eq!(device.stored().await, None);
    }

    /// A store in which another client refreshes the session between this one's read and write.
    struct RacedSession<'a>(&'a DeviceFixture, std::sync::atomic::AtomicBool);

    impl SessionReader for RacedSession<'_> {
        async fn session(
            &self,
            account: AccountId,
            id: SessionId,
        ) -> Result<Option<Session>, StoreError> {
            let session_read = self.0.store.session(account, id).await;
            if !self.1.swap(true, std::sync::atomic::Ordering::Relaxed) {
                self.0.refresh(&self.0.first).await.unwrap();
            }
            session_read
        }
    }

    impl SessionWriter for RacedSession<'_> {
        async fn save(&self, session: &Session) -> Result<Write, StoreError> {
            self.0.store.save(session).await
        }
    }

    impl SessionEnder for RacedSession<'_> {
        async fn end_oldest(&self, account: AccountId, keep: u32) -> Result<usize, StoreError> {
            self.0.store.end_oldest(account, keep).await
        }
        async fn end(&self, account: AccountId, session: SessionId) -> Result<Write, StoreError> {
            self.0.store.end(account, session).await
        }
        async fn end_all(
            &self,
            account: AccountId,
            except: Option<SessionId>,
        ) -> Result<usize, StoreError> {
            self.0.store.end_all(account, except).await
        }
    }

    #[tokio::test]
    async fn concurrent_refreshes_get_the_same_token() {
        let device = DeviceFixture::new().await;
        let second = RacedSession(&device, std::sync::atomic::AtomicBool::new(false));
        let text = device.first.as_str();
        let tokens =
            refresh(&second, &device.keys, &device.stage, text, MAX_AGE, device.now).await.unwrap();
        let stored = device.stored().await.unwrap();
        assert_eq!((stored.generation, stored.refresh_hash), (2, tokens.refresh_token.hash()));
    }
}
