//! The events' schemas.

use crate::assert_no_violations;
use rialto_contracts::{Event, EventContext};
use rialto_documents::{
    committed_json,
    compatibility::{breaking_changes, incompatible_with},
    events::{ENVELOPE, VersionedSchema, decode, schemas, versioned},
    root,
};
use rialto_kernel::{EventId, Timestamp};
use rialto_testkit::generated::{COMMAND, is_current};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

/// Today's schemas, and those of older versions.
const SCHEMAS: &str = "events/schemas";
/// The schemas as they were last released; `scripts/release-events` copies them.
const RELEASED: &str = "events/released";

/// What a change of an event's fields needs.
const REMEDY: &str = "published events have to stay readable: give the event a new version in \
                      shared/contracts, or leave the field as it was; a new field is an Option.";

/// The schemas of a folder, of every version.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// A schema as it is committed: with the examples that it already has.
fn complete(event: &VersionedSchema) -> String {
    let mut schema = event.schema.clone();
    let examples = committed_json(&event.path()).map(|schema| schema["examples"].clone());
    schema["examples"] =
        examples.filter(Value::is_array).unwrap_or_else(|| Value::Array(Vec::new()));
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[test]
fn within_a_version_fields_are_only_added() {
    let found = versioned().into_iter().filter_map(|event| {
        let breaking = breaking_changes(&committed_json(&event.path())?, &event.schema);
        (!breaking.is_empty()).then(|| format!("{}: {}", event.path(), breaking.join("; ")))
    });
    assert_no_violations(found.collect::<Vec<_>>(), REMEDY);
}

#[test]
fn schemas_are_compatible_with_the_released_ones() {
    let released: BTreeMap<_, _> = files(RELEASED)
        .into_iter()
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&fs::read(&file).unwrap()).unwrap())
        })
        .collect();
    assert!(!released.is_empty(), "{RELEASED} has no schemas to compare with");
    assert_no_violations(incompatible_with(&released, &versioned()), REMEDY);
}

#[test]
fn released_schemas_stay_until_they_are_retired() {
    let list = fs::read_to_string(root().join(RELEASED).join("list.txt")).unwrap();
    let listed: BTreeSet<_> = list.lines().filter(|line| !line.ends_with(" retired")).collect();
    let files = files(RELEASED);
    let present = files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    assert_no_violations(
        listed.symmetric_difference(&present).map(|name| (*name).to_owned()),
        "run `scripts/release-events`, which lists what it copies. To retire an event, write \
         ` retired` behind its name in events/released/list.txt, and delete its schema.",
    );
}

#[test]
fn generated_schemas_are_current() {
    let mut found = Vec::new();
    for event in versioned() {
        let breaking = committed_json(&event.path())
            .map(|old| breaking_changes(&old, &event.schema))
            .unwrap_or_default();
        // A breaking change is never written.
        if !breaking.is_empty() || !is_current(&root().join(event.path()), &complete(&event)) {
            found.push(event.path());
        }
    }
    assert_no_violations(found, &format!("run `{COMMAND}`, review the diff, and commit it."));
}

#[test]
fn other_schemas_are_older_versions() {
    let today = versioned();
    let found = files(SCHEMAS).into_iter().filter(|file| {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let version = name
            .split_once(".v")
            .and_then(|(event, version)| Some((event, version.parse::<u32>().ok()?)));
        let known = version.is_some_and(|(name, version)| {
            today.iter().any(|event| event.kind == name && version <= event.version)
        });
        !known
    });
    assert_no_violations(
        found.map(|file| file.display().to_string()),
        "delete the schemas of an unpublished event only when no queue or archive has such an \
         event.",
    );
}

#[test]
fn examples_of_every_version_can_be_decoded() {
    let mut found = Vec::new();
    for file in [SCHEMAS, RELEASED].into_iter().flat_map(files) {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let schema: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let examples = schema["examples"].as_array().cloned().unwrap_or_default();
        if examples.is_empty() {
            found.push(format!("{name} has no example"));
        }
        for data in examples {
            if schema["title"] == ENVELOPE {
                let error = serde_json::from_value::<Event>(data).err();
                found.extend(error.map(|error| format!("{name}: {error}")));
                continue;
            }
            let event = event(&schema, data);
            match decode(&event) {
                Ok(true) => {}
                Ok(false) => {
                    found.push(format!("{name}: {} has no event {}", event.source, event.kind))
                }
                Err(error) => found.push(format!("{name}: {error}")),
            }
        }
    }
    assert_no_violations(
        found,
        "write at least one example of the event's data into the schema's `examples`; once \
         published, it stays, and today's types read it.",
    );
}

/// An event with this data, of the schema's type.
fn event(schema: &Value, data: Value) -> Event {
    let text = |name: &str| schema[name].as_str().unwrap_or_default().to_owned();
    Event {
        specversion: "1.0".to_owned(),
        id: EventId::derive(&[b"example"]),
        source: text("x-source"),
        kind: text("title"),
        time: Timestamp::from_millis(0),
        subject: String::new(),
        dataschema: text("$id"),
        sequence: 1,
        correlationid: String::new(),
        causationid: EventContext::default().causationid,
        traceparent: None,
        data,
    }
}

#[test]
fn events_have_one_source() {
    let mut seen = BTreeSet::new();
    let found = schemas().into_iter().filter(|event| !seen.insert(event.event));
    assert_no_violations(
        found.map(|event| event.name()).collect::<Vec<_>>(),
        "an event name belongs to one source.",
    );
}
