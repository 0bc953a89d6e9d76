use crate::domain::{
    account::Account, address_book::AddressBook, contact::Email, credential::Credential,
    profile::Profile, registration::Registration,
};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, Role, StoreError, Timestamp, UserId, Write};

pub trait AccountRegistrar {
    /// Writes an account with all that it begins with; [`Write::Conflict`] if its email belongs to another account already.
    /// The same registration a second time changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn register(
        &self,
        registration: &Registration,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
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
    fn account(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;
}

pub trait LastLoginWriter {
    /// Keeps that an account logged in then; [`Write::Conflict`] if a later login is known already, or it is closed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn record_login(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AccountWriter {
    /// Writes everything of an account but its last login over the version before; [`Write::Conflict`] if that isn't there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn save_account(
        &self,
        account: &Account,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AccountLister {
    /// Up to `limit` accounts of a role, newest first, behind the one whose [place](Account::place) is `position`; and whether
    /// there are more. Lags behind what was written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn accounts(
        &self,
        role: Role,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<(Vec<Account>, bool), StoreError>> + Send;
}

pub trait AccountCloser {
    /// Writes a closed account over the version before, takes its credential away and announces it, as one;
    /// [`Write::Conflict`] if either has changed. From `ask_at` on it is [due](ErasureQueue::due).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn close(
        &self,
        account: &Account,
        credential: &Credential,
        events: &[Event],
        ask_at: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Takes away what everybody may know of a buyer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it is gone.
    fn remove_profile(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

pub trait ErasureQueue {
    /// Closed accounts that tell of persons still, to be asked about by `now`; the longest waiting first, `at_most` so many.
    /// Lags behind what was written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn due(
        &self,
        now: Timestamp,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<AccountId>, StoreError>> + Send;

    /// Not before `until`; [`Write::Conflict`] if the account has changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn reschedule(
        &self,
        account: &Account,
        until: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Takes away everything beside the account that tells of a person, and last writes the erased account over the version
    /// before. Cut off, it can be done again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether all is gone.
    fn erase(&self, account: &Account) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait ProfileStore {
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn profile(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<Profile>, StoreError>> + Send;

    /// Writes a profile over the version before; [`Write::Conflict`] if that isn't there any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn save_profile(
        &self,
        profile: &Profile,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AddressBookStore {
    /// A buyer's account and addresses as they are now; none without an account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn addresses(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<(Account, AddressBook)>, StoreError>> + Send;

    /// Writes addresses over the version before; [`Write::Conflict`] if that isn't there, or `account` has changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether they were written.
    fn save_addresses(
        &self,
        book: &AddressBook,
        account: &Account,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
