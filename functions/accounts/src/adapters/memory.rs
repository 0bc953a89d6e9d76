//! The ports in memory, for speed and simulation.

mod accounts;
mod attempts;
mod keys;
mod sessions;

pub use keys::MemoryKeys;

use crate::domain::{
    account::Account, attempts::Counter, credential::Credential, profile::Profile, session::Session,
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
    /// By [`crate::domain::contact::Email::key`].
    credentials: BTreeMap<String, Credential>,
    sessions: BTreeMap<(AccountId, SessionId), Session>,
    /// How many, and when the window ends.
    attempts: BTreeMap<Counter, (u32, Timestamp)>,
    announced: Vec<Event>,
}

impl MemoryAccounts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event that a write announced, in order.
    #[must_use]
    pub fn announced(&self) -> Vec<Event> {
        self.state().announced.clone()
    }
}
