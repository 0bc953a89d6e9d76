//! The template's gateway has the access table's routes.

use rialto_lambda::access::{self, Route};
use rialto_layout::{
    Repository, Template, assembly::METHODS, assert_no_violations, pascal_case, text,
};
use rialto_testkit::generated::COMMAND;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn paths(template: &Template) -> &serde_json::Map<String, Value> {
    template.get("Api").unwrap().properties["DefinitionBody"]["paths"].as_object().unwrap()
}

/// The function that a method invokes: `Orders…Function` of
/// `…${Orders…Function.Arn}/invocations`.
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
fn every_route_is_integrated_with_its_function() {
    let template = Template::read(&Repository::open());
    let paths = paths(&template);
    let mut found = Vec::new();
    for route in access::ROUTES {
        let method = &paths.get(route.path).unwrap_or(&Value::Null)[route.method.to_lowercase()];
        let expected = format!("{}Function", pascal_case(route.function));
        if method.is_null() {
            found.push(format!("{} {} isn't in the template's Api", route.method, route.path));
        } else if integrated(method) != expected {
            let leads_to = integrated(method);
            found.push(format!(
                "{} {} leads to {leads_to}, not to {expected}",
                route.method, route.path
            ));
        }
    }
    assert_no_violations(found, COMMAND);
}

#[test]
fn paths_have_every_method_and_no_other() {
    let template = Template::read(&Repository::open());
    let expected: BTreeSet<_> =
        METHODS.iter().map(|method| method.to_lowercase()).chain(["options".to_owned()]).collect();
    let mut found = Vec::new();
    for (path, methods) in paths(&template) {
        let methods: BTreeSet<_> = methods.as_object().unwrap().keys().cloned().collect();
        if methods != expected {
            found.push(format!("{path} has {methods:?}"));
        }
        if access::methods(path).next().is_none() {
            found.push(format!("{path} is in no route"));
        }
    }
    assert_no_violations(found, COMMAND);
}

#[test]
fn methods_without_a_route_reach_the_preflight_function() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for (path, methods) in paths(&template) {
        for (method, definition) in methods.as_object().unwrap() {
            let is_preflights = integrated(definition) == "PlatformAnswerPreflightFunction";
            let has_route = route(method, path).is_some();
            if is_preflights == has_route || (!has_route && !definition["security"].is_null()) {
                found.push(format!("{method} {path}"));
            }
        }
    }
    assert_no_violations(found, COMMAND);
}

#[test]
fn the_gateway_demands_a_token_where_the_access_table_does() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for (path, methods) in paths(&template) {
        for (method, definition) in methods.as_object().unwrap() {
            let Some(route) = route(method, path) else { continue };
            let demanded = definition["security"][0].get("access_token").is_some();
            if demanded != route.who.requires_token() {
                let access = route.who;
                found.push(format!("{method} {path} demands a token: {demanded}; {access:?}"));
            }
        }
    }
    assert_no_violations(found, COMMAND);
}

#[test]
fn path_variables_have_one_name_for_each_position() {
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
    assert_no_violations(
        found.map(|(path, names)| format!("{path}/ is followed by {names:?}")),
        "the gateway rejects two names for one position; use one.",
    );
}

#[test]
fn gateway_responses_are_problem_documents() {
    let template = Template::read(&Repository::open());
    let api = template.get("Api").unwrap();
    let responses = api.properties["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
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
        "WAF_FILTERED",
    ] {
        if !responses.contains_key(kind) {
            found.push(format!("{kind} isn't there"));
        }
    }
    for (kind, response) in responses {
        let template =
            response["responseTemplates"]["application/json"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(template).unwrap_or_default();
        let code = body["code"].as_str().unwrap_or_default();
        let malformed = body["type"] != format!("urn:rialto:problem:{code}")
            || body["title"].as_str().is_none();
        if malformed || body["status"].is_null() || body["status"] != response["statusCode"] {
            found.push(format!("{kind}: {template}"));
        }
        let headers = &response["responseParameters"];
        if headers["gatewayresponse.header.Content-Type"] != "'application/problem+json'" {
            found.push(format!("{kind} isn't application/problem+json"));
        }
        // A quoted constant: a browser's script may read Retry-After only if it is listed.
        let exposed = format!("'{}'", rialto_lambda::http::EXPOSED_HEADERS);
        if headers["gatewayresponse.header.Access-Control-Expose-Headers"] != exposed {
            found.push(format!("{kind} doesn't expose {exposed}"));
        }
        let retry_after = headers["gatewayresponse.header.Retry-After"].as_str();
        if (body["status"] == 429 || body["status"] == 503) && retry_after.is_none() {
            found.push(format!("{kind} has no Retry-After"));
        }
    }
    assert_no_violations(
        found,
        "type, title, status and code, as shared/lambda/src/http/problem.rs has them.",
    );
}

/// Whether a statement of the web ACL matches a path.
fn matches(statement: &Value, path: &str) -> bool {
    if let Some(statements) = statement["OrStatement"]["Statements"].as_array() {
        return statements.iter().any(|statement| matches(statement, path));
    }
    let byte_match = &statement["ByteMatchStatement"];
    assert_eq!(byte_match["FieldToMatch"], json!({ "UriPath": {} }));
    let text = byte_match["SearchString"].as_str().unwrap();
    match byte_match["PositionalConstraint"].as_str() {
        Some("CONTAINS") => path.contains(text),
        Some("ENDS_WITH") => path.ends_with(text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_address_has_a_limit_of_auth_requests() {
    let template = Template::read(&Repository::open());
    let acl = template.get("ApiWebAcl").unwrap().properties;
    let rule = &acl["Rules"][0];
    assert_eq!(rule["Action"], json!({ "Block": {} }));
    let rate = &rule["Statement"]["RateBasedStatement"];
    assert_eq!(rate["AggregateKeyType"], "IP");
    assert_eq!(rate["Limit"], json!({ "Ref": "AuthRequestsPerAddress" }));
    for route in access::ROUTES {
        let limited = route.path.starts_with("/auth/") || route.path == "/users";
        for (stage, slash) in [("", ""), ("/prod", ""), ("", "/"), ("/prod", "/")] {
            let path = format!("{stage}{}{slash}", route.path);
            assert_eq!(matches(&rate["ScopeDownStatement"], &path), limited, "{path}");
        }
    }
    let association = template.get("ApiWebAclAssociation").unwrap().properties;
    assert_eq!(association["WebACLArn"], json!({ "Fn::GetAtt": "ApiWebAcl.Arn" }));
    assert!(text(&association["ResourceArn"]).unwrap().ends_with("/${Api}/stages/${Api.Stage}"));
    let limited = json!({ "Fn::And": [
        { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "AuthRequestsPerAddress" }, 0] }] },
        { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "AWS::AccountId" }, "000000000000"] }] },
    ]});
    assert_eq!(template.document["Conditions"]["WebAcl"], limited);
    for id in ["ApiWebAcl", "ApiWebAclAssociation"] {
        assert_eq!(template.document["Resources"][id]["Condition"], "WebAcl");
    }
}

/// A throttle of a method is one bucket for all clients, so it must not be what a few of them
/// reach.
#[test]
fn the_throttle_of_logins_is_far_above_normal_use() {
    let template = Template::read(&Repository::open());
    let settings = template.get("Api").unwrap().properties["MethodSettings"].as_array().unwrap();
    let login = settings.iter().find(|method| method["ResourcePath"] == "/~1auth~1login").unwrap();
    assert!(login["ThrottlingRateLimit"].as_u64().unwrap() >= 1_000, "{login}");
}
