//! The ports in memory, for tests.

mod accounts;
mod erasure;
mod keys;
mod profiles;
mod rate_limiter;
mod resets;
mod sessions;

pub use keys::MemoryKeys;

use crate::domain::{
    account::Account, address_book::AddressBook, credential::Credential, profile::Profile,
    rate_limit::RateLimitKey, reset::PasswordReset, session::Session,
};
use rialto_contracts::Event;
use rialto_dynamo::MemoryDueList;
use rialto_kernel::{AccountId, SessionId, Timestamp, UserId};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The service's table in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryAccounts {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<AccountId, Account>,
    profiles: BTreeMap<UserId, Profile>,
    address_books: BTreeMap<AccountId, AddressBook>,
    /// The time from which a closed account is due for erasure.
    due: MemoryDueList<AccountId>,
    /// By [`crate::domain::contact::Email::key`].
    credentials: BTreeMap<String, Credential>,
    resets: BTreeMap<String, PasswordReset>,
    sessions: BTreeMap<(AccountId, SessionId), Session>,
    /// The number of attempts, and the end of the window.
    attempts: BTreeMap<RateLimitKey, (u32, Timestamp)>,
    published_events: Vec<Event>,
}

impl State {
    /// Replaces the previous version, all but its last login. False if that version isn't stored.
    fn save_account(&mut self, account: &Account) -> bool {
        match self.accounts.get_mut(&account.account_id) {
            Some(stored) if stored.version + 1 == account.version => {
                *stored = Account { last_login_at: stored.last_login_at, ..account.clone() };
                true
            }
            Some(_) | None => false,
        }
    }
}

impl MemoryAccounts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event that was published, in order.
    #[must_use]
    pub fn published_events(&self) -> Vec<Event> {
        self.state().published_events.clone()
    }
}
