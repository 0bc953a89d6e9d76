use crate::domain::{
    account::Account, address_book::AddressBook, contact::Email, credential::Credential,
    profile::Profile, registration::Registration,
};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, DueQueue, Role, StoreError, Timestamp, UserId, Write};

pub trait AccountRegistrar {
    /// Writes a new account with its credential, profile and events; [`Write::Conflict`] if the
    /// email belongs to another account. Idempotent.
    fn register(
        &self,
        registration: &Registration,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait CredentialReader {
    /// The credential of an email, which is compared without case.
    fn credential(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<Credential>, StoreError>> + Send;
}

pub trait CredentialWriter {
    /// Replaces the previous version of a credential; [`Write::Conflict`] if that isn't stored any
    /// more.
    fn save_credential(
        &self,
        credential: &Credential,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AccountReader {
    /// The account with this id, open or closed. Strongly consistent.
    fn account(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;
}

pub trait LastLoginWriter {
    /// Records the time of a login; [`Write::Conflict`] if a later one is recorded or the account
    /// is closed.
    fn record_login(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AccountWriter {
    /// Replaces the previous version of an account, except for its last login; [`Write::Conflict`]
    /// if that isn't stored any more.
    fn save_account(
        &self,
        account: &Account,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AccountLister {
    /// Up to `limit` accounts of a role, newest first, after `position`, and the position to go on
    /// from if there may be more. A position is the [sort key](Account::list_sort_key) of an
    /// account or a day. Reads the newest 31 of the days on which accounts were registered, so that
    /// there can be fewer than `limit`, although there are more. Eventually consistent.
    fn accounts(
        &self,
        role: Role,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<(Vec<Account>, Option<String>), StoreError>> + Send;
}

pub trait AccountCloser {
    /// Replaces the previous version of an account with the closed one, deletes its credential and
    /// publishes the events, in one transaction; [`Write::Conflict`] if account or credential has
    /// changed. The account's erasure is [due](DueQueue::due) at `erasure_check_at`.
    fn close(
        &self,
        account: &Account,
        credential: &Credential,
        events: &[Event],
        erasure_check_at: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Deletes a buyer's profile.
    fn remove_profile(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Closed accounts with personal data, by the time at which their erasure is checked next.
pub trait ErasureQueue: DueQueue<Id = AccountId> {
    /// Deletes the items with the account's other personal data and then replaces its previous
    /// version with the erased one. Safe to repeat after an interruption.
    fn erase(&self, account: &Account) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait ProfileStore {
    fn profile(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<Profile>, StoreError>> + Send;

    /// Replaces the previous version of a profile; [`Write::Conflict`] if that isn't stored any
    /// more.
    fn save_profile(
        &self,
        profile: &Profile,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait AddressBookStore {
    /// A buyer's account and addresses; `None` without an account. Strongly consistent.
    fn addresses(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<(Account, AddressBook)>, StoreError>> + Send;

    /// Replaces the previous version of a buyer's addresses; [`Write::Conflict`] if that isn't
    /// stored any more, or `account` has changed.
    fn save_addresses(
        &self,
        book: &AddressBook,
        account: &Account,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}
