//! The ports in memory, for speed and simulation.

use crate::{
    domain::{health::Dependency, intent::Intent, saved::IdempotencyRecord},
    ports::{DeliveryFailed, Intents, Probe, WebhookSender},
};
use rialto_kernel::{StoreError, Write};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Dependencies that answer, but for those that are down.
#[derive(Debug, Clone, Default)]
pub struct MemoryProbe {
    pub down: Vec<Dependency>,
}

impl Probe for MemoryProbe {
    async fn probe(&self, dependency: Dependency) -> Result<(), StoreError> {
        if self.down.contains(&dependency) {
            return Err(StoreError::Unavailable(format!("{dependency} is down")));
        }
        Ok(())
    }
}

/// The simulator's port in memory. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryIntents {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    intents: BTreeMap<String, Intent>,
    saved: BTreeMap<String, IdempotencyRecord>,
}

impl MemoryIntents {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intents for MemoryIntents {
    async fn intent(&self, id: &str) -> Result<Option<Intent>, StoreError> {
        Ok(self.state().intents.get(id).cloned())
    }

    async fn load(
        &self,
        id: &str,
        key: Option<&str>,
    ) -> Result<(Option<Intent>, Option<IdempotencyRecord>), StoreError> {
        let state = self.state();
        let saved = key.and_then(|key| state.saved.get(key));
        Ok((state.intents.get(id).cloned(), saved.cloned()))
    }

    async fn write(
        &self,
        intent: Option<&Intent>,
        saved: Option<&IdempotencyRecord>,
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let follows = |is: Option<u64>, version: u64| is.unwrap_or(0) + 1 == version;
        let intent_follows = intent.is_none_or(|intent| {
            follows(state.intents.get(&intent.id).map(|known| known.version), intent.version)
        });
        let saved_follows = saved.is_none_or(|saved| {
            follows(state.saved.get(&saved.key).map(|known| known.version), saved.version)
        });
        if !intent_follows || !saved_follows {
            return Ok(Write::Conflict(()));
        }
        if let Some(intent) = intent {
            state.intents.insert(intent.id.clone(), intent.clone());
        }
        if let Some(saved) = saved {
            state.saved.insert(saved.key.clone(), saved.clone());
        }
        Ok(Write::Done)
    }
}

/// Somebody who remembers what was told. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryListener {
    state: Arc<Mutex<RecordingSink>>,
}

#[derive(Debug, Default)]
struct RecordingSink {
    /// Body and signature of each.
    heard: Vec<(String, String)>,
    refusals: usize,
}

impl MemoryListener {
    fn state(&self) -> MutexGuard<'_, RecordingSink> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes none of the next ones.
    pub fn refuse(&self, refusals: usize) {
        self.state().refusals = refusals;
    }

    /// What was taken: bodies and signatures.
    #[must_use]
    pub fn heard(&self) -> Vec<(String, String)> {
        self.state().heard.clone()
    }
}

impl WebhookSender for MemoryListener {
    async fn deliver(&self, body: &str, signature: &str) -> Result<(), DeliveryFailed> {
        let mut state = self.state();
        if state.refusals > 0 {
            state.refusals -= 1;
            return Err(DeliveryFailed("not now".to_owned()));
        }
        state.heard.push((body.to_owned(), signature.to_owned()));
        Ok(())
    }
}
