//! Bins, the template's functions and samples have the same names.

use rialto_lambda::access;
use rialto_layout::{Repository, Template, assert_no_violations, pascal_case, text};
use std::collections::{BTreeMap, BTreeSet};

/// The names that are in only one of two sets.
fn differences(a: &BTreeSet<String>, in_a: &str, b: &BTreeSet<String>, in_b: &str) -> Vec<String> {
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>, has: &str, lacks: &str| {
        one.difference(other).map(|name| format!("{name}: {has}, but {lacks}")).collect::<Vec<_>>()
    };
    let mut found = only(a, b, &format!("has {in_a}"), &format!("no {in_b}"));
    found.extend(only(b, a, &format!("has {in_b}"), &format!("no {in_a}")));
    found
}

fn bins(repository: &Repository) -> BTreeSet<String> {
    repository.bins().into_iter().map(|bin| bin.name).collect()
}

#[test]
fn bin_names_start_with_their_service_and_are_unique() {
    let repository = Repository::open();
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for bin in repository.bins() {
        if !bin.name.starts_with(&format!("{}-", bin.service)) {
            found.push(format!("{} of {}", bin.name, bin.service));
        }
        // A function's name has 64 characters at most, a stage's 20.
        if "rialto-".len() + 20 + "-".len() + bin.name.len() > 64 {
            found.push(format!("{} is too long: 36 characters at most", bin.name));
        }
        if let Some(other) = seen.insert(bin.name.clone(), bin.service.clone()) {
            found.push(format!("{} is in {other} and in {}", bin.name, bin.service));
        }
    }
    assert_no_violations(
        found,
        "name it <service>-<verb>-<noun>, <service>-on-<source service>, <service>-relay, \
         <service>-sweep or <service>-answer-services.",
    );
}

#[test]
fn bins_match_the_templates_functions() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let functions = template.functions().map(|function| {
        let folder = function.properties["CodeUri"].as_str().unwrap_or_default();
        folder.trim_start_matches("target/lambda/").trim_end_matches('/').to_owned()
    });
    assert_no_violations(
        differences(&bins(&repository), "a bin", &functions.collect(), "function in template.yaml"),
        "each bin in functions/*/src/bin is one AWS::Serverless::Function with CodeUri \
         target/lambda/<bin>/.",
    );
}

#[test]
fn template_functions_are_named_as_their_bins() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for bin in bins(&repository) {
        let id = format!("{}Function", pascal_case(&bin));
        let Some(function) = template.get(&id) else {
            found.push(format!("{bin} isn't {id}"));
            continue;
        };
        if text(&function.properties["FunctionName"]) != Some(&format!("rialto-${{Stage}}-{bin}")) {
            found.push(format!("{id} has another FunctionName than rialto-${{Stage}}-{bin}"));
        }
        if function.properties["CodeUri"] != format!("target/lambda/{bin}/") {
            found.push(format!("{id} has another CodeUri than target/lambda/{bin}/"));
        }
    }
    assert_no_violations(
        found,
        "the bin orders-place-order is OrdersPlaceOrderFunction in template.yaml.",
    );
}

#[test]
fn bins_match_samples() {
    let repository = Repository::open();
    let samples = repository.files("events/samples");
    let samples = samples.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned());
    assert_no_violations(
        differences(&bins(&repository), "a bin", &samples.collect(), "sample in events/samples"),
        "store one sample payload per function: events/samples/<bin>.json.",
    );
}

#[test]
fn routes_have_a_bin() {
    let repository = Repository::open();
    let bins = bins(&repository);
    let missing = access::ROUTES.iter().filter(|route| !bins.contains(route.function));
    assert_no_violations(
        missing.map(|route| format!("{} {}: no bin {}", route.method, route.path, route.function)),
        "write the function, or remove its route from shared/lambda/src/access.rs.",
    );
}

#[test]
fn bins_without_a_route_are_known() {
    let repository = Repository::open();
    let routes: BTreeSet<_> = access::ROUTES.iter().map(|route| route.function).collect();
    // Invoked by other functions, the gateway or the operator's command.
    let internal = [
        "accounts-authorizer",
        "accounts-mail-code",
        "platform-answer-preflight",
        "platform-mirror-settings",
        "platform-simulate-provider",
        "platform-simulate-webhooks",
    ];
    let found = repository.bins().into_iter().filter(|bin| {
        let needs_none = bin.consumes().is_some()
            || ["relay", "sweep", "answer-services"].contains(&bin.action());
        !routes.contains(bin.name.as_str()) && !needs_none && !internal.contains(&bin.name.as_str())
    });
    assert_no_violations(
        found.map(|bin| bin.name),
        "add its route and its callers to shared/lambda/src/access.rs, or its name to the internal \
         functions here.",
    );
}

#[test]
fn consumers_name_an_existing_service() {
    let repository = Repository::open();
    let services: BTreeSet<_> =
        repository.services().into_iter().map(|service| service.name).collect();
    let found = repository
        .bins()
        .into_iter()
        .filter(|bin| bin.consumes().is_some_and(|it| !services.contains(it)));
    assert_no_violations(found.map(|bin| bin.name), "name it <service>-on-<source service>.");
}
