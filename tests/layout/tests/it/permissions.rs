//! Each function may do what it does, and nothing else.

use rialto_kernel::settings::ALL;
use rialto_layout::{
    Function, Repository, Statement, Template, assert_no_violations, pascal_case, reference,
    statements, text,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The statements that may have a wildcard: the resource's id, the action, the end of the ARN, and
/// the reason.
const WILDCARDS: &[(&str, &str, &str, &str)] = &[
    (
        "GatewayRole",
        "lambda:InvokeFunction",
        ":function:rialto-${Stage}-*",
        "eighty ARNs don't fit into one policy",
    ),
    (
        "QueuePolicy",
        "sqs:SendMessage",
        ":rialto-${Stage}-*",
        "one policy for all queues, which it lists",
    ),
    ("AccountsMailCodeFunction", "ses:SendEmail", ":identity/*", "the sender is a setting"),
];

/// A resource of a statement as text, however it is written.
fn written(resource: &Value) -> String {
    match (text(resource), reference(resource)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(id)) => id.to_owned(),
        (None, None) => resource.to_string(),
    }
}

/// Every statement of the template with the id of the resource that has it.
fn all_statements(template: &Template) -> Vec<(&str, Statement<'_>)> {
    let mut all = Vec::new();
    for function in template.functions() {
        all.extend(function.statements().into_iter().map(|statement| (function.id, statement)));
    }
    for role in template.of("AWS::IAM::Role") {
        for policy in role.properties["Policies"].as_array().into_iter().flatten() {
            let document = &policy["PolicyDocument"]["Statement"];
            all.extend(statements(document).into_iter().map(|statement| (role.id, statement)));
        }
    }
    for policy in template.resources().filter(|resource| resource.kind.ends_with("Policy")) {
        let document = &policy.properties["PolicyDocument"]["Statement"];
        all.extend(statements(document).into_iter().map(|statement| (policy.id, statement)));
    }
    all
}

/// The actions that a function may do on a resource, by its logical id.
fn allowed<'a>(function: &Function<'a>, id: &str) -> BTreeSet<&'a str> {
    let on_it = |statement: &Statement<'_>| {
        statement
            .resources
            .iter()
            .any(|resource| reference(resource) == Some(id) || written(resource).contains(id))
    };
    function
        .statements()
        .into_iter()
        .filter(on_it)
        .flat_map(|statement| statement.actions)
        .collect()
}

#[test]
fn statements_avoid_wildcard_resources() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for (id, statement) in all_statements(&template) {
        for resource in statement.resources {
            let name = written(resource);
            let excepted = WILDCARDS.iter().any(|(owner, action, end, _)| {
                *owner == id && statement.actions == [*action] && name.ends_with(end)
            });
            // Secrets Manager appends six characters to a secret's name.
            if name.trim_end_matches("-??????").contains(['*', '?']) && !excepted {
                found.push(format!("{id}: {:?} on {name}", statement.actions));
            }
        }
    }
    assert_no_violations(
        found,
        "name the resource; if the service supports none, add the statement to WILDCARDS with the \
         reason.",
    );
}

#[test]
fn statements_avoid_wildcard_actions() {
    let template = Template::read(&Repository::open());
    let found = all_statements(&template).into_iter().flat_map(|(id, statement)| {
        let actions = statement.actions.into_iter().filter(|action| action.contains('*'));
        actions.map(|action| format!("{id}: {action}")).collect::<Vec<_>>()
    });
    assert_no_violations(found, "list the actions that the function uses.");
}

#[test]
fn functions_have_their_own_role_with_explicit_statements() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for function in template.functions() {
        if !function.properties["Role"].is_null() {
            found.push(format!("{} uses a role that isn't its own", function.id));
        }
        for policy in function.unwritten_policies() {
            found.push(format!("{}: {policy} doesn't say what it allows", function.id));
        }
        if function
            .statements()
            .iter()
            .any(|statement| statement.actions.is_empty() || statement.resources.is_empty())
        {
            found.push(format!("{} has a statement without an Action or a Resource", function.id));
        }
    }
    assert_no_violations(
        found,
        "write `Policies: [{ Statement: […] }]` with actions and resources.",
    );
}

#[test]
fn functions_access_only_their_services_table() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for function in template.functions() {
        // Health reads an item that never exists from every table.
        if function.id == "PlatformGetHealthFunction" {
            continue;
        }
        let service = repository
            .services()
            .into_iter()
            .find(|service| function.id.starts_with(&pascal_case(&service.name)));
        let own = match service.map(|service| service.name).as_deref() {
            Some("platform") => "SimulatorTable".to_owned(),
            Some(service) => format!("{}Table", pascal_case(service)),
            None => String::new(),
        };
        for statement in function.statements() {
            let on_table = statement.actions.iter().any(|action| action.starts_with("dynamodb:"));
            for resource in statement.resources.iter().filter(|_| on_table) {
                let name = written(resource);
                if name == SETTINGS {
                    continue;
                }
                if name != own && !name.starts_with(&format!("${{{own}.Arn}}/index/by_")) {
                    found.push(format!("{}: {:?} on {name}", function.id, statement.actions));
                }
            }
        }
    }
    assert_no_violations(
        found,
        "a service never reads another's table: consume its events, or call its owner.",
    );
}

/// The table with the copy of the settings.
const SETTINGS: &str = "SettingsTable";
/// The function that writes the copy.
const MIRROR: &str = "PlatformMirrorSettingsFunction";

/// The settings that a function may read from the parameter store.
fn parameters(function: &Function<'_>) -> BTreeSet<String> {
    let statements = function.statements().into_iter();
    let read = statements.filter(|statement| statement.actions.contains(&"ssm:GetParameters"));
    let names = read.flat_map(|statement| statement.resources).map(written);
    names.filter_map(|arn| Some(arn.split_once("/${Stage}/")?.1.to_owned())).collect()
}

#[test]
fn functions_only_read_the_copy_of_the_settings() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for function in template.functions() {
        let on_copy = allowed(&function, SETTINGS);
        let expected: &[&str] = match parameters(&function).is_empty() {
            _ if function.id == MIRROR => &["dynamodb:GetItem", "dynamodb:PutItem"],
            true => &[],
            false => &["dynamodb:GetItem"],
        };
        if !on_copy.iter().eq(expected) {
            found.push(format!("{}: {on_copy:?} instead of {expected:?}", function.id));
        }
    }
    assert_no_violations(
        found,
        "a function that reads parameters reads their copy first; platform-mirror-settings writes \
         it.",
    );
}

#[test]
fn every_setting_but_secrets_is_copied() {
    let template = Template::read(&Repository::open());
    let mirror = template.functions().find(|function| function.id == MIRROR).unwrap();
    let settings = ALL.iter().filter(|setting| !setting.secret);
    let settings: BTreeSet<_> = settings.map(|setting| setting.name.to_owned()).collect();
    assert_eq!(parameters(&mirror), settings);
}

#[test]
fn secrets_are_never_parameters() {
    let template = Template::read(&Repository::open());
    let secrets = || ALL.iter().filter(|setting| setting.secret);
    let found = template.functions().flat_map(|function| {
        let readable = parameters(&function);
        let secret = secrets().filter(move |secret| readable.contains(secret.name));
        secret.map(move |secret| format!("{}: {}", function.id, secret.name))
    });
    assert_no_violations(found, "secrets are in Secrets Manager, below rialto/${Stage}/.");
}

#[test]
fn health_can_read_no_existing_item() {
    let template = Template::read(&Repository::open());
    let health = template.get("PlatformGetHealthFunction").unwrap();
    let policies = health.properties["Policies"].as_array().unwrap();
    let statements = policies.iter().flat_map(|policy| policy["Statement"].as_array().unwrap());
    let found = statements.filter(|statement| {
        let action = statement["Action"].as_str().unwrap_or_default();
        let keys = &statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"];
        action.starts_with("dynamodb:")
            && reference(&statement["Resource"]) != Some(SETTINGS)
            && (action != "dynamodb:GetItem" || *keys != serde_json::json!(["HEALTH"]))
    });
    assert_no_violations(
        found.map(Value::to_string),
        "dynamodb:GetItem, with `Condition: { \"ForAllValues:StringEquals\": { \"dynamodb:LeadingKeys\": [HEALTH] } }`.",
    );
}

#[test]
fn consumers_and_relays_have_the_permissions_they_need() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for bin in repository.bins() {
        let id = pascal_case(&bin.name);
        let function = template.functions().find(|function| function.id == format!("{id}Function"));
        let Some(function) = function else { continue };
        let service = pascal_case(&bin.service);
        let needed: &[(String, &[&str])] = if bin.consumes().is_some() {
            // Lambda's three, and the consumer's own.
            let actions = &[
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
            ];
            &[(format!("{id}Queue"), actions)]
        } else if bin.action() == "relay" {
            let stream = &[
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ];
            &[
                (format!("{service}Table"), stream),
                ("EventBus".to_owned(), &["events:PutEvents"]),
                (format!("{service}OutboxDeadLetters"), &["sqs:SendMessage"]),
            ]
        } else {
            &[]
        };
        for (resource, actions) in needed {
            let allowed = allowed(&function, resource);
            for action in actions.iter().filter(|action| !allowed.contains(**action)) {
                found.push(format!("{} may not {action} on {resource}", function.id));
            }
        }
    }
    assert_no_violations(
        found,
        "AWS doesn't create the event source mapping without them; emulators don't check.",
    );
}

#[test]
fn environments_hold_no_secrets() {
    let template = Template::read(&Repository::open());
    let globals = &template.document["Globals"]["Function"]["Environment"]["Variables"];
    let everywhere =
        globals.as_object().into_iter().flatten().map(|(name, value)| ("Globals", name, value));
    let own = template.functions().flat_map(|function| {
        let variables = function.properties["Environment"]["Variables"].as_object();
        variables.into_iter().flatten().map(move |(name, value)| (function.id, name, value))
    });
    let mut found = Vec::new();
    for (owner, name, value) in everywhere.chain(own) {
        let secret = ["SECRET", "PASSWORD", "KEY", "TOKEN", "CREDENTIAL", "PEPPER", "SALT"];
        if secret.iter().any(|word| name.to_uppercase().contains(word)) {
            found.push(format!("{owner}: {name}"));
        }
        if value.to_string().contains("{{resolve:") {
            found.push(format!("{owner}: {name} is resolved into the environment"));
        }
    }
    assert_no_violations(
        found,
        "let the function read it at its start, by IAM, from the parameter store or Secrets Manager.",
    );
}
