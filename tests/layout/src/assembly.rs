//! `template.yaml`, assembled as text from `shared/template.yaml`, each service's own part with the
//! roles of its functions, and the access table.
//!
//! Text, because parsing and serialising would lose comments and CloudFormation's short tags.

use crate::{Function, Repository, Template, pascal_case, roles, written};
use rialto_lambda::{
    access::{self, Access, Route},
    http::{EXPOSED_HEADERS, ProblemCode},
};
use rialto_testkit::generated;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

/// The methods that each path of the gateway has. Those without a route respond with 405.
pub const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// The part that belongs to no service.
pub const SHARED_PART: &str = "shared/template.yaml";

/// The function for preflight requests, and for methods of a path that no route has.
const PREFLIGHT: &str = "platform-answer-preflight";

/// The function that checks the tokens of the gateway's requests.
const AUTHORIZER: &str = "accounts-authorizer";

/// The gateway's own responses: type, problem code, seconds until a retry.
const GATEWAY_RESPONSES: &[(&str, ProblemCode, Option<u32>)] = &[
    // The authorizer denies only requests without a valid token: 401, not 403.
    ("ACCESS_DENIED", ProblemCode::Unauthenticated, None),
    ("API_CONFIGURATION_ERROR", ProblemCode::Internal, None),
    ("AUTHORIZER_CONFIGURATION_ERROR", ProblemCode::Unavailable, Some(2)),
    ("AUTHORIZER_FAILURE", ProblemCode::Unavailable, Some(2)),
    ("BAD_REQUEST_BODY", ProblemCode::Invalid, None),
    ("BAD_REQUEST_PARAMETERS", ProblemCode::Invalid, None),
    ("DEFAULT_4XX", ProblemCode::Invalid, None),
    ("DEFAULT_5XX", ProblemCode::Internal, None),
    ("EXPIRED_TOKEN", ProblemCode::Unauthenticated, None),
    ("INTEGRATION_FAILURE", ProblemCode::Timeout, None),
    ("INTEGRATION_TIMEOUT", ProblemCode::Timeout, None),
    ("INVALID_API_KEY", ProblemCode::Unauthenticated, None),
    ("INVALID_SIGNATURE", ProblemCode::Unauthenticated, None),
    ("MISSING_AUTHENTICATION_TOKEN", ProblemCode::NotFound, None),
    ("QUOTA_EXCEEDED", ProblemCode::TooManyRequests, Some(1)),
    ("REQUEST_TOO_LARGE", ProblemCode::TooLarge, None),
    ("RESOURCE_NOT_FOUND", ProblemCode::NotFound, None),
    ("THROTTLED", ProblemCode::TooManyRequests, Some(1)),
    ("UNAUTHORIZED", ProblemCode::Unauthenticated, None),
    ("UNSUPPORTED_MEDIA_TYPE", ProblemCode::UnsupportedMediaType, None),
    ("WAF_FILTERED", ProblemCode::TooManyRequests, Some(60)),
];

/// The complete template.
///
/// # Panics
/// When a part isn't there or has no resources.
#[must_use]
pub fn template(repository: &Repository) -> String {
    let parts: Vec<_> = repository
        .services()
        .into_iter()
        .map(|service| {
            let path = service.folder.join("template.yaml");
            let part = fs::read_to_string(&path).expect("each service has a template.yaml");
            let resources = part.split_once("\nResources:\n").expect("a part has Resources").1;
            let resources = roles::with_roles(&service.name, resources.trim_end());
            (service.name, resources)
        })
        .collect();
    let queues: Vec<_> = parts.iter().flat_map(|(_, part)| consumer_queues(part)).collect();
    let shared = fs::read_to_string(repository.root.join(SHARED_PART)).expect("the shared part");
    let mut template = format!(
        "# Generated from {SHARED_PART}, functions/*/template.yaml and shared/lambda/src/access.rs; don't edit it.\n\
         # {}\n",
        generated::COMMAND
    );
    // The comments before the first key are about the part itself.
    for line in shared.lines().skip_while(|line| line.starts_with('#')) {
        match line.trim() {
            "# (generated: paths)" => template.push_str(&paths()),
            "# (generated: gateway responses)" => template.push_str(&gateway_responses()),
            "# (generated: functions of routes)" => {
                for function in gateway_functions() {
                    line_of(&mut template, 18, &format!("- !GetAtt {function}Function.Arn"));
                }
            }
            "# (generated: queues)" => {
                for queue in &queues {
                    line_of(&mut template, 8, &format!("- !Ref {queue}"));
                }
            }
            _ => line_of(&mut template, 0, line),
        }
    }
    for (service, part) in parts {
        let title = service.to_uppercase();
        let banner = format!("# {} {title} (functions/{service}/template.yaml)", "=".repeat(32));
        line_of(&mut template, 0, "");
        line_of(&mut template, 2, &banner);
        line_of(&mut template, 0, &part);
    }
    template
}

fn line_of(text: &mut String, indent: usize, line: &str) {
    writeln!(text, "{:indent$}{line}", "").expect("a string takes everything");
}

/// The queues that rules deliver to, by their logical ids: `InventoryOnOrdersQueue`.
fn consumer_queues(part: &str) -> impl Iterator<Item = &str> {
    part.lines().filter_map(|line| {
        let id = line.strip_prefix("  ")?.strip_suffix(':')?;
        (id.contains("On") && id.ends_with("Queue") && !id.starts_with(' ')).then_some(id)
    })
}

/// The functions that the gateway invokes.
fn gateway_functions() -> BTreeSet<String> {
    let routes = access::ROUTES.iter().map(|route| route.function);
    routes.chain([PREFLIGHT, AUTHORIZER]).map(pascal_case).collect()
}

/// Each path of the access table with all of [`METHODS`] and OPTIONS.
fn paths() -> String {
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for path in access::ROUTES.iter().map(|route| route.path).filter(|path| seen.insert(*path)) {
        line_of(&mut text, 10, &format!("{path}:"));
        for method in METHODS.into_iter().chain(["OPTIONS"]) {
            let route =
                access::ROUTES.iter().find(|route| route.path == path && route.method == method);
            line_of(&mut text, 12, &format!("{}:", method.to_lowercase()));
            if route.is_some_and(|route| route.who.requires_token()) {
                line_of(&mut text, 14, "security: [{ access_token: [] }]");
            }
            let function = pascal_case(route.map_or(PREFLIGHT, |route| route.function));
            for (indent, line) in [
                (14, "x-amazon-apigateway-integration: { type: aws_proxy, httpMethod: POST,"),
                (16, "credentials: !GetAtt GatewayRole.Arn, uri: !Sub \"arn:${AWS::Partition}:\\"),
                (16, "apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/\\"),
                (16, &format!("${{{function}Function.Arn}}/invocations\" }}")),
            ] {
                line_of(&mut text, indent, line);
            }
        }
    }
    text
}

fn gateway_responses() -> String {
    let mut text = String::new();
    let exposed = format!("\"'{EXPOSED_HEADERS}'\"");
    for (kind, code, retry_after) in GATEWAY_RESPONSES {
        let (status, title) = (code.status(), code.title());
        let code = serde_json::json!(code);
        let code = code.as_str().expect("a code is a string");
        line_of(&mut text, 10, &format!("{kind}:"));
        line_of(&mut text, 12, &format!("statusCode: {status}"));
        line_of(&mut text, 12, "responseParameters:");
        let header = "gatewayresponse.header";
        for (name, value) in [
            ("Content-Type", "\"'application/problem+json'\""),
            ("Access-Control-Allow-Origin", "method.request.header.Origin"),
            ("Access-Control-Allow-Credentials", "\"'true'\""),
            ("Access-Control-Expose-Headers", exposed.as_str()),
            ("Vary", "\"'Origin'\""),
        ] {
            line_of(&mut text, 14, &format!("{header}.{name}: {value}"));
        }
        if let Some(seconds) = retry_after {
            line_of(&mut text, 14, &format!("{header}.Retry-After: \"'{seconds}'\""));
        }
        line_of(&mut text, 12, "responseTemplates:");
        line_of(&mut text, 14, "application/json: >-");
        line_of(&mut text, 16, &format!("{{\"type\":\"urn:rialto:problem:{code}\","));
        line_of(&mut text, 16, &format!("\"title\":\"{title}\","));
        line_of(&mut text, 16, &format!("\"status\":{status},\"code\":\"{code}\"}}"));
    }
    text
}

/// What each function may do: its role, and the role's actions by resource.
#[must_use]
pub fn permissions(repository: &Repository) -> String {
    let template = Template::parse(&template(repository));
    let mut text = format!(
        "# Permissions\n\n\
         What each function may do, role by role; functions with the same permissions share one. \
         Generated\nfrom the `Policies` in `functions/*/template.yaml`:\n\
         `{}`.\n\n\
         Every role may also write to its service's log group.\n",
        generated::COMMAND
    );
    for service in repository.services() {
        let prefix = pascal_case(&service.name);
        line_of(
            &mut text,
            0,
            &format!("\n## {}\n\n| functions | may | on |\n|---|---|---|", service.name),
        );
        let mut roles: BTreeMap<&str, Vec<Function<'_>>> = BTreeMap::new();
        for function in template.functions().filter(|function| function.id.starts_with(&prefix)) {
            let role = function.role.map_or("", |role| role.id);
            roles.entry(role).or_default().push(function);
        }
        for functions in roles.into_values() {
            let names: Vec<_> =
                functions.iter().map(|function| format!("`{}`", bin(function))).collect();
            let mut names = names.join(", ");
            for statement in functions[0].statements() {
                if statement.actions.iter().all(|action| action.starts_with("logs:")) {
                    continue;
                }
                let resources: Vec<_> = statement.resources.iter().map(|it| resource(it)).collect();
                let mut on = resources.join(", ");
                if !statement.condition.is_null() {
                    on.push_str(&format!("; only if `{}`", statement.condition));
                }
                let row = format!("| {names} | {} | {on} |", statement.actions.join(", "));
                line_of(&mut text, 0, &row);
                names.clear();
            }
        }
    }
    text
}

fn bin(function: &Function<'_>) -> String {
    let folder = function.properties["CodeUri"].as_str().unwrap_or_default();
    folder.trim_start_matches("target/lambda/").trim_end_matches('/').to_owned()
}

/// A resource without what all of them have in common.
fn resource(resource: &Value) -> String {
    let name = written(resource);
    let name = name.rsplit("${AWS::AccountId}:").next().unwrap_or_default();
    format!("`{}`", name.replace("${Stage}", "<stage>"))
}

/// The lines of `[workspace.metadata.lambda.watch.router]`, one path a line.
#[must_use]
pub fn watch_router() -> String {
    let mut paths: BTreeMap<&str, Vec<&Route>> = BTreeMap::new();
    for route in access::ROUTES {
        paths.entry(route.path).or_default().push(route);
    }
    let line = |(path, routes): (&str, Vec<&Route>)| {
        let method = |route: &&Route| {
            format!("{{ method = \"{}\", function = \"{}\" }}", route.method, route.function)
        };
        let methods: Vec<_> = routes.iter().map(method).collect();
        format!("\"{path}\" = [{}]\n", methods.join(", "))
    };
    paths.into_iter().map(line).collect()
}

/// The route table of a service's README.
#[must_use]
pub fn route_table(service: &str) -> String {
    let mut table = "| route | access | function |\n|---|---|---|\n".to_owned();
    for route in access::ROUTES.iter().filter(|route| {
        route.function.strip_prefix(service).is_some_and(|rest| rest.starts_with('-'))
    }) {
        let Route { function, method, path, who } = route;
        line_of(&mut table, 0, &format!("| {method} {path} | {} | `{function}` |", access(*who)));
    }
    table
}

fn access(access: Access) -> String {
    match access {
        Access::Anonymous => "anonymous".to_owned(),
        Access::Provider => "payment provider, by its signature".to_owned(),
        Access::Owner(role) => format!("{}, only their own; supervisor", role_name(role)),
        Access::SignedIn(roles) => {
            let mut names: Vec<_> = roles.iter().map(|role| role_name(*role)).collect();
            names.push("supervisor");
            names.join(", ")
        }
    }
}

const fn role_name(role: rialto_kernel::Role) -> &'static str {
    match role {
        rialto_kernel::Role::User => "buyer",
        rialto_kernel::Role::Seller => "seller",
        rialto_kernel::Role::Supervisor => "supervisor",
    }
}

/// A file's text with `content` between two marks.
///
/// # Panics
/// When a mark isn't there.
#[must_use]
pub fn replace_between(path: &Path, start: &str, end: &str, content: &str) -> String {
    let text = fs::read_to_string(path).expect("the file can be read");
    let (before, rest) = text.split_once(start).expect("the file has the start mark");
    let at = rest.find(end).expect("the file has the end mark");
    format!("{before}{start}{content}{}", &rest[at..])
}
