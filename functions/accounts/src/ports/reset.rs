use crate::domain::{contact::Email, credential::Credential, reset::PasswordReset};
use rialto_kernel::{StoreError, Write};

pub trait ResetRequester {
    /// Has a code mailed, if the email belongs to an account. What becomes of it isn't waited for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether anything will.
    fn request(&self, email: &Email) -> impl Future<Output = Result<(), StoreError>> + Send;
}

pub trait ResetWriter {
    /// Keeps a code's hash for an email, over that of an older one; [`Write::Conflict`] if there is a newer one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it is kept.
    fn save_reset(
        &self,
        email: &Email,
        reset: &PasswordReset,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait ResetReader {
    /// The newest code of an email.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn reset(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<PasswordReset>, StoreError>> + Send;

    /// Writes a credential over the version before and takes the code away, as one; [`Write::Conflict`] if either has changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn use_reset(
        &self,
        credential: &Credential,
        reset: &PasswordReset,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait EmailSender {
    /// Sends a mail in plain text.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was sent.
    fn send(
        &self,
        to: &Email,
        subject: &str,
        text: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
