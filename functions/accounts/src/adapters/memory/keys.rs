use crate::{
    domain::{
        refresh_token::{RefreshKey, RefreshKeys},
        signing_key::SigningSecret,
    },
    ports::{KeyReader, KeyWriter, RefreshKeyWriter},
};
use rialto_kernel::{Role, StoreError, Write};
use rialto_lambda::token::Jwks;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The keys in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeys {
    state: Arc<Mutex<Keys>>,
}

#[derive(Debug, Default)]
struct Keys {
    signing: BTreeMap<Role, SigningSecret>,
    refresh: Option<RefreshKeys>,
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

    async fn refresh_keys(&self) -> Result<Option<RefreshKeys>, StoreError> {
        Ok(self.state().refresh.clone())
    }
}

impl KeyWriter for MemoryKeys {
    async fn current_signing_key(&self, role: Role) -> Result<Option<SigningSecret>, StoreError> {
        self.signing_key(role).await
    }

    async fn add_signing_key(&self, role: Role, key: &SigningSecret) -> Result<Write, StoreError> {
        let mut state = self.state();
        if state.signing.contains_key(&role) {
            return Ok(Write::Conflict(()));
        }
        state.signing.insert(role, key.clone());
        Ok(Write::Done)
    }

    async fn replace_signing_key(&self, role: Role, key: &SigningSecret) -> Result<(), StoreError> {
        self.state().signing.insert(role, key.clone());
        Ok(())
    }

    async fn add_refresh_key(&self, key: &RefreshKey) -> Result<Write, StoreError> {
        let mut state = self.state();
        if state.refresh.is_some() {
            return Ok(Write::Conflict(()));
        }
        state.refresh = Some(key.clone().into());
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

impl RefreshKeyWriter for MemoryKeys {
    async fn current_refresh_keys(&self) -> Result<Option<RefreshKeys>, StoreError> {
        self.refresh_keys().await
    }

    async fn replace_refresh_keys(&self, keys: &RefreshKeys) -> Result<(), StoreError> {
        self.state().refresh = Some(keys.clone());
        Ok(())
    }
}
