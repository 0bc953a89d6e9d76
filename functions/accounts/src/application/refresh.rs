use super::issue_tokens::{IssueTokensError, SessionTokens, access_token, refresh_key};
use crate::{
    domain::{
        refresh_token::{RefreshKey, RefreshToken, VerifiedRefreshToken},
        session::RefreshOutcome,
    },
    ports::{KeyReader, SessionEnder, SessionReader, SessionWriter},
};
use rialto_aws::Stage;
use rialto_kernel::{
    StoreError, Timestamp, Write,
    store::{self, Attempt},
};

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
/// grace period, when the response may have been lost.
///
/// # Errors
/// [`RefreshError`]. The token stays valid unless the session has ended or the store's outcome is
/// unknown.
pub async fn refresh(
    store: &(impl SessionReader + SessionWriter + SessionEnder),
    keys: &impl KeyReader,
    stage: &Stage,
    text: &str,
    now: Timestamp,
) -> Result<SessionTokens, RefreshError> {
    let key = refresh_key(keys).await?;
    let presented = RefreshToken::verify(&key, text).ok_or(RefreshError::Unauthenticated)?;
    let (account_id, session_id) = (presented.account_id, presented.session_id);
    // Before any write, so that the refresh token stays valid if there is no signing key.
    let access_token = access_token(keys, stage, account_id, session_id, now).await?;
    let refresh_token = rotate(store, &key, &presented, now).await?;
    Ok(SessionTokens { account_id, access_token, refresh_token })
}

async fn rotate(
    store: &(impl SessionReader + SessionWriter + SessionEnder),
    key: &RefreshKey,
    presented: &VerifiedRefreshToken,
    now: Timestamp,
) -> Result<RefreshToken, RefreshError> {
    let (account, session_id) = (presented.account_id, presented.session_id);
    store::update(|| async {
        let session = store.session(account, session_id).await?.ok_or(RefreshError::Ended)?;
        match session.refresh(&presented.token, presented.generation, key, now) {
            // After a conflict, the session that was refreshed concurrently leads to a grace replay
            // or to its end.
            RefreshOutcome::Rotated(session, token) => {
                Ok(store.save(&session).await?.into_attempt(token))
            }
            RefreshOutcome::GraceReplay(token) => Ok(Attempt::Done(token)),
            RefreshOutcome::ReuseDetected => {
                tracing::warn!(
                    %account, session = %session_id,
                    "refresh token reuse detected; session revoked"
                );
                match store.end(account, session_id).await? {
                    Write::Done | Write::Conflict(()) => Err(RefreshError::Ended),
                }
            }
            RefreshOutcome::Expired => Err(RefreshError::Ended),
            RefreshOutcome::Unknown => Err(RefreshError::Unauthenticated),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryAccounts, MemoryKeys},
        application::init_keys::init_keys,
        domain::session::{GRACE_PERIOD, Session},
        ports::SessionStarter,
        testing,
    };
    use rialto_kernel::{AccountId, Clock, SessionId, SystemClock};
    use rialto_lambda::token::Claims;
    use std::time::Duration;

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
            let key = keys.refresh_key().await.unwrap().unwrap();
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
            refresh(&self.store, &self.keys, &self.stage, token.as_str(), now).await
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
        let key = device.keys.refresh_key().await.unwrap().unwrap();
        assert_eq!(crate::ports::KeyWriter::add_refresh_key(&without, &key).await, Ok(Write::Done));
        let text = device.first.as_str();
        let refused = refresh(&device.store, &without, &device.stage, text, device.now).await;
        assert!(matches!(refused, Err(RefreshError::Issue(IssueTokensError::NoSigningKey(_)))));
        assert_eq!(device.stored().await, Some(device.session.clone()));
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
        let tokens = refresh(&second, &device.keys, &device.stage, text, device.now).await.unwrap();
        let stored = device.stored().await.unwrap();
        assert_eq!((stored.generation, stored.refresh_hash), (2, tokens.refresh_token.hash()));
    }
}
