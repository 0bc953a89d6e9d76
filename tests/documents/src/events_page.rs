//! The page of the events: the AsyncAPI document as HTML without a script.

use serde_json::Value;

/// The page that `GET /docs/events` answers.
#[must_use]
pub fn page(document: &Value) -> String {
    let mut contents = String::new();
    let mut sections = String::new();
    for tag in items(&document["info"]["tags"]) {
        let service = html(&tag["name"]);
        contents.push_str(&format!("<li><a href=\"#{service}\">{service}</a><ul>\n"));
        sections.push_str(&format!("<h2 id=\"{service}\">Events of {service}</h2>\n"));
        for (name, channel) in entries(&document["channels"]) {
            if channel["tags"][0]["name"] == tag["name"] {
                let event = html(&channel["address"]);
                contents.push_str(&format!("<li><a href=\"#{}\">{event}</a></li>\n", escape(name)));
                sections.push_str(&section(document, name, channel));
            }
        }
        contents.push_str("</ul></li>\n");
    }
    let description = prose(text(&document["info"]["description"]));
    let envelope = table("Envelope", document, &document["components"]["schemas"]["CloudEvent"]);
    let server = &document["servers"]["eventBridge"];
    let (bus, server) = (html(&server["x-event-bus"]), prose(text(&server["description"])));
    TEMPLATE
        .replace("{{style}}", STYLE)
        .replace("{{description}}", &description)
        .replace("{{server}}", &server)
        .replace("{{bus}}", &bus)
        .replace("{{contents}}", &contents)
        .replace("{{envelope}}", &envelope)
        .replace("{{sections}}", &sections)
}

fn section(document: &Value, name: &str, channel: &Value) -> String {
    let message = &document["components"]["messages"][name];
    let subject = &message["payload"]["allOf"][1]["properties"]["subject"]["description"];
    let mut section = format!(
        "<section>\n<h3 id=\"{}\">{} <small>version {}</small></h3>\n<p>{}</p>\n<dl>\n",
        escape(name),
        html(&channel["address"]),
        channel["x-version"],
        prose(text(&channel["description"])),
    );
    let channel = format!("#/channels/{name}");
    let operations = |action: &'static str| {
        let operations = entries(&document["operations"]).map(|(_, operation)| operation);
        operations.filter({
            let channel = channel.clone();
            move |operation| {
                operation["channel"]["$ref"] == channel && operation["action"] == action
            }
        })
    };
    for operation in operations("send") {
        let function = html(&operation["x-function"]);
        section.push_str(&format!("<dt>Published by</dt><dd><code>{function}</code></dd>\n"));
    }
    section.push_str("<dt>Received by</dt>");
    let mut consumed = false;
    for operation in operations("receive") {
        consumed = true;
        section.push_str(&format!(
            "<dd><code>{}</code>, by the rule <code>{}</code>: <code>{}</code></dd>\n",
            html(&operation["x-function"]),
            html(&operation["x-eventbridge-rule"]),
            escape(&operation["x-eventbridge-pattern"].to_string()),
        ));
    }
    if !consumed {
        section.push_str("<dd>No service yet.</dd>\n");
    }
    section.push_str(&format!("<dt>Subject</dt><dd>{}</dd>\n</dl>\n", prose(text(subject))));
    let caption = format!("Data of {}", text(&message["name"]));
    section.push_str(&table(&caption, document, &document["components"]["schemas"][name]));
    for example in items(&message["examples"]) {
        let example = serde_json::to_string_pretty(&example["payload"]).unwrap_or_default();
        section.push_str(&format!(
            "<details><summary>Example</summary><pre>{}</pre></details>\n",
            escape(&example)
        ));
    }
    section.push_str("</section>\n");
    section
}

/// The fields of a schema, those of its parts included.
fn table(caption: &str, document: &Value, schema: &Value) -> String {
    let caption = escape(caption);
    let mut rows = String::new();
    add_rows(&mut rows, document, "", schema);
    format!(
        "<div class=\"table\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table>\n\
         <caption>{caption}</caption>\n<thead><tr><th scope=\"col\">Field</th>\
         <th scope=\"col\">Type</th><th scope=\"col\">Required</th>\
         <th scope=\"col\">Description</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

fn add_rows(rows: &mut String, document: &Value, prefix: &str, schema: &Value) {
    let required: Vec<_> = items(&schema["required"]).map(text).collect();
    let is_required = |name: &str| required.contains(&name);
    // Required fields are listed as they were declared.
    let optional = entries(&schema["properties"]).map(|(name, _)| name.as_str());
    let optional = optional.filter(|name| !is_required(name));
    for name in required.iter().copied().chain(optional) {
        let field = &schema["properties"][name];
        let resolved = resolve(document, field);
        // Of an optional field of a named type, the description is the alternative's.
        let described = [field, resolved].into_iter().chain(items(&field["oneOf"]));
        let description = described.filter_map(|schema| schema["description"].as_str()).next();
        let path = format!("{prefix}{name}");
        let required = if is_required(name) { "yes" } else { "no" };
        rows.push_str(&format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{required}</td>\
             <td>{}</td></tr>\n",
            escape(&path),
            type_of(document, field),
            prose(description.unwrap_or_default()),
        ));
        let (path, part) = part(document, path, field);
        add_rows(rows, document, &(path + "."), part);
    }
}

/// The schema whose fields follow a field's row, with its path: that of an optional field, of a
/// list's elements (`[]`) or of a map's values (`.*`).
fn part<'a>(document: &'a Value, path: String, schema: &'a Value) -> (String, &'a Value) {
    let schema = resolve(document, schema);
    if let Some(present) = items(&schema["oneOf"]).find(|one| one["type"] != "null") {
        return part(document, path, present);
    }
    for (keyword, suffix) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[keyword].is_object() {
            return part(document, path + suffix, &schema[keyword]);
        }
    }
    (path, schema)
}

/// The schema that a reference leads to, also one with keywords beside it.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let target = reference.and_then(|path| document.pointer(path.trim_start_matches('#')));
    target.map_or(schema, |target| resolve(document, target))
}

fn type_of(document: &Value, schema: &Value) -> String {
    let schema = resolve(document, schema);
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let types: Vec<_> = alternatives.iter().map(|one| type_of(document, one)).collect();
        return types.join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().map(|value| format!("<code>{}</code>", html(value)));
        return values.collect::<Vec<_>>().join(", ");
    }
    let mut described = match &schema["type"] {
        Value::Array(types) => types.iter().map(html).collect::<Vec<_>>().join(" or "),
        name => html(name),
    };
    described += &match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => String::new(),
        (least, Value::Null) => format!(", at least {least}"),
        (Value::Null, most) => format!(", at most {most}"),
        (least, most) => format!(", {least} to {most}"),
    };
    if schema["format"] == "date-time" {
        described.push_str(", a time (RFC 3339)");
    }
    if let Some(constant) = schema["const"].as_str() {
        described.push_str(&format!(", <code>{}</code>", escape(constant)));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        described.push_str(&format!(", <code>{}</code>", escape(pattern)));
    }
    if schema["type"] == "array" {
        let element = type_of(document, &schema["items"]);
        described.push_str(&format!(" of {element}"));
    }
    if schema["additionalProperties"].is_object() {
        let value = type_of(document, &schema["additionalProperties"]);
        described.push_str(&format!(" with values of {value}"));
    }
    described
}

/// Text with `code` marked up.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| {
        let part = escape(part);
        if at % 2 == 1 { format!("<code>{part}</code>") } else { part }
    });
    parts.collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A value's text, escaped.
fn html(value: &Value) -> String {
    escape(text(value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

const TEMPLATE: &str = r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rialto events</title>
<link rel="icon" href="data:,">
<style>{{style}}</style>
</head>
<body>
<header><h1>Rialto events</h1></header>
<nav aria-label="Contents">
<ul>
<li><a href="#envelope">Envelope</a></li>
{{contents}}</ul>
<p><a href="../docs">API documentation</a></p>
</nav>
<main>
<p>{{description}}</p>
<p>Bus: <code>{{bus}}</code>. {{server}}</p>
<p>This page is generated from the AsyncAPI document <code>events/asyncapi.json</code> of the
repository.</p>
<h2 id="envelope">Envelope</h2>
{{envelope}}{{sections}}</main>
</body>
</html>
"##;

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 72rem; padding: 0 1rem 4rem }
nav { columns: 14rem }
nav ul { list-style: none; margin: 0; padding: 0 }
nav ul ul { padding-left: 1rem }
section { border-top: 1px solid #8888; margin-top: 2rem }
dt { font-weight: bold }
dd { margin-left: 1rem }
.table { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
caption { font-weight: bold; text-align: left }
th, td { border-bottom: 1px solid #8886; padding: .3rem .5rem; text-align: left }
th, td { vertical-align: top }
th[scope=row] { font-weight: normal; white-space: nowrap }
code, pre { font: .875em/1.5 ui-monospace, monospace }
td code, dd code { overflow-wrap: anywhere }
pre { overflow-x: auto }
";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "info": { "description": "Events in `detail`.", "tags": [{ "name": "orders" }] },
            "servers": { "eventBridge": { "x-event-bus": "rialto-{stage}" } },
            "channels": { "OrderPlaced.v1": {
                "address": "OrderPlaced",
                "description": "A <placed> order.",
                "tags": [{ "name": "orders" }],
                "x-version": 1,
            } },
            "operations": {
                "a": {
                    "action": "send",
                    "channel": { "$ref": "#/channels/OrderPlaced.v1" },
                    "x-function": "orders-relay",
                },
                "b": {
                    "action": "receive",
                    "channel": { "$ref": "#/channels/OrderPlaced.v1" },
                    "x-function": "inventory-on-orders",
                    "x-eventbridge-rule": "InventoryOnOrdersRule",
                    "x-eventbridge-pattern": { "source": ["rialto.orders"] },
                },
            },
            "components": {
                "messages": { "OrderPlaced.v1": {
                    "name": "OrderPlaced",
                    "examples": [{ "payload": { "id": "evt_1" } }],
                } },
                "schemas": {
                    "CloudEvent": { "properties": { "id": { "type": "string" } } },
                    "OrderPlaced.v1": {
                        "properties": {
                            "lines": {
                                "type": "array",
                                "items": { "$ref": "#/components/schemas/Line" },
                            },
                            "note": { "oneOf": [
                                { "type": "null" },
                                { "type": "string", "description": "A wish." },
                            ] },
                        },
                        "required": ["lines"],
                    },
                    "Line": {
                        "type": "object",
                        "properties": { "quantity": {
                            "allOf": [{ "$ref": "#/components/schemas/Quantity" }],
                            "description": "How many.",
                        } },
                        "required": ["quantity"],
                    },
                    "Quantity": { "type": "integer", "minimum": 1, "maximum": 999 },
                },
            },
        })
    }

    #[test]
    fn the_page_shows_an_event_with_senders_and_receivers() {
        let page = page(&document());
        for part in [
            "<h3 id=\"OrderPlaced.v1\">OrderPlaced <small>version 1</small></h3>",
            "<a href=\"#OrderPlaced.v1\">OrderPlaced</a>",
            "A &lt;placed&gt; order.",
            "<code>orders-relay</code>",
            "<code>inventory-on-orders</code>, by the rule <code>InventoryOnOrdersRule</code>",
            "{&quot;source&quot;:[&quot;rialto.orders&quot;]}",
            "&quot;id&quot;: &quot;evt_1&quot;",
            "<code>rialto-{stage}</code>",
        ] {
            assert!(page.contains(part), "{part} isn't in {page}");
        }
        assert!(!page.contains("{{"), "{page}");
        assert!(!page.contains("No service yet."), "{page}");
    }

    #[test]
    fn the_page_shows_the_fields_of_nested_types() {
        let page = page(&document());
        for row in [
            "<code>lines</code></th><td>array of object</td><td>yes</td>",
            "<code>lines[].quantity</code></th><td>integer, 1 to 999</td><td>yes</td>\
             <td>How many.</td>",
            "<code>note</code></th><td>null or string</td><td>no</td><td>A wish.</td>",
        ] {
            assert!(page.contains(row), "{row} isn't in {page}");
        }
    }

    #[test]
    fn the_page_shows_the_fields_of_optional_objects_and_maps() {
        let mut document = document();
        let line = json!({ "$ref": "#/components/schemas/Line" });
        let fields = &mut document["components"]["schemas"]["OrderPlaced.v1"]["properties"];
        fields["gift"] = json!({ "oneOf": [{ "type": "null" }, line] });
        fields["parts"] = json!({ "type": "object", "additionalProperties": line });
        let page = page(&document);
        for row in [
            "<code>gift</code></th><td>null or object</td><td>no</td>",
            "<code>gift.quantity</code></th><td>integer, 1 to 999</td><td>yes</td>",
            "<code>parts</code></th><td>object with values of object</td><td>no</td>",
            "<code>parts.*.quantity</code></th><td>integer, 1 to 999</td><td>yes</td>",
        ] {
            assert!(page.contains(row), "{row} isn't in {page}");
        }
    }

    #[test]
    fn the_page_escapes_every_text_of_the_document() {
        // Names become hostile, but the keys that the page reads stay.
        let text = document().to_string();
        let text = ["OrderPlaced", "orders", "quantity", "inventory-on", "InventoryOn", "How many"]
            .into_iter()
            .fold(text, |text, name| text.replace(name, &format!("<q x='{name}'>")));
        let text = text.replace("\"integer\"", "\"<q>\"").replace("rialto-", "<q>");
        let page = page(&serde_json::from_str(&text).unwrap());
        assert!(!page.contains("<q"), "{page}");
        assert!(page.matches("&lt;q").count() > 15, "{page}");
    }

    #[test]
    fn an_event_without_consumers_says_so() {
        let mut document = document();
        document["operations"].as_object_mut().unwrap().remove("b");
        assert!(page(&document).contains("<dd>No service yet.</dd>"));
    }
}
