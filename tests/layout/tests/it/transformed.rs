//! Properties of the template as CloudFormation gets it, transformed by SAM.

use rialto_lambda::access::ROUTES;
use rialto_layout::{
    assert_no_violations, reference,
    transformed::{LOCAL, PROD},
};
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
            let is_first = reference(&stage.properties["RestApiId"])
                .is_some_and(|api| apis.remove(api));
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
    assert_no_violations(found, "write the path of a route with ~1 for each slash, after one slash.");
}
