//! The JSON Schemas of all events' data.

use rialto_contracts::{
    DecodeError, Event,
    accounts::Accounts,
    catalog::Catalog,
    delivery::Delivery,
    envelope::{EventType, Schema, dataschema},
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
        name(self.event, self.version)
    }
}

/// One version of a schema that is committed and released: of an event's data, or the envelope's.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionedSchema {
    /// Such as `OrderPlaced`.
    pub kind: &'static str,
    pub version: u32,
    pub schema: Value,
}

impl VersionedSchema {
    /// The path of the committed schema.
    #[must_use]
    pub fn path(&self) -> String {
        path(&name(self.kind, self.version))
    }
}

fn name(kind: &str, version: u32) -> String {
    format!("{kind}.v{version}")
}

/// The path of a committed schema, by its name with the version.
pub(crate) fn path(name: &str) -> String {
    format!("events/schemas/{name}.json")
}

/// The envelope's schema and those of all events' data.
#[must_use]
pub fn versioned() -> Vec<VersionedSchema> {
    let envelope = VersionedSchema { kind: ENVELOPE, version: 1, schema: envelope() };
    let events = schemas().into_iter().map(|event| {
        let EventSchema { event: kind, version, schema, .. } = event;
        VersionedSchema { kind, version, schema }
    });
    [envelope].into_iter().chain(events).collect()
}

/// The name of the envelope's schema.
pub const ENVELOPE: &str = "CloudEvent";

/// The schema of every event's envelope.
#[must_use]
pub fn envelope() -> Value {
    let mut schema = headed(
        json!({ "$id": format!("urn:rialto:envelope:{ENVELOPE}:1"), "title": ENVELOPE }),
        Schema::of::<Event>().0,
    );
    schema["properties"]["specversion"]["const"] = json!("1.0");
    schema
}

/// Every event of every source.
#[must_use]
pub fn schemas() -> Vec<EventSchema> {
    [
        (Accounts::NAME, Accounts::types()),
        (Catalog::NAME, Catalog::types()),
        (Delivery::NAME, Delivery::types()),
        (Inventory::NAME, Inventory::types()),
        (Orders::NAME, Orders::types()),
        (Payments::NAME, Payments::types()),
    ]
    .into_iter()
    .flat_map(|(source, events)| {
        events.into_iter().map(move |event| {
            let EventType { name, version, subject, schema: Schema(schema) } = event;
            let head = json!({
                "$id": dataschema(name, version),
                "title": name,
                "x-source": source,
                "x-subject": subject,
            });
            let schema = headed(head, schema);
            EventSchema { source, event: name, version, subject, schema }
        })
    })
    .collect()
}

/// A schema with its dialect and the keywords of its head.
fn headed(head: Value, schema: Value) -> Value {
    let mut headed = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" });
    for part in [head, schema] {
        if let (Value::Object(headed), Value::Object(part)) = (&mut headed, part) {
            headed.extend(part);
        }
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
        Delivery::NAME => Delivery::decode(event)? != Delivery::Other,
        Inventory::NAME => Inventory::decode(event)? != Inventory::Other,
        Orders::NAME => Orders::decode(event)? != Orders::Other,
        Payments::NAME => Payments::decode(event)? != Payments::Other,
        _ => false,
    })
}
