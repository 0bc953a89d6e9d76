//! Properties of the template as CloudFormation gets it, transformed by SAM.

use rialto_lambda::access::ROUTES;
use rialto_layout::{
    Repository, Template, assert_no_violations, reference,
    transformed::{LOCAL, PROD},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// CloudFormation allows 500 resources in a stack.
const MAX_RESOURCES: usize = 450;

#[test]
fn apis_have_no_other_stage_than_the_deployments() {
    let mut found = Vec::new();
    for (deployment, name) in [(&PROD, "prod"), (&LOCAL, "local")] {
        let template = deployment.template();
        // A deployment with a StageName creates that stage, without any throttle.
        for resource in template.of("AWS::ApiGateway::Deployment") {
            if !resource.properties["StageName"].is_null() {
                found.push(format!("{} creates {}", resource.id, resource.properties["StageName"]));
            }
        }
        let mut apis: BTreeSet<_> =
            template.of("AWS::ApiGateway::RestApi").map(|api| api.id).collect();
        for stage in template.of("AWS::ApiGateway::Stage") {
            let is_first =
                reference(&stage.properties["RestApiId"]).is_some_and(|api| apis.remove(api));
            if !is_first || stage.properties["StageName"] != name {
                found.push(format!("{} is {}", stage.id, stage.properties["StageName"]));
            }
        }
        found.extend(apis.into_iter().map(|api| format!("{api} has no stage")));
    }
    assert_no_violations(
        found,
        "`Globals: { Api: { OpenApiVersion: 3.0.1 } }`: without it SAM adds a stage named Stage.",
    );
}

#[test]
fn stacks_stay_below_the_resource_limit() {
    for deployment in [&PROD, &LOCAL] {
        let count = deployment.template().resources().count();
        assert!(
            count < MAX_RESOURCES,
            "{count} resources, fewer than {MAX_RESOURCES} are allowed\n\nWhat to do: deploy two stacks from the same parts."
        );
    }
}

/// `/auth/login` is written `/~1auth~1login`; another form matches no method, and isn't refused.
#[test]
fn method_settings_name_existing_methods() {
    let mut found = Vec::new();
    for stage in PROD.template().of("AWS::ApiGateway::Stage") {
        let settings = stage.properties["MethodSettings"].as_array().map_or(&[][..], Vec::as_slice);
        for setting in settings {
            let path = setting["ResourcePath"].as_str().unwrap_or_default();
            let method = setting["HttpMethod"].as_str().unwrap_or_default();
            let decoded = path.strip_prefix('/').unwrap_or_default().replace("~1", "/");
            let known = ROUTES.iter().any(|route| route.path == decoded && route.method == method);
            let encoded = !path.get(1..).unwrap_or_default().contains('/');
            if (path, method) != ("/*", "*") && !(known && encoded) {
                found.push(format!("{}: {method} {path}", stage.id));
            }
        }
    }
    assert_no_violations(
        found,
        "write the path of a route with ~1 for each slash, after one slash.",
    );
}

#[test]
fn services_tables_are_protected_on_prod() {
    let repository = Repository::open();
    let services: BTreeSet<_> =
        repository.services().into_iter().map(|service| service.name).collect();
    let resources = &PROD.template().document["Resources"];
    let mut found = Vec::new();
    for table in PROD.template().of("AWS::DynamoDB::Table") {
        // The settings' table is a copy.
        if !services.contains(&table.id.trim_end_matches("Table").to_lowercase()) {
            continue;
        }
        let (resource, properties) = (&resources[table.id], table.properties);
        let recovery = &properties["PointInTimeRecoverySpecification"];
        for (name, value, expected) in [
            ("DeletionPolicy", &resource["DeletionPolicy"], json!("RetainExceptOnCreate")),
            ("UpdateReplacePolicy", &resource["UpdateReplacePolicy"], json!("Retain")),
            ("deletion protection", &properties["DeletionProtectionEnabled"], json!(true)),
            ("recovery", &recovery["PointInTimeRecoveryEnabled"], json!(true)),
        ] {
            if *value != expected {
                found.push(format!("{}: {name} is {value}, not {expected}", table.id));
            }
        }
    }
    assert_no_violations(found, "see OrdersTable in functions/orders/template.yaml.");
}

/// A parameter can't take the protection away from prod.
#[test]
fn tables_of_prod_are_protected_whatever_the_parameter() {
    let template = Template::read(&Repository::open());
    let protected = json!({ "Fn::Or": [
        { "Fn::Equals": [{ "Ref": "TableProtection" }, "on"] },
        { "Fn::Equals": [{ "Ref": "Stage" }, "prod"] },
    ]});
    assert_eq!(template.document["Conditions"]["Protected"], protected);
    assert_eq!(template.document["Parameters"]["TableProtection"]["Default"], "on");
}

/// SAM gives a function that has no role one that may write to every log group.
#[test]
fn sam_adds_no_role_and_no_permission() {
    let template = Template::read(&Repository::open());
    for deployment in [&PROD, &LOCAL] {
        let transformed = deployment.template();
        let mut found = Vec::new();
        for role in transformed.of("AWS::IAM::Role") {
            if template.get(role.id).is_none() || !role.properties["ManagedPolicyArns"].is_null() {
                found.push(role.id);
            }
        }
        for function in transformed.of("AWS::Lambda::Function") {
            let role = reference(&function.properties["Role"]);
            let written = template.functions().find(|written| written.id == function.id).unwrap();
            if role != written.role.map(|role| role.id) {
                found.push(function.id);
            }
        }
        assert_no_violations(
            found.into_iter().map(str::to_owned),
            "every function has the generated Role.",
        );
    }
}

/// The policies of a role as they are sent to IAM, which doesn't count white space.
#[test]
fn policies_of_roles_fit_into_10240_characters() {
    let mut found = Vec::new();
    for role in PROD.template().of("AWS::IAM::Role") {
        let policies = role.properties["Policies"].as_array().map_or(&[][..], Vec::as_slice);
        let written = policies.iter().map(|policy| PROD.written_out(&policy["PolicyDocument"]));
        let written: String = written.map(|document| document.to_string()).collect();
        // The longest names: aws-us-gov, us-gov-west-1 and a stage of 20 characters.
        let longer = (10 - 3) + (13 - 12) + (20 - 4);
        let size = written.len() + written.matches("arn:").count() * longer;
        if size > 10_240 {
            found.push(format!("{}: {size} characters", role.id));
        }
    }
    assert_no_violations(found, "give the function's work to two functions.");
}

/// Whether a pattern of IAM matches a text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len())
            .filter(|at| text.is_char_boundary(*at))
            .any(|at| matches(&pattern[1..], &text[at..])),
        Some(first) => text.chars().next().is_some_and(|letter| {
            (first == '?' || first == letter)
                && matches(&pattern[first.len_utf8()..], &text[letter.len_utf8()..])
        }),
    }
}

/// Every string of a value.
fn strings<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => {
            found.insert(text);
        }
        Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

#[test]
fn stages_have_letters_and_digits_only() {
    let template = Template::read(&Repository::open());
    assert_eq!(template.document["Parameters"]["Stage"]["AllowedPattern"], "[a-z][a-z0-9]{0,19}");
    for (name, valid) in [("prod", true), ("test2", true), ("test-2", false), ("test/2", false)] {
        assert_eq!(rialto_aws::Stage::parse(name).is_ok(), valid, "{name}");
    }
}

/// The stage `prod` has no permission on what a stage has whose name begins alike.
#[test]
fn patterns_dont_reach_into_a_stage_that_begins_alike() {
    let template = PROD.template();
    let policies: Vec<_> = template
        .resources()
        .filter(|resource| resource.kind == "AWS::IAM::Role" || resource.kind.ends_with("Policy"))
        .map(|resource| PROD.written_out(resource.properties))
        .collect();
    let mut all = BTreeSet::new();
    policies.iter().for_each(|policy| strings(policy, &mut all));
    let patterns: Vec<_> = all.iter().filter(|text| text.contains(['*', '?'])).collect();
    let mut names = all.clone();
    let rules = [
        "arn:aws:events:eu-central-1:123456789012:rule/rialto-prod/rialto-prod-Rule-1ABC",
        "arn:aws:events:eu-central-1:123456789012:rule/rialto-prod-Schedule-1ABC",
    ];
    names.extend(rules);
    let others: Vec<_> =
        names.iter().map(|name| name.replace("prod", "prod2").replace(['*', '?'], "x")).collect();
    let mut found = Vec::new();
    for pattern in &patterns {
        let reached = others.iter().filter(|name| name.contains("prod2") && matches(pattern, name));
        found.extend(reached.map(|name| format!("{pattern} matches {name}")));
    }
    assert_no_violations(found, "end the stage's name by a hyphen or a slash.");
    for rule in rules {
        assert!(patterns.iter().any(|pattern| matches(pattern, rule)), "{rule}");
    }
}
