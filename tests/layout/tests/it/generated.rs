//! The files generated from the access table and the template's parts are current.

use rialto_layout::{Repository, assembly, assert_no_violations, pascal_case};
use rialto_testkit::generated::{COMMAND, assert_current, is_current};
use std::fs;

#[test]
fn generated_template_is_current() {
    let repository = Repository::open();
    assert_current(&repository.root.join("template.yaml"), &assembly::template(&repository));
}

#[test]
fn generated_permissions_are_current() {
    let repository = Repository::open();
    let path = repository.root.join("docs/permissions.md");
    assert_current(&path, &assembly::permissions(&repository));
}

#[test]
fn generated_watch_router_is_current() {
    let manifest = Repository::open().root.join("Cargo.toml");
    let table = "[workspace.metadata.lambda.watch.router]\n";
    let router = assembly::watch_router();
    let expected = assembly::replace_between(&manifest, table, "\n[", &router);
    assert_current(&manifest, &expected);
}

#[test]
fn generated_readme_route_tables_are_current() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for service in repository.services() {
        let readme = service.folder.join("README.md");
        let table = assembly::route_table(&service.name);
        let start = "<!-- routes: generated from shared/lambda/src/access.rs -->\n";
        let expected = assembly::replace_between(&readme, start, "<!-- /routes -->", &table);
        if !is_current(&readme, &expected) {
            found.push(format!("{}: its routes aren't the access table's", readme.display()));
        }
    }
    assert_no_violations(found, COMMAND);
}

#[test]
fn template_parts_hold_only_their_own_services_resources() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for service in repository.services() {
        let part = fs::read_to_string(service.folder.join("template.yaml")).unwrap();
        let prefixes = match service.name.as_str() {
            "platform" => ["Platform", "Settings", "Simulator"].map(str::to_owned).to_vec(),
            name => vec![pascal_case(name)],
        };
        let ids = part
            .lines()
            .filter(|line| line.starts_with("  ") && line[2..].starts_with(char::is_alphabetic));
        for id in ids.filter(|id| !prefixes.iter().any(|prefix| id[2..].starts_with(prefix))) {
            found.push(format!("{}: {id}", service.name));
        }
    }
    let shared = fs::read_to_string(repository.root.join(assembly::SHARED_PART)).unwrap();
    for service in repository.services() {
        let start = format!("\n  {}", pascal_case(&service.name));
        if shared.contains(&start) {
            found.push(format!("{}: holds a resource of {}", assembly::SHARED_PART, service.name));
        }
    }
    assert_no_violations(
        found,
        "a service's resources are in functions/<service>/template.yaml and begin with its name.",
    );
}
