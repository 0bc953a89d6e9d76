use crate::domain::{contact::Email, credential::Credential, reset::PasswordReset};
use rialto_kernel::{StoreError, Write};

pub trait ResetRequester {
    /// Starts sending a reset code, if the email belongs to an account, without waiting for the
    /// outcome.
    fn request(&self, email: &Email) -> impl Future<Output = Result<(), StoreError>> + Send;
}

pub trait ResetWriter {
    /// Stores an email's pending reset in place of an older one; [`Write::Conflict`] if there is a
    /// newer one.
    fn save_reset(
        &self,
        email: &Email,
        reset: &PasswordReset,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait ResetReader {
    /// The pending reset of an email.
    fn reset(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<PasswordReset>, StoreError>> + Send;

    /// Replaces the previous version of a credential and deletes the pending reset, in one
    /// transaction; [`Write::Conflict`] if either has changed.
    fn use_reset(
        &self,
        credential: &Credential,
        reset: &PasswordReset,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait EmailSender {
    /// Sends an email in plain text.
    fn send(
        &self,
        to: &Email,
        subject: &str,
        text: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
