//! The AsyncAPI document.

use crate::assert_no_violations;
use rialto_contracts::SOURCES;
use rialto_documents::{asyncapi::document, events::schemas, events_page::page, root};
use rialto_layout::{Repository, Template, assembly, reference};
use rialto_testkit::generated::assert_current;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// As it is assembled from its parts, because `template.yaml` may be written at the same time.
fn template() -> Template {
    Template::parse(&assembly::template(&Repository::open()))
}

#[test]
fn generated_asyncapi_document_is_current() {
    let document = serde_json::to_string_pretty(&document(&template())).unwrap() + "\n";
    assert_current(&root().join("events/asyncapi.json"), &document);
}

#[test]
fn generated_page_of_the_events_is_current() {
    let page = page(&document(&template()));
    assert_current(&root().join("functions/platform/docs/events.html"), &page);
}

/// The operations of an action: function and event.
fn operations(document: &Value, action: &str) -> BTreeSet<(String, String)> {
    let operations = document["operations"].as_object().unwrap().values();
    operations
        .filter(|operation| operation["action"] == action)
        .map(|operation| {
            let channel = operation["channel"]["$ref"].as_str().unwrap().trim_start_matches('#');
            let address = document.pointer(channel).unwrap()["address"].as_str().unwrap();
            (operation["x-function"].as_str().unwrap().to_owned(), address.to_owned())
        })
        .collect()
}

#[test]
fn every_event_has_a_channel_and_a_sender() {
    let document = document(&template());
    let expected: BTreeSet<_> = SOURCES
        .iter()
        .flat_map(|(source, events)| {
            let relay = source.replace("rialto.", "") + "-relay";
            events.iter().map(move |(event, _)| (relay.clone(), (*event).to_owned()))
        })
        .collect();
    assert_eq!(operations(&document, "send"), expected);
    let channels: BTreeSet<_> = document["channels"].as_object().unwrap().keys().cloned().collect();
    let versions = SOURCES.iter().flat_map(|(_, events)| *events);
    assert_eq!(channels, versions.map(|(event, version)| format!("{event}.v{version}")).collect());
}

#[test]
fn every_rule_of_the_bus_has_its_receivers() {
    let template = template();
    let mut expected = BTreeSet::new();
    for rule in template.of("AWS::Events::Rule") {
        if reference(&rule.properties["EventBusName"]).is_none() {
            continue;
        }
        for event in rule.properties["EventPattern"]["detail-type"].as_array().unwrap() {
            expected.insert((rule.id.to_owned(), event.as_str().unwrap().to_owned()));
        }
    }
    assert!(!expected.is_empty());
    let document = document(&template);
    let received = document["operations"].as_object().unwrap().values().filter_map(|operation| {
        let rule = operation["x-eventbridge-rule"].as_str()?;
        let pattern = &template.get(rule).unwrap().properties["EventPattern"];
        assert_eq!(&operation["x-eventbridge-pattern"], pattern, "{rule}");
        let channel = operation["channel"]["$ref"].as_str()?.strip_prefix("#/channels/")?;
        Some((rule.to_owned(), channel.split('.').next()?.to_owned()))
    });
    assert_eq!(received.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_event_has_a_description() {
    let found = schemas().into_iter().filter(|event| event.schema["description"].is_null());
    assert_no_violations(
        found.map(|event| event.event.to_owned()),
        "say in a doc comment in shared/contracts what has happened.",
    );
}

/// The payload's schema of a message.
fn payload(document: &Value, message: &str) -> Value {
    let payload = &document["components"]["messages"][message]["payload"];
    json!({ "allOf": payload["allOf"], "components": document["components"] })
}

#[test]
fn receivers_get_the_event_in_eventbridges_detail() {
    let document = document(&template());
    let mut received = 0;
    for operation in document["operations"].as_object().unwrap().values() {
        if operation["action"] != "receive" {
            continue;
        }
        received += 1;
        let resolve = |reference: &Value| {
            let path = reference["$ref"].as_str().unwrap().trim_start_matches('#');
            document.pointer(path).unwrap()
        };
        let reference = resolve(&operation["messages"][0]);
        let name = reference["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let schema = payload(&document, name);
        let event = name.strip_suffix(".delivery").unwrap();
        let event = &document["components"]["messages"][event]["examples"][0]["payload"];
        let delivered = json!({
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": event["type"],
            "source": event["source"],
            "account": "123456789012",
            "time": "2026-11-21T09:30:01Z",
            "region": "eu-central-1",
            "resources": [],
            "detail": event,
        });
        let error = jsonschema::validate(&schema, &delivered).err();
        assert!(error.is_none(), "{name}: {}", error.unwrap());
        assert!(!jsonschema::is_valid(&schema, event), "{name}: it takes the event itself");
        let location = &resolve(&resolve(reference)["traits"][0])["correlationId"]["location"];
        let location = location.as_str().unwrap().strip_prefix("$message.payload#").unwrap();
        assert_eq!(delivered.pointer(location), Some(&event["correlationid"]), "{name}");
    }
    assert!(received > 0);
}

#[test]
fn examples_conform_to_the_envelope_and_their_payload() {
    let document = document(&template());
    for name in document["channels"].as_object().unwrap().keys() {
        let message = &document["components"]["messages"][name];
        let schema = payload(&document, name);
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            let event = &example["payload"];
            let error = jsonschema::validate(&schema, event).err();
            assert!(error.is_none(), "{name}: {}", error.unwrap());
            assert!(!event["subject"].as_str().unwrap().is_empty(), "{name}");
            let mut other = event.clone();
            other["data"] = json!({});
            assert!(!jsonschema::is_valid(&schema, &other), "{name}: any data is valid");
        }
    }
}

#[test]
fn definitions_of_events_are_unambiguous() {
    let mut meanings: BTreeMap<String, (&str, Value)> = BTreeMap::new();
    let mut found = Vec::new();
    for event in schemas() {
        for (name, schema) in event.schema["$defs"].as_object().cloned().unwrap_or_default() {
            let (first, meaning) =
                meanings.entry(name.clone()).or_insert((event.event, schema.clone()));
            if *meaning != schema {
                found.push(format!("{name} of {first} isn't {name} of {}", event.event));
            }
        }
    }
    assert_no_violations(found, "rename one of the types in shared/contracts.");
}
