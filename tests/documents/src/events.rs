//! The JSON Schemas of all events' data.

use rialto_contracts::{
    DecodeError, Event,
    accounts::Accounts,
    catalog::Catalog,
    envelope::{EventType, Schema},
    inventory::Inventory,
    orders::Orders,
    payments::Payments,
};
use serde_json::{Value, json};

/// One version of an event as the code defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSchema {
    /// Such as `rialto.orders`.
    pub source: &'static str,
    /// Such as `OrderPlaced`.
    pub event: &'static str,
    pub version: u32,
    /// The field of its data with the aggregate's id.
    pub subject: &'static str,
    /// The JSON Schema of its data.
    pub schema: Value,
}

impl EventSchema {
    /// The name with the version, such as `OrderPlaced.v1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.v{}", self.event, self.version)
    }

    /// The path of the committed schema.
    #[must_use]
    pub fn path(&self) -> String {
        format!("events/schemas/{}.json", self.name())
    }
}

/// Every event of every source.
#[must_use]
pub fn schemas() -> Vec<EventSchema> {
    [
        (Accounts::NAME, Accounts::types()),
        (Catalog::NAME, Catalog::types()),
        (Inventory::NAME, Inventory::types()),
        (Orders::NAME, Orders::types()),
        (Payments::NAME, Payments::types()),
    ]
    .into_iter()
    .flat_map(|(source, events)| {
        events.into_iter().map(move |event| {
            let EventType { name, version, subject, schema: Schema(schema) } = event;
            let schema = headed(source, name, version, schema);
            EventSchema { source, event: name, version, subject, schema }
        })
    })
    .collect()
}

/// A schema with its id, title and source.
fn headed(source: &str, event: &str, version: u32, schema: Value) -> Value {
    let mut headed = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:rialto:event:{event}:{version}"),
        "title": event,
        "x-source": source,
    });
    if let (Value::Object(headed), Value::Object(schema)) = (&mut headed, schema) {
        headed.extend(schema);
    }
    headed
}

/// Decodes an event as a consumer of its source does; returns whether the source knows it.
///
/// # Errors
/// [`DecodeError`] when its data doesn't have the type's form.
pub fn decode(event: &Event) -> Result<bool, DecodeError> {
    let source = event.source.as_str();
    Ok(match source {
        Accounts::NAME => Accounts::decode(event)? != Accounts::Other,
        Catalog::NAME => Catalog::decode(event)? != Catalog::Other,
        Inventory::NAME => Inventory::decode(event)? != Inventory::Other,
        Orders::NAME => Orders::decode(event)? != Orders::Other,
        Payments::NAME => Payments::decode(event)? != Payments::Other,
        _ => false,
    })
}
