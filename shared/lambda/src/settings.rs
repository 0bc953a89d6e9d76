//! Settings of a running function: read from the parameter store and cached for 60 seconds.

use rialto_aws::{ParameterStore, SdkConfig, Stage};
use rialto_kernel::{Clock, SystemClock, Timestamp, settings::Setting};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The time within which a change takes effect.
const CACHE_TTL: Duration = Duration::from_secs(60);

/// Parameters can't be read, and no earlier value is cached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("settings can't be read: {0}")]
pub struct SettingsError(String);

/// The settings of this stage. An invalid value is logged, and the last valid one stays in use.
pub struct Settings {
    source: Source,
    known: Mutex<HashMap<&'static str, CachedValues>>,
    prefetched: Mutex<Vec<&'static str>>,
    /// The last valid value of each setting.
    good: Mutex<HashMap<&'static str, String>>,
    /// The times of extra reads, by setting.
    looked: Mutex<HashMap<&'static str, Timestamp>>,
}

enum Source {
    Parameters { store: ParameterStore, stage: Stage },
    Fixed(HashMap<String, String>),
}

#[derive(Clone)]
struct CachedValues {
    /// The value in the parameter store; `None` without such a parameter.
    value: Option<String>,
    read_at: Timestamp,
}

impl Settings {
    #[must_use]
    pub fn from_parameter_store(aws: &SdkConfig, stage: Stage) -> Self {
        let store = ParameterStore::new(aws);
        Self::from(Source::Parameters { store, stage })
    }

    /// Fixed settings, for tests. Others have their defaults.
    #[must_use]
    pub fn fixed(values: &[(&str, &str)]) -> Self {
        let values =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::from(Source::Fixed(values))
    }

    fn from(source: Source) -> Self {
        Self {
            source,
            known: Mutex::default(),
            prefetched: Mutex::default(),
            good: Mutex::default(),
            looked: Mutex::default(),
        }
    }

    /// The setting's current value: at most a minute old, or the last valid one while the store
    /// can't be reached.
    ///
    /// # Errors
    /// [`SettingsError`] when the store can't be reached and the setting was never read.
    pub async fn get<T>(&self, setting: &Setting<T>) -> Result<T, SettingsError> {
        self.get_with_max_age(setting, CACHE_TTL).await
    }

    /// As [`get`](Self::get), but reads the store again at once. At most once a minute, as requests
    /// of clients cause it.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn refresh<T>(&self, setting: &Setting<T>) -> Result<T, SettingsError> {
        let now = SystemClock.now();
        let age = {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            let lately = looked.get(setting.name).is_some_and(|at| now.since(*at) < CACHE_TTL);
            if lately {
                CACHE_TTL
            } else {
                looked.insert(setting.name, now);
                Duration::ZERO
            }
        };
        self.get_with_max_age(setting, age).await
    }

    /// As [`get`](Self::get), but reads the store again if the cached value is older than `age`.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn get_with_max_age<T>(
        &self,
        setting: &Setting<T>,
        age: Duration,
    ) -> Result<T, SettingsError> {
        let known = self.known(setting.name);
        let now = SystemClock.now();
        let known = match known {
            Some(known) if now.since(known.read_at) < age => known,
            // On the heap: it runs once a minute, and every caller's future would contain it.
            stale => Box::pin(self.reload(setting.name, stale, now)).await?,
        };
        let Some(value) = known.value else { return default(setting) };
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        match (setting.parse)(&value) {
            Ok(parsed) => {
                good.insert(setting.name, value);
                Ok(parsed)
            }
            Err(error) => {
                tracing::error!(
                    setting = setting.name,
                    error,
                    "invalid setting; keeping the previous value"
                );
                good.get(setting.name).map_or_else(
                    || default(setting),
                    |good| (setting.parse)(good).map_err(SettingsError),
                )
            }
        }
    }

    fn known(&self, name: &'static str) -> Option<CachedValues> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Reads all settings in use in one request, so that a function makes one a minute.
    async fn reload(
        &self,
        name: &'static str,
        stale: Option<CachedValues>,
        now: Timestamp,
    ) -> Result<CachedValues, SettingsError> {
        self.prefetch(&[name]);
        let names = self.prefetched();
        match (self.read(&names).await, stale) {
            (Ok(values), _) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                for name in names {
                    known.insert(
                        name,
                        CachedValues { value: values.get(name).cloned(), read_at: now },
                    );
                }
                Ok(known.get(name).cloned().unwrap_or(CachedValues { value: None, read_at: now }))
            }
            (Err(error), Some(stale)) => {
                tracing::error!(setting = name, %error, "settings can't be read; keeping the previous values");
                let stale = CachedValues { read_at: now, ..stale };
                self.known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(name, stale.clone());
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

    async fn read(&self, names: &[&'static str]) -> Result<HashMap<String, String>, SettingsError> {
        match &self.source {
            Source::Fixed(values) => Ok(values.clone()),
            Source::Parameters { store, stage } => {
                let prefix = stage.parameter("");
                let full: Vec<String> = names.iter().map(|name| stage.parameter(name)).collect();
                let values = store
                    .get(&full, true)
                    .await
                    .map_err(|error| SettingsError(error.to_string()))?;
                let short = |name: String| name.strip_prefix(&prefix).map(str::to_owned);
                Ok(values
                    .into_iter()
                    .filter_map(|(name, value)| Some((short(name)?, value)))
                    .collect())
            }
        }
    }
}

fn default<T>(setting: &Setting<T>) -> Result<T, SettingsError> {
    (setting.parse)(setting.default).map_err(SettingsError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::settings::SHIPPING_FEE;

    #[tokio::test]
    async fn a_setting_has_its_value_or_its_default() {
        let set = Settings::fixed(&[("orders/shipping-fee", "250")]);
        assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
        assert_eq!(Settings::fixed(&[]).get(&SHIPPING_FEE).await.unwrap().minor_units(), 300);
    }

    #[tokio::test]
    async fn invalid_values_are_not_used() {
        let set = Settings::fixed(&[("orders/shipping-fee", "lots")]);
        assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 300);
    }

    #[tokio::test]
    async fn the_last_valid_value_stays_in_use() {
        let mut set = Settings::fixed(&[("orders/shipping-fee", "250")]);
        assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
        set.source = Settings::fixed(&[("orders/shipping-fee", "lots")]).source;
        let now = set.get_with_max_age(&SHIPPING_FEE, Duration::ZERO).await.unwrap();
        assert_eq!(now.minor_units(), 250);
        set.source = Settings::fixed(&[]).source;
        let now = set.get_with_max_age(&SHIPPING_FEE, Duration::ZERO).await.unwrap();
        assert_eq!(now.minor_units(), 300);
    }

    #[tokio::test]
    async fn refreshing_reads_the_store_once_a_minute() {
        let mut set = Settings::fixed(&[("orders/shipping-fee", "1")]);
        assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 1);
        set.source = Settings::fixed(&[("orders/shipping-fee", "2")]).source;
        assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 1);
        assert_eq!(set.refresh(&SHIPPING_FEE).await.unwrap().minor_units(), 2);
        set.source = Settings::fixed(&[("orders/shipping-fee", "3")]).source;
        assert_eq!(set.refresh(&SHIPPING_FEE).await.unwrap().minor_units(), 2);
    }
}
