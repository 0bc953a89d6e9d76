//! Properties of the template's resources.

use rialto_layout::{Repository, Template, assert_no_violations, pascal_case, reference};
use serde_json::{Value, json};

#[test]
fn functions_log_to_their_services_group_with_retention() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let services: Vec<_> =
        repository.services().into_iter().map(|service| pascal_case(&service.name)).collect();
    let mut found = Vec::new();
    for function in template.functions() {
        let service = services.iter().find(|service| function.id.starts_with(service.as_str()));
        let expected = service.map(|service| format!("{service}Logs"));
        let group = reference(&function.properties["LoggingConfig"]["LogGroup"]);
        if group != expected.as_deref() {
            found.push(format!("{} logs to {group:?}, not to {expected:?}", function.id));
        }
    }
    for group in template.of("AWS::Logs::LogGroup") {
        if group.properties["RetentionInDays"].is_null() {
            found.push(format!("{} has no RetentionInDays", group.id));
        }
    }
    for api in template.of("AWS::Serverless::Function").filter(|function| {
        let group = reference(&function.properties["LoggingConfig"]["LogGroup"]);
        group
            .and_then(|id| template.get(id))
            .is_none_or(|group| group.kind != "AWS::Logs::LogGroup")
    }) {
        found.push(format!("{} logs to a group that isn't in the template", api.id));
    }
    assert_no_violations(
        found,
        "`LoggingConfig: { LogGroup: !Ref OrdersLogs }`, and a RetentionInDays on the group.",
    );
}

#[test]
fn tables_share_keys_and_billing_mode() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for table in template.of("AWS::DynamoDB::Table") {
        let keys = |schema: &Value| {
            let schema = schema.as_array().map_or(&[][..], Vec::as_slice);
            let names = schema.iter().filter_map(|key| key["AttributeName"].as_str());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        if keys(&table.properties["KeySchema"]) != ["pk", "sk"] {
            found.push(format!("{} isn't keyed by pk and sk", table.id));
        }
        if table.properties["BillingMode"] != "PAY_PER_REQUEST" {
            found.push(format!("{} isn't PAY_PER_REQUEST", table.id));
        }
        let indexes =
            table.properties["GlobalSecondaryIndexes"].as_array().map_or(&[][..], Vec::as_slice);
        for index in indexes {
            let name = index["IndexName"].as_str().unwrap_or_default();
            let expected = [format!("{name}_pk"), format!("{name}_sk")];
            if !name.starts_with("by_") || keys(&index["KeySchema"]) != expected {
                found.push(format!(
                    "{}: the index {name} isn't by_<what>, keyed by {expected:?}",
                    table.id
                ));
            }
        }
    }
    assert_no_violations(
        found,
        "see shared/dynamo: one table a service, keys pk and sk, indexes by_<what>.",
    );
}

#[test]
fn table_names_follow_their_service() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for table in template.of("AWS::DynamoDB::Table") {
        let service = table.id.trim_end_matches("Table").to_lowercase();
        if rialto_layout::text(&table.properties["TableName"])
            != Some(&format!("rialto-${{Stage}}-{service}"))
        {
            found.push(table.id.to_owned());
        }
    }
    assert_no_violations(
        found,
        "`TableName: !Sub rialto-${Stage}-orders`, as in rialto_aws::Stage::table.",
    );
}

/// Token mode is guarded twice: the template sets it only in an emulator's account, and a function
/// in this mode doesn't start without an endpoint other than AWS's.
#[test]
fn token_mode_needs_an_emulators_account() {
    let template = Template::read(&Repository::open());
    let token_mode = json!({ "Fn::And": [
        { "Fn::Equals": [{ "Ref": "AuthMode" }, "token"] },
        { "Fn::Equals": [{ "Ref": "AWS::AccountId" }, "000000000000"] },
    ]});
    assert_eq!(template.document["Conditions"]["TokenMode"], token_mode);
    let variables = &template.document["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(variables["AUTH_MODE"], json!({ "Fn::If": ["TokenMode", "token", "gateway"] }));
    assert!(variables["AWS_ENDPOINT_URL"].is_null());
    let found = template.functions().filter(|function| {
        let variables = &function.properties["Environment"]["Variables"];
        ["AUTH_MODE", "AWS_ENDPOINT_URL"].iter().any(|name| !variables[name].is_null())
    });
    assert_no_violations(
        found.map(|function| function.id.to_owned()),
        "leave AUTH_MODE and AWS_ENDPOINT_URL to Globals and emulators.",
    );
}

#[test]
fn schedules_have_a_nonempty_input() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for rule in template.of("AWS::Events::Rule") {
        let targets = rule.properties["Targets"].as_array().map_or(&[][..], Vec::as_slice);
        if targets.iter().any(|target| target["Input"] == "{}") {
            found.push(rule.id.to_owned());
        }
    }
    assert_no_violations(
        found,
        r#"`Input: '{"now": null}'`: LocalStack delivers nothing where the input is empty."#,
    );
}

#[test]
fn simulator_resources_are_not_in_prod() {
    let template = Template::read(&Repository::open());
    let resources = template.document["Resources"].as_object().unwrap();
    let found = resources.iter().filter(|(id, resource)| {
        (id.starts_with("Simulator") || id.starts_with("PlatformSimulate"))
            && resource["Condition"] != "Simulated"
    });
    assert_no_violations(
        found.map(|(id, _)| id.clone()),
        "`Condition: Simulated`, which is false on the stage prod.",
    );
    // By default there is none, and on prod there never is.
    let simulated = json!({ "Fn::And": [
        { "Fn::Equals": [{ "Ref": "Simulator" }, "on"] },
        { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Stage" }, "prod"] }] },
    ]});
    assert_eq!(template.document["Conditions"]["Simulated"], simulated);
    assert_eq!(template.document["Parameters"]["Simulator"]["Default"], "off");
}
