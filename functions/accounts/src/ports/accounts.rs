use crate::domain::{account::Account, contact::Email, credential::Credential, registration::Registration};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};

pub trait Registrar {
    /// Writes an account with all that it begins with; [`Write::Conflict`] if its email belongs to an account already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn register(&self, registration: &Registration)
    -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait CredentialReader {
    /// The credential of an email, compared without case.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn credential(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<Credential>, StoreError>> + Send;
}

pub trait CredentialWriter {
    /// Writes a credential over the one of the version before; [`Write::Conflict`] if that isn't there any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn save_credential(
        &self,
        credential: &Credential,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AccountReader {
    /// The account with this id as it is now, closed or not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn account(&self, account: AccountId)
    -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;
}

pub trait LastLogin {
    /// Keeps that an account logged in then; [`Write::Conflict`] if a later login is known already, or it is closed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn note_login(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
