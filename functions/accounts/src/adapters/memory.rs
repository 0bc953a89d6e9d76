//! The ports in memory, for speed and simulation.

mod accounts;
mod attempts;
mod closing;
mod keys;
mod profiles;
mod resets;
mod sessions;

pub use keys::MemoryKeys;

use crate::domain::{
    account::Account, address_book::AddressBook, credential::Credential, profile::Profile,
    rate_limit::RateLimitKey, reset::PasswordReset, session::Session,
};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, SessionId, Timestamp, UserId};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ports of the service's table in memory. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryAccounts {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<AccountId, Account>,
    profiles: BTreeMap<UserId, Profile>,
    books: BTreeMap<AccountId, AddressBook>,
    /// When orders is to be asked whether a closed account is needed still.
    due: BTreeMap<AccountId, Timestamp>,
    /// By [`crate::domain::contact::Email::key`].
    credentials: BTreeMap<String, Credential>,
    resets: BTreeMap<String, PasswordReset>,
    sessions: BTreeMap<(AccountId, SessionId), Session>,
    /// How many, and when the window ends.
    attempts: BTreeMap<RateLimitKey, (u32, Timestamp)>,
    published_events: Vec<Event>,
}

impl State {
    /// Writes all but the last login over the version before, if that is there.
    fn save_account(&mut self, account: &Account) -> bool {
        match self.accounts.get_mut(&account.account_id) {
            Some(held) if held.version + 1 == account.version => {
                *held = Account { last_login_at: held.last_login_at, ..account.clone() };
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

    /// Every event that a write announced, in order.
    #[must_use]
    pub fn published_events(&self) -> Vec<Event> {
        self.state().published_events.clone()
    }
}
