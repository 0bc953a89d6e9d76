//! Scenario files: YAML with a name, tags, and statements of one line each.

use super::{
    forms::{GIVENS, STEPS, parse},
    step::{Given, Step},
    words::pattern,
};
use crate::failure::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

/// A parsed scenario.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) tags: Vec<Tag>,
    /// The file's name, for messages.
    pub(crate) file: String,
    pub(crate) given: Vec<Given>,
    pub(crate) steps: Vec<Line<Step>>,
}

/// A statement and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<T> {
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) statement: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tag {
    /// Runs unless other scenarios are selected.
    Quick,
    /// Places many orders, and runs only when selected.
    Large,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    given: Vec<String>,
    steps: Vec<String>,
}

macro_rules! shipped {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../scenarios/", $file)))),*]
    };
}

/// The scenarios that this command contains.
const SHIPPED: &[(&str, &str)] = shipped![
    "purchase.yaml",
    "completed.yaml",
    "rejected.yaml",
    "line-cancelled.yaml",
    "part-cancelled.yaml",
    "cancelled-after-shipping.yaml",
    "returned.yaml",
    "declined.yaml",
    "insufficient-funds.yaml",
    "out-of-stock.yaml",
    "slow.yaml",
    "flaky.yaml",
    "lost-answer.yaml",
    "webhook.yaml",
    "cancelled-by-buyer.yaml",
    "cancelled-by-supervisor.yaml",
    "cancelled-at-once.yaml",
    "cancelled-too-late.yaml",
    "cancelled-while-captured.yaml",
    "cancelled-after-capture.yaml",
    "one-key.yaml",
    "duplicates.yaml",
    "late-duplicates.yaml",
    "200-buyers.yaml",
    "last-unit.yaml",
];

impl Scenario {
    /// The scenarios that this command contains.
    ///
    /// # Errors
    /// [`Failure`] for an invalid file; tests parse each.
    pub(crate) fn shipped() -> Result<Vec<Self>, Failure> {
        SHIPPED.iter().map(|(file, text)| Self::parse(file, text)).collect()
    }

    /// The scenario that a canary repeats.
    ///
    /// # Errors
    /// As for [`shipped`](Self::shipped).
    pub(crate) fn canary() -> Result<Self, Failure> {
        let (file, text) = SHIPPED[0];
        Self::parse(file, text)
    }

    /// The scenarios of a folder, by the names of its `.yaml` files.
    ///
    /// # Errors
    /// [`Failure`] if the folder can't be read or a file is invalid.
    pub(crate) fn of_folder(folder: &Path) -> Result<Vec<Self>, Failure> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Failure::new(
                format!("{} can't be read: {error}.", path.display()),
                "Name a folder of scenario files with --scenarios.",
            )
        };
        let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|error| unreadable(folder, error))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"));
        paths.sort();
        let read = |path: &Path| {
            let text = fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
            Self::parse(&path.display().to_string(), &text)
        };
        paths.iter().map(|path| read(path)).collect()
    }

    /// Parses a file.
    ///
    /// # Errors
    /// [`Failure`] that names the file and the line.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Failure> {
        let invalid = |line: usize, what: String| {
            Failure::new(
                format!("{file}:{line}: {what}."),
                "See docs/harness.md for the words of a scenario.",
            )
        };
        let document: Document = yaml_serde::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            invalid(line, error.to_string())
        })?;
        let given = statements(text, "given", &document.given, |line| parse(GIVENS, line));
        let given = given.map_err(|(line, what)| invalid(line, what))?;
        let steps = statements(text, "steps", &document.steps, |line| parse(STEPS, line));
        let steps = steps.map_err(|(line, what)| invalid(line, what))?;
        check(&given, &steps).map_err(|(line, what)| invalid(line, what))?;
        Ok(Self {
            name: document.name,
            tags: document.tags,
            file: file.to_owned(),
            given: given.into_iter().map(|line| line.statement).collect(),
            steps,
        })
    }

    /// Whether this is its name, or its file's without the folder and `.yaml`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let stem = Path::new(&self.file).file_stem();
        self.name == name || stem.is_some_and(|stem| stem == name)
    }

    pub(crate) fn is(&self, tag: Tag) -> bool {
        self.tags.contains(&tag)
    }
}

/// Parses the items of a list of the file. The error is a line and what is wrong there.
fn statements<T>(
    text: &str,
    list: &str,
    items: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<Line<T>>, (usize, String)> {
    let numbers = item_lines(text, list);
    if numbers.len() != items.len() {
        let start = numbers.first().copied().unwrap_or(1);
        return Err((start, format!("each item of `{list}` must be a line of its own")));
    }
    let line = |(number, item): (usize, &String)| match parse(item) {
        Ok(statement) => Ok(Line { number, text: item.clone(), statement }),
        Err(what) => Err((number, what)),
    };
    numbers.into_iter().zip(items).map(line).collect()
}

/// The numbers of the lines that begin an item of this list.
fn item_lines(text: &str, list: &str) -> Vec<usize> {
    let mut inside = false;
    let mut numbers = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            inside = line.split(':').next() == Some(list);
        } else if inside && line.trim_start().starts_with("- ") {
            numbers.push(at + 1);
        }
    }
    numbers
}

/// Checks what a line alone doesn't show: the products exist, and there is an order.
fn check(given: &[Line<Given>], steps: &[Line<Step>]) -> Result<(), (usize, String)> {
    let mut products = BTreeSet::new();
    for line in given {
        let name = &line.statement.product;
        if !products.insert(&name[..]) {
            return Err((line.number, format!("there are two products `{name}`")));
        }
    }
    let mut placed = false;
    for line in steps {
        let unknown = line.statement.products().into_iter().find(|name| !products.contains(name));
        if let Some(name) = unknown {
            return Err((line.number, format!("no product `{name}` is given")));
        }
        placed |= matches!(line.statement, Step::Place(_));
        if line.statement.needs_an_order() && !placed {
            return Err((line.number, format!("`{}` comes before any order", line.text)));
        }
    }
    if placed { Ok(()) } else { Err((1, "no step places an order".to_owned())) }
}

/// The JSON Schema of scenario files.
pub(crate) fn schema() -> Value {
    let statements = |forms: Vec<(&'static str, &'static str)>| {
        let forms = forms.into_iter().map(|(form, about)| {
            json!({ "title": form, "description": about, "pattern": pattern(form) })
        });
        let forms: Vec<Value> = forms.collect();
        json!({ "type": "array", "items": { "type": "string", "anyOf": forms } })
    };
    let mut steps = statements(STEPS.iter().map(|form| (form.form, form.about)).collect());
    steps["minItems"] = json!(1);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of rialto harness",
        "type": "object",
        "required": ["name", "steps"],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "minLength": 1 },
            "tags": { "type": "array", "items": { "enum": ["quick", "large"] } },
            "given": statements(GIVENS.iter().map(|form| (form.form, form.about)).collect()),
            "steps": steps,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURCHASE: &str = "\
name: a purchase
given:
  # A comment - with a dash.
  - product A with stock 5 at 1200
steps:
  - place 2 of A

  - expect OrderConfirmed
";

    fn error(text: &str) -> String {
        Scenario::parse("x.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn steps_know_their_lines() {
        let scenario = Scenario::parse("x.yaml", PURCHASE).unwrap();
        let lines: Vec<_> = scenario.steps.iter().map(|line| line.number).collect();
        assert_eq!((scenario.name.as_str(), &lines[..]), ("a purchase", &[6, 8][..]));
        assert_eq!(scenario.given.len(), 1);
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        for (from, to, error_text) in [
            ("OrderConfirmed", "OrderConfrimed", "x.yaml:8: `expect OrderConfrimed`"),
            ("place 2 of A", "place 2 of B", "x.yaml:6: no product `B` is given"),
            ("stock 5", "stock many", "x.yaml:4: `product A with stock many at 1200`"),
            ("place 2 of A", "never OrderPlaced", "x.yaml:6: `never OrderPlaced` comes before"),
            ("given:", "givens:", "x.yaml:2: "),
            ("  - place 2 of A", "  - {place: A}", "x.yaml:6: "),
            ("  - place 2 of A", "  - place 2 of A\n    and 1 of A\n  -\n", "x.yaml:"),
            ("name: a purchase", "name: [", "x.yaml:"),
        ] {
            let text = error(&PURCHASE.replace(from, to));
            assert!(text.starts_with(error_text), "{text}");
        }
    }

    #[test]
    fn shipped_scenarios_are_valid_and_have_one_tag() {
        let scenarios = Scenario::shipped().unwrap();
        let names: BTreeSet<_> = scenarios.iter().map(|scenario| &scenario.name).collect();
        assert_eq!(names.len(), scenarios.len());
        for scenario in &scenarios {
            assert_eq!(scenario.tags.len(), 1, "{}", scenario.name);
        }
    }

    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let files: BTreeSet<String> = files
            .map(|file| file.into_string().unwrap())
            .filter(|file| file.ends_with(".yaml"))
            .collect();
        let shipped: BTreeSet<String> = SHIPPED.iter().map(|(file, _)| (*file).into()).collect();
        assert_eq!(files, shipped);
    }

    #[test]
    fn the_committed_schema_is_that_of_the_forms() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/schema.json");
        let expected = format!("{:#}\n", schema());
        if std::env::var_os("RIALTO_BLESS").is_some() {
            fs::write(&path, &expected).unwrap();
        }
        assert_eq!(fs::read_to_string(path).unwrap(), expected, "run with RIALTO_BLESS=1");
    }

    #[test]
    fn the_documentation_has_every_form() {
        let docs = include_str!("../../../docs/harness.md");
        let forms = GIVENS.iter().map(|form| form.form).chain(STEPS.iter().map(|form| form.form));
        for form in forms {
            assert!(docs.contains(&format!("`{form}`")), "{form}");
        }
    }
}
