//! The changes of an event's schema that are refused within a version.
//!
//! Two kinds of readers have to be able to read an event: those of the older schema, which are
//! still running while a release is deployed, and those of the newer one, which are given events
//! that were published before. So optional fields and enum values may be added, and nothing else
//! changes.

use crate::events::VersionedSchema;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Keywords that describe, and constrain nothing; `$defs` are compared where they are referenced.
/// `$id` isn't one of them: it is the `dataschema` of published events.
const ANNOTATIONS: [&str; 7] =
    ["$schema", "$defs", "title", "description", "examples", "default", "deprecated"];

/// What is incompatible with the schemas that were released, by their name (`OrderPlaced.v1`).
#[must_use]
pub fn incompatible_with(
    released: &BTreeMap<String, Value>,
    today: &[VersionedSchema],
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, schema) in released {
        let parts = name.split_once(".v");
        let Some((kind, version)) =
            parts.and_then(|(kind, version)| Some((kind, version.parse::<u32>().ok()?)))
        else {
            found.push(format!("{name} isn't the name of an event with its version"));
            continue;
        };
        match today.iter().find(|event| event.kind == kind) {
            None => found.push(format!("{name}: the event was removed")),
            Some(event) if event.version < version => {
                found.push(format!("{name}: the event is of version {} again", event.version));
            }
            // An older version: its events are read by today's types, as the examples show.
            Some(event) if event.version > version => {}
            Some(event) => {
                let changes = breaking_changes(schema, &event.schema);
                found.extend(changes.into_iter().map(|change| format!("{name}: {change}")));
            }
        }
    }
    found
}

/// The breaking changes of a schema since an older one of the same version, each with the path of
/// its field: `data.lines[].quantity was removed`; of the envelope, `event.id was removed`.
#[must_use]
pub fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, open: Vec::new(), found: Vec::new() };
    // Only the envelope has no source.
    let root = if old["x-source"].is_null() { "event" } else { "data" };
    comparison.compare(root, old, new);
    comparison.found
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    /// The definitions that are being compared, because a type can contain itself.
    open: Vec<(&'a str, &'a str)>,
    found: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn compare(&mut self, field: &str, was: &'a Value, is: &'a Value) {
        let (old, new) = (beside_references(self.old, was), beside_references(self.new, is));
        let keywords: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
        for keyword in keywords.into_iter().filter(|keyword| !ANNOTATIONS.contains(keyword)) {
            let values = |of: &BTreeMap<_, _>| of.get(keyword).cloned().map(Value::Array);
            self.compare_values(field, keyword, values(&old).as_ref(), values(&new).as_ref());
        }
        let (was, was_name) = resolve(self.old, was);
        let (is, is_name) = resolve(self.new, is);
        if let (Some(was_name), Some(is_name)) = (was_name, is_name) {
            if self.open.contains(&(was_name, is_name)) {
                return;
            }
            self.open.push((was_name, is_name));
            self.compare_keywords(field, was, is);
            self.open.pop();
        } else {
            self.compare_keywords(field, was, is);
        }
    }

    fn compare_keywords(&mut self, field: &str, was: &'a Value, is: &'a Value) {
        let (Some(old), Some(new)) = (was.as_object(), is.as_object()) else {
            if was != is {
                self.found.push(format!("{field}: its schema was {was} and is {is}"));
            }
            return;
        };
        let keywords: BTreeSet<_> = old.keys().chain(new.keys()).map(String::as_str).collect();
        for keyword in keywords {
            match (keyword, old.get(keyword), new.get(keyword)) {
                (annotation, _, _) if ANNOTATIONS.contains(&annotation) => {}
                ("properties", was, _) => {
                    for (name, was) in was.and_then(Value::as_object).into_iter().flatten() {
                        let field = format!("{field}.{name}");
                        match property(new, name) {
                            Some(is) => self.compare(&field, was, is),
                            None => self.found.push(format!("{field} was removed")),
                        }
                    }
                }
                ("required", _, _) => self.compare_required(field, old, new),
                ("enum", Some(Value::Array(was)), Some(Value::Array(is))) => {
                    let removed = was.iter().filter(|value| !is.contains(value));
                    let removed = removed.map(|value| format!("{field} no longer takes {value}"));
                    self.found.extend(removed);
                }
                ("items", Some(was), Some(is)) => self.compare(&format!("{field}[]"), was, is),
                ("additionalProperties", Some(was), Some(is)) => {
                    self.compare(&format!("{field}.*"), was, is);
                }
                ("oneOf" | "anyOf" | "allOf", Some(Value::Array(was)), Some(Value::Array(is)))
                    if was.len() == is.len() =>
                {
                    for (was, is) in was.iter().zip(is) {
                        self.compare(field, was, is);
                    }
                }
                (_, was, is) => self.compare_values(field, keyword, was, is),
            }
        }
    }

    fn compare_values(
        &mut self,
        field: &str,
        keyword: &str,
        was: Option<&Value>,
        is: Option<&Value>,
    ) {
        if sorted(was) != sorted(is) {
            let [was, is] =
                [was, is].map(|value| value.map_or("absent".to_owned(), Value::to_string));
            self.found.push(format!("{field}: {keyword} was {was} and is {is}"));
        }
    }

    fn compare_required(
        &mut self,
        field: &str,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) {
        let (was, is) = (required(old), required(new));
        for name in is.difference(&was) {
            self.found.push(format!("{field}.{name} is newly required"));
        }
        // A field that was removed is already named.
        for name in was.difference(&is).filter(|name| property(new, name).is_some()) {
            self.found.push(format!("{field}.{name} is no longer required"));
        }
    }
}

/// The schema that a reference leads to, and the last definition's name.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> (&'a Value, Option<&'a str>) {
    let (mut schema, mut name) = (schema, None);
    while let Some((next, definition)) = referenced(root, schema) {
        (schema, name) = (definition, Some(next));
    }
    (schema, name)
}

/// The keywords beside a reference, and beside those that it leads to, each with its values.
fn beside_references<'a>(root: &'a Value, schema: &'a Value) -> BTreeMap<&'a str, Vec<Value>> {
    let (mut schema, mut found) = (schema, BTreeMap::<_, Vec<_>>::new());
    while let Some(next) = referenced(root, schema) {
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            if keyword != "$ref" {
                found.entry(keyword.as_str()).or_default().push(value.clone());
            }
        }
        schema = next.1;
    }
    found
}

/// The definition that a schema references, with its name.
fn referenced<'a>(root: &'a Value, schema: &'a Value) -> Option<(&'a str, &'a Value)> {
    let name = schema["$ref"].as_str()?.strip_prefix("#/$defs/")?;
    Some((name, &root["$defs"][name]))
}

fn property<'a>(schema: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A list without its order, such as the types `integer` and `null`.
fn sorted(value: Option<&Value>) -> Option<Value> {
    let mut value = value?.clone();
    if let Value::Array(list) = &mut value {
        list.sort_by_key(Value::to_string);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::envelope;
    use serde_json::json;

    fn order() -> Value {
        json!({
            "type": "object",
            "x-source": "rialto.orders",
            "properties": {
                "order_id": { "type": "string", "pattern": "^ord_" },
                "line_no": { "type": ["integer", "null"] },
                "at": { "type": "string", "format": "date-time" },
                "reason": { "type": "string", "enum": ["TIMEOUT", "BUYER"] },
                "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" } },
            },
            "required": ["order_id", "lines"],
            "$defs": {
                "Line": {
                    "type": "object",
                    "properties": {
                        "quantity": { "$ref": "#/$defs/Quantity" },
                        "parts": { "type": "array", "items": { "$ref": "#/$defs/Line" } },
                    },
                    "required": ["quantity"],
                },
                "Quantity": { "type": "integer", "minimum": 1, "maximum": 999 },
            },
        })
    }

    /// The breaking changes after the value at `path` was replaced, or removed by null.
    fn after(path: &str, value: Value) -> Vec<String> {
        let mut new = order();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(key).unwrap();
        } else {
            parent.insert(key.to_owned(), value);
        }
        breaking_changes(&order(), &new)
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn an_unchanged_schema_is_compatible() {
        assert_eq!(breaking_changes(&order(), &order()), NONE);
    }

    #[test]
    fn an_optional_field_may_be_added() {
        assert_eq!(after("/properties/note", json!({ "type": "string" })), NONE);
        assert_eq!(after("/$defs/Line/properties/note", json!({ "type": "string" })), NONE);
    }

    #[test]
    fn an_enum_value_may_be_added() {
        let more = json!(["SELLER", "BUYER", "TIMEOUT"]);
        assert_eq!(after("/properties/reason/enum", more), NONE);
    }

    #[test]
    fn descriptions_and_definitions_names_may_change() {
        assert_eq!(after("/properties/at/description", json!("when")), NONE);
        let mut new = order();
        new["$defs"]["Pieces"] = new["$defs"]["Quantity"].clone();
        new["$defs"]["Line"]["properties"]["quantity"] =
            json!({ "$ref": "#/$defs/Pieces", "description": "how many" });
        assert_eq!(breaking_changes(&order(), &new), NONE);
    }

    #[test]
    fn the_order_of_types_and_required_fields_may_change() {
        assert_eq!(after("/properties/line_no/type", json!(["null", "integer"])), NONE);
        assert_eq!(after("/required", json!(["lines", "order_id"])), NONE);
    }

    #[test]
    fn a_removed_field_is_refused() {
        assert_eq!(after("/properties/at", Value::Null), ["data.at was removed"]);
        assert_eq!(after("/properties/order_id", Value::Null), ["data.order_id was removed"]);
        assert_eq!(
            after("/$defs/Line/properties/quantity", Value::Null),
            ["data.lines[].quantity was removed"]
        );
    }

    #[test]
    fn a_renamed_field_is_refused() {
        let mut new = order();
        let at = new["properties"].as_object_mut().unwrap().remove("at").unwrap();
        new["properties"]["when"] = at;
        assert_eq!(breaking_changes(&order(), &new), ["data.at was removed"]);
    }

    #[test]
    fn a_retyped_field_is_refused() {
        assert_eq!(
            after("/$defs/Quantity/type", json!("string")),
            ["data.lines[].quantity: type was \"integer\" and is \"string\""]
        );
        assert_eq!(
            after("/properties/at/format", Value::Null),
            ["data.at: format was \"date-time\" and is absent"]
        );
        assert_eq!(
            after("/properties/reason/enum", Value::Null),
            ["data.reason: enum was [\"TIMEOUT\",\"BUYER\"] and is absent"]
        );
        let list = json!({ "type": "array", "items": { "type": "string" } });
        let changes = after("/properties/lines", list);
        let retyped = "data.lines[]: type was \"object\" and is \"string\"".to_owned();
        assert!(changes.contains(&retyped), "{changes:?}");
    }

    #[test]
    fn a_field_that_becomes_nullable_or_not_is_refused() {
        assert_eq!(
            after("/properties/order_id/type", json!(["string", "null"])),
            ["data.order_id: type was \"string\" and is [\"string\",\"null\"]"]
        );
        assert_eq!(
            after("/properties/line_no/type", json!("integer")),
            ["data.line_no: type was [\"integer\",\"null\"] and is \"integer\""]
        );
    }

    #[test]
    fn a_newly_required_field_is_refused() {
        assert_eq!(
            after("/required", json!(["order_id", "lines", "at"])),
            ["data.at is newly required"]
        );
        let mut new = order();
        new["$defs"]["Line"]["properties"]["share"] = json!({ "type": "integer" });
        new["$defs"]["Line"]["required"] = json!(["quantity", "share"]);
        assert_eq!(breaking_changes(&order(), &new), ["data.lines[].share is newly required"]);
    }

    #[test]
    fn a_field_that_is_no_longer_required_is_refused() {
        assert_eq!(after("/required", json!(["order_id"])), ["data.lines is no longer required"]);
        assert_eq!(
            after("/$defs/Line/required", Value::Null),
            ["data.lines[].quantity is no longer required"]
        );
    }

    #[test]
    fn a_narrowed_enum_is_refused() {
        assert_eq!(
            after("/properties/reason/enum", json!(["BUYER"])),
            ["data.reason no longer takes \"TIMEOUT\""]
        );
        assert_eq!(
            after("/properties/order_id/enum", json!(["ord_1"])),
            ["data.order_id: enum was absent and is [\"ord_1\"]"]
        );
    }

    #[test]
    fn changed_limits_are_refused() {
        for (path, value, expected) in [
            ("/$defs/Quantity/maximum", json!(99), "maximum was 999 and is 99"),
            // Readers of the released version refuse 1,000.
            ("/$defs/Quantity/maximum", json!(9_999), "maximum was 999 and is 9999"),
            ("/$defs/Quantity/minimum", Value::Null, "minimum was 1 and is absent"),
            ("/$defs/Quantity/multipleOf", json!(2), "multipleOf was absent and is 2"),
        ] {
            assert_eq!(after(path, value), [format!("data.lines[].quantity: {expected}")]);
        }
        assert_eq!(
            after("/properties/order_id/pattern", json!("^ord_[0-9]$")),
            ["data.order_id: pattern was \"^ord_\" and is \"^ord_[0-9]$\""]
        );
    }

    #[test]
    fn alternatives_are_compared_one_by_one() {
        let schema = |first: &str, last: &str| {
            let alternatives = json!([{ "type": first }, { "type": last }]);
            json!({ "x-source": "s", "properties": { "a": { "oneOf": alternatives } } })
        };
        assert_eq!(breaking_changes(&schema("null", "string"), &schema("null", "string")), NONE);
        assert_eq!(
            breaking_changes(&schema("null", "string"), &schema("null", "integer")),
            ["data.a: type was \"string\" and is \"integer\""]
        );
    }

    #[test]
    fn keywords_beside_a_reference_are_compared() {
        let narrowed = json!({ "$ref": "#/$defs/Quantity", "maximum": 9 });
        assert_eq!(
            after("/$defs/Line/properties/quantity", narrowed),
            ["data.lines[].quantity: maximum was absent and is [9]"]
        );
        let mut old = order();
        old["$defs"]["Line"]["properties"]["quantity"]["maximum"] = json!(9);
        assert_eq!(breaking_changes(&old, &old), NONE);
        assert_eq!(
            breaking_changes(&old, &order()),
            ["data.lines[].quantity: maximum was [9] and is absent"]
        );
    }

    #[test]
    fn the_values_of_maps_are_compared() {
        let map = |values: Value| {
            let map = json!({ "type": "object", "additionalProperties": values });
            json!({ "x-source": "s", "properties": { "a": map } })
        };
        let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
        assert_eq!(breaking_changes(&map(text.clone()), &map(text.clone())), NONE);
        assert_eq!(
            breaking_changes(&map(text.clone()), &map(number)),
            ["data.a.*: type was \"string\" and is \"integer\""]
        );
        assert_eq!(
            breaking_changes(&map(text), &map(json!(false))),
            ["data.a.*: its schema was {\"type\":\"string\"} and is false"]
        );
    }

    #[test]
    fn boolean_schemas_are_compared() {
        let schema = |a: Value| json!({ "x-source": "s", "properties": { "a": a } });
        assert_eq!(breaking_changes(&schema(json!(true)), &schema(json!(true))), NONE);
        assert_eq!(
            breaking_changes(&schema(json!(true)), &schema(json!(false))),
            ["data.a: its schema was true and is false"]
        );
        assert_eq!(
            after("/additionalProperties", json!(false)),
            ["data: additionalProperties was absent and is false"]
        );
    }

    #[test]
    fn another_id_or_subject_is_refused() {
        let head = |id: &str, subject: &str| {
            let mut schema = order();
            schema["$id"] = json!(id);
            schema["x-subject"] = json!(subject);
            schema
        };
        let old = head("urn:a:1", "order_id");
        assert_eq!(
            breaking_changes(&old, &head("urn:a:2", "order_id")),
            ["data: $id was \"urn:a:1\" and is \"urn:a:2\""]
        );
        assert_eq!(
            breaking_changes(&old, &head("urn:a:1", "user_id")),
            ["data: x-subject was \"order_id\" and is \"user_id\""]
        );
    }

    #[test]
    fn a_changed_envelope_is_refused() {
        let old = envelope();
        assert_eq!(breaking_changes(&old, &old), NONE);
        let mut new = old.clone();
        new["properties"].as_object_mut().unwrap().remove("correlationid");
        new["properties"]["sequence"]["type"] = json!("string");
        let changes = breaking_changes(&old, &new);
        for change in [
            "event.correlationid was removed",
            "event.sequence: type was \"integer\" and is \"string\"",
        ] {
            assert!(changes.contains(&change.to_owned()), "{changes:?}");
        }
    }

    fn today(version: u32, schema: Value) -> [VersionedSchema; 1] {
        [VersionedSchema { kind: "OrderPlaced", version, schema }]
    }

    #[test]
    fn a_released_event_is_compared_with_todays() {
        let released = BTreeMap::from([("OrderPlaced.v1".to_owned(), order())]);
        assert_eq!(incompatible_with(&released, &today(1, order())), NONE);
        let mut new = order();
        new["properties"].as_object_mut().unwrap().remove("at");
        assert_eq!(
            incompatible_with(&released, &today(1, new.clone())),
            ["OrderPlaced.v1: data.at was removed"]
        );
        // Another version may be anything.
        assert_eq!(incompatible_with(&released, &today(2, new)), NONE);
    }

    #[test]
    fn an_event_that_moves_to_another_source_is_refused() {
        let released = BTreeMap::from([("OrderPlaced.v1".to_owned(), order())]);
        let mut new = order();
        new["x-source"] = json!("rialto.payments");
        assert_eq!(
            incompatible_with(&released, &today(1, new)),
            ["OrderPlaced.v1: data: x-source was \"rialto.orders\" and is \"rialto.payments\""]
        );
    }

    #[test]
    fn a_removed_event_is_refused() {
        let released = BTreeMap::from([("OrderPlaced.v1".to_owned(), order())]);
        assert_eq!(incompatible_with(&released, &[]), ["OrderPlaced.v1: the event was removed"]);
    }

    #[test]
    fn a_version_that_goes_back_is_refused() {
        let released = BTreeMap::from([("OrderPlaced.v2".to_owned(), order())]);
        assert_eq!(
            incompatible_with(&released, &today(1, order())),
            ["OrderPlaced.v2: the event is of version 1 again"]
        );
    }

    #[test]
    fn a_file_with_another_name_is_refused() {
        let released = BTreeMap::from([("OrderPlaced".to_owned(), order())]);
        assert_eq!(
            incompatible_with(&released, &today(1, order())),
            ["OrderPlaced isn't the name of an event with its version"]
        );
    }
}
