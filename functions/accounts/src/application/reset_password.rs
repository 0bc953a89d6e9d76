use super::{
    rate_limit::{RateLimitError, acquire, rate_limit_keys, refund},
    replace_credential::replace_credential,
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

/// A request to reset a password with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordResetForm {
    pub email: Email,
    pub code: ResetCode,
    pub password: Password,
    /// The client's address, from the gateway.
    pub ip_address: Option<IpAddr>,
}

/// Errors of resetting a password.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// Deliberately doesn't say why, nor whether the email belongs to an account.
    #[error("the code is wrong, used or expired")]
    InvalidCode,
    #[error(transparent)]
    RateLimited(#[from] RateLimitError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets a new password with a reset code, which is valid once, ends every session of the account
/// and returns its id. An unknown email takes the same time as a wrong code.
///
/// # Errors
/// [`ResetPasswordError`]. The password is unchanged, unless the store's outcome is unknown.
pub async fn reset_password(
    store: &(impl CredentialReader + ResetReader + SessionEnder + RateLimiter),
    hasher: &impl PasswordHasher,
    request: &PasswordResetForm,
    now: Timestamp,
) -> Result<AccountId, ResetPasswordError> {
    let PasswordResetForm { email, code, password, ip_address } = request;
    let mut limits = rate_limit_keys(LimitedAction::VerifyResetCode, email, *ip_address);
    acquire(store, &limits, now).await?;
    let password_hash = hasher.hash(password)?;
    let (reset, credential) = (store.reset(email).await?, store.credential(email).await?);
    let (reset, credential) =
        accepted(reset, credential, code, now).ok_or(ResetPasswordError::InvalidCode)?;
    let account = credential.account_id;
    let changed = Credential { password_hash, version: credential.version + 1, ..credential };
    match replace_credential(store, &changed, None, || store.use_reset(&changed, &reset)).await? {
        Write::Done => {}
        Write::Conflict(()) => return Err(ResetPasswordError::InvalidCode),
    }
    limits.push(RateLimitKey::email(LimitedAction::VerifyPassword, email));
    refund(store, &limits).await;
    Ok(account)
}

/// The reset and the credential, if the code is valid for that credential.
fn accepted(
    reset: Option<PasswordReset>,
    credential: Option<Credential>,
    code: &ResetCode,
    now: Timestamp,
) -> Option<(PasswordReset, Credential)> {
    let (reset, credential) = reset.zip(credential)?;
    let matches =
        reset.account_id == credential.account_id && reset.credential_version == credential.version;
    (matches && reset.accepts(code, now)).then_some((reset, credential))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        application::mail_code::send_reset_code,
        domain::{refresh_token::RefreshKey, reset::RESET_CODE_LIFETIME, session::Session},
        ports::{EmailSender, SessionReader, SessionStarter},
        testing::{FakeHasher, FaultyStore, registered_buyer},
    };
    use rialto_kernel::{Clock, SessionId, SystemClock};
    use std::sync::Mutex;

    /// Records the recipients and texts of emails.
    #[derive(Default)]
    struct FakeMailbox(Mutex<Vec<(String, String)>>);

    impl EmailSender for FakeMailbox {
        async fn send(&self, to: &Email, _: &str, text: &str) -> Result<(), StoreError> {
            self.0.lock().unwrap().push((to.as_str().to_owned(), text.to_owned()));
            Ok(())
        }
    }

    impl FakeMailbox {
        /// The code in the last email.
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
            ip_address: None,
        };
        reset_password(store, &FakeHasher, &request, now).await
    }

    #[tokio::test]
    async fn a_code_resets_the_password_once_and_ends_all_sessions() {
        let (store, mailbox, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store, "Ann@example.com").await;
        let id = SessionId::generate(now);
        let session = Session::start(id, credential.account_id, &RefreshKey([1; 32]), now).0;
        assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));
        send_reset_code(&store, &mailbox, &email("ann@EXAMPLE.com"), now).await.unwrap();
        assert_eq!(mailbox.0.lock().unwrap()[0].0, "Ann@example.com");

        let code = mailbox.code();
        let account = reset(&store, "ann@example.com", &code.to_lowercase(), now).await.unwrap();
        assert_eq!(account, credential.account_id);
        let changed = store.credential(&credential.email).await.unwrap().unwrap();
        assert_eq!(changed.password_hash.0, "hash of a better one");
        assert_eq!(store.session(credential.account_id, id).await.unwrap(), None);
        let again = reset(&store, "ann@example.com", &code, now).await;
        assert!(matches!(again, Err(ResetPasswordError::InvalidCode)));
    }

    #[tokio::test]
    async fn expired_replaced_and_wrong_codes_are_rejected() {
        let (store, mailbox, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store, "ann@example.com").await;
        send_reset_code(&store, &mailbox, &credential.email, now).await.unwrap();
        let first = mailbox.code();
        let later = now.plus(std::time::Duration::from_millis(1));
        send_reset_code(&store, &mailbox, &credential.email, later).await.unwrap();
        let over = later.plus(RESET_CODE_LIFETIME);
        for (code, at) in [(first.as_str(), later), ("0000-0000", later), (&mailbox.code(), over)] {
            let refused = reset(&store, "ann@example.com", code, at).await;
            assert!(matches!(refused, Err(ResetPasswordError::InvalidCode)), "{code}");
        }
        // A code for a password that has changed since.
        let changed = Credential { version: credential.version + 1, ..credential.clone() };
        assert_eq!(
            crate::ports::CredentialWriter::save_credential(&store, &changed).await,
            Ok(Write::Done)
        );
        assert!(matches!(
            reset(&store, "ann@example.com", &mailbox.code(), later).await,
            Err(ResetPasswordError::InvalidCode)
        ));
        assert_eq!(store.credential(&credential.email).await.unwrap(), Some(changed));
    }

    #[tokio::test]
    async fn unknown_emails_get_no_mail_but_the_same_rate_limit() {
        let (store, mailbox, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        registered_buyer(&store, "ann@example.com").await;
        send_reset_code(&store, &mailbox, &email("bob@example.com"), now).await.unwrap();
        assert!(mailbox.0.lock().unwrap().is_empty());
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
    async fn a_reset_with_a_lost_response_ends_concurrent_logins() {
        let (store, mailbox, now) =
            (MemoryAccounts::default(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store, "ann@example.com").await;
        send_reset_code(&store, &mailbox, &credential.email, now).await.unwrap();
        let concurrent = SessionId::generate(now);
        let session =
            Session::start(concurrent, credential.account_id, &RefreshKey([1; 32]), now).0;
        let account = credential.account_id;
        let lost_ack = FaultyStore::with_concurrent_login(&store, session, credential);
        reset(&lost_ack, "ann@example.com", &mailbox.code(), now).await.unwrap();
        assert_eq!(store.session(account, concurrent).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_code_whose_write_lost_its_response_is_sent() {
        let (store, mailbox, now) =
            (FaultyStore::with_lost_acks(), FakeMailbox::default(), SystemClock.now());
        let credential = registered_buyer(&store.store, "ann@example.com").await;
        send_reset_code(&store, &mailbox, &credential.email, now).await.unwrap();
        reset(&store, "ann@example.com", &mailbox.code(), now).await.unwrap();
    }
}
