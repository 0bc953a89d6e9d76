use crate::{
    domain::{
        contact::Email,
        credential::{Credential, Password},
        refresh_token::RefreshToken,
        session::Session,
    },
    ports::{CredentialReader, KeyReader, Passwords, SessionStarter},
};
use rialto_aws::Stage;
use rialto_kernel::{AccountId, Role, SessionId, StoreError, Timestamp, Write};
use rialto_lambda::token::{Claims, KeyError, SigningKey};

/// Who wants to log in, with what, and the session that it would begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIn {
    pub email: Email,
    pub password: Password,
    pub session_id: SessionId,
}

/// A session has begun.
pub struct LoggedIn {
    pub account_id: AccountId,
    pub access_token: String,
    pub refresh_token: RefreshToken,
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// Which of the two is wrong nobody is told.
    #[error("wrong email or password")]
    Unauthenticated,
    #[error("{0} accounts have no signing key yet: run `rialto keys init`")]
    NoSigningKey(Role),
    #[error("there is no key for refresh tokens yet: run `rialto keys init`")]
    NoRefreshKey,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a session. An email that nobody has costs the same work as one with a wrong password.
///
/// # Errors
/// [`LogInError`]; there is no new session then, unless the store can't tell.
pub async fn log_in(
    store: &(impl CredentialReader + SessionStarter),
    keys: &impl KeyReader,
    passwords: &impl Passwords,
    stage: &Stage,
    request: &LogIn,
    now: Timestamp,
) -> Result<LoggedIn, LogInError> {
    let credential = check(store, passwords, request).await?;
    let account_id = credential.account_id;
    let role = account_id.role();
    let signing = keys.signing_key(role).await?.ok_or(LogInError::NoSigningKey(role))?;
    let refresh = keys.refresh_key().await?.ok_or(LogInError::NoRefreshKey)?;

    let claims = Claims::new(stage, account_id.to_string(), request.session_id, role, now);
    let access_token = SigningKey::from_pkcs8(signing.kid, &signing.pkcs8)?.sign(&claims)?;
    let (session, refresh_token) = Session::start(request.session_id, account_id, &refresh, now);
    match store.start(&session, &credential).await? {
        Write::Done => Ok(LoggedIn { account_id, access_token, refresh_token }),
        // The password was changed, or the account closed, since it was checked.
        Write::Conflict => Err(LogInError::Unauthenticated),
    }
}

/// The credential, if the password is right. Verifies exactly once, whether there is one or not.
async fn check(
    store: &impl CredentialReader,
    passwords: &impl Passwords,
    request: &LogIn,
) -> Result<Credential, LogInError> {
    let credential = store.credential(&request.email).await?;
    let hash = match &credential {
        Some(credential) => credential.password_hash.clone(),
        None => passwords.decoy(),
    };
    let right = passwords.verify(&request.password, &hash);
    credential.filter(|_| right).ok_or(LogInError::Unauthenticated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryAccounts, MemoryKeys},
        application::{prepare_keys::prepare_keys, register_user::register_user},
        domain::{
            contact::{Name, Phone},
            credential::PasswordHash,
            registration::Details,
        },
        ports::{HashError, KeyWriter, SessionReader},
    };
    use rialto_contracts::Cause;
    use rialto_kernel::{Clock, SystemClock, UserId};
    use std::sync::Mutex;

    const DECOY: &str = "decoy";

    /// Hashes nothing, and notes what was verified.
    #[derive(Default)]
    struct NotingPasswords(Mutex<Vec<String>>);

    impl Passwords for NotingPasswords {
        fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
            Ok(PasswordHash(format!("hash of {}", password.as_str())))
        }
        fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
            self.0.lock().unwrap().push(hash.0.clone());
            // The decoy's password can be guessed here: nobody may get in with it all the same.
            hash.0 == DECOY || hash.0 == format!("hash of {}", password.as_str())
        }
        fn decoy(&self) -> PasswordHash {
            PasswordHash(DECOY.to_owned())
        }
    }

    struct Shop {
        store: MemoryAccounts,
        keys: MemoryKeys,
        passwords: NotingPasswords,
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
                passwords: NotingPasswords::default(),
                stage: Stage::parse("test").unwrap(),
                user: UserId::generate(now),
                now,
            };
            prepare_keys(&shop.keys).await.unwrap();
            let details = Details {
                email: Email::parse("Ann@example.com").unwrap(),
                name: Name::parse("Ann").unwrap(),
                phone: Some(Phone::parse("+491701234567").unwrap()),
            };
            let password = Password::choose("correct horse").unwrap();
            let cause = Cause::default();
            register_user(&shop.store, &shop.passwords, shop.user, details, &password, &cause, now)
                .await
                .unwrap();
            shop
        }

        async fn log_in(&self, email: &str, password: &str) -> Result<(SessionId, LoggedIn), LogInError> {
            let request = LogIn {
                email: Email::parse(email).unwrap(),
                password: Password::attempt(password).unwrap(),
                session_id: SessionId::generate(self.now),
            };
            log_in(&self.store, &self.keys, &self.passwords, &self.stage, &request, self.now)
                .await
                .map(|logged_in| (request.session_id, logged_in))
        }

        fn verified(&self) -> Vec<String> {
            std::mem::take(&mut self.passwords.0.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn a_login_begins_a_session_and_its_tokens_belong_to_it() {
        let shop = Shop::with_a_user().await;
        let (session_id, logged_in) = shop.log_in("ANN@example.COM", "correct horse").await.unwrap();
        let account = AccountId::User(shop.user);
        assert_eq!(logged_in.account_id, account);

        let published = shop.keys.published().await.unwrap();
        let claims = published.verify(&shop.stage, &logged_in.access_token, shop.now).unwrap();
        assert_eq!((claims.sub, claims.sid), (account.to_string(), session_id));
        assert_eq!(claims.role, Role::User);

        let session = shop.store.session(account, session_id).await.unwrap().unwrap();
        assert!(session.is_active(shop.now));
        assert_eq!((session.refresh_n, session.refresh_hash), (1, logged_in.refresh_token.hash()));
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_email_cost_one_verification_each() {
        let shop = Shop::with_a_user().await;
        let wrong = shop.log_in("ann@example.com", "wrong").await.err().unwrap();
        assert!(matches!(wrong, LogInError::Unauthenticated));
        assert_eq!(shop.verified(), ["hash of correct horse"]);

        let unknown = shop.log_in("bob@example.com", "correct horse").await.err().unwrap();
        assert!(matches!(unknown, LogInError::Unauthenticated));
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
        assert!(matches!(error, LogInError::NoSigningKey(Role::User)), "{error}");
    }

    #[tokio::test]
    async fn no_secret_is_printed() {
        let shop = Shop::with_a_user().await;
        let request = LogIn {
            email: Email::parse("ann@example.com").unwrap(),
            password: Password::attempt("correct horse").unwrap(),
            session_id: SessionId::generate(shop.now),
        };
        let printed = format!("{request:?}");
        assert!(!printed.contains("ann") && !printed.contains("correct"), "{printed}");
    }
}
