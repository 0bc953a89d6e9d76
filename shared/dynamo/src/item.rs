//! Items and their keys.

use aws_sdk_dynamodb::types::AttributeValue;
use rialto_contracts::Event;
use rialto_kernel::StoreError;
use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value::MapDeserializer},
};
use std::collections::HashMap;

pub type Item = HashMap<String, AttributeValue>;

/// The attribute with the events of an item's last change, which the relay publishes. Writes
/// without events leave it out.
pub const OUTBOX: &str = "outbox";

/// An item's primary key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub pk: String,
    pub sk: String,
}

impl Key {
    #[must_use]
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    #[must_use]
    pub fn item(&self) -> Item {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.pk.clone())),
            ("sk".to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }
}

/// The key of an item that was read.
///
/// # Errors
/// [`StoreError::Corrupt`] without one.
pub fn item_key(item: &Item) -> Result<Key, StoreError> {
    let part = |name: &str| {
        item.get(name)
            .and_then(|value| value.as_s().ok())
            .cloned()
            .ok_or_else(|| StoreError::Corrupt(format!("no {name}")))
    };
    Ok(Key { pk: part("pk")?, sk: part("sk")? })
}

/// `record` as an item under `key`, with the events of the write in its outbox.
///
/// # Errors
/// [`StoreError::Corrupt`] if the record can't be written as an item.
pub fn write_item<T: Serialize>(
    key: &Key,
    record: &T,
    events: &[Event],
) -> Result<Item, StoreError> {
    let mut item: Item =
        serde_dynamo::to_item(record).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    item.extend(key.item());
    if !events.is_empty() {
        item.insert(OUTBOX.to_owned(), outbox(events)?);
    }
    Ok(item)
}

/// # Errors
/// [`StoreError::Corrupt`] unless the item is a `T`.
pub fn read_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let attributes = item.into_iter().map(|(name, value)| (name, Attribute(value)));
    T::deserialize(MapDeserializer::new(attributes))
        .map_err(|error: serde_dynamo::Error| StoreError::Corrupt(error.to_string()))
}

/// An attribute to deserialize as a field. `serde_dynamo` deserializes the value only: for a
/// complete item it would first build a second map.
struct Attribute(AttributeValue);

impl<'de> IntoDeserializer<'de, serde_dynamo::Error> for Attribute {
    type Deserializer = serde_dynamo::Deserializer;

    fn into_deserializer(self) -> Self::Deserializer {
        serde_dynamo::Deserializer::from_attribute_value(self.0.into())
    }
}

/// The value of the outbox attribute: the events as one JSON string.
///
/// # Errors
/// [`StoreError::Corrupt`] if an event can't be written as JSON.
pub fn outbox(events: &[Event]) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(events)
        .map(AttributeValue::S)
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A number attribute.
#[must_use]
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
