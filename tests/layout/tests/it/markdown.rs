//! Links, names of files and tests, and line widths in Markdown files.

use rialto_layout::{Repository, assert_no_violations};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Columns, except for table rows and code blocks.
const MAX_WIDTH: usize = 100;

/// Folders whose paths are written in backticks, as in `shared/kernel/src/store.rs`.
const FOLDERS: [&str; 7] =
    ["functions/", "shared/", "events/", "cli/", "localstack/", "scripts/", "tests/"];

/// The Markdown files of the checkout with their lines outside of code blocks, from line 1.
fn documents(repository: &Repository) -> Vec<(PathBuf, Vec<(usize, String)>)> {
    let mut files = repository.files("");
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let mut in_code = false;
            let mut lines = Vec::new();
            for (index, line) in text.lines().enumerate() {
                if line.starts_with("```") {
                    in_code = !in_code;
                } else if !in_code {
                    lines.push((index + 1, line.to_owned()));
                }
            }
            (file, lines)
        })
        .collect()
}

/// The anchors that GitHub gives the headings of a document.
fn anchors(lines: &[(usize, String)]) -> BTreeSet<String> {
    let headings = lines.iter().filter(|(_, line)| line.starts_with('#'));
    headings
        .map(|(_, line)| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let anchor = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            anchor.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The targets of a line's links, `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The repository's paths that a line names in backticks, without patterns such as `<service>`.
fn named_paths(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|code| {
        FOLDERS.iter().any(|folder| code.starts_with(folder))
            && code.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
    })
}

#[test]
fn links_between_documents_resolve() {
    let repository = Repository::open();
    let documents = documents(&repository);
    let mut found = Vec::new();
    for (file, lines) in &documents {
        for (number, line) in lines {
            for target in links(line).filter(|target| !target.contains("://")) {
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let linked = match path {
                    "" => file.clone(),
                    _ => file.parent().unwrap_or(Path::new("")).join(path),
                };
                let resolved = linked.canonicalize().is_ok_and(|linked| {
                    let document = documents.iter().find(|(file, _)| *file == linked);
                    anchor.is_empty()
                        || document.is_some_and(|(_, lines)| anchors(lines).contains(anchor))
                });
                if !resolved {
                    found.push(format!("{}:{number} links to {target}", repository.short(file)));
                }
            }
        }
    }
    assert_no_violations(found, "correct the link, or add the file or the heading that it names.");
}

#[test]
fn files_named_in_documents_exist() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for (file, lines) in documents(&repository) {
        for (number, line) in &lines {
            for path in named_paths(line).filter(|path| !repository.root.join(path).exists()) {
                found.push(format!("{}:{number} names {path}", repository.short(&file)));
            }
        }
    }
    assert_no_violations(found, "a file was moved or renamed: name it as it is called now.");
}

/// The names of tests in backticks: those of three words and more.
fn named_tests(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|code| {
        code.matches('_').count() >= 2
            && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

#[test]
fn tests_named_in_the_security_document_exist() {
    let repository = Repository::open();
    let mut sources = repository.files("");
    sources.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    let functions: BTreeSet<String> = sources
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let names = text.lines().filter_map(|line| {
                let (_, declaration) = line.split_once("fn ")?;
                declaration.split(['(', '<']).next().map(str::to_owned)
            });
            names.collect::<Vec<_>>()
        })
        .collect();
    let document = repository.root.join("docs/security.md");
    let mut named = 0;
    let mut found = Vec::new();
    for (number, line) in fs::read_to_string(&document).unwrap().lines().enumerate() {
        for test in named_tests(line) {
            named += 1;
            if !functions.contains(test) {
                found.push(format!("docs/security.md:{} names {test}", number + 1));
            }
        }
    }
    assert!(named > 100, "{named} tests are named");
    assert_no_violations(found, "a test was renamed or removed: name what shows it now.");
}

#[test]
fn prose_is_at_most_100_columns_wide() {
    let repository = Repository::open();
    let mut found = Vec::new();
    for (file, lines) in documents(&repository) {
        for (number, line) in &lines {
            let width = line.chars().count();
            if width > MAX_WIDTH && !line.starts_with('|') {
                found.push(format!("{}:{number} has {width}", repository.short(&file)));
            }
        }
    }
    assert_no_violations(found, "wrap the line; only table rows and code blocks may be wider.");
}
