//! The API document.

use crate::assert_no_violations;
use rialto_documents::{
    api::{self, operation_id},
    root,
};
use rialto_kernel::IfMatch;
use rialto_lambda::access;
use rialto_testkit::generated::assert_current;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

fn document() -> Value {
    serde_json::to_value(api::document()).unwrap()
}

/// Every operation: method in upper case, path, definition.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete", "options", "head", "trace"] {
            if let Some(operation) = item.get(method) {
                operations.push((method.to_uppercase(), path.clone(), operation));
            }
        }
    }
    operations
}

#[test]
fn generated_document_is_current() {
    let document = serde_json::to_string_pretty(&api::document()).unwrap() + "\n";
    assert_current(&root().join("openapi.json"), &document);
}

#[test]
fn operations_match_the_access_tables_routes() {
    let document = document();
    let described: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| {
            (method, path, operation["operationId"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    let routed: BTreeSet<_> = access::ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned(), operation_id(route.function)))
        .collect();
    let missing = routed
        .difference(&described)
        .map(|route| format!("{route:?} is in no service's ApiDocument"));
    let unknown = described
        .difference(&routed)
        .map(|route| format!("{route:?} is no route of the access table"));
    assert_no_violations(
        missing.chain(unknown),
        "write #[utoipa::path] on the route's handler with the access table's method and path, and name the \
         handler in its service's ApiDocument.",
    );
}

#[test]
fn every_operation_has_a_summary_and_its_services_tag() {
    let document = document();
    let found = operations(&document).into_iter().filter(|(method, path, operation)| {
        let route =
            access::ROUTES.iter().find(|route| route.method == method && route.path == path);
        let service = route.and_then(|route| route.function.split('-').next());
        let tags = operation["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>();
        operation["summary"].as_str().is_none_or(str::is_empty)
            || service.is_none_or(|service| tags != [service])
    });
    assert_no_violations(
        found.map(|(method, path, operation)| {
            format!("{method} {path}: {} {}", operation["summary"], operation["tags"])
        }),
        "the first line of the handler's doc comment is the summary; the tag is the service's name.",
    );
}

#[test]
fn operations_describe_success_and_problems() {
    let document = document();
    let mut found = Vec::new();
    for (method, path, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        if !responses.keys().any(|status| status.starts_with('2')) {
            found.push(format!("{method} {path} describes no success"));
        }
        for (status, response) in responses {
            if response["description"].as_str().is_none_or(str::is_empty) {
                found.push(format!("{method} {path}: {status} has no description"));
            }
        }
        for status in ["4XX", "5XX"] {
            let problem =
                &operation["responses"][status]["content"]["application/problem+json"]["schema"];
            if problem["$ref"] != "#/components/schemas/Problem" {
                found.push(format!("{method} {path}: {status} isn't a problem"));
            }
        }
    }
    assert_no_violations(
        found,
        "responses: a 2XX, and 4XX and 5XX with ProblemBody as application/problem+json.",
    );
}

#[test]
fn created_responses_have_a_location() {
    let document = document();
    let found = operations(&document).into_iter().filter(|(_, _, operation)| {
        let created = &operation["responses"]["201"];
        !created.is_null() && created["headers"]["Location"].is_null()
    });
    assert_no_violations(
        found.map(|(method, path, _)| format!("{method} {path}")),
        "describe it: headers((\"Location\" = String, description = \"The resource's relative URL.\")).",
    );
}

#[test]
fn operations_require_a_token_where_the_table_does() {
    let document = document();
    let found = operations(&document).into_iter().filter(|(method, path, operation)| {
        let route =
            access::ROUTES.iter().find(|route| route.method == method && route.path == path);
        let requires_token = operation["security"][0].get("access_token").is_some();
        route.is_some_and(|route| requires_token != route.who.requires_token())
    });
    assert_no_violations(
        found
            .map(|(method, path, operation)| format!("{method} {path}: {}", operation["security"])),
        "security((\"access_token\" = [])) on each route that is called with a token, and on no other.",
    );
}

#[test]
fn path_parameters_are_declared() {
    let document = document();
    let mut found = Vec::new();
    for (method, path, operation) in operations(&document) {
        let named: BTreeSet<_> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(str::to_owned)
            .collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let declared: BTreeSet<_> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect();
        if named != declared {
            found.push(format!("{method} {path} declares {declared:?}"));
        }
    }
    assert_no_violations(found, "params((\"order_id\" = OrderId, Path)).");
}

/// The entrypoint of a route, as source text.
fn entrypoint(function: &str) -> String {
    let (service, action) = function.split_once('-').unwrap();
    let file = action.replace('-', "_");
    let path = root().join(format!("functions/{service}/src/entrypoints/{file}.rs"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The routes on which the header's declaration and the handler's use of it differ.
fn undeclared_or_unread(header: &str, required: bool, call: &str) -> Vec<String> {
    let document = document();
    let differs = operations(&document).into_iter().filter(|(method, path, operation)| {
        let mut routes = access::ROUTES.iter();
        let route = routes.find(|route| route.method == *method && route.path == *path).unwrap();
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        let declared = parameters.any(|parameter| {
            parameter["in"] == "header"
                && parameter["name"] == header
                && parameter["required"] == required
        });
        declared != entrypoint(route.function).contains(call)
    });
    differs.map(|(method, path, _)| format!("{method} {path}")).collect()
}

#[test]
fn routes_that_read_an_idempotency_key_declare_it() {
    assert_no_violations(
        undeclared_or_unread("Idempotency-Key", true, ".idempotency_key()"),
        "declare the header Idempotency-Key exactly where the handler reads it.",
    );
}

#[test]
fn routes_that_check_a_precondition_declare_if_match() {
    assert_no_violations(
        undeclared_or_unread("If-Match", false, ".if_match()"),
        "declare the header If-Match exactly where the handler reads it.",
    );
}

#[test]
fn cursors_are_never_empty() {
    let document = document();
    let found = operations(&document).into_iter().filter(|(_, _, operation)| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters
            .filter(|parameter| parameter["name"] == "cursor")
            .any(|parameter| parameter["schema"]["minLength"] != 1)
    });
    assert_no_violations(
        found.map(|(method, path, _)| format!("{method} {path}")),
        "declare it as `(\"cursor\" = Option<String>, Query)`.",
    );
}

#[test]
fn schema_names_are_unambiguous() {
    let mut meanings: BTreeMap<String, (&str, Value)> = BTreeMap::new();
    let mut found = Vec::new();
    for (service, part) in api::parts() {
        for (name, schema) in
            part.components.map(|components| components.schemas).unwrap_or_default()
        {
            let schema = serde_json::to_value(schema).unwrap();
            let (first, meaning) =
                meanings.entry(name.clone()).or_insert((service, schema.clone()));
            if *meaning != schema {
                found.push(format!("{name} of {first} isn't {name} of {service}"));
            }
        }
    }
    assert_no_violations(found, "rename one of them: #[schema(as = OrderLine)].");
}

/// The targets of all `$ref`s.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn references_resolve() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    found.retain(|reference| document.pointer(reference.trim_start_matches('#')).is_none());
    assert_no_violations(found, "derive ToSchema for it, or name it in components(schemas(…)).");
}

#[test]
fn if_match_has_the_pattern_that_the_parser_accepts() {
    let document = document();
    let parameters = operations(&document).into_iter().flat_map(|(_, _, operation)| {
        operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|it| it["name"] == "If-Match")
    });
    let schemas: Vec<&Value> = parameters.map(|parameter| &parameter["schema"]).collect();
    assert!(!schemas.is_empty());
    for header in [
        "*",
        "",
        ",",
        " , ",
        "a",
        "\"",
        "**",
        "\"a\"",
        "W/\"a\"",
        "w/\"a\"",
        "\"\"",
        "\"a b\"",
        "\"a\", \"b\"",
        "\"a\",\"b\"",
        "\"a\" \"b\"",
        ", \"a\",, \"b\",",
        "\"a\"\t,\tW/\"b\"",
        "\"a,b\"",
        "*, \"a\"",
        "\"é\"",
        "é",
        "\"\u{7f}\"",
        " * ",
        " \"a\" ",
        "\"a\"\u{a0}",
    ] {
        let accepted = IfMatch::parse(header).is_ok();
        for schema in &schemas {
            assert_eq!(jsonschema::is_valid(schema, &header.into()), accepted, "{header:?}");
        }
    }
}
