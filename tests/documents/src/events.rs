//! The JSON Schemas of all events' data, and the changes allowed within a version.

use rialto_contracts::{
    DecodeError, Event, accounts::Accounts, catalog::Catalog, envelope::Schema,
    inventory::Inventory, orders::Orders, payments::Payments,
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
    pub schema: Value,
}

impl EventSchema {
    /// The path of the committed schema.
    #[must_use]
    pub fn path(&self) -> String {
        format!("events/schemas/{}.v{}.json", self.event, self.version)
    }
}

/// Every event of every source.
#[must_use]
pub fn schemas() -> Vec<EventSchema> {
    [
        (Accounts::NAME, Accounts::schemas()),
        (Catalog::NAME, Catalog::schemas()),
        (Inventory::NAME, Inventory::schemas()),
        (Orders::NAME, Orders::schemas()),
        (Payments::NAME, Payments::schemas()),
    ]
    .into_iter()
    .flat_map(|(source, events)| {
        events.into_iter().map(move |(event, version, Schema(schema))| {
            let schema = headed(source, event, version, schema);
            EventSchema { source, event, version, schema }
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

/// The breaking changes of a schema since an older one of the same version. Only optional fields
/// may be added, because events that were published before have to stay readable.
#[must_use]
pub fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    compare("", old, new, &mut broken);
    broken
}

fn compare(path: &str, old: &Value, new: &Value, broken: &mut Vec<String>) {
    let (Some(was), Some(is)) = (old.as_object(), new.as_object()) else {
        if old != new {
            broken.push(format!("{path} was {old} and is {new}"));
        }
        return;
    };
    for (name, was) in was {
        let path = format!("{path}/{name}");
        match (name.as_str(), is.get(name)) {
            // Annotations.
            ("description" | "examples" | "title", _) => {}
            ("required", Some(is)) => {
                let was: Vec<_> = was.as_array().into_iter().flatten().collect();
                let added =
                    is.as_array().into_iter().flatten().filter(|field| !was.contains(field));
                broken.extend(added.map(|field| format!("{path} now names {field}")));
            }
            ("required", None) => {}
            (_, Some(is)) => compare(&path, was, is, broken),
            (_, None) => broken.push(format!("{path} was removed")),
        }
    }
    if !was.contains_key("required") {
        let added = is.get("required").and_then(Value::as_array).into_iter().flatten();
        broken.extend(added.map(|field| format!("{path}/required now names {field}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(properties: &Value, required: &[&str]) -> Value {
        json!({"type": "object", "properties": properties, "required": required})
    }

    #[test]
    fn optional_fields_may_be_added() {
        let old = schema(&json!({"a": {"type": "string"}}), &["a"]);
        let more =
            json!({"a": {"type": "string", "description": "said better"}, "b": {"type": "string"}});
        assert_eq!(breaking_changes(&old, &schema(&more, &["a"])), Vec::<String>::new());
        assert_eq!(
            breaking_changes(&old, &schema(&more, &["a", "b"])),
            ["/required now names \"b\""]
        );
    }

    #[test]
    fn removed_or_changed_fields_are_breaking() {
        let old = schema(&json!({"a": {"type": "string"}}), &[]);
        assert_eq!(breaking_changes(&old, &schema(&json!({}), &[])), ["/properties/a was removed"]);
        let other = schema(&json!({"a": {"type": "integer"}}), &[]);
        assert_eq!(
            breaking_changes(&old, &other),
            ["/properties/a/type was \"string\" and is \"integer\""]
        );
    }
}
