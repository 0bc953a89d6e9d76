//! Reading `template.yaml`.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use yaml_serde::Value;

/// The deployment's template.
#[derive(Debug)]
pub struct Template(pub Value);

/// The definition of a table.
#[derive(Debug)]
pub struct TableDefinition {
    pub attributes: Vec<AttributeDefinition>,
    pub keys: Vec<KeySchemaElement>,
    pub indexes: Vec<GlobalSecondaryIndex>,
}

/// Reads the template of this checkout.
///
/// # Panics
/// If it doesn't exist or isn't YAML.
#[must_use]
pub fn template() -> Template {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    let text = std::fs::read_to_string(path).expect("template.yaml is there");
    Template(yaml_serde::from_str(&text).expect("template.yaml is YAML"))
}

impl Template {
    /// All resources: logical id, type, properties.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        static NOTHING: Value = Value::Null;
        self.0["Resources"].as_mapping().expect("resources").iter().map(|(id, resource)| {
            let properties = resource.get("Properties").unwrap_or(&NOTHING);
            (id.as_str().expect("an id"), resource["Type"].as_str().expect("a type"), properties)
        })
    }

    /// The table of a service, by its logical id (`OrdersTable`).
    ///
    /// # Panics
    /// Without such a table.
    #[must_use]
    pub fn table(&self, service: &str) -> TableDefinition {
        let mut id = service.to_owned();
        id[..1].make_ascii_uppercase();
        id.push_str("Table");
        let (_, _, table) =
            self.resources().find(|(name, _, _)| *name == id).expect("the service's table");
        TableDefinition {
            attributes: list(&table["AttributeDefinitions"]).iter().map(attribute).collect(),
            keys: keys(&table["KeySchema"]),
            indexes: list(&table["GlobalSecondaryIndexes"]).iter().map(index).collect(),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], |list| list.as_slice())
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn attribute(value: &Value) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(text(&value["AttributeName"]))
        .attribute_type(ScalarAttributeType::from(text(&value["AttributeType"])))
        .build()
        .unwrap()
}

fn keys(value: &Value) -> Vec<KeySchemaElement> {
    let key = |value: &Value| {
        KeySchemaElement::builder()
            .attribute_name(text(&value["AttributeName"]))
            .key_type(KeyType::from(text(&value["KeyType"])))
            .build()
            .unwrap()
    };
    list(value).iter().map(key).collect()
}

fn index(value: &Value) -> GlobalSecondaryIndex {
    let projection = &value["Projection"];
    let names: Vec<String> =
        list(&projection["NonKeyAttributes"]).iter().map(|name| text(name).to_owned()).collect();
    GlobalSecondaryIndex::builder()
        .index_name(text(&value["IndexName"]))
        .set_key_schema(Some(keys(&value["KeySchema"])))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::from(text(&projection["ProjectionType"])))
                .set_non_key_attributes(Some(names).filter(|names| !names.is_empty()))
                .build(),
        )
        .build()
        .unwrap()
}
