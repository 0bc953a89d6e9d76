use super::{
    issue_tokens::{IssueTokensError, SessionTokens, access_token, refresh_key},
    rate_limit::{RateLimitError, acquire, rate_limit_keys, refund},
};
use crate::{
    domain::{
        contact::Email,
        credential::{Credential, Password},
        rate_limit::LimitedAction,
        session::Session,
    },
    ports::{CredentialReader, KeyReader, PasswordHasher, RateLimiter, SessionStarter},
};
use rialto_aws::Stage;
use rialto_contracts::EventContext;
use rialto_kernel::{SessionId, StoreError, Timestamp, Write};
use std::net::IpAddr;

/// Who wants to log in, with what, from where, and the session that it would begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginAttempt {
    pub email: Email,
    pub password: Password,
    /// Where the request comes from, as the gateway says.
    pub address: Option<IpAddr>,
    pub session_id: SessionId,
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// Which of the two is wrong nobody is told.
    #[error("wrong email or password")]
    InvalidCredentials,
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Issue(#[from] IssueTokensError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a session. An email that nobody has costs the same work as one with a wrong password, and can be tried as often.
///
/// # Errors
/// [`LogInError`]; there is no new session then, unless the store can't tell.
pub async fn log_in(
    store: &(impl CredentialReader + SessionStarter + RateLimiter),
    keys: &impl KeyReader,
    passwords: &impl PasswordHasher,
    stage: &Stage,
    request: &LoginAttempt,
    cause: &EventContext,
    now: Timestamp,
) -> Result<SessionTokens, LogInError> {
    let counters = rate_limit_keys(LimitedAction::VerifyPassword, &request.email, request.address);
    acquire(store, &counters, now).await?;
    let credential = check(store, passwords, request).await?;
    let account_id = credential.account_id;
    let access_token = access_token(keys, stage, account_id, request.session_id, now).await?;
    let (session, refresh_token) =
        Session::start(request.session_id, account_id, &refresh_key(keys).await?, now);
    match store.start(&session, &credential, &[session.logged_in_event(cause)]).await? {
        Write::Done => {}
        // The password was changed, or the account closed, since it was checked.
        Write::Conflict(()) => return Err(LogInError::InvalidCredentials),
    }
    refund(store, &counters).await;
    Ok(SessionTokens { account_id, access_token, refresh_token })
}

/// The credential, if the password is right. Verifies exactly once, whether there is one or not.
async fn check(
    store: &impl CredentialReader,
    passwords: &impl PasswordHasher,
    request: &LoginAttempt,
) -> Result<Credential, LogInError> {
    let credential = store.credential(&request.email).await?;
    let hash = match &credential {
        Some(credential) => credential.password_hash.clone(),
        None => passwords.dummy_hash(),
    };
    let right = passwords.verify(&request.password, &hash);
    credential.filter(|_| right).ok_or(LogInError::InvalidCredentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryAccounts, MemoryKeys},
        application::{init_keys::init_keys, register_user::register_user},
        domain::{credential::PasswordHash, rate_limit::RATE_LIMIT_WINDOW},
        ports::{HashError, KeyWriter, SessionReader},
        testing::{PASSWORD, details},
    };
    use rialto_kernel::{AccountId, Clock, Role, SystemClock, UserId};
    use std::sync::Mutex;

    const DECOY: &str = "decoy";

    /// Hashes nothing, and notes what was verified.
    #[derive(Default)]
    struct RecordingHasher(Mutex<Vec<String>>);

    impl PasswordHasher for RecordingHasher {
        fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
            Ok(PasswordHash(format!("hash of {}", password.as_str())))
        }
        fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
            self.0.lock().unwrap().push(hash.0.clone());
            // The decoy's password can be guessed here: nobody may get in with it all the same.
            hash.0 == DECOY || hash.0 == format!("hash of {}", password.as_str())
        }
        fn dummy_hash(&self) -> PasswordHash {
            PasswordHash(DECOY.to_owned())
        }
    }

    struct Shop {
        store: MemoryAccounts,
        keys: MemoryKeys,
        passwords: RecordingHasher,
        stage: Stage,
        user: UserId,
        now: Timestamp,
    }

    impl Shop {
        async fn with_a_user() -> Self {
            let now = SystemClock.now();
            let shop = Self {
                store: MemoryAccounts::default(),
                keys: MemoryKeys::default(),
                passwords: RecordingHasher::default(),
                stage: Stage::parse("test").unwrap(),
                user: UserId::generate(now),
                now,
            };
            init_keys(&shop.keys).await.unwrap();
            let (password, cause) = (Password::new(PASSWORD).unwrap(), EventContext::default());
            let ann = details("Ann@example.com");
            register_user(&shop.store, &shop.passwords, shop.user, ann, &password, &cause, now)
                .await
                .unwrap();
            shop
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
                address: Some(address.parse().unwrap()),
                session_id: SessionId::generate(now),
            };
            let (stage, cause) = (&self.stage, EventContext::default());
            log_in(&self.store, &self.keys, &self.passwords, stage, &request, &cause, now)
                .await
                .map(|tokens| (request.session_id, tokens))
        }

        fn verified(&self) -> Vec<String> {
            std::mem::take(&mut self.passwords.0.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn a_login_begins_a_session_and_its_tokens_belong_to_it() {
        let shop = Shop::with_a_user().await;
        let (session_id, logged_in) =
            shop.log_in("ANN@example.COM", "correct horse").await.unwrap();
        let account = AccountId::User(shop.user);
        assert_eq!(logged_in.account_id, account);

        let published = shop.keys.published().await.unwrap();
        let claims = published.verify(&shop.stage, &logged_in.access_token, shop.now).unwrap();
        assert_eq!((claims.sub, claims.sid), (account.to_string(), session_id));
        assert_eq!(claims.role, Role::User);

        let session = shop.store.session(account, session_id).await.unwrap().unwrap();
        assert!(session.is_active(shop.now));
        assert_eq!((session.generation, session.refresh_hash), (1, logged_in.refresh_token.hash()));
        let announced = shop.store.published_events();
        assert_eq!(announced.last().unwrap().kind, "UserLoggedIn");
        assert_eq!(announced.last().unwrap().data["account_id"], account.to_string());
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_email_cost_one_verification_each() {
        let shop = Shop::with_a_user().await;
        let wrong = shop.log_in("ann@example.com", "wrong").await.err().unwrap();
        assert!(matches!(wrong, LogInError::InvalidCredentials));
        assert_eq!(shop.verified(), ["hash of correct horse"]);

        let unknown = shop.log_in("bob@example.com", "correct horse").await.err().unwrap();
        assert!(matches!(unknown, LogInError::InvalidCredentials));
        assert_eq!(shop.verified(), [DECOY]);
    }

    #[tokio::test]
    async fn a_right_password_is_verified_once() {
        let shop = Shop::with_a_user().await;
        shop.log_in("ann@example.com", "correct horse").await.unwrap();
        assert_eq!(shop.verified().len(), 1);
    }

    #[tokio::test]
    async fn without_keys_nobody_is_logged_in_and_the_reason_is_ours() {
        let shop = Shop { keys: MemoryKeys::default(), ..Shop::with_a_user().await };
        let error = shop.log_in("ann@example.com", "correct horse").await.err().unwrap();
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
    async fn after_ten_wrong_passwords_an_email_waits_whether_anybody_has_it_or_not() {
        let shop = Shop::with_a_user().await;
        for email in ["ann@example.com", "nobody@example.com"] {
            for _ in 0..10 {
                let wrong = shop.log_in(email, "wrong").await.err().unwrap();
                assert!(matches!(wrong, LogInError::InvalidCredentials), "{email}: {wrong}");
            }
            shop.verified();
            let refused = until(shop.log_in(email, PASSWORD).await.err().unwrap());
            assert_eq!(refused, shop.now.plus(RATE_LIMIT_WINDOW), "{email}");
            assert!(shop.verified().is_empty(), "work is done for {email}");
        }
        let over = shop.now.plus(RATE_LIMIT_WINDOW);
        assert!(shop.log_in_from("192.0.2.1", "ann@example.com", PASSWORD, over).await.is_ok());
    }

    #[tokio::test]
    async fn a_right_password_takes_the_wrong_ones_back() {
        let shop = Shop::with_a_user().await;
        for _ in 0..3 {
            for _ in 0..9 {
                shop.log_in("ann@example.com", "wrong").await.err().unwrap();
            }
            shop.log_in("ann@example.com", PASSWORD).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_address_may_guess_a_hundred_times_whomever_it_tries_and_logins_dont_count() {
        let shop = Shop::with_a_user().await;
        for _ in 0..150 {
            shop.log_in("ann@example.com", PASSWORD).await.unwrap();
        }
        for guess in 0..100 {
            let email = format!("guess{guess}@example.com");
            let wrong = shop.log_in(&email, "wrong").await.err().unwrap();
            assert!(matches!(wrong, LogInError::InvalidCredentials), "{guess}: {wrong}");
        }
        let refused = until(shop.log_in("ann@example.com", PASSWORD).await.err().unwrap());
        assert_eq!(refused, shop.now.plus(RATE_LIMIT_WINDOW));
        assert!(shop.log_in_from("192.0.2.2", "ann@example.com", PASSWORD, shop.now).await.is_ok());
    }

    #[tokio::test]
    async fn an_address_that_may_try_no_more_uses_up_nobodys_attempts() {
        let shop = Shop::with_a_user().await;
        for guess in 0..100 {
            shop.log_in(&format!("guess{guess}@example.com"), "wrong").await.err().unwrap();
        }
        for _ in 0..20 {
            until(shop.log_in("ann@example.com", "wrong").await.err().unwrap());
        }
        assert!(shop.log_in_from("192.0.2.2", "ann@example.com", PASSWORD, shop.now).await.is_ok());
    }

    #[tokio::test]
    async fn no_secret_is_printed() {
        let shop = Shop::with_a_user().await;
        let request = LoginAttempt {
            email: Email::parse("ann@example.com").unwrap(),
            password: Password::from_login_input("correct horse").unwrap(),
            address: Some("192.0.2.1".parse().unwrap()),
            session_id: SessionId::generate(shop.now),
        };
        let printed = format!("{request:?}");
        assert!(!printed.contains("ann") && !printed.contains("correct"), "{printed}");
    }
}
