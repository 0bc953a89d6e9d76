//! The API document.

use crate::refuse;
use rialto_documents::{api, blessing, root};
use rialto_lambda::access;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

fn document() -> Value {
    serde_json::to_value(api::document()).unwrap()
}

/// Every operation: method in capitals, path, and what is said of it.
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

/// `orders-place-order` as the document writes it: `ordersPlaceOrder`.
fn camel_case(function: &str) -> String {
    let mut parts = function.split('-');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let made = serde_json::to_string_pretty(&api::document()).unwrap() + "\n";
    let path = root().join("openapi.json");
    if blessing() {
        return fs::write(&path, made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).is_ok_and(|committed| committed == made),
        "openapi.json isn't what the handlers say\n\n\
         What to do: run `RIALTO_BLESS=1 cargo test -p rialto-documents`, look at what changed, and commit it.\n"
    );
}

#[test]
fn the_documents_operations_are_the_access_tables_routes_one_to_one() {
    let document = document();
    let described: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| {
            (method, path, operation["operationId"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    let routed: BTreeSet<_> = access::ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned(), camel_case(route.function)))
        .collect();
    let missing = routed
        .difference(&described)
        .map(|route| format!("{route:?} is in no service's ApiDocument"));
    let unknown = described
        .difference(&routed)
        .map(|route| format!("{route:?} is no route of the access table"));
    refuse(
        missing.chain(unknown),
        "write #[utoipa::path] on the route's handler with the access table's method and path and the bin's name in camel \
         case as operation_id, and name the handler in its service's ApiDocument.",
    );
}

#[test]
fn every_operation_says_what_it_does_and_whose_it_is() {
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
    refuse(
        found.map(|(method, path, operation)| {
            format!("{method} {path}: {} {}", operation["summary"], operation["tags"])
        }),
        "the handler's doc comment begins with one line that says what it does; its tag is the service's name.",
    );
}

#[test]
fn every_operation_describes_its_success_and_its_problems() {
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
    refuse(
        found,
        "responses: a 2XX, and 4XX and 5XX with ProblemBody as application/problem+json.",
    );
}

#[test]
fn what_is_created_has_a_location() {
    let document = document();
    let found = operations(&document).into_iter().filter(|(_, _, operation)| {
        let created = &operation["responses"]["201"];
        !created.is_null() && created["headers"]["Location"].is_null()
    });
    refuse(
        found.map(|(method, path, _)| format!("{method} {path}")),
        "describe it: headers((\"Location\" = String, description = \"Where it is, relative to the request.\")).",
    );
}

#[test]
fn an_operation_asks_for_a_token_exactly_where_the_access_table_does() {
    let document = document();
    let found = operations(&document).into_iter().filter(|(method, path, operation)| {
        let route =
            access::ROUTES.iter().find(|route| route.method == method && route.path == path);
        let asks = operation["security"][0].get("access_token").is_some();
        route.is_some_and(|route| asks != route.who.requires_token())
    });
    refuse(
        found
            .map(|(method, path, operation)| format!("{method} {path}: {}", operation["security"])),
        "security((\"access_token\" = [])) on each route that is called with a token, and on no other.",
    );
}

#[test]
fn a_paths_parameters_are_those_that_its_operation_declares() {
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
    refuse(found, "params((\"order_id\" = OrderId, Path)).");
}

#[test]
fn a_write_that_needs_a_key_says_so() {
    // As the contract lists them.
    let keyed = ["inventory-adjust-stock", "orders-place-order", "payments-issue-refund"];
    let document = document();
    let found = operations(&document).into_iter().filter(|(_, _, operation)| {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let says = parameters
            .filter(|parameter| parameter["in"] == "header" && parameter["required"] == true)
            .any(|parameter| parameter["name"] == "Idempotency-Key");
        says != keyed.iter().any(|function| camel_case(function) == id)
    });
    refuse(
        found.map(|(method, path, _)| format!("{method} {path}")),
        "declare the header Idempotency-Key where the handler reads it, and list the function here.",
    );
}

#[test]
fn a_name_means_one_thing_in_every_service() {
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
    refuse(found, "rename one of them: #[schema(as = OrderLine)].");
}

/// Everything that a `$ref` names.
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
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    found.retain(|reference| document.pointer(reference.trim_start_matches('#')).is_none());
    refuse(found, "derive ToSchema for it, or name it in components(schemas(…)).");
}
