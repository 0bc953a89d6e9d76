//! A stage's settings in the parameter store and, for secrets, in Secrets Manager.

use crate::{aws, failure::Failure};
use rialto_aws::{
    Parameter, ParameterStore, SdkConfig, SecretError, SecretStore, SettingsMirror, Stage,
};
use rialto_kernel::settings::{ALL, Description};
use std::collections::HashMap;

pub(crate) struct Parameters<'a> {
    store: ParameterStore,
    secrets: SecretStore,
    mirror: SettingsMirror,
    stage: &'a Stage,
}

/// The setting of this name.
///
/// # Errors
/// [`Failure`] that suggests the most similar name.
pub(crate) fn setting(name: &str) -> Result<&'static Description, Failure> {
    ALL.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let last = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
        let meant =
            ALL.iter().find(|setting| last(setting.name) == name || setting.name.contains(name));
        let todo = match meant {
            Some(meant) if !name.is_empty() => {
                format!("Did you mean {}? rialto config list shows all.", meant.name)
            }
            _ => "rialto config list shows all.".to_owned(),
        };
        Failure::new(format!("Setting {name:?} not found."), todo)
    })
}

impl<'a> Parameters<'a> {
    pub(crate) fn open(aws: &SdkConfig, stage: &'a Stage) -> Self {
        Self {
            store: ParameterStore::new(aws),
            secrets: SecretStore::new(aws),
            mirror: SettingsMirror::new(aws, stage),
            stage,
        }
    }

    /// The values that are set, by setting. Those of secrets are empty unless `reveal`.
    ///
    /// # Errors
    /// [`Failure`] if a store can't be read.
    pub(crate) async fn read(
        &self,
        settings: &[Description],
        reveal: bool,
    ) -> Result<HashMap<&'static str, String>, Failure> {
        let mut found = HashMap::new();
        let (secret, plain): (Vec<&Description>, Vec<&Description>) =
            settings.iter().partition(|one| one.secret);
        let names: Vec<String> =
            plain.iter().map(|setting| self.stage.parameter(setting.name)).collect();
        if !names.is_empty() {
            let values = self.store.get(&names).await;
            let mut values = values.map_err(|error| aws::settings_failure(READING, &error))?;
            let value = |(setting, name): (&&Description, &String)| {
                Some((setting.name, values.remove(name)?))
            };
            found.extend(plain.iter().zip(&names).filter_map(value));
        }
        for setting in secret {
            let value = self.read_secret(&self.stage.secret(setting.name), reveal).await;
            let value = value.map_err(|error| aws::settings_failure(READING, &error))?;
            found.extend(value.map(|value| (setting.name, value)));
        }
        Ok(found)
    }

    async fn read_secret(&self, name: &str, reveal: bool) -> Result<Option<String>, SecretError> {
        if reveal {
            return self.secrets.get(name).await;
        }
        Ok(self.secrets.exists(name).await?.then(String::new))
    }

    /// # Errors
    /// [`Failure`] for a value out of range, or if a store can't be written.
    pub(crate) async fn write(&self, setting: &Description, value: &str) -> Result<(), Failure> {
        check(setting, value)?;
        if setting.secret {
            let written = self.write_secret(setting, value).await;
            return written.map_err(|error| aws::settings_failure(WRITING, &error));
        }
        let name = self.stage.parameter(setting.name);
        let parameter = Parameter { name: &name, value, description: setting.doc };
        let written = self.store.put(&parameter).await;
        written.map_err(|error| aws::settings_failure(WRITING, &error))?;
        let copied = self.mirror.update(&self.store).await;
        copied.map(drop).map_err(|error| aws::settings_failure(COPYING, &error))
    }

    async fn write_secret(&self, setting: &Description, value: &str) -> Result<(), SecretError> {
        let name = self.stage.secret(setting.name);
        if !self.secrets.create(&name, setting.doc, value).await? {
            self.secrets.put(&name, value).await?;
        }
        Ok(())
    }
}

const READING: &str = "Reading the settings";
const WRITING: &str = "Writing the setting";
/// The setting itself is written.
const COPYING: &str = "Copying the settings to the table that functions read";

fn check(setting: &Description, value: &str) -> Result<(), Failure> {
    let refused = match (setting.check)(value) {
        Err(refused) => refused,
        Ok(()) if value.is_empty() => "must not be empty: AWS stores no empty values".to_owned(),
        Ok(()) => return Ok(()),
    };
    Err(Failure::new(
        format!("{} {refused}.", setting.name),
        format!("Allowed: {}.", setting.range),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_found_by_name() {
        for described in ALL {
            assert_eq!(setting(described.name).unwrap().name, described.name);
        }
    }

    #[test]
    fn the_most_similar_setting_is_suggested() {
        let failure = setting("shipping-fee").unwrap_err().to_string();
        assert!(failure.contains("Did you mean orders/shipping-fee?"), "{failure}");
        assert!(!setting("colour").unwrap_err().to_string().contains("Did you mean"));
        assert!(!setting("").unwrap_err().to_string().contains("Did you mean"));
    }

    #[test]
    fn invalid_values_are_rejected_with_their_range() {
        let fee = setting("orders/shipping-fee").unwrap();
        assert!(check(fee, "250").is_ok());
        let failure = check(fee, "lots").unwrap_err().to_string();
        assert_eq!(
            failure,
            "orders/shipping-fee must be a whole number.\n  Allowed: 0 to 1000000 minor units."
        );
        assert!(check(setting("payments/provider-key").unwrap(), "").is_err());
    }
}
