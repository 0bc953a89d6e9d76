//! Each function may do what it does, and nothing else.

use rialto_kernel::settings::ALL;
use rialto_layout::{
    Function, Repository, Resource, Statement, Template, assert_no_violations, pascal_case,
    reference, statements, written,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The statements that may have a wildcard: the resource's id, the action, the end of the ARN, and
/// the reason.
const WILDCARDS: &[(&str, &str, &str, &str)] = &[
    (
        "QueuePolicy",
        "sqs:SendMessage",
        ":rialto-${Stage}-*",
        "one policy for all queues, which it lists; a statement each would be more than the 20 allowed",
    ),
    ("AccountsMailCodeRole", "ses:SendEmail", ":identity/*", "the sender is a setting"),
];

/// Every statement of the template with the id of the resource that has it.
fn all_statements(template: &Template) -> Vec<(&str, Statement<'_>)> {
    let mut all = Vec::new();
    for role in template.of("AWS::IAM::Role") {
        all.extend(role.statements().into_iter().map(|statement| (role.id, statement)));
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
fn functions_have_a_role_of_their_service() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for function in template.functions() {
        let Some(role) = function.role else {
            found.push(format!("{} has no role in the template", function.id));
            continue;
        };
        let same_service = repository.services().into_iter().any(|service| {
            let service = pascal_case(&service.name);
            function.id.starts_with(&service) && role.id.starts_with(&service)
        });
        if !same_service || !function.properties["Policies"].is_null() {
            found.push(format!(
                "{} has {} and {}",
                function.id, role.id, function.properties["Policies"]
            ));
        }
        let incomplete = |statement: &Statement<'_>| {
            statement.actions.is_empty() || statement.resources.is_empty()
        };
        if function.statements().iter().any(incomplete) {
            found.push(format!("{} has a statement without an Action or a Resource", role.id));
        }
    }
    for role in template.of("AWS::IAM::Role") {
        if !role.properties["ManagedPolicyArns"].is_null() {
            found.push(format!("{} has permissions that aren't written here", role.id));
        }
    }
    assert_no_violations(
        found,
        "write `Policies: [{ Statement: […] }]` at the function in its service's part; roles are generated.",
    );
}

#[test]
fn roles_of_a_service_differ() {
    let template = Template::read(&Repository::open());
    let mut seen: Vec<Resource<'_>> = Vec::new();
    let mut found = Vec::new();
    for role in template.of("AWS::IAM::Role") {
        match seen.iter().find(|other| other.properties == role.properties) {
            Some(other) => found.push(format!("{} is {}", role.id, other.id)),
            None => seen.push(role),
        }
    }
    assert_no_violations(found, "functions with the same permissions share a role.");
}

#[test]
fn functions_write_only_to_their_services_log_group() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for function in template.functions() {
        let group =
            reference(&function.properties["LoggingConfig"]["LogGroup"]).unwrap_or_default();
        let logs = |statement: &Statement<'_>| {
            statement.actions.iter().any(|action| action.starts_with("logs:"))
        };
        let statements: Vec<_> = function.statements().into_iter().filter(logs).collect();
        let as_expected = statements.len() == 1
            && statements[0].actions == ["logs:CreateLogStream", "logs:PutLogEvents"]
            && statements[0].resources.iter().map(|arn| reference(arn)).eq([Some(group)]);
        if !as_expected {
            found.push(format!("{}: {statements:?}", function.id));
        }
    }
    assert_no_violations(found, "see tests/layout/src/roles.rs.");
}

/// A relay that could publish as another service could confirm unpaid orders.
#[test]
fn only_relays_publish_and_only_as_their_own_source() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for role in template.of("AWS::IAM::Role") {
        let publishes = |statement: &Statement<'_>| statement.actions.contains(&"events:PutEvents");
        for statement in role.statements().into_iter().filter(publishes) {
            let service = role.id.strip_suffix("RelayRole").unwrap_or_default().to_lowercase();
            // events:source has a value for each entry of a request; all of them have to match, and
            // there has to be one.
            let expected = json!({
                "ForAllValues:StringEquals": { "events:source": format!("rialto.{service}") },
                "Null": { "events:source": "false" },
            });
            if *statement.condition != expected {
                found.push(format!("{}: {}", role.id, statement.condition));
            }
        }
    }
    assert_no_violations(found, "a relay's role names its own source in `events:source`.");
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

/// The secrets of the stage, and the functions that may read each of them.
const SECRETS: &[(&str, &[&str])] = &[
    ("auth/refresh-key", LOGINS),
    ("auth/signing-key/seller", LOGINS),
    ("auth/signing-key/supervisor", LOGINS),
    ("auth/signing-key/user", LOGINS),
    (
        "payments/provider-key",
        &[
            "PaymentsGetPaymentFunction",
            "PaymentsOnInventoryFunction",
            "PaymentsOnOrdersFunction",
            "PaymentsPayAgainFunction",
            "PaymentsReceiveWebhookFunction",
            "PaymentsRefundOrderFunction",
            "PaymentsSweepFunction",
        ],
    ),
    (
        "payments/webhook-secret",
        &["PaymentsReceiveWebhookFunction", "PlatformSimulateWebhooksFunction"],
    ),
    ("simulator/api-key", &["PlatformSimulateProviderFunction"]),
];

/// The functions that issue tokens.
const LOGINS: &[&str] = &["AccountsLogInFunction", "AccountsRefreshFunction"];

#[test]
fn secrets_are_readable_by_the_expected_functions() {
    let template = Template::read(&Repository::open());
    let mut readers: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for function in template.functions() {
        for statement in function.statements() {
            let on_secrets: Vec<_> = statement
                .actions
                .iter()
                .filter(|action| action.starts_with("secretsmanager:"))
                .collect();
            if on_secrets.is_empty() {
                continue;
            }
            if statement.actions != ["secretsmanager:GetSecretValue"] {
                found.push(format!("{}: {:?}", function.id, statement.actions));
            }
            for arn in statement.resources.into_iter().map(written) {
                let name = arn.split_once(":secret:rialto/${Stage}/");
                match name.and_then(|(_, name)| name.strip_suffix("-??????")) {
                    Some(name) => {
                        readers.entry(name.to_owned()).or_default().insert(function.id);
                    }
                    None => found.push(format!("{}: {arn}", function.id)),
                }
            }
        }
    }
    let expected = SECRETS.iter().map(|(name, functions)| {
        ((*name).to_owned(), functions.iter().copied().collect::<BTreeSet<_>>())
    });
    let expected: BTreeMap<_, _> = expected.collect();
    for name in readers.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
        let (readers, expected) = (readers.get(name), expected.get(name));
        if readers != expected {
            found.push(format!("{name} is readable by {readers:?} instead of {expected:?}"));
        }
    }
    assert_no_violations(
        found,
        "allow secretsmanager:GetSecretValue on the secrets that a function uses, and list it in \
         SECRETS.",
    );
}

#[test]
fn health_can_read_one_partition_without_items() {
    let template = Template::read(&Repository::open());
    let health = template.functions().find(|it| it.id == "PlatformGetHealthFunction").unwrap();
    let found = health.statements().into_iter().filter(|statement| {
        let keys = &statement.condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"];
        statement.actions.iter().any(|action| action.starts_with("dynamodb:"))
            && !statement.resources.iter().any(|it| reference(it) == Some(SETTINGS))
            && (statement.actions != ["dynamodb:GetItem"] || *keys != json!(["HEALTH"]))
    });
    assert_no_violations(
        found.map(|statement| format!("{statement:?}")),
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
