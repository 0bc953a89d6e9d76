//! cargo lambda watch serves the routes of the access table.

use rialto_lambda::access::{self, Route};
use rialto_layout::Repository;
use std::{collections::BTreeMap, fs};

const TABLE: &str = "[workspace.metadata.lambda.watch.router]\n";

/// The table's lines as they should be, one path a line.
fn router() -> String {
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

#[test]
fn cargo_lambda_watch_has_every_route_of_the_access_table() {
    let manifest = Repository::open().root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let (before, rest) = text.split_once(TABLE).expect("the manifest has the router's table");
    let end = rest.find("\n[").map_or(rest.len(), |at| at + 1);
    let (lines, after) = rest.split_at(end);
    if std::env::var_os("RIALTO_BLESS").is_some() {
        fs::write(&manifest, format!("{before}{TABLE}{}\n{after}", router())).unwrap();
        return;
    }
    let remedy = "What to do: RIALTO_BLESS=1 cargo test -p rialto-layout --test it";
    assert_eq!(
        lines.trim(),
        router().trim(),
        "Cargo.toml's router isn't the access table. {remedy}"
    );
}
