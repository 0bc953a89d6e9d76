//! The gateway's routes are those of the access table.

use rialto_lambda::access::{self, Route};
use rialto_layout::{Repository, Template, pascal_case, refuse};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn paths(template: &Template) -> &serde_json::Map<String, Value> {
    template.get("Api").unwrap().properties["DefinitionBody"]["paths"].as_object().unwrap()
}

/// The function that a method is handed to: `Orders…Function` of `…${Orders…Function.Arn}/invocations`.
fn integrated(method: &Value) -> &str {
    let uri =
        method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].as_str().unwrap_or_default();
    let functions = uri.split_once("/functions/${").map_or("", |(_, rest)| rest);
    functions.split(['.', '}']).next().unwrap_or_default()
}

fn route(method: &str, path: &str) -> Option<&'static Route> {
    access::ROUTES
        .iter()
        .find(|route| route.path == path && route.method.eq_ignore_ascii_case(method))
}

#[test]
fn every_route_of_the_access_table_leads_to_its_function() {
    let template = Template::read(&Repository::open());
    let paths = paths(&template);
    let mut found = Vec::new();
    for route in access::ROUTES {
        let method = &paths.get(route.path).unwrap_or(&Value::Null)[route.method.to_lowercase()];
        let wanted = format!("{}Function", pascal_case(route.function));
        if method.is_null() {
            found.push(format!("{} {} isn't in the template's Api", route.method, route.path));
        } else if integrated(method) != wanted {
            let leads_to = integrated(method);
            found.push(format!(
                "{} {} leads to {leads_to}, not to {wanted}",
                route.method, route.path
            ));
        }
    }
    refuse(found, "write the path into template.yaml's Api as its neighbours are.");
}

#[test]
fn the_gateway_has_no_route_that_is_not_in_the_access_table() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for (path, methods) in paths(&template) {
        for method in methods.as_object().unwrap().keys() {
            if method != "options" && route(method, path).is_none() {
                found.push(format!("{method} {path}"));
            }
        }
    }
    refuse(
        found,
        "say in shared/lambda/src/access.rs who may call it, or take it out of the template.",
    );
}

#[test]
fn the_gateway_asks_for_a_token_exactly_where_the_access_table_does() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for (path, methods) in paths(&template) {
        for (method, definition) in methods.as_object().unwrap() {
            let Some(route) = route(method, path) else { continue };
            let asks = definition["security"][0].get("access_token").is_some();
            if asks != route.who.requires_token() {
                found.push(format!(
                    "{method} {path}: asks for a token: {asks}, may be called by {:?}",
                    route.who
                ));
            }
        }
    }
    refuse(
        found,
        "write `security: [{ access_token: [] }]` below every method that is called with a token, only there.",
    );
}

#[test]
fn every_path_answers_preflight_requests_without_a_token() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for (path, methods) in paths(&template) {
        let options = &methods["options"];
        if integrated(options) != "PlatformAnswerPreflightFunction"
            || !options["security"].is_null()
        {
            found.push(path.clone());
        }
    }
    refuse(
        found,
        "each path has `options:` that leads to PlatformAnswerPreflightFunction, without security.",
    );
}

#[test]
fn a_position_in_paths_has_one_name_everywhere() {
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for route in access::ROUTES {
        let mut before = String::new();
        for part in route.path.split('/').skip(1) {
            if part.starts_with('{') {
                names.entry(before.clone()).or_default().insert(part);
                before.push_str("/{}");
            } else {
                before.push_str(&format!("/{part}"));
            }
        }
    }
    let found = names.into_iter().filter(|(_, names)| names.len() > 1);
    refuse(
        found.map(|(path, names)| format!("{path}/ is followed by {names:?}")),
        "the gateway refuses two names for one position; use one.",
    );
}

#[test]
fn what_the_gateway_answers_by_itself_has_the_form_of_every_problem() {
    let template = Template::read(&Repository::open());
    let api = template.get("Api").unwrap();
    let answers = api.properties["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
        .as_object()
        .unwrap();
    let mut found = Vec::new();
    for kind in [
        "ACCESS_DENIED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
        "INTEGRATION_FAILURE",
        "INTEGRATION_TIMEOUT",
        "MISSING_AUTHENTICATION_TOKEN",
        "REQUEST_TOO_LARGE",
        "THROTTLED",
        "UNAUTHORIZED",
    ] {
        if !answers.contains_key(kind) {
            found.push(format!("{kind} isn't there"));
        }
    }
    for (kind, answer) in answers {
        let template = answer["responseTemplates"]["application/json"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(template).unwrap_or_default();
        let code = body["code"].as_str().unwrap_or_default();
        let wrong_form = body["type"] != format!("urn:rialto:problem:{code}")
            || body["title"].as_str().is_none();
        if wrong_form || body["status"].is_null() || body["status"] != answer["statusCode"] {
            found.push(format!("{kind}: {template}"));
        }
        let headers = &answer["responseParameters"];
        if headers["gatewayresponse.header.Content-Type"] != "'application/problem+json'" {
            found.push(format!("{kind} isn't application/problem+json"));
        }
        let retry_after = headers["gatewayresponse.header.Retry-After"].as_str();
        if (body["status"] == 429 || body["status"] == 503) && retry_after.is_none() {
            found.push(format!("{kind} has no Retry-After"));
        }
    }
    refuse(found, "type, title, status and code, as shared/lambda/src/http/problem.rs has them.");
}
