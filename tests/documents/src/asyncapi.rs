//! The AsyncAPI document: every event with its channel, its source, its consumers and the rules
//! that route it to them.

use crate::{
    committed_json,
    events::{ENVELOPE, EventSchema, envelope, path, schemas},
};
use rialto_contracts::{Event, SOURCES, envelope::dataschema};
use rialto_kernel::{EventId, Timestamp};
use rialto_layout::{Template, reference, text};
use serde_json::{Map, Value, json};

/// 2026-11-21T09:30:00.125Z, the time of the samples' events.
const EXAMPLE_TIME: Timestamp = Timestamp::from_millis(1_795_253_400_125);

/// A rule of the bus: the events that it puts into a consumer's queue.
#[derive(Debug)]
struct Rule<'a> {
    id: &'a str,
    /// Such as `inventory-on-orders`.
    consumer: &'a str,
    pattern: &'a Value,
}

/// The AsyncAPI document of the contracts' events and the template's rules.
#[must_use]
pub fn document(template: &Template) -> Value {
    let events = schemas();
    let rules = rules(template);
    let mut channels = Map::new();
    let mut messages = Map::new();
    let mut operations = Map::new();
    let mut schemas = Map::new();
    add_schema(&mut schemas, ENVELOPE, &envelope());
    schemas.insert("EventBridgeEvent".to_owned(), delivery_envelope());
    for event in &events {
        add_schema(&mut schemas, &event.name(), &event.schema);
        messages.insert(event.name(), message(event));
        let relay = format!("{}-relay", service(event.source));
        let mut send = operation(event, "send", &relay);
        send["summary"] = json!(format!("{} publishes {}.", service(event.source), event.event));
        operations.insert(format!("{relay}.{}", event.name()), send);
        let received = rules.iter().any(|rule| rule.matches(event));
        channels.insert(event.name(), channel(event, received));
        for rule in rules.iter().filter(|rule| rule.matches(event)) {
            let mut receive = operation(event, "receive", rule.consumer);
            let consumer = rule.consumer.split('-').next().unwrap_or_default();
            receive["summary"] = json!(format!("{consumer} consumes {}.", event.event));
            receive["x-eventbridge-rule"] = json!(rule.id);
            receive["x-eventbridge-pattern"] = rule.pattern.clone();
            receive["x-sqs-queue"] = json!(format!("rialto-{{stage}}-{}", rule.consumer));
            operations.insert(format!("{}.{}", rule.consumer, event.name()), receive);
            messages.insert(delivery_name(event), delivery(event));
        }
    }
    let tags: Vec<_> =
        SOURCES.iter().map(|(source, _)| json!({ "name": service(source) })).collect();
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Rialto's events",
            "version": "1",
            "description": DESCRIPTION,
            "license": { "name": "MIT" },
            "tags": tags,
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": { "eventBridge": server(template) },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "messageTraits": {
                "CloudEvent": {
                    "contentType": CONTENT_TYPE,
                    "correlationId": correlation_id("/correlationid"),
                },
                "EventBridgeEvent": {
                    "contentType": "application/json",
                    "correlationId": correlation_id("/detail/correlationid"),
                },
            },
            "schemas": schemas,
        },
    })
}

const CONTENT_TYPE: &str = "application/cloudevents+json";

const DESCRIPTION: &str = "The events that Rialto's services exchange on EventBridge. Each is a \
    CloudEvent 1.0 in structured JSON, EventBridge's `detail`; EventBridge's own `source` and \
    `detail-type` have the values of its `source` and `type`, for rules. A consumer's queue has \
    EventBridge's event as the body of a message, with the CloudEvent in `detail`. Events are \
    delivered at least once and in any order; a copy of an event has the same `id`. Within a \
    version only optional fields and enum values are added: ignore fields that you don't know, and \
    take an enum value that you don't know as another one. Amounts are whole numbers of minor \
    units; times are RFC 3339 UTC. Events name accounts by their ids only: they contain no names of persons, postal \
    addresses or email addresses.";

fn server(template: &Template) -> Value {
    let bus = template.get("EventBus");
    let name = bus.and_then(|bus| text(&bus.properties["Name"])).unwrap_or_default();
    json!({
        "host": "events.{region}.amazonaws.com",
        "protocol": "eventbridge",
        "description": "EventBridge, with a bus for each stage, such as `prod`. Relays call \
                        PutEvents, signed with Signature Version 4; consumers read SQS queues of \
                        their own, which the bus's rules feed.",
        "variables": { "region": { "description": "The AWS Region, such as `eu-central-1`." } },
        "x-event-bus": name.replace("${Stage}", "{stage}"),
    })
}

fn correlation_id(path: &str) -> Value {
    json!({
        "description": "The order's id in a saga, otherwise the aggregate's.",
        "location": format!("$message.payload#{path}"),
    })
}

fn channel(event: &EventSchema, received: bool) -> Value {
    let name = event.name();
    let mut channel = json!({
        "address": event.event,
        "title": title(event),
        "servers": [{ "$ref": "#/servers/eventBridge" }],
        "messages": { event.event: { "$ref": format!("#/components/messages/{name}") } },
        "tags": [{ "name": service(event.source) }],
        "x-version": event.version,
    });
    if received {
        let delivery = format!("#/components/messages/{}", delivery_name(event));
        channel["messages"][delivery_key(event)] = json!({ "$ref": delivery });
    }
    if let Some(description) = event.schema.get("description") {
        channel["description"] = description.clone();
    }
    channel
}

/// The name of the message of an event in consumers' queues.
fn delivery_name(event: &EventSchema) -> String {
    format!("{}.delivery", event.name())
}

/// The key of that message in the event's channel.
fn delivery_key(event: &EventSchema) -> String {
    format!("{}Delivery", event.event)
}

/// An event as EventBridge puts it into a queue.
fn delivery(event: &EventSchema) -> Value {
    let name = event.name();
    json!({
        "name": delivery_key(event),
        "title": format!("{} as it is delivered to a queue", title(event)),
        "traits": [{ "$ref": "#/components/messageTraits/EventBridgeEvent" }],
        "payload": { "allOf": [
            { "$ref": "#/components/schemas/EventBridgeEvent" },
            {
                "type": "object",
                "properties": {
                    "source": { "const": event.source },
                    "detail-type": { "const": event.event },
                    "detail": { "$ref": format!("#/components/messages/{name}/payload") },
                },
            },
        ] },
    })
}

/// EventBridge's own envelope, the body of a queue's message.
fn delivery_envelope() -> Value {
    json!({
        "type": "object",
        "description": "What EventBridge puts into a queue: an event in `detail`.",
        "properties": {
            "version": { "type": "string", "const": "0" },
            "id": { "type": "string", "description": "EventBridge's own; not the event's `id`." },
            "detail-type": { "type": "string", "description": "The event's `type`." },
            "source": { "type": "string", "description": "The event's `source`." },
            "account": { "type": "string", "description": "The number of the AWS account." },
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "EventBridge's; not the event's `time`.",
            },
            "region": { "type": "string" },
            "resources": { "type": "array", "items": { "type": "string" } },
            "detail": { "type": "object", "description": "The event, a CloudEvent." },
        },
        "required": [
            "version", "id", "detail-type", "source", "account", "time", "region", "resources",
            "detail",
        ],
    })
}

fn message(event: &EventSchema) -> Value {
    let name = event.name();
    let examples = committed_json(&path(&name)).map(|schema| schema["examples"].clone());
    let examples = examples.as_ref().and_then(Value::as_array).into_iter().flatten();
    let examples: Vec<_> = examples
        .map(|data| json!({ "name": event.event, "payload": example(event, data) }))
        .collect();
    json!({
        "name": event.event,
        "title": title(event),
        "traits": [{ "$ref": "#/components/messageTraits/CloudEvent" }],
        "payload": { "allOf": [
            { "$ref": "#/components/schemas/CloudEvent" },
            {
                "type": "object",
                "properties": {
                    "source": { "const": event.source },
                    "type": { "const": event.event },
                    "dataschema": { "const": event.schema["$id"] },
                    "subject": { "description": format!("The `{}`.", event.subject) },
                    "data": { "$ref": format!("#/components/schemas/{name}") },
                },
            },
        ] },
        "examples": examples,
    })
}

/// An event with the data of an example.
fn example(event: &EventSchema, data: &Value) -> Event {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let subject = text(&data[event.subject]);
    Event {
        specversion: "1.0".to_owned(),
        id: EventId::derive_at(EXAMPLE_TIME, &[event.event.as_bytes()]),
        source: event.source.to_owned(),
        kind: event.event.to_owned(),
        time: EXAMPLE_TIME,
        dataschema: dataschema(event.event, event.version),
        sequence: 1,
        correlationid: subject.clone(),
        causationid: None,
        traceparent: None,
        data: data.clone(),
        subject,
    }
}

fn operation(event: &EventSchema, action: &str, function: &str) -> Value {
    let channel = format!("#/channels/{}", event.name());
    let service = function.split('-').next().unwrap_or_default();
    let message = if action == "receive" { delivery_key(event) } else { event.event.to_owned() };
    json!({
        "action": action,
        "channel": { "$ref": channel },
        "messages": [{ "$ref": format!("{channel}/messages/{message}") }],
        "tags": [{ "name": service }],
        "x-function": function,
    })
}

/// The rules of the bus. Every other rule serves AWS's own events or a schedule.
fn rules(template: &Template) -> Vec<Rule<'_>> {
    let on_bus = template
        .of("AWS::Events::Rule")
        .filter(|rule| reference(&rule.properties["EventBusName"]) == Some("EventBus"));
    on_bus
        .flat_map(|rule| {
            let targets = rule.properties["Targets"].as_array().into_iter().flatten();
            targets.filter_map(move |target| {
                let consumer = consumer(template, reference(&target["Arn"])?)?;
                Some(Rule { id: rule.id, consumer, pattern: &rule.properties["EventPattern"] })
            })
        })
        .collect()
}

/// The function that a queue feeds, by its name without the stage.
fn consumer<'a>(template: &'a Template, queue: &str) -> Option<&'a str> {
    let mapping = template
        .of("AWS::Lambda::EventSourceMapping")
        .find(|mapping| reference(&mapping.properties["EventSourceArn"]) == Some(queue))?;
    let function = template.get(reference(&mapping.properties["FunctionName"])?)?;
    text(&function.properties["FunctionName"])?.strip_prefix("rialto-${Stage}-")
}

impl Rule<'_> {
    fn matches(&self, event: &EventSchema) -> bool {
        let has = |name: &str, value: &str| {
            self.pattern[name].as_array().is_some_and(|list| list.iter().any(|item| item == value))
        };
        has("source", event.source) && has("detail-type", event.event)
    }
}

fn title(event: &EventSchema) -> String {
    format!("{}, version {}", event.event, event.version)
}

/// `rialto.orders` as `orders`.
fn service(source: &str) -> &str {
    source.trim_start_matches("rialto.")
}

/// Adds a schema, and the definitions that it references, to the components.
fn add_schema(schemas: &mut Map<String, Value>, name: &str, schema: &Value) {
    let Value::Object(mut schema) = with_components_references(schema) else { return };
    for keyword in ["$schema", "$id", "x-source", "x-subject"] {
        schema.remove(keyword);
    }
    if let Some(Value::Object(definitions)) = schema.remove("$defs") {
        schemas.extend(definitions);
    }
    schemas.insert(name.to_owned(), Value::Object(schema));
}

/// The schema with its references to components. AsyncAPI's schemas are of JSON Schema's draft 7,
/// in which a reference has no other keywords beside it.
fn with_components_references(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let mut keywords: Map<_, _> = keywords
                .iter()
                .map(|(name, value)| (name.clone(), with_components_references(value)))
                .collect();
            let Some(target) = keywords.get("$ref").and_then(Value::as_str) else {
                return Value::Object(keywords);
            };
            let target = target.replace("#/$defs/", "#/components/schemas/");
            keywords.remove("$ref");
            if keywords.is_empty() {
                return json!({ "$ref": target });
            }
            keywords.insert("allOf".to_owned(), json!([{ "$ref": target }]));
            Value::Object(keywords)
        }
        Value::Array(list) => list.iter().map(with_components_references).collect(),
        other => other.clone(),
    }
}
