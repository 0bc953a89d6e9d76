//! `template.yaml` with its short forms written out: `!Ref X` is `{"Ref": "X"}`, `!Sub X` is
//! `{"Fn::Sub": "X"}`.

use crate::repository::Repository;
use serde_json::{Map, Value, json};

/// The deployment's template.
#[derive(Debug)]
pub struct Template {
    pub document: Value,
}

/// One resource of the template.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    pub id: &'a str,
    pub kind: &'a str,
    pub properties: &'a Value,
}

/// A function of the template.
#[derive(Debug, Clone, Copy)]
pub struct Function<'a> {
    pub id: &'a str,
    pub properties: &'a Value,
    /// In seconds.
    pub timeout: u64,
    /// Its role, if that is in the template.
    pub role: Option<Resource<'a>>,
}

/// A statement of a policy.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    pub actions: Vec<&'a str>,
    /// Each as it is written, functions included.
    pub resources: Vec<&'a Value>,
    /// Null without one.
    pub condition: &'a Value,
}

static NOTHING: Value = Value::Null;

impl Template {
    /// # Panics
    /// When it isn't there, or isn't YAML.
    #[must_use]
    pub fn read(repository: &Repository) -> Self {
        let file = std::fs::read_to_string(repository.root.join("template.yaml"));
        Self::parse(&file.expect("template.yaml is there"))
    }

    /// # Panics
    /// When the text isn't YAML.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let yaml = yaml_serde::from_str(text).expect("the template is YAML");
        Self { document: expand_short_forms(yaml) }
    }

    /// Every resource.
    ///
    /// # Panics
    /// When the template has no resources, or one without a type.
    pub fn resources(&self) -> impl Iterator<Item = Resource<'_>> {
        self.document["Resources"].as_object().expect("Resources").iter().map(|(id, resource)| {
            Resource {
                id,
                kind: resource["Type"].as_str().expect("a Type"),
                properties: resource.get("Properties").unwrap_or(&NOTHING),
            }
        })
    }

    /// The resources of one type.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = Resource<'_>> {
        self.resources().filter(move |resource| resource.kind == kind)
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<Resource<'_>> {
        self.resources().find(|resource| resource.id == id)
    }

    /// Every function, with what the template says for all of them.
    pub fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        let globals = &self.document["Globals"]["Function"];
        self.of("AWS::Serverless::Function").map(|resource| {
            let own = resource.properties["Timeout"].as_u64();
            let timeout = own.or_else(|| globals["Timeout"].as_u64()).unwrap_or(3);
            let role = reference(&resource.properties["Role"]).and_then(|id| self.get(id));
            Function { id: resource.id, properties: resource.properties, timeout, role }
        })
    }
}

impl<'a> Function<'a> {
    /// The statements of its role.
    #[must_use]
    pub fn statements(&self) -> Vec<Statement<'a>> {
        self.role.map(|role| role.statements()).unwrap_or_default()
    }
}

impl<'a> Resource<'a> {
    /// The statements of a role's policies.
    #[must_use]
    pub fn statements(&self) -> Vec<Statement<'a>> {
        let policies = self.properties["Policies"].as_array().map_or(&[][..], Vec::as_slice);
        let documents = policies.iter().map(|policy| &policy["PolicyDocument"]["Statement"]);
        documents.flat_map(statements).collect()
    }
}

impl<'a> Statement<'a> {
    fn read(statement: &'a Value) -> Self {
        Self {
            actions: one_or_more(&statement["Action"]).filter_map(Value::as_str).collect(),
            resources: one_or_more(&statement["Resource"]).collect(),
            condition: &statement["Condition"],
        }
    }
}

/// The statements of a policy document.
#[must_use]
pub fn statements(list: &Value) -> Vec<Statement<'_>> {
    one_or_more(list).map(Statement::read).collect()
}

fn one_or_more(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(list) => list.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
    .iter()
}

/// A list in an order of its own; anything else as it is.
pub(crate) fn sorted(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Array(list) = &mut value {
        list.sort_by_key(Value::to_string);
    }
    value
}

/// The logical id that a `Ref` or a `GetAtt` names.
#[must_use]
pub fn reference(value: &Value) -> Option<&str> {
    if let Some(id) = value["Ref"].as_str() {
        return Some(id);
    }
    match &value["Fn::GetAtt"] {
        Value::String(path) => path.split('.').next(),
        Value::Array(path) => path.first()?.as_str(),
        _ => None,
    }
}

/// A resource of a statement as text, however it is written.
#[must_use]
pub fn written(resource: &Value) -> String {
    match (text(resource), reference(resource)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(id)) => id.to_owned(),
        (None, None) => resource.to_string(),
    }
}

/// A string as written, `${…}` included.
#[must_use]
pub fn text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["Fn::Sub"].as_str()).or_else(|| value["Fn::Sub"][0].as_str())
}

pub(crate) fn expand_short_forms(value: yaml_serde::Value) -> Value {
    match value {
        yaml_serde::Value::Null => Value::Null,
        yaml_serde::Value::Bool(value) => json!(value),
        yaml_serde::Value::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_f64().map(Value::from))
            .unwrap_or_default(),
        yaml_serde::Value::String(text) => Value::String(text),
        yaml_serde::Value::Sequence(list) => list.into_iter().map(expand_short_forms).collect(),
        yaml_serde::Value::Mapping(mapping) => {
            let entry = |(key, value)| {
                let key = match expand_short_forms(key) {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                (key, expand_short_forms(value))
            };
            Value::Object(mapping.into_iter().map(entry).collect())
        }
        yaml_serde::Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let name = if tag == "Ref" || tag == "Condition" {
                tag.to_owned()
            } else {
                format!("Fn::{tag}")
            };
            Value::Object(Map::from_iter([(name, expand_short_forms(tagged.value))]))
        }
    }
}
