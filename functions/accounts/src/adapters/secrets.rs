//! The keys in Secrets Manager, the public ones in the parameter store.
//!
//! `rialto/<stage>/auth/signing-key/<role>` holds `{"kid", "pkcs8"}`, `rialto/<stage>/auth/refresh-key` holds `{"key"}`;
//! bytes are written in base 64.

use crate::{
    domain::{refresh_token::RefreshKey, signing_key::SigningSecret},
    ports::{KeyReader, KeyWriter},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rialto_aws::{Parameter, ParameterStore, SdkConfig, SecretError, SecretStore, Stage};
use rialto_kernel::{Role, StoreError, Write, settings::JWKS};
use rialto_lambda::token::Jwks;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a secret that was read is used: a rotation is seen within this time.
const CACHE_TTL: Duration = Duration::from_secs(60);

/// The stage's keys. Clones share what was read.
#[derive(Clone)]
pub struct SecretsManagerKeys {
    secrets: SecretStore,
    parameters: ParameterStore,
    stage: Stage,
    known: Arc<Mutex<HashMap<String, CachedSecret>>>,
}

#[derive(Clone)]
struct CachedSecret {
    text: String,
    read_at: Instant,
}

#[derive(Serialize, Deserialize)]
struct SigningKeyText {
    kid: String,
    pkcs8: String,
}

#[derive(Serialize, Deserialize)]
struct RefreshKeyText {
    key: String,
}

impl SigningKeyText {
    fn of(key: &SigningSecret) -> Self {
        Self { kid: key.kid.clone(), pkcs8: STANDARD.encode(&key.pkcs8) }
    }
}

impl SecretsManagerKeys {
    #[must_use]
    pub fn open(aws: &SdkConfig, stage: &Stage) -> Self {
        Self {
            secrets: SecretStore::new(aws),
            parameters: ParameterStore::new(aws),
            stage: stage.clone(),
            known: Arc::default(),
        }
    }

    fn signing_name(&self, role: Role) -> String {
        self.stage.secret(&format!("auth/signing-key/{}", role.as_str().to_ascii_lowercase()))
    }

    fn refresh_name(&self) -> String {
        self.stage.secret("auth/refresh-key")
    }

    /// A secret, at most a minute old, or the last one known while the store can't be reached.
    async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let text = match known {
            Some(known) if known.read_at.elapsed() < CACHE_TTL => Some(known.text),
            stale => match (self.fetch(name).await, stale) {
                (Ok(text), _) => text,
                (Err(error), Some(stale)) => {
                    tracing::error!(secret = name, %error, "a secret can't be read; the last one stays");
                    Some(stale.text)
                }
                (Err(error), None) => return Err(error),
            },
        };
        let Some(text) = text else { return Ok(None) };
        // What stands in a secret must not stand in the error.
        let parsed = serde_json::from_str(&text).map_err(|_| unreadable(name))?;
        let known = CachedSecret { text, read_at: Instant::now() };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), known);
        Ok(Some(parsed))
    }

    /// Whoever asks next reads it anew.
    fn forget(&self, name: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    async fn fetch(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.secrets.get(name).await.map_err(unavailable)
    }

    async fn add(
        &self,
        name: &str,
        doc: &str,
        secret: &impl Serialize,
    ) -> Result<Write, StoreError> {
        let text = serde_json::to_string(secret).map_err(|_| unreadable(name))?;
        let added = self.secrets.create(name, doc, &text).await.map_err(unavailable)?;
        Ok(if added { Write::Done } else { Write::Conflict(()) })
    }
}

fn unavailable(error: SecretError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn unreadable(name: &str) -> StoreError {
    StoreError::Corrupt(format!("the secret {name} isn't what it should be"))
}

impl KeyReader for SecretsManagerKeys {
    async fn signing_key(&self, role: Role) -> Result<Option<SigningSecret>, StoreError> {
        let name = self.signing_name(role);
        let Some(SigningKeyText { kid, pkcs8 }) = self.read(&name).await? else { return Ok(None) };
        let pkcs8 = STANDARD.decode(pkcs8).map_err(|_| unreadable(&name))?;
        Ok(Some(SigningSecret { kid, pkcs8 }))
    }

    async fn refresh_key(&self) -> Result<Option<RefreshKey>, StoreError> {
        let name = self.refresh_name();
        let Some(RefreshKeyText { key }) = self.read(&name).await? else { return Ok(None) };
        let key = STANDARD.decode(key).ok().and_then(|key| key.try_into().ok());
        key.map(|key| Some(RefreshKey(key))).ok_or_else(|| unreadable(&name))
    }
}

impl KeyWriter for SecretsManagerKeys {
    async fn current_signing_key(&self, role: Role) -> Result<Option<SigningSecret>, StoreError> {
        self.forget(&self.signing_name(role));
        self.signing_key(role).await
    }

    async fn add_signing_key(&self, role: Role, key: &SigningSecret) -> Result<Write, StoreError> {
        let text = SigningKeyText::of(key);
        let doc = format!("Signs the access tokens of {role} accounts. Kept by rialto keys.");
        self.add(&self.signing_name(role), &doc, &text).await
    }

    async fn replace_signing_key(&self, role: Role, key: &SigningSecret) -> Result<(), StoreError> {
        let (name, text) = (self.signing_name(role), SigningKeyText::of(key));
        let text = serde_json::to_string(&text).map_err(|_| unreadable(&name))?;
        self.secrets.put(&name, &text).await.map_err(unavailable)?;
        self.forget(&name);
        Ok(())
    }

    async fn add_refresh_key(&self, key: &RefreshKey) -> Result<Write, StoreError> {
        let text = RefreshKeyText { key: STANDARD.encode(key.0) };
        self.add(&self.refresh_name(), "Makes refresh tokens. Kept by rialto keys.", &text).await
    }

    async fn published(&self) -> Result<Jwks, StoreError> {
        let name = self.stage.parameter(JWKS.name);
        let found = self.parameters.get(std::slice::from_ref(&name), false).await;
        let mut found = found.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let Some(text) = found.remove(&name) else { return Ok(Jwks::default()) };
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("{name}: {error}")))
    }

    async fn publish(&self, keys: &Jwks) -> Result<(), StoreError> {
        let text =
            serde_json::to_string(keys).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let name = self.stage.parameter(JWKS.name);
        let parameter =
            Parameter { name: &name, value: &text, description: JWKS.doc, secret: false };
        let sent = self.parameters.put(&parameter).await;
        sent.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
