//! Changes of items, as the table's stream reports them.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(crate) struct StreamEvent {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    dynamodb: StreamRecord,
}

#[derive(Debug, Deserialize)]
struct StreamRecord {
    #[serde(rename = "OldImage", default)]
    old: Value,
    #[serde(rename = "NewImage", default)]
    new: Value,
}

impl Record {
    pub(crate) fn before(&self) -> ItemImage {
        ItemImage(self.dynamodb.old.clone())
    }

    pub(crate) fn after(&self) -> ItemImage {
        ItemImage(self.dynamodb.new.clone())
    }
}

/// An item in DynamoDB JSON; empty if there was none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemImage(Value);

impl From<Value> for ItemImage {
    fn from(item: Value) -> Self {
        Self(item)
    }
}

impl ItemImage {
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.get("S")?.as_str()
    }

    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.get("N")?.as_str()?.parse().ok()
    }
}
