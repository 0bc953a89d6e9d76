use super::{
    change_password::was_persisted,
    rate_limit::{RateLimitError, acquire, rate_limit_keys, refund},
};
use crate::{
    domain::{
        contact::Email,
        credential::{Credential, Password},
        rate_limit::{LimitedAction, RateLimitKey},
        reset::{PasswordReset, ResetCode},
    },
    ports::{CredentialReader, HashError, PasswordHasher, RateLimiter, ResetReader, SessionEnder},
};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};
use std::net::IpAddr;

/// Who has a code and wants which password, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordResetForm {
    pub email: Email,
    pub code: ResetCode,
    pub password: Password,
    pub address: Option<IpAddr>,
}

/// Why the password is what it was.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// No such code, used, or too old; which of them, and whether anybody has the email, nobody is told.
    #[error("the code is wrong, used or too old")]
    InvalidCode,
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets a password by a mailed code, once; every session of the account ends. An email that nobody has costs the same work as one
/// with a wrong code. Tells whose password it was.
///
/// # Errors
/// [`ResetPasswordError`]; the password is the old one then, unless the store can't tell.
pub async fn reset_password(
    store: &(impl CredentialReader + ResetReader + SessionEnder + RateLimiter),
    passwords: &impl PasswordHasher,
    request: &PasswordResetForm,
    now: Timestamp,
) -> Result<AccountId, ResetPasswordError> {
    let PasswordResetForm { email, code, password, address } = request;
    let mut counters = rate_limit_keys(LimitedAction::VerifyResetCode, email, *address);
    acquire(store, &counters, now).await?;
    let password_hash = passwords.hash(password)?;
    let (reset, credential) = (store.reset(email).await?, store.credential(email).await?);
    let (reset, credential) =
        admitted(reset, credential, code, now).ok_or(ResetPasswordError::InvalidCode)?;
    let account = credential.account_id;
    let changed = Credential { password_hash, version: credential.version + 1, ..credential };
    // Before, so that none survives if what follows is cut off: the code is good only once.
    store.end_all(account, None).await?;
    let written = store.use_reset(&changed, &reset).await;
    store.end_all(account, None).await?;
    match written? {
        Write::Done => {}
        Write::Conflict(()) if was_persisted(store, &changed).await? => {}
        Write::Conflict(()) => return Err(ResetPasswordError::InvalidCode),
    }
    counters.push(RateLimitKey::email(LimitedAction::VerifyPassword, email));
    refund(store, &counters).await;
    Ok(account)
}

fn admitted(
    reset: Option<PasswordReset>,
    credential: Option<Credential>,
    code: &ResetCode,
    now: Timestamp,
) -> Option<(PasswordReset, Credential)> {
    let (reset, credential) = reset.zip(credential)?;
    let of_it =
        reset.account_id == credential.account_id && reset.credential_version == credential.version;
    (of_it && reset.accepts(code, now)).then_some((reset, credential))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        application::mail_code::send_reset_code,
        domain::{refresh_token::RefreshKey, reset::RESET_CODE_LIFETIME, session::Session},
        ports::{EmailSender, SessionReader, SessionStarter},
        testing::{FakeHasher, LostAckStore, registered_buyer},
    };
    use rialto_kernel::{Clock, SessionId, SystemClock};
    use std::sync::Mutex;

    /// Keeps what is sent: whom to and what.
    #[derive(Default)]
    struct FakeMailbox(Mutex<Vec<(String, String)>>);

    impl EmailSender for FakeMailbox {
        async fn send(&self, to: &Email, _: &str, text: &str) -> Result<(), StoreError> {
            self.0.lock().unwrap().push((to.as_str().to_owned(), text.to_owned()));
            Ok(())
        }
    }

    impl FakeMailbox {
        /// The code of the last mail.
        fn code(&self) -> String {
            let (_, text) = self.0.lock().unwrap().last().cloned().unwrap();
            text.lines().find(|line| line.starts_with("    ")).unwrap().trim().to_owned()
        }
    }

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    async fn reset(
        store: &(impl CredentialReader + ResetReader + SessionEnder + RateLimiter),
        to: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<AccountId, ResetPasswordError> {
        let request = PasswordResetForm {
            email: email(to),
            code: ResetCode::parse(code).unwrap(),
            password: Password::new("a better one").unwrap(),
            address: None,
        };
        reset_password(store, &FakeHasher, &request, now).await
    }

    #[tokio::test]
    async fn a_mailed_code_sets_a_password_once_and_ends_every_session() {
        let (store, post, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store, "Ann@example.com").await;
        let id = SessionId::generate(now);
        let session = Session::start(id, credential.account_id, &RefreshKey([1; 32]), now).0;
        assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));
        send_reset_code(&store, &post, &email("ann@EXAMPLE.com"), now).await.unwrap();
        assert_eq!(post.0.lock().unwrap()[0].0, "Ann@example.com");

        let code = post.code();
        let whose = reset(&store, "ann@example.com", &code.to_lowercase(), now).await.unwrap();
        assert_eq!(whose, credential.account_id);
        let changed = store.credential(&credential.email).await.unwrap().unwrap();
        assert_eq!(changed.password_hash.0, "hash of a better one");
        assert_eq!(store.session(credential.account_id, id).await.unwrap(), None);
        let again = reset(&store, "ann@example.com", &code, now).await;
        assert!(matches!(again, Err(ResetPasswordError::InvalidCode)));
    }

    #[tokio::test]
    async fn an_old_a_replaced_and_a_wrong_code_change_nothing() {
        let (store, post, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store, "ann@example.com").await;
        send_reset_code(&store, &post, &credential.email, now).await.unwrap();
        let first = post.code();
        let later = now.plus(std::time::Duration::from_millis(1));
        send_reset_code(&store, &post, &credential.email, later).await.unwrap();
        let over = later.plus(RESET_CODE_LIFETIME);
        for (code, at) in [(first.as_str(), later), ("0000-0000", later), (&post.code(), over)] {
            let refused = reset(&store, "ann@example.com", code, at).await;
            assert!(matches!(refused, Err(ResetPasswordError::InvalidCode)), "{code}");
        }
        // Nor does one that was made for another password.
        let changed = Credential { version: credential.version + 1, ..credential.clone() };
        assert_eq!(
            crate::ports::CredentialWriter::save_credential(&store, &changed).await,
            Ok(Write::Done)
        );
        assert!(matches!(
            reset(&store, "ann@example.com", &post.code(), later).await,
            Err(ResetPasswordError::InvalidCode)
        ));
        assert_eq!(store.credential(&credential.email).await.unwrap(), Some(changed));
    }

    #[tokio::test]
    async fn nobody_gets_mail_for_an_email_that_nobody_has_and_its_codes_can_be_tried_as_often() {
        let (store, post, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        registered_buyer(&store, "ann@example.com").await;
        send_reset_code(&store, &post, &email("bob@example.com"), now).await.unwrap();
        assert!(post.0.lock().unwrap().is_empty());
        for to in ["ann@example.com", "bob@example.com"] {
            for _ in 0..10 {
                let refused = reset(&store, to, "WRONG", now).await;
                assert!(matches!(refused, Err(ResetPasswordError::InvalidCode)), "{to}");
            }
            let refused = reset(&store, to, "WRONG", now).await;
            assert!(
                matches!(
                    refused,
                    Err(ResetPasswordError::RateLimited(RateLimitError::LimitExceeded { .. }))
                ),
                "{to}"
            );
        }
    }

    #[tokio::test]
    async fn a_reset_that_collides_with_itself_has_happened_and_ends_what_began_meanwhile() {
        let (store, post, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store, "ann@example.com").await;
        send_reset_code(&store, &post, &credential.email, now).await.unwrap();
        let late = SessionId::generate(now);
        let session = Session::start(late, credential.account_id, &RefreshKey([1; 32]), now).0;
        let account = credential.account_id;
        let forgetful =
            LostAckStore { store: store.clone(), begins: Some((session, credential)).into() };
        reset(&forgetful, "ann@example.com", &post.code(), now).await.unwrap();
        assert_eq!(store.session(account, late).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_code_that_collides_with_itself_is_mailed() {
        let (store, post, now) =
            (LostAckStore::default(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store.store, "ann@example.com").await;
        send_reset_code(&store, &post, &credential.email, now).await.unwrap();
        reset(&store, "ann@example.com", &post.code(), now).await.unwrap();
    }
}
