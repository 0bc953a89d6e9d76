use super::{
    issue_tokens::{IssueTokensError, SessionTokens, access_token, refresh_keys},
    rate_limit::{RateLimitError, acquire, rate_limit_keys, refund},
};
use crate::{
    domain::{
        contact::Email,
        credential::{Credential, Password},
        rate_limit::LimitedAction,
        session::{MAX_SESSIONS, Session},
    },
    ports::{
        CredentialReader, KeyReader, PasswordHasher, RateLimiter, SessionEnder, SessionStarter,
    },
};
use futures_util::future::join;
use rialto_aws::Stage;
use rialto_contracts::EventContext;
use rialto_kernel::{AccountId, SessionId, StoreError, Timestamp, Write};
use std::{net::IpAddr, time::Duration};

/// A request to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginAttempt {
    pub email: Email,
    pub password: Password,
    /// The client's address, from the gateway.
    pub ip_address: Option<IpAddr>,
    /// The id of the session that a success starts.
    pub session_id: SessionId,
    /// The age at which that session ends, however often it is refreshed.
    pub session_max_age: Duration,
}

/// Errors of logging in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// Deliberately doesn't say which of the two is wrong.
    #[error("wrong email or password")]
    InvalidCredentials,
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Issue(#[from] IssueTokensError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts a session, and ends the account's oldest if it has too many. An unknown email takes the
/// same time as a wrong password and has the same rate limit.
///
/// # Errors
/// [`LogInError`]. No session was started, unless the store's outcome is unknown.
pub async fn log_in(
    store: &(impl CredentialReader + SessionStarter + SessionEnder + RateLimiter),
    keys: &impl KeyReader,
    hasher: &impl PasswordHasher,
    stage: &Stage,
    request: &LoginAttempt,
    context: &EventContext,
    now: Timestamp,
) -> Result<SessionTokens, LogInError> {
    let limits = rate_limit_keys(LimitedAction::VerifyPassword, &request.email, request.ip_address);
    acquire(store, &limits, now).await?;
    let credential = verify(store, hasher, request).await?;
    let (account_id, session_id) = (credential.account_id, request.session_id);
    let access_token = access_token(keys, stage, account_id, session_id, now).await?;
    let refresh_key = refresh_keys(keys).await?.current;
    let (session, refresh_token) = Session::start(session_id, account_id, &refresh_key, now);
    let session = session.limited_to(request.session_max_age);
    match store.start(&session, &credential, &[session.logged_in_event(context)]).await? {
        Write::Done => {}
        // The password was changed, or the account closed, since it was verified.
        Write::Conflict(()) => return Err(LogInError::InvalidCredentials),
    }
    join(end_oldest(store, account_id), refund(store, &limits)).await;
    let expires_at = session.expires_at;
    Ok(SessionTokens { account_id, session_id, access_token, refresh_token, expires_at })
}

/// Ends the sessions beyond the limit, after the new one was written: of concurrent logins the last
/// one sees all of their sessions. A failure is only logged, because the next login repeats it.
async fn end_oldest(store: &impl SessionEnder, account: AccountId) {
    match store.end_oldest(account, MAX_SESSIONS).await {
        Ok(0) => {}
        Ok(ended) => tracing::info!(%account, ended, "oldest sessions ended"),
        Err(error) => tracing::warn!(%account, %error, "couldn't end the oldest sessions"),
    }
}

/// Returns the credential if the password is right. Verifies exactly one hash, whether or not there
/// is a credential.
async fn verify(
    store: &impl CredentialReader,
    hasher: &impl PasswordHasher,
    request: &LoginAttempt,
) -> Result<Credential, LogInError> {
    let credential = store.credential(&request.email).await?;
    let hash = match &credential {
        Some(credential) => credential.password_hash.clone(),
        None => hasher.dummy_hash(),
    };
    let correct = hasher.verify(&request.password, &hash);
    credential.filter(|_| correct).ok_or(LogInError::InvalidCredentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryAccounts, MemoryKeys},
        application::{init_keys::init_keys, register_account::register_account},
        domain::{credential::PasswordHash, rate_limit::RATE_LIMIT_WINDOW},
        ports::{HashError, KeyWriter, SessionReader},
        testing::{PASSWORD, details},
    };
    use rialto_kernel::{Clock, Role, SystemClock, UserId};
    use std::sync::Mutex;

    const DUMMY_HASH: &str = "dummy";
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// A fake hasher that records the hashes that were verified.
    #[derive(Default)]
    struct RecordingHasher(Mutex<Vec<String>>);

    impl PasswordHasher for RecordingHasher {
        fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
            Ok(PasswordHash(format!("hash of {}", password.as_str())))
        }
        fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
            self.0.lock().unwrap().push(hash.0.clone());
            // Every password matches the dummy hash, which must not let anybody in.
            hash.0 == DUMMY_HASH || hash.0 == format!("hash of {}", password.as_str())
        }
        fn dummy_hash(&self) -> PasswordHash {
            PasswordHash(DUMMY_HASH.to_owned())
        }
    }

    struct LoginFixture {
        store: MemoryAccounts,
        keys: MemoryKeys,
        hasher: RecordingHasher,
        stage: Stage,
        user: UserId,
        now: Timestamp,
    }

    impl LoginFixture {
        async fn with_a_user() -> Self {
            let now = SystemClock.now();
            let fixture = Self {
                store: MemoryAccounts::default(),
                keys: MemoryKeys::default(),
                hasher: RecordingHasher::default(),
                stage: Stage::parse("test").unwrap(),
                user: UserId::generate(now),
                now,
            };
            init_keys(&fixture.keys).await.unwrap();
            let (password, context) = (Password::new(PASSWORD).unwrap(), EventContext::default());
            let (id, ann) = (AccountId::User(fixture.user), details("Ann@example.com"));
            let (store, hasher) = (&fixture.store, &fixture.hasher);
            register_account(store, hasher, id, ann, &password, &context, now).await.unwrap();
            fixture
        }

        async fn log_in(
            &self,
            email: &str,
            password: &str,
        ) -> Result<(SessionId, SessionTokens), LogInError> {
            self.log_in_from("192.0.2.1", email, password, self.now).await
        }

        async fn log_in_from(
            &self,
            address: &str,
            email: &str,
            password: &str,
            now: Timestamp,
        ) -> Result<(SessionId, SessionTokens), LogInError> {
            let request = LoginAttempt {
                email: Email::parse(email).unwrap(),
                password: Password::from_login_input(password).unwrap(),
                ip_address: Some(address.parse().unwrap()),
                session_id: SessionId::generate(now),
                session_max_age: 90 * DAY,
            };
            let (stage, context) = (&self.stage, EventContext::default());
            log_in(&self.store, &self.keys, &self.hasher, stage, &request, &context, now)
                .await
                .map(|tokens| (request.session_id, tokens))
        }

        /// Fails with as many emails, from one address.
        async fn fail_a_hundred_logins(&self) {
            for guess in 0..100 {
                let email = format!("guess{guess}@example.com");
                let wrong = self.log_in(&email, "wrong").await.err().unwrap();
                assert!(matches!(wrong, LogInError::InvalidCredentials), "{guess}: {wrong}");
            }
        }

        async fn log_in_from_another_address(
            &self,
        ) -> Result<(SessionId, SessionTokens), LogInError> {
            self.log_in_from("192.0.2.2", "ann@example.com", PASSWORD, self.now).await
        }

        fn take_verified(&self) -> Vec<String> {
            std::mem::take(&mut self.hasher.0.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn a_login_starts_a_session_and_issues_its_tokens() {
        let fixture = LoginFixture::with_a_user().await;
        let (session_id, logged_in) =
            fixture.log_in("ANN@example.COM", "correct horse").await.unwrap();
        let account = AccountId::User(fixture.user);
        assert_eq!(logged_in.account_id, account);

        let published = fixture.keys.published().await.unwrap();
        let claims =
            published.verify(&fixture.stage, &logged_in.access_token, fixture.now).unwrap();
        assert_eq!((claims.sub, claims.sid), (account.to_string(), session_id));
        assert_eq!(claims.role, Role::User);

        let session = fixture.store.session(account, session_id).await.unwrap().unwrap();
        assert!(session.is_active(fixture.now));
        assert_eq!((session.generation, session.refresh_hash), (1, logged_in.refresh_token.hash()));
        let events = fixture.store.published_events();
        assert_eq!(events.last().unwrap().kind, "UserLoggedIn");
        assert_eq!(events.last().unwrap().data["account_id"], account.to_string());
    }

    #[tokio::test]
    async fn the_oldest_session_ends_when_there_are_a_hundred() {
        let fixture = LoginFixture::with_a_user().await;
        let account = AccountId::User(fixture.user);
        let mut started = Vec::new();
        for at in 0..u64::from(MAX_SESSIONS) + 2 {
            let now = fixture.now.plus(Duration::from_secs(at));
            let (address, email) = ("192.0.2.1", "ann@example.com");
            started.push(fixture.log_in_from(address, email, PASSWORD, now).await.unwrap().0);
        }
        for (at, session) in started.into_iter().enumerate() {
            let active = fixture.store.session(account, session).await.unwrap().is_some();
            assert_eq!(active, at >= 2, "{at}");
        }
    }

    #[tokio::test]
    async fn failed_logins_verify_one_hash() {
        let fixture = LoginFixture::with_a_user().await;
        let wrong = fixture.log_in("ann@example.com", "wrong").await.err().unwrap();
        assert!(matches!(wrong, LogInError::InvalidCredentials));
        assert_eq!(fixture.take_verified(), ["hash of correct horse"]);

        let unknown = fixture.log_in("bob@example.com", "correct horse").await.err().unwrap();
        assert!(matches!(unknown, LogInError::InvalidCredentials));
        assert_eq!(fixture.take_verified(), [DUMMY_HASH]);
    }

    #[tokio::test]
    async fn a_successful_login_verifies_one_hash() {
        let fixture = LoginFixture::with_a_user().await;
        fixture.log_in("ann@example.com", "correct horse").await.unwrap();
        assert_eq!(fixture.take_verified().len(), 1);
    }

    #[tokio::test]
    async fn a_login_fails_without_signing_keys() {
        let fixture =
            LoginFixture { keys: MemoryKeys::default(), ..LoginFixture::with_a_user().await };
        let error = fixture.log_in("ann@example.com", "correct horse").await.err().unwrap();
        assert!(
            matches!(error, LogInError::Issue(IssueTokensError::NoSigningKey(Role::User))),
            "{error}"
        );
    }

    fn until(error: LogInError) -> Timestamp {
        match error {
            LogInError::RateLimited(RateLimitError::LimitExceeded { until }) => until,
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn ten_wrong_passwords_block_known_and_unknown_emails() {
        let fixture = LoginFixture::with_a_user().await;
        for email in ["ann@example.com", "nobody@example.com"] {
            for _ in 0..10 {
                let wrong = fixture.log_in(email, "wrong").await.err().unwrap();
                assert!(matches!(wrong, LogInError::InvalidCredentials), "{email}: {wrong}");
            }
            fixture.take_verified();
            let refused = until(fixture.log_in(email, PASSWORD).await.err().unwrap());
            assert_eq!(refused, fixture.now.plus(RATE_LIMIT_WINDOW), "{email}");
            assert!(fixture.take_verified().is_empty(), "a hash was verified for {email}");
        }
        let over = fixture.now.plus(RATE_LIMIT_WINDOW);
        assert!(fixture.log_in_from("192.0.2.1", "ann@example.com", PASSWORD, over).await.is_ok());
    }

    #[tokio::test]
    async fn a_successful_login_resets_the_email_limit() {
        let fixture = LoginFixture::with_a_user().await;
        for _ in 0..3 {
            for _ in 0..9 {
                fixture.log_in("ann@example.com", "wrong").await.err().unwrap();
            }
            fixture.log_in("ann@example.com", PASSWORD).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_address_is_blocked_after_a_hundred_failed_logins() {
        let fixture = LoginFixture::with_a_user().await;
        for _ in 0..150 {
            fixture.log_in("ann@example.com", PASSWORD).await.unwrap();
        }
        fixture.fail_a_hundred_logins().await;
        let refused = until(fixture.log_in("ann@example.com", PASSWORD).await.err().unwrap());
        assert_eq!(refused, fixture.now.plus(RATE_LIMIT_WINDOW));
        fixture.log_in_from_another_address().await.unwrap();
    }

    #[tokio::test]
    async fn a_blocked_address_uses_up_no_email_limit() {
        let fixture = LoginFixture::with_a_user().await;
        fixture.fail_a_hundred_logins().await;
        for _ in 0..20 {
            until(fixture.log_in("ann@example.com", "wrong").await.err().unwrap());
        }
        fixture.log_in_from_another_address().await.unwrap();
    }

    #[tokio::test]
    async fn debug_output_has_no_secrets() {
        let fixture = LoginFixture::with_a_user().await;
        let request = LoginAttempt {
            email: Email::parse("ann@example.com").unwrap(),
            password: Password::from_login_input("correct horse").unwrap(),
            ip_address: Some("192.0.2.1".parse().unwrap()),
            session_id: SessionId::generate(fixture.now),
            session_max_age: 90 * DAY,
        };
        let printed = format!("{request:?}");
        assert!(!printed.contains("ann") && !printed.contains("correct"), "{printed}");
    }
}
