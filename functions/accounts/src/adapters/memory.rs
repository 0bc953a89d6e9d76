//! The ports in memory, for speed and simulation.

use crate::{
    domain::{
        account::Account, contact::Email, credential::Credential, profile::Profile,
        refresh_token::RefreshKey, registration::Registration, session::Session, signing_key::SigningSecret,
    },
    ports::{CredentialReader, KeyReader, KeyWriter, Registrar, SessionReader, SessionStarter},
};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, Role, SessionId, StoreError, UserId, Write};
use rialto_lambda::token::Jwks;
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
    /// By [`Email::key`].
    credentials: BTreeMap<String, Credential>,
    sessions: BTreeMap<(AccountId, SessionId), Session>,
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

impl Registrar for MemoryAccounts {
    async fn register(&self, registration: &Registration) -> Result<Write, StoreError> {
        let Registration { account, credential, profile, events } = registration.clone();
        let mut state = self.state();
        let email = credential.email.key();
        if state.credentials.contains_key(&email) || state.accounts.contains_key(&account.account_id) {
            return Ok(Write::Conflict);
        }
        state.credentials.insert(email, credential);
        state.accounts.insert(account.account_id, account);
        state.profiles.extend(profile.map(|profile| (profile.user_id, profile)));
        state.announced.extend(events);
        Ok(Write::Done)
    }
}

impl CredentialReader for MemoryAccounts {
    async fn credential(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
        Ok(self.state().credentials.get(&email.key()).cloned())
    }
}

impl SessionStarter for MemoryAccounts {
    async fn start(&self, session: &Session, credential: &Credential) -> Result<Write, StoreError> {
        let mut state = self.state();
        let key = (session.account_id, session.session_id);
        let version = state.credentials.get(&credential.email.key()).map(|credential| credential.version);
        if version != Some(credential.version) || state.sessions.contains_key(&key) {
            return Ok(Write::Conflict);
        }
        state.sessions.insert(key, session.clone());
        Ok(Write::Done)
    }
}

impl SessionReader for MemoryAccounts {
    async fn session(&self, account: AccountId, session: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.state().sessions.get(&(account, session)).cloned())
    }
}

/// The keys in memory. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeys {
    state: Arc<Mutex<Keys>>,
}

#[derive(Debug, Default)]
struct Keys {
    signing: BTreeMap<Role, SigningSecret>,
    refresh: Option<RefreshKey>,
    published: Jwks,
}

impl MemoryKeys {
    fn state(&self) -> MutexGuard<'_, Keys> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyReader for MemoryKeys {
    async fn signing_key(&self, role: Role) -> Result<Option<SigningSecret>, StoreError> {
        Ok(self.state().signing.get(&role).cloned())
    }

    async fn refresh_key(&self) -> Result<Option<RefreshKey>, StoreError> {
        Ok(self.state().refresh.clone())
    }
}

impl KeyWriter for MemoryKeys {
    async fn add_signing_key(&self, role: Role, key: &SigningSecret) -> Result<Write, StoreError> {
        let mut state = self.state();
        if state.signing.contains_key(&role) {
            return Ok(Write::Conflict);
        }
        state.signing.insert(role, key.clone());
        Ok(Write::Done)
    }

    async fn add_refresh_key(&self, key: &RefreshKey) -> Result<Write, StoreError> {
        let mut state = self.state();
        if state.refresh.is_some() {
            return Ok(Write::Conflict);
        }
        state.refresh = Some(key.clone());
        Ok(Write::Done)
    }

    async fn published(&self) -> Result<Jwks, StoreError> {
        Ok(self.state().published.clone())
    }

    async fn publish(&self, keys: &Jwks) -> Result<(), StoreError> {
        self.state().published = keys.clone();
        Ok(())
    }
}
