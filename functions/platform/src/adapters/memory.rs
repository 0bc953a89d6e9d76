//! The ports in memory, for unit tests.

use crate::{
    domain::{health::Dependency, idempotency::IdempotencyRecord, intent::PaymentIntent},
    ports::{DeliveryFailed, IntentStore, Probe, RateLimiter, WebhookSender},
};
use rialto_kernel::{StoreError, Timestamp, Write};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Dependencies that are up, except those in `down`.
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

/// The simulator's store in memory. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryIntents {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    intents: BTreeMap<String, PaymentIntent>,
    records: BTreeMap<String, IdempotencyRecord>,
    /// The requests counted in the current window, and the window's end.
    counted: u32,
    window_ends: Option<Timestamp>,
}

impl MemoryIntents {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IntentStore for MemoryIntents {
    async fn intent(&self, id: &str) -> Result<Option<PaymentIntent>, StoreError> {
        Ok(self.state().intents.get(id).cloned())
    }

    async fn load(
        &self,
        id: &str,
        key: Option<&str>,
    ) -> Result<(Option<PaymentIntent>, Option<IdempotencyRecord>), StoreError> {
        let state = self.state();
        let record = key.and_then(|key| state.records.get(key));
        Ok((state.intents.get(id).cloned(), record.cloned()))
    }

    async fn write(
        &self,
        intent: Option<&PaymentIntent>,
        record: Option<&IdempotencyRecord>,
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let follows = |stored: Option<u64>, version: u64| stored.unwrap_or(0) + 1 == version;
        let intent_follows = intent.is_none_or(|intent| {
            follows(state.intents.get(&intent.id).map(|stored| stored.version), intent.version)
        });
        let record_follows = record.is_none_or(|record| {
            follows(state.records.get(&record.key).map(|stored| stored.version), record.version)
        });
        if !intent_follows || !record_follows {
            return Ok(Write::Conflict(()));
        }
        if let Some(intent) = intent {
            state.intents.insert(intent.id.clone(), intent.clone());
        }
        if let Some(record) = record {
            state.records.insert(record.key.clone(), record.clone());
        }
        Ok(Write::Done)
    }
}

impl RateLimiter for MemoryIntents {
    async fn admit(&self, limit: u32, now: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state();
        if state.window_ends.is_none_or(|ends| ends <= now) {
            state.window_ends = Some(now.plus(Duration::from_secs(1)));
            state.counted = 0;
        }
        let admitted = state.counted < limit;
        state.counted += u32::from(admitted);
        Ok(admitted)
    }
}

/// A receiver of webhooks that records them. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryWebhookSender {
    state: Arc<Mutex<RecordingSink>>,
}

#[derive(Debug, Default)]
struct RecordingSink {
    /// The body and the signature of each.
    deliveries: Vec<(String, String)>,
    failures: usize,
}

impl MemoryWebhookSender {
    fn state(&self) -> MutexGuard<'_, RecordingSink> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next deliveries fail.
    pub fn fail_next(&self, failures: usize) {
        self.state().failures = failures;
    }

    /// The bodies and signatures of all deliveries.
    #[must_use]
    pub fn deliveries(&self) -> Vec<(String, String)> {
        self.state().deliveries.clone()
    }
}

impl WebhookSender for MemoryWebhookSender {
    async fn deliver(&self, body: &str, signature: &str) -> Result<(), DeliveryFailed> {
        let mut state = self.state();
        if state.failures > 0 {
            state.failures -= 1;
            return Err(DeliveryFailed("rejected".to_owned()));
        }
        state.deliveries.push((body.to_owned(), signature.to_owned()));
        Ok(())
    }
}
