//! Private keys in Secrets Manager, public keys in Parameter Store and its copy.
//!
//! `rialto/<stage>/auth/signing-key/<role>` holds `{"kid", "pkcs8"}`,
//! `rialto/<stage>/auth/refresh-key` holds `{"key", "accepted": [{"key", "until"}]}`, where
//! `accepted` may be absent. Bytes are encoded as base64.

use crate::{
    domain::{
        refresh_token::{AcceptedRefreshKey, RefreshKey, RefreshKeys},
        signing_key::SigningSecret,
    },
    ports::{KeyReader, KeyWriter, RefreshKeyWriter},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rialto_aws::{Parameter, ParameterStore, SdkConfig, SecretStore, SettingsMirror, Stage};
use rialto_kernel::{Clock, Role, StoreError, Timestamp, Write, settings::JWKS};
use rialto_lambda::token::Jwks;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Lifetime of a cached secret. A rotation takes effect within this time.
const CACHE_TTL: Duration = Duration::from_secs(60);

/// The stage's keys. Clones share the cache.
#[derive(Clone)]
pub struct SecretsManagerKeys {
    secrets: SecretStore,
    parameters: ParameterStore,
    mirror: SettingsMirror,
    stage: Stage,
    clock: Arc<dyn Clock>,
    cache: Arc<Mutex<HashMap<String, CachedSecret>>>,
}

#[derive(Clone)]
struct CachedSecret {
    text: String,
    /// By the time of day: a timer may stand still while the environment is frozen.
    read_at: Timestamp,
}

/// The content of a signing key's secret.
#[derive(Serialize, Deserialize)]
struct SigningKeySecret {
    kid: String,
    pkcs8: String,
}

/// The content of the refresh keys' secret.
#[derive(Serialize, Deserialize)]
struct RefreshKeysSecret {
    key: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<AcceptedKeySecret>,
}

#[derive(Serialize, Deserialize)]
struct AcceptedKeySecret {
    key: String,
    until: Timestamp,
}

impl RefreshKeysSecret {
    fn of(keys: &RefreshKeys) -> Self {
        let encode = |key: &RefreshKey| STANDARD.encode(key.0);
        let accepted = keys.accepted.iter().map(|accepted| AcceptedKeySecret {
            key: encode(&accepted.key),
            until: accepted.until,
        });
        Self { key: encode(&keys.current), accepted: accepted.collect() }
    }

    /// `None` if a key isn't 32 bytes in base64.
    fn keys(self) -> Option<RefreshKeys> {
        let decode = |text: String| Some(RefreshKey(STANDARD.decode(text).ok()?.try_into().ok()?));
        let accepted = self.accepted.into_iter().map(|accepted| {
            Some(AcceptedRefreshKey { key: decode(accepted.key)?, until: accepted.until })
        });
        Some(RefreshKeys { current: decode(self.key)?, accepted: accepted.collect::<Option<_>>()? })
    }
}

impl SigningKeySecret {
    fn of(key: &SigningSecret) -> Self {
        Self { kid: key.kid.clone(), pkcs8: STANDARD.encode(&key.pkcs8) }
    }
}

impl SecretsManagerKeys {
    #[must_use]
    pub fn open(aws: &SdkConfig, stage: &Stage, clock: Arc<dyn Clock>) -> Self {
        Self {
            secrets: SecretStore::new(aws),
            parameters: ParameterStore::new(aws),
            mirror: SettingsMirror::new(aws, stage),
            stage: stage.clone(),
            clock,
            cache: Arc::default(),
        }
    }

    fn signing_name(&self, role: Role) -> String {
        self.stage.secret(&format!("auth/signing-key/{}", role.as_str().to_ascii_lowercase()))
    }

    fn refresh_name(&self) -> String {
        self.stage.secret("auth/refresh-key")
    }

    /// The secret, at most [`CACHE_TTL`] old, or the cached one if Secrets Manager is unavailable.
    async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let now = self.clock.now();
        let cached = self.cache().get(name).cloned();
        let text = match cached {
            Some(cached) if now.since(cached.read_at) < CACHE_TTL => {
                return parsed(name, &cached.text).map(Some);
            }
            stale => match (self.secrets.get(name).await.map_err(unavailable), stale) {
                (Ok(text), _) => text,
                (Err(error), Some(stale)) => {
                    tracing::error!(secret = name, %error, "using the cached secret");
                    Some(stale.text)
                }
                (Err(error), None) => return Err(error),
            },
        };
        let Some(text) = text else { return Ok(None) };
        let secret = parsed(name, &text)?;
        self.cache().insert(name.to_owned(), CachedSecret { text, read_at: now });
        Ok(Some(secret))
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, CachedSecret>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn create(
        &self,
        name: &str,
        description: &str,
        secret: &impl Serialize,
    ) -> Result<Write, StoreError> {
        let text = serde_json::to_string(secret).map_err(|_| unreadable(name))?;
        let added = self.secrets.create(name, description, &text).await.map_err(unavailable)?;
        Ok(if added { Write::Done } else { Write::Conflict(()) })
    }

    async fn replace(&self, name: &str, secret: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(secret).map_err(|_| unreadable(name))?;
        self.secrets.put(name, &text).await.map_err(unavailable)?;
        self.cache().remove(name);
        Ok(())
    }
}

fn unavailable(error: impl Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn parsed<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, StoreError> {
    // serde's error would contain parts of the secret.
    serde_json::from_str(text).map_err(|_| unreadable(name))
}

fn unreadable(name: &str) -> StoreError {
    StoreError::Corrupt(format!("the secret {name} has an unexpected format"))
}

impl KeyReader for SecretsManagerKeys {
    async fn signing_key(&self, role: Role) -> Result<Option<SigningSecret>, StoreError> {
        let name = self.signing_name(role);
        let Some(SigningKeySecret { kid, pkcs8 }) = self.read(&name).await? else {
            return Ok(None);
        };
        let pkcs8 = STANDARD.decode(pkcs8).map_err(|_| unreadable(&name))?;
        Ok(Some(SigningSecret { kid, pkcs8 }))
    }

    async fn refresh_keys(&self) -> Result<Option<RefreshKeys>, StoreError> {
        let name = self.refresh_name();
        let Some(secret) = self.read::<RefreshKeysSecret>(&name).await? else { return Ok(None) };
        secret.keys().map(Some).ok_or_else(|| unreadable(&name))
    }
}

impl KeyWriter for SecretsManagerKeys {
    async fn current_signing_key(&self, role: Role) -> Result<Option<SigningSecret>, StoreError> {
        self.cache().remove(&self.signing_name(role));
        self.signing_key(role).await
    }

    async fn add_signing_key(&self, role: Role, key: &SigningSecret) -> Result<Write, StoreError> {
        let text = SigningKeySecret::of(key);
        let description =
            format!("Signs the access tokens of {role} accounts. Managed by rialto keys.");
        self.create(&self.signing_name(role), &description, &text).await
    }

    async fn replace_signing_key(&self, role: Role, key: &SigningSecret) -> Result<(), StoreError> {
        self.replace(&self.signing_name(role), &SigningKeySecret::of(key)).await
    }

    async fn add_refresh_key(&self, key: &RefreshKey) -> Result<Write, StoreError> {
        let text = RefreshKeysSecret::of(&key.clone().into());
        let description = "Signs refresh tokens. Managed by rialto keys.";
        self.create(&self.refresh_name(), description, &text).await
    }

    async fn published(&self) -> Result<Jwks, StoreError> {
        let name = self.stage.parameter(JWKS.name);
        let found = self.parameters.get(std::slice::from_ref(&name)).await;
        let mut found = found.map_err(unavailable)?;
        let Some(text) = found.remove(&name) else { return Ok(Jwks::default()) };
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("{name}: {error}")))
    }

    async fn publish(&self, keys: &Jwks) -> Result<(), StoreError> {
        let text =
            serde_json::to_string(keys).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let name = self.stage.parameter(JWKS.name);
        let parameter = Parameter { name: &name, value: &text, description: JWKS.doc };
        self.parameters.put(&parameter).await.map_err(unavailable)?;
        self.mirror.update(&self.parameters).await.map(drop).map_err(unavailable)
    }
}

impl RefreshKeyWriter for SecretsManagerKeys {
    async fn current_refresh_keys(&self) -> Result<Option<RefreshKeys>, StoreError> {
        self.cache().remove(&self.refresh_name());
        self.refresh_keys().await
    }

    async fn replace_refresh_keys(&self, keys: &RefreshKeys) -> Result<(), StoreError> {
        self.replace(&self.refresh_name(), &RefreshKeysSecret::of(keys)).await
    }
}
