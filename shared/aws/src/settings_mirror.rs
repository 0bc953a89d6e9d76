//! The copy of a stage's settings in DynamoDB, from which functions read them.
//!
//! Parameter Store answers 40 requests a second for the whole account; an item of DynamoDB is read
//! thousands of times a second. Parameter Store stays the source: the copy is written after each
//! change by the command that made it (`rialto config set`, `rialto keys`), and by
//! `platform-mirror-settings`. It has no secrets, which Secrets Manager holds.

use crate::{
    ParameterStore, SdkConfig, Stage,
    signed::{JsonError, SignedClient},
};
use rialto_kernel::settings::ALL;
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};

/// The copy can't be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the copy of the settings: {0}")]
pub struct MirrorError(String);

/// Values by the name of the setting below `/rialto/<stage>/`; `None` for one that isn't set. A
/// setting that the writer of the copy didn't know has no entry.
pub type MirroredSettings = HashMap<String, Option<String>>;

/// What an update of the copy did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorUpdate {
    Written,
    Unchanged,
    /// The stage isn't deployed yet.
    NoTable,
}

/// The copy of a stage. Clones share their connections.
#[derive(Debug, Clone)]
pub struct SettingsMirror {
    client: SignedClient,
    stage: Stage,
}

/// The time limit of one request.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// Both parts of the key of the one item.
const KEY: &str = "SETTINGS";
/// The attempts of an update while others write.
const MAX_UPDATES: usize = 5;

/// The item.
struct Copy {
    version: u64,
    settings: MirroredSettings,
}

impl SettingsMirror {
    #[must_use]
    pub fn new(aws: &SdkConfig, stage: &Stage) -> Self {
        let client = SignedClient::new(aws, "dynamodb", "dynamodb", TIME_LIMIT);
        Self { client, stage: stage.clone() }
    }

    /// The settings; `None` before the first copy.
    ///
    /// # Errors
    /// [`MirrorError`] when the copy can't be read.
    pub async fn read(&self) -> Result<Option<MirroredSettings>, MirrorError> {
        let copy = self.get(false).await.map_err(mirror_error)?;
        Ok(copy.map(|copy| copy.settings))
    }

    /// Copies every setting from the parameter store, and keeps entries of other settings, which a
    /// newer release needs. Updates may run at the same time: each writes only over the version that
    /// it read before the parameters, so that older values never replace newer ones.
    ///
    /// # Errors
    /// [`MirrorError`] when the parameters can't be read, or the copy can't be written.
    pub async fn update(&self, store: &ParameterStore) -> Result<MirrorUpdate, MirrorError> {
        for _ in 0..MAX_UPDATES {
            let copy = match self.get(true).await {
                Ok(copy) => copy,
                Err(error) if error.is("ResourceNotFoundException") => {
                    return Ok(MirrorUpdate::NoTable);
                }
                Err(error) => return Err(mirror_error(error)),
            };
            let mut settings = copy.as_ref().map(|copy| copy.settings.clone()).unwrap_or_default();
            settings.extend(self.read_parameters(store).await?);
            if copy.as_ref().is_some_and(|copy| copy.settings == settings) {
                return Ok(MirrorUpdate::Unchanged);
            }
            match self.put(copy.map(|copy| copy.version), &settings).await {
                Ok(()) => return Ok(MirrorUpdate::Written),
                Err(error) if error.is("ConditionalCheckFailedException") => {}
                Err(error) => return Err(mirror_error(error)),
            }
        }
        Err(MirrorError("others write it all the time".to_owned()))
    }

    async fn read_parameters(
        &self,
        store: &ParameterStore,
    ) -> Result<MirroredSettings, MirrorError> {
        let names = || ALL.iter().filter(|setting| !setting.secret).map(|setting| setting.name);
        let full: Vec<_> = names().map(|name| self.stage.parameter(name)).collect();
        let mut values = store.get(&full).await.map_err(|error| MirrorError(error.to_string()))?;
        Ok(names().zip(full).map(|(name, full)| (name.to_owned(), values.remove(&full))).collect())
    }

    async fn get(&self, consistent: bool) -> Result<Option<Copy>, JsonError> {
        let request = json!({
            "TableName": self.stage.table("settings"),
            "Key": { "pk": { "S": KEY }, "sk": { "S": KEY } },
            "ConsistentRead": consistent,
        });
        let response = self.client.send("DynamoDB_20120810.GetItem", &request).await?;
        Ok(parse(&response["Item"]))
    }

    /// Replaces the item if it still has this version.
    async fn put(
        &self,
        replaced: Option<u64>,
        settings: &MirroredSettings,
    ) -> Result<(), JsonError> {
        let values: HashMap<_, _> = settings
            .iter()
            .map(|(name, value)| match value {
                Some(value) => (name, json!({ "S": value })),
                None => (name, json!({ "NULL": true })),
            })
            .collect();
        let version = replaced.unwrap_or_default() + 1;
        let mut request = json!({
            "TableName": self.stage.table("settings"),
            "Item": {
                "pk": { "S": KEY },
                "sk": { "S": KEY },
                "version": { "N": version.to_string() },
                "settings": { "M": values },
            },
            "ConditionExpression": "attribute_not_exists(pk)",
        });
        if let Some(replaced) = replaced {
            request["ConditionExpression"] = "#version = :replaced".into();
            request["ExpressionAttributeNames"] = json!({ "#version": "version" });
            request["ExpressionAttributeValues"] =
                json!({ ":replaced": { "N": replaced.to_string() } });
        }
        self.client.send("DynamoDB_20120810.PutItem", &request).await.map(drop)
    }
}

/// The copy in an item; `None` for an item of another form.
fn parse(item: &Value) -> Option<Copy> {
    let settings = item["settings"]["M"].as_object()?.iter();
    Some(Copy {
        version: item["version"]["N"].as_str()?.parse().ok()?,
        settings: settings
            .map(|(name, value)| (name.clone(), value["S"].as_str().map(str::to_owned)))
            .collect(),
    })
}

fn mirror_error(error: JsonError) -> MirrorError {
    MirrorError(error.to_string())
}
