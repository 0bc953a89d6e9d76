//! The samples have the form of real invocations.

use crate::assert_no_violations;
use rialto_contracts::Event;
use rialto_documents::{events::decode, root};
use rialto_lambda::access;
use serde_json::Value;
use std::fs;

/// Every sample with its function's name.
fn samples() -> Vec<(String, Value)> {
    let folder = fs::read_dir(root().join("events/samples")).unwrap();
    let sample = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    };
    let mut samples: Vec<_> = folder.map(|entry| sample(entry.unwrap().path())).collect();
    samples.sort_by(|(a, _), (b, _)| a.cmp(b));
    samples
}

/// The events in a queue's messages, each as EventBridge delivered it.
fn delivered(sample: &Value) -> Vec<Value> {
    let records = sample["Records"].as_array().cloned().unwrap_or_default();
    let body = |record: &Value| serde_json::from_str(record["body"].as_str()?).ok();
    records.iter().map(|record| body(record).unwrap_or_default()).collect()
}

/// The events in the outboxes of a stream's images.
fn published(sample: &Value) -> Vec<Value> {
    let records = sample["Records"].as_array().cloned().unwrap_or_default();
    let outbox = |record: &Value| {
        let outbox = record["dynamodb"]["NewImage"]["outbox"]["S"].as_str()?;
        serde_json::from_str::<Vec<Value>>(outbox).ok()
    };
    records.iter().filter_map(outbox).flatten().collect()
}

/// The reason why an event can't be decoded; `None` if it can.
fn decode_failure(event: &Value) -> Option<String> {
    let event: Event = match serde_json::from_value(event.clone()) {
        Ok(event) => event,
        Err(error) => return Some(format!("isn't an event: {error}")),
    };
    match decode(&event) {
        Ok(true) => None,
        Ok(false) => Some(format!("{} has no event {}", event.source, event.kind)),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn consumer_samples_hold_decodable_events() {
    let mut found = Vec::new();
    for (name, sample) in samples() {
        let Some((_, source)) = name.split_once("-on-") else { continue };
        let delivered = delivered(&sample);
        if delivered.is_empty() {
            found.push(format!("{name} has no records"));
        }
        for delivery in delivered {
            let event = &delivery["detail"];
            found.extend(decode_failure(event).map(|failure| format!("{name}: {failure}")));
            if event["source"] != format!("rialto.{source}") {
                found.push(format!("{name}: an event comes from {}", event["source"]));
            }
            if delivery["source"] != event["source"] || delivery["detail-type"] != event["type"] {
                found.push(format!(
                    "{name}: EventBridge's own source and detail-type say something else"
                ));
            }
        }
    }
    assert_no_violations(
        found,
        "an SQS batch; each body is EventBridge's envelope with the complete CloudEvent as detail.",
    );
}

#[test]
fn relay_samples_hold_decodable_events() {
    let mut found = Vec::new();
    for (name, sample) in samples().into_iter().filter(|(name, _)| name.ends_with("-relay")) {
        let published = published(&sample);
        if published.is_empty() {
            found.push(format!("{name} publishes nothing"));
        }
        let service = name.trim_end_matches("-relay");
        for event in published {
            found.extend(decode_failure(&event).map(|failure| format!("{name}: {failure}")));
            if event["source"] != format!("rialto.{service}") {
                found.push(format!("{name}: an event comes from {}", event["source"]));
            }
        }
    }
    assert_no_violations(
        found,
        "a DynamoDB stream event whose new images have an outbox: a JSON string with a list of events.",
    );
}

#[test]
fn route_samples_are_requests_of_their_route() {
    let mut found = Vec::new();
    for (name, sample) in samples() {
        let Some(route) = access::of(&name) else { continue };
        if sample["httpMethod"] != route.method || sample["resource"] != route.path {
            let (method, resource) = (&sample["httpMethod"], &sample["resource"]);
            found.push(format!(
                "{name} is {method} {resource}, not {} {}",
                route.method, route.path
            ));
        }
        let path = route.path.split('/').fold(String::new(), |path, part| {
            let named = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let part =
                named.map_or(part, |name| sample["pathParameters"][name].as_str().unwrap_or("?"));
            if path.is_empty() && part.is_empty() { path } else { format!("{path}/{part}") }
        });
        if sample["path"] != path {
            found
                .push(format!("{name}: its path is {}, its parameters say {path}", sample["path"]));
        }
        let authorized = sample["requestContext"]["authorizer"]["sub"].is_string();
        if authorized != route.who.requires_token() {
            found.push(format!(
                "{name}: carries an authorizer's context: {authorized}, may be called by {:?}",
                route.who
            ));
        }
    }
    assert_no_violations(
        found,
        "an API Gateway proxy event: resource and httpMethod are the route's, pathParameters fill its path, and where a \
         token is needed requestContext.authorizer has sub and sid.",
    );
}
