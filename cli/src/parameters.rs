//! A stage's settings in the parameter store.

use crate::{aws, failure::Failure};
use rialto_aws::{Parameter, ParameterStore, SdkConfig, Stage};
use rialto_kernel::settings::{ALL, Description};
use std::collections::HashMap;

pub(crate) struct Parameters<'a> {
    store: ParameterStore,
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
        Self { store: ParameterStore::new(aws), stage }
    }

    /// The values that are set, by setting. Secrets are decrypted only with `reveal`.
    ///
    /// # Errors
    /// [`Failure`] if the parameter store can't be read.
    pub(crate) async fn read(
        &self,
        settings: &[Description],
        reveal: bool,
    ) -> Result<HashMap<&'static str, String>, Failure> {
        let names: Vec<String> =
            settings.iter().map(|setting| self.stage.parameter(setting.name)).collect();
        let mut values = self
            .store
            .get(&names, reveal)
            .await
            .map_err(|error| aws::parameter_failure("Reading the settings", &error))?;
        let value =
            |(setting, name): (&Description, &String)| Some((setting.name, values.remove(name)?));
        Ok(settings.iter().zip(&names).filter_map(value).collect())
    }

    /// # Errors
    /// [`Failure`] for a value out of range, or if the parameter store can't be written.
    pub(crate) async fn write(&self, setting: &Description, value: &str) -> Result<(), Failure> {
        check(setting, value)?;
        let name = self.stage.parameter(setting.name);
        let parameter =
            Parameter { name: &name, value, description: setting.doc, secret: setting.secret };
        self.store
            .put(&parameter)
            .await
            .map_err(|error| aws::parameter_failure("Writing the setting", &error))
    }
}

fn check(setting: &Description, value: &str) -> Result<(), Failure> {
    let refused = match (setting.check)(value) {
        Err(refused) => refused,
        Ok(()) if value.is_empty() => {
            "must not be empty: the parameter store rejects empty values".to_owned()
        }
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
