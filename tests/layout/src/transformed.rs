//! The template as CloudFormation gets it: transformed by SAM, for the parameters of one deployment.

use crate::{Repository, Template, reference};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::Path, process::Command, sync::OnceLock};

/// What a deployment passes to the template.
#[derive(Debug)]
pub struct Deployment {
    /// The account's number.
    pub account: &'static str,
    /// The parameters that differ from their defaults.
    pub parameters: &'static [(&'static str, &'static str)],
    template: OnceLock<Template>,
}

/// The stage `prod` on AWS, as `scripts/deploy` deploys it.
pub static PROD: Deployment = Deployment {
    account: "123456789012",
    parameters: &[("Stage", "prod")],
    template: OnceLock::new(),
};

/// The stage `local` on an emulator, as `scripts/up` deploys it.
pub static LOCAL: Deployment = Deployment {
    account: "000000000000",
    parameters: &[
        ("Stage", "local"),
        ("Architecture", "x86_64"),
        ("AuthMode", "gateway"),
        ("ConsumerConcurrency", "2"),
        ("TableProtection", "off"),
        ("Simulator", "on"),
    ],
    template: OnceLock::new(),
};

impl Deployment {
    /// The transformed template, without the resources whose condition is false, and with
    /// parameters and conditions replaced by their values. References between resources stay.
    ///
    /// # Panics
    /// When SAM isn't installed or refuses the template.
    pub fn template(&self) -> &Template {
        self.template.get_or_init(|| {
            let transformed = transform(&Repository::open(), self.parameters);
            Template { document: evaluate(&transformed, self) }
        })
    }

    /// A value of the transformed template as it is on AWS: an ARN instead of a reference.
    ///
    /// # Panics
    /// For a reference to a resource that has no fixed name.
    pub fn written_out(&self, value: &Value) -> Value {
        let template = self.template();
        match value {
            Value::Array(list) => list.iter().map(|value| self.written_out(value)).collect(),
            Value::Object(fields) => {
                if let Some(text) = value["Fn::Sub"].as_str() {
                    return substitute(text, |name| {
                        let (id, attribute) = name.split_once('.').unwrap_or((name, "Ref"));
                        attribute_of(template, self.account, id, attribute)
                    })
                    .into();
                }
                if let Some(id) = reference(value).filter(|_| fields.len() == 1) {
                    let attribute = value["Fn::GetAtt"][1].as_str().unwrap_or("Ref");
                    let written = attribute_of(template, self.account, id, attribute);
                    return written.unwrap_or_else(|| panic!("{value} has no fixed name")).into();
                }
                let entry =
                    |(name, value): (&String, &Value)| (name.clone(), self.written_out(value));
                Value::Object(fields.iter().map(entry).collect())
            }
            other => other.clone(),
        }
    }
}

const PARTITION: &str = "aws";
const REGION: &str = "eu-central-1";

fn transform(repository: &Repository, parameters: &[(&str, &str)]) -> Value {
    let python = repository.root.join(".venv/sam/bin/python");
    assert!(
        python.exists(),
        "SAM isn't installed in .venv\n\nWhat to do: run `scripts/test layout`, which installs it and runs these tests.\n"
    );
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("transform.py"))
        .arg(repository.root.join("template.yaml"))
        .args(parameters.iter().map(|(name, value)| format!("{name}={value}")))
        .output()
        .expect("Python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "SAM can't transform template.yaml:\n{errors}");
    serde_json::from_slice(&output.stdout).expect("transform.py prints JSON")
}

/// What is known about a deployment while its template is evaluated.
struct Scope<'a> {
    parameters: BTreeMap<&'a str, Value>,
    conditions: &'a Value,
}

fn evaluate(transformed: &Value, deployment: &Deployment) -> Value {
    let mut parameters = BTreeMap::from([
        ("AWS::AccountId", json!(deployment.account)),
        ("AWS::Partition", json!(PARTITION)),
        ("AWS::Region", json!(REGION)),
        ("AWS::URLSuffix", json!("amazonaws.com")),
    ]);
    for (name, parameter) in transformed["Parameters"].as_object().expect("Parameters") {
        parameters.insert(name, parameter["Default"].clone());
    }
    for (name, value) in deployment.parameters {
        assert!(parameters.insert(name, json!(value)).is_some(), "there is no parameter {name}");
    }
    let scope = Scope { parameters, conditions: &transformed["Conditions"] };
    let mut document = Map::new();
    for section in ["Resources", "Outputs"] {
        let entries = transformed[section].as_object().expect("a section of the template");
        let entries = entries.iter().filter(|(_, entry)| {
            entry["Condition"].as_str().is_none_or(|condition| scope.holds(condition))
        });
        let entries = entries.filter_map(|(id, entry)| Some((id.clone(), scope.value(entry)?)));
        document.insert(section.to_owned(), entries.collect::<Map<_, _>>().into());
    }
    Value::Object(document)
}

impl Scope<'_> {
    /// `None` for `AWS::NoValue`.
    fn value(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(list) => Some(list.iter().filter_map(|value| self.value(value)).collect()),
            Value::Object(fields) => {
                if let Some(name) = value["Ref"].as_str() {
                    if name == "AWS::NoValue" {
                        return None;
                    }
                    return Some(self.parameters.get(name).unwrap_or(value).clone());
                }
                if let [Value::String(condition), then, otherwise] = list(&value["Fn::If"]) {
                    return self.value(if self.holds(condition) { then } else { otherwise });
                }
                if let Some(text) = value["Fn::Sub"].as_str() {
                    let known = |name: &str| self.parameters.get(name).map(plain);
                    let text = substitute(text, known);
                    let complete = !text.contains("${");
                    return Some(if complete { text.into() } else { json!({ "Fn::Sub": text }) });
                }
                let entry =
                    |(name, value): (&String, &Value)| Some((name.clone(), self.value(value)?));
                Some(Value::Object(fields.iter().filter_map(entry).collect()))
            }
            other => Some(other.clone()),
        }
    }

    fn holds(&self, condition: &str) -> bool {
        let definition = &self.conditions[condition];
        assert!(!definition.is_null(), "there is no condition {condition}");
        self.is_true(definition)
    }

    fn is_true(&self, definition: &Value) -> bool {
        let mut all = list(&definition["Fn::And"]).iter();
        let mut any = list(&definition["Fn::Or"]).iter();
        if let Some(name) = definition["Condition"].as_str() {
            self.holds(name)
        } else if let [left, right] = list(&definition["Fn::Equals"]) {
            let plain = |value| self.value(value).as_ref().map(plain);
            plain(left) == plain(right)
        } else if let [other] = list(&definition["Fn::Not"]) {
            !self.is_true(other)
        } else if all.len() > 0 {
            all.all(|part| self.is_true(part))
        } else {
            assert!(any.len() > 0, "a condition of an unknown form: {definition}");
            any.any(|part| self.is_true(part))
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A parameter's value as CloudFormation compares and inserts it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The text with every `${name}` replaced whose value is known.
fn substitute(text: &str, known: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split("${");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("a closing brace");
        match known(name) {
            Some(value) => result.push_str(&value),
            None => result.push_str(&format!("${{{name}}}")),
        }
        result.push_str(rest);
    }
    result
}

/// What `Ref` or `GetAtt` of a named resource give on AWS.
fn attribute_of(template: &Template, account: &str, id: &str, attribute: &str) -> Option<String> {
    let resource = template.get(id)?;
    let property = |name: &str| resource.properties[name].as_str();
    let (name, arn) = match resource.kind {
        "AWS::DynamoDB::Table" => {
            let name = property("TableName")?;
            (name, format!("dynamodb:{REGION}:{account}:table/{name}"))
        }
        "AWS::Events::EventBus" => {
            let name = property("Name")?;
            (name, format!("events:{REGION}:{account}:event-bus/{name}"))
        }
        "AWS::Lambda::Function" => {
            let name = property("FunctionName")?;
            (name, format!("lambda:{REGION}:{account}:function:{name}"))
        }
        "AWS::Logs::LogGroup" => {
            let name = property("LogGroupName")?;
            (name, format!("logs:{REGION}:{account}:log-group:{name}:*"))
        }
        "AWS::SQS::Queue" => {
            let name = property("QueueName")?;
            (name, format!("sqs:{REGION}:{account}:{name}"))
        }
        _ => return None,
    };
    match attribute {
        "Arn" => Some(format!("arn:{PARTITION}:{arn}")),
        "StreamArn" => Some(format!("arn:{PARTITION}:{arn}/stream/2026-01-01T00:00:00.000")),
        "Ref" => Some(name.to_owned()),
        _ => None,
    }
}
