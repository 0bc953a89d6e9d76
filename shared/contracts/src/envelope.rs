//! A CloudEvent 1.0 in structured JSON, as it travels in EventBridge's `detail`.

use rialto_kernel::{EventId, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

/// An event as it is stored in an outbox, published and consumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The version of CloudEvents.
    pub specversion: String,
    /// Created with the write that the event is about, so that a republished event keeps it.
    pub id: EventId,
    /// The service that published it, such as `rialto.orders`.
    pub source: String,
    /// What has happened, such as `OrderPlaced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The time of the write.
    pub time: Timestamp,
    /// The aggregate's id.
    pub subject: String,
    /// The schema of `data` with its version, such as `urn:rialto:event:OrderPlaced:1`.
    pub dataschema: String,
    /// The aggregate's version. Events of one write share it.
    pub sequence: u64,
    /// The id of the whole process; in a saga, the order's.
    pub correlationid: String,
    /// The event that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<EventId>,
    /// The trace context of the write (W3C).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What the event says; its schema is that of the event's type.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// The data of one type of event.
pub trait Payload: Serialize + DeserializeOwned {
    const SOURCE: &'static str;
    const TYPE: &'static str;
    const VERSION: u32;
    /// The id of the aggregate that the event is about.
    fn subject(&self) -> String;
}

/// Correlation, causation and trace of the events of a write, passed on from the entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventContext {
    /// The id of the process that the write is a part of; a new one starts without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    /// The event being handled; `None` for a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<EventId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The data isn't that of the event's type.
#[derive(Debug, thiserror::Error)]
#[error("the data of {kind} can't be read: {source}")]
pub struct DecodeError {
    kind: String,
    source: serde_json::Error,
}

impl Event {
    /// The event number `index` of the write with version `sequence`.
    ///
    /// The correlation id is the context's, or the aggregate's id without one.
    #[must_use]
    pub fn new<P: Payload>(
        payload: &P,
        sequence: u64,
        index: u8,
        now: Timestamp,
        context: &EventContext,
    ) -> Self {
        let subject = payload.subject();
        let id = EventId::derive_at(
            now,
            &[
                P::SOURCE.as_bytes(),
                subject.as_bytes(),
                &sequence.to_be_bytes(),
                P::TYPE.as_bytes(),
                &[index],
            ],
        );
        Self {
            specversion: "1.0".to_owned(),
            id,
            source: P::SOURCE.to_owned(),
            kind: P::TYPE.to_owned(),
            time: now,
            dataschema: dataschema(P::TYPE, P::VERSION),
            sequence,
            correlationid: context.correlationid.clone().unwrap_or_else(|| subject.clone()),
            causationid: context.causationid,
            traceparent: context.traceparent.clone(),
            // A payload is a struct of numbers, strings and lists: always JSON.
            data: serde_json::to_value(payload).unwrap_or_default(),
            subject,
        }
    }

    /// # Errors
    /// [`DecodeError`] when the data isn't a `P`.
    pub fn payload<P: Payload>(&self) -> Result<P, DecodeError> {
        P::deserialize(&self.data).map_err(|source| DecodeError { kind: self.kind.clone(), source })
    }
}

/// The `dataschema` of an event, and the `$id` of the schema of its data.
#[must_use]
pub fn dataschema(kind: &str, version: u32) -> String {
    format!("urn:rialto:event:{kind}:{version}")
}

/// A type of event, as its source declares it.
#[derive(Debug)]
pub struct EventType {
    pub name: &'static str,
    pub version: u32,
    /// The field of its data with the aggregate's id.
    pub subject: &'static str,
    pub schema: Schema,
}

/// A payload's JSON Schema (2020-12), with the schemas that it references in `$defs`.
#[derive(Debug)]
pub struct Schema(pub Value);

impl Schema {
    #[must_use]
    pub fn of<P: ToSchema>() -> Self {
        let mut parts = Vec::new();
        P::schemas(&mut parts);
        let mut schema = serde_json::to_value(P::schema()).unwrap_or_default();
        let defs: serde_json::Map<String, Value> = parts
            .into_iter()
            .map(|(name, part)| (name, serde_json::to_value(part).unwrap_or_default()))
            .collect();
        if let (Value::Object(schema), false) = (&mut schema, defs.is_empty()) {
            schema.insert("$defs".to_owned(), Value::Object(defs));
        }
        let text = schema.to_string().replace("#/components/schemas/", "#/$defs/");
        Self(serde_json::from_str(&text).unwrap_or_default())
    }
}
