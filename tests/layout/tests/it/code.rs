//! Dependencies and imports that the architecture allows.

use rialto_layout::{Repository, assert_no_violations};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The lines of code of a file, without comments.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim_end().to_owned())
        .collect()
}

/// The files of a part of a service: `domain` is `domain.rs` and the files in `domain/`.
fn part(repository: &Repository, service: &Path, part: &str) -> Vec<PathBuf> {
    let mut files = repository.files(service.join("src").join(part));
    files.push(service.join("src").join(part).with_extension("rs"));
    files.retain(|file| file.exists());
    files
}

/// The files of all services' domains and applications.
fn domain_and_application(repository: &Repository) -> Vec<PathBuf> {
    let parts =
        |folder: &Path| ["domain", "application"].map(|name| part(repository, folder, name));
    repository.services().iter().flat_map(|service| parts(&service.folder)).flatten().collect()
}

#[test]
fn domain_and_application_dont_depend_on_the_runtime() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for file in domain_and_application(&repository) {
        for (at, line) in code(&file).iter().enumerate() {
            for name in [
                "aws_",
                "lambda_",
                "rialto_dynamo",
                "lambda::http",
                "lambda::sqs",
                "std::env",
                "env::var",
            ] {
                if line.contains(name) {
                    found.push(format!("{}:{}: {name}", repository.short(&file), at + 1));
                }
            }
        }
    }
    assert_no_violations(
        found,
        "domain and application don't depend on the runtime or AWS. Take a parameter, or define a \
         trait in ports.rs and implement it in adapters.",
    );
}

#[test]
fn domain_and_application_take_the_time_as_a_parameter() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for file in domain_and_application(&repository) {
        // A file's tests may read the clock.
        let before_tests = code(&file).into_iter().take_while(|line| line != "#[cfg(test)]");
        for (at, line) in before_tests.enumerate() {
            if ["SystemClock", "SystemTime", "Instant::now"].iter().any(|name| line.contains(name))
            {
                found.push(format!("{}:{}: {}", repository.short(&file), at + 1, line.trim()));
            }
        }
    }
    assert_no_violations(
        found,
        "take the time as a parameter (`now: Timestamp`); only entrypoints read a clock.",
    );
}

#[test]
fn services_and_shared_crates_dont_depend_on_services() {
    let repository = Repository::open();
    let functions = repository.root.join("functions");
    let shared = repository.root.join("shared");
    let mut found = Vec::new();
    for package in &repository.metadata.packages {
        let manifest = package.manifest_path.as_std_path();
        if !manifest.starts_with(&functions) && !manifest.starts_with(&shared) {
            continue;
        }
        for dependency in &package.dependencies {
            // A service's tests may depend on the service itself, to turn on its `test-support`.
            let itself = dependency.name == package.name.as_str();
            let path = dependency.path.as_ref().filter(|_| !itself);
            if path.is_some_and(|path| path.as_std_path().starts_with(&functions)) {
                found.push(format!("{} depends on {}", package.name, dependency.name));
            }
        }
    }
    assert_no_violations(
        found,
        "replicate another service's data by events; move code that two services share to shared/.",
    );
}

#[test]
fn bugs_are_planted_in_the_simulation_only() {
    const FEATURE: &str = "planted-bugs";
    let repository = Repository::open();
    let mut found = Vec::new();
    for package in &repository.metadata.packages {
        let name = package.name.as_str();
        let enables = |features: &[String]| features.iter().any(|text| text.ends_with(FEATURE));
        for dependency in &package.dependencies {
            let tests = package.manifest_path.starts_with(repository.root.join("tests"));
            if dependency.name == "rialto-simulation" && !tests {
                found.push(format!("{name} depends on the simulation"));
            }
            if enables(&dependency.features) && name != "rialto-simulation" {
                found.push(format!("{name} enables {FEATURE}"));
            }
        }
        if package.features.values().any(|features| enables(features)) {
            found.push(format!("{name} has a feature that enables {FEATURE}"));
        }
    }
    // Cargo unifies the features of all packages that one command builds.
    let script = fs::read_to_string(repository.root.join("scripts/build")).unwrap();
    let script = script.replace("\\\n", " ");
    let is_build =
        |line: &&str| ["cargo build", "cargo lambda build"].iter().any(|c| line.contains(c));
    let builds: Vec<_> = script.lines().filter(is_build).collect();
    assert!(!builds.is_empty());
    assert!(script.contains("for manifest in functions/*/Cargo.toml"));
    let unselected = builds.into_iter().filter(|line| !line.contains("\"${packages[@]}\""));
    found.extend(unselected.map(|line| format!("scripts/build: {}", line.trim())));
    assert_no_violations(
        found,
        "functions are built without planted bugs: only tests/simulation enables them, and \
         scripts/build selects the functions' packages.",
    );
}

#[test]
fn bins_only_call_their_entrypoints_main() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for bin in repository.bins() {
        let lines: Vec<_> = code(&bin.source).into_iter().filter(|line| !line.is_empty()).collect();
        if lines.len() > 5 {
            found.push(format!(
                "{} has {} lines of code, at most 5 are allowed",
                bin.name,
                lines.len()
            ));
        }
        let call = format!(
            "rialto_{}::entrypoints::{}::main();",
            bin.service,
            bin.action().replace('-', "_")
        );
        if !lines.concat().contains(&call) {
            found.push(format!("{} doesn't call {call}", bin.name));
        }
    }
    assert_no_violations(
        found,
        "write `fn main() { rialto_<service>::entrypoints::<work>::main(); }` and move the rest there.",
    );
}

#[test]
fn entrypoints_serve_under_their_bins_name() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for service in repository.services() {
        for bin in repository.bins().into_iter().filter(|bin| bin.service == service.name) {
            let file = service
                .folder
                .join("src/entrypoints")
                .join(bin.action().replace('-', "_"))
                .with_extension("rs");
            match fs::read_to_string(&file) {
                Err(_) => found.push(format!("{} isn't there", repository.short(&file))),
                Ok(text) if !text.contains(&format!("\"{}\"", bin.name)) => {
                    found.push(format!("{} doesn't name {:?}", repository.short(&file), bin.name));
                }
                Ok(_) => {}
            }
        }
    }
    assert_no_violations(
        found,
        "one file a function, named as its bin; its main serves the function by the bin's name.",
    );
}

#[test]
fn services_have_the_same_modules() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for service in repository.services() {
        for part in [
            "README.md",
            "src/lib.rs",
            "src/domain.rs",
            "src/ports.rs",
            "src/application.rs",
            "src/adapters.rs",
            "src/adapters/dynamodb.rs",
            "src/adapters/memory.rs",
            "src/entrypoints.rs",
            "src/bin",
            "tests/it/main.rs",
            "tests/it/contract.rs",
        ] {
            if !service.folder.join(part).exists() {
                found.push(format!("functions/{} has no {part}", service.name));
            }
        }
        if service.package.name.as_str() != format!("rialto-{}", service.name) {
            found.push(format!("functions/{} is the crate {}", service.name, service.package.name));
        }
    }
    assert_no_violations(
        found,
        "all services have the same structure; functions/inventory is the model.",
    );
}

#[test]
fn crates_inherit_the_workspaces_lints() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for package in &repository.metadata.packages {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        let mut lints = manifest.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
        if lints.next().map(str::trim) != Some("workspace = true") {
            found.push(package.name.to_string());
        }
    }
    assert_no_violations(
        found,
        "write `[lints]` and `workspace = true` at the end of its Cargo.toml.",
    );
}

#[test]
fn files_dont_name_folders_outside_the_repository() {
    let repository = Repository::open();
    // In two pieces, or this file would be found.
    let names = [["../shared", "/spec"].concat(), ["/work", "/shared"].concat()];
    let names_it = |file: &PathBuf| {
        let text = fs::read(file).unwrap();
        names.iter().any(|name| text.windows(name.len()).any(|window| window == name.as_bytes()))
    };
    let found = repository.files("").into_iter().filter(names_it);
    assert_no_violations(
        found.map(|file| repository.short(&file).to_string()),
        "a checkout must be self-contained: copy the information into the repository.",
    );
}
