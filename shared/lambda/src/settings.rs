//! Settings of a running function, cached for less than a minute.
//!
//! Secrets come from Secrets Manager. The others come from their copy in DynamoDB; while there is
//! none, as on a new stage, from Parameter Store. So does a setting that the copy doesn't have yet,
//! as after a release that adds one; it is unset while Parameter Store can't be read.

use crate::token::Jwks;
use futures_util::future::{join_all, try_join};
use rialto_aws::{ParameterStore, SdkConfig, SecretStore, SettingsMirror, Stage};
use rialto_kernel::{
    Clock, SystemClock, Timestamp,
    backoff::random_below,
    settings::{ALL, JWKS, Setting},
};
use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The longest time for which a value is cached. With the ten seconds that the copy may be behind
/// Parameter Store, a change takes effect within a minute.
pub(crate) const MAX_CACHE_TTL: Duration = Duration::from_secs(50);
/// The shortest. The time in between is random, so that functions that started together don't read
/// together ever after.
const MIN_CACHE_TTL: Duration = Duration::from_secs(25);
/// The time limit of reading again what is cached: the cached value serves as well.
const REFRESH_LIMIT: Duration = Duration::from_secs(1);
/// The time limit of reading the settings that the copy lacks. Less than [`REFRESH_LIMIT`], so that
/// they don't keep the others from being refreshed.
const MISSING_LIMIT: Duration = Duration::from_millis(700);
/// The time in which [`Settings::refresh_age`] is zero once.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// Settings can't be read, and no earlier value is cached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("settings can't be read: {0}")]
pub struct SettingsError(String);

/// The settings of this stage. An invalid value is logged, and the last valid one stays in use.
pub struct Settings {
    source: Source,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<&'static str, CachedValues>>,
    prefetched: Mutex<Vec<&'static str>>,
    /// The last valid value of each setting.
    good: Mutex<HashMap<&'static str, String>>,
    /// The times of extra reads, by setting.
    looked: Mutex<HashMap<&'static str, Timestamp>>,
}

enum Source {
    Stage(Box<StageSettings>),
    Fixed(HashMap<String, String>),
}

/// The stores of a stage's settings.
struct StageSettings {
    stage: Stage,
    mirror: SettingsMirror,
    parameters: ParameterStore,
    secrets: SecretStore,
}

/// The values of settings: `None` for one that isn't set, no entry for one that couldn't be read.
type Values = HashMap<&'static str, Option<String>>;

#[derive(Clone)]
struct CachedValues {
    /// The stored value; `None` if it isn't set.
    value: Option<String>,
    read_at: Timestamp,
    ttl: Duration,
}

impl Settings {
    #[must_use]
    pub fn of_stage(aws: &SdkConfig, stage: Stage, clock: Arc<dyn Clock>) -> Self {
        let stage = StageSettings {
            mirror: SettingsMirror::new(aws, &stage),
            parameters: ParameterStore::new(aws),
            secrets: SecretStore::new(aws),
            stage,
        };
        Self::from(Source::Stage(Box::new(stage)), clock)
    }

    /// Fixed settings, for tests. Others have their defaults.
    #[must_use]
    pub fn fixed(values: &[(&str, &str)]) -> Self {
        let values =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::from(Source::Fixed(values), Arc::new(SystemClock))
    }

    fn from(source: Source, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            clock,
            known: Mutex::default(),
            prefetched: Mutex::default(),
            good: Mutex::default(),
            looked: Mutex::default(),
        }
    }

    /// The setting's current value: less than a minute old, or the last valid one while it can't
    /// be read.
    ///
    /// # Errors
    /// [`SettingsError`] when the setting can't be read and never was.
    pub async fn get<T>(&self, setting: &Setting<T>) -> Result<T, SettingsError> {
        self.get_with_max_age(setting, MAX_CACHE_TTL).await
    }

    /// As [`get`](Self::get), but reads the setting again if the cached value is older than `age`.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn get_with_max_age<T>(
        &self,
        setting: &Setting<T>,
        age: Duration,
    ) -> Result<T, SettingsError> {
        let current = self.current(setting.name, age).await?;
        self.value(setting, current)
    }

    /// The public keys that verify tokens, at most `age` old. There is no default in place of keys
    /// that can't be parsed: without any, valid tokens would be refused as invalid.
    ///
    /// # Errors
    /// [`SettingsError`] when the keys can't be read or parsed, and never could.
    pub async fn public_keys(&self, age: Duration) -> Result<Jwks, SettingsError> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
        match self.current(JWKS.name, age).await?.value {
            Some(text) => self
                .last_valid(JWKS.name, text, parse)
                .ok_or_else(|| SettingsError(format!("{} is invalid", JWKS.name))),
            None => parse(JWKS.default).map_err(SettingsError),
        }
    }

    /// The age for a read that is caused by a client's request: zero, but only once a minute.
    pub(crate) fn refresh_age(&self, name: &'static str) -> Duration {
        let now = self.clock.now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.get(name).is_some_and(|at| now.since(*at) < REFRESH_INTERVAL) {
            return MAX_CACHE_TTL;
        }
        looked.insert(name, now);
        Duration::ZERO
    }

    /// The value that was read last, however old; the default if none was.
    ///
    /// # Errors
    /// [`SettingsError`] for a default that is invalid.
    pub(crate) fn last_known<T>(&self, setting: &Setting<T>) -> Result<T, SettingsError> {
        match self.known(setting.name) {
            Some(known) => self.value(setting, known),
            None => default(setting),
        }
    }

    async fn current(
        &self,
        name: &'static str,
        age: Duration,
    ) -> Result<CachedValues, SettingsError> {
        let now = self.clock.now();
        match self.known(name) {
            Some(known) if now.since(known.read_at) < age.min(known.ttl) => Ok(known),
            // On the heap: it runs once a minute, and every caller's future would contain it.
            stale => Box::pin(self.reload(name, stale, now)).await,
        }
    }

    fn value<T>(&self, setting: &Setting<T>, current: CachedValues) -> Result<T, SettingsError> {
        let valid =
            current.value.and_then(|text| self.last_valid(setting.name, text, setting.parse));
        valid.map_or_else(|| default(setting), Ok)
    }

    /// The value, or, if it is invalid, the one that was valid last.
    fn last_valid<T>(
        &self,
        name: &'static str,
        value: String,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        match parse(&value) {
            Ok(parsed) => {
                good.insert(name, value);
                Some(parsed)
            }
            Err(error) => {
                tracing::error!(
                    setting = name,
                    error,
                    "invalid setting; keeping the previous value"
                );
                parse(good.get(name)?).ok()
            }
        }
    }

    fn known(&self, name: &'static str) -> Option<CachedValues> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Reads all settings in use together, so that a function reads them once in a while and not
    /// each by itself.
    async fn reload(
        &self,
        name: &'static str,
        stale: Option<CachedValues>,
        now: Timestamp,
    ) -> Result<CachedValues, SettingsError> {
        self.prefetch(&[name]);
        let names = self.prefetched();
        let read = match &stale {
            None => self.read(&names).await,
            Some(_) => tokio::time::timeout(REFRESH_LIMIT, self.read(&names))
                .await
                .unwrap_or_else(|_| Err(SettingsError("no response in time".to_owned()))),
        };
        let ttl = MIN_CACHE_TTL + random_below(MAX_CACHE_TTL - MIN_CACHE_TTL);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match (read, stale) {
            (Ok(mut values), _) => {
                for name in names {
                    let previous = || known.get(name).and_then(|known| known.value.clone());
                    let value = values.remove(name).unwrap_or_else(previous);
                    known.insert(name, CachedValues { value, read_at: now, ttl });
                }
                let unset = CachedValues { value: None, read_at: now, ttl };
                Ok(known.get(name).cloned().unwrap_or(unset))
            }
            (Err(error), Some(stale)) => {
                tracing::error!(setting = name, %error, "settings can't be read; keeping the previous values");
                for known in known.values_mut() {
                    (known.read_at, known.ttl) = (now, ttl);
                }
                Ok(stale)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Names settings that the function will use, so that the first read includes them.
    pub fn prefetch(&self, names: &[&'static str]) {
        let mut prefetched = self.prefetched.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            if !prefetched.contains(name) {
                prefetched.push(name);
            }
        }
    }

    fn prefetched(&self) -> Vec<&'static str> {
        self.prefetched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read(&self, names: &[&'static str]) -> Result<Values, SettingsError> {
        match &self.source {
            Source::Fixed(values) => {
                Ok(names.iter().map(|name| (*name, values.get(*name).cloned())).collect())
            }
            Source::Stage(stage) => stage.read(names).await,
        }
    }
}

impl StageSettings {
    async fn read(&self, names: &[&'static str]) -> Result<Values, SettingsError> {
        let secret = |name: &&str| ALL.iter().any(|one| one.name == *name && one.secret);
        let (secrets, plain): (Vec<_>, Vec<_>) = names.iter().copied().partition(secret);
        let (mut values, secrets) =
            try_join(self.read_plain(&plain), self.read_secrets(&secrets)).await?;
        values.extend(secrets);
        Ok(values)
    }

    async fn read_plain(&self, names: &[&'static str]) -> Result<Values, SettingsError> {
        if names.is_empty() {
            return Ok(Values::new());
        }
        let mirrored = self.mirror.read().await.unwrap_or_else(|error| {
            tracing::error!(%error, "reading the settings from Parameter Store instead");
            None
        });
        let Some(mut mirrored) = mirrored else { return self.read_parameters(names).await };
        let mut values: Values =
            names.iter().filter_map(|name| Some((*name, mirrored.remove(*name)?))).collect();
        let missing: Vec<_> =
            names.iter().copied().filter(|name| !values.contains_key(name)).collect();
        values.extend(self.read_missing(&missing).await?);
        Ok(values)
    }

    /// Reads the settings that the copy lacks: they are newer than its writer. Most have never been
    /// set, and a request that needs one shouldn't fail because Parameter Store is throttled. Keys
    /// have no usable default.
    async fn read_missing(&self, names: &[&'static str]) -> Result<Values, SettingsError> {
        if names.is_empty() {
            return Ok(Values::new());
        }
        if names.contains(&JWKS.name) {
            return self.read_parameters(names).await;
        }
        let read = tokio::time::timeout(MISSING_LIMIT, self.read_parameters(names)).await;
        let read = read.unwrap_or_else(|_| Err(unread("no response in time")));
        Ok(read.unwrap_or_else(|error| {
            tracing::warn!(?names, %error, "settings that the copy lacks can't be read");
            Values::new()
        }))
    }

    async fn read_parameters(&self, names: &[&'static str]) -> Result<Values, SettingsError> {
        let full: Vec<String> = names.iter().map(|name| self.stage.parameter(name)).collect();
        let mut values = self.parameters.get(&full).await.map_err(unread)?;
        Ok(names.iter().zip(&full).map(|(name, full)| (*name, values.remove(full))).collect())
    }

    async fn read_secrets(&self, names: &[&'static str]) -> Result<Values, SettingsError> {
        let read = names.iter().map(async |name| {
            let value = self.secrets.get(&self.stage.secret(name)).await.map_err(unread)?;
            Ok((*name, value))
        });
        join_all(read).await.into_iter().collect()
    }
}

fn unread(error: impl Display) -> SettingsError {
    SettingsError(error.to_string())
}

fn default<T>(setting: &Setting<T>) -> Result<T, SettingsError> {
    (setting.parse)(setting.default).map_err(SettingsError)
}

#[cfg(test)]
mod tests;
