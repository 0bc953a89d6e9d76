//! A stub of the operations of Secrets Manager, Parameter Store and its copy in DynamoDB that the
//! keys use, over HTTP.

use rialto_testkit::http::{StubResponse, serve};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// The stub. Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct AwsStub {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Secrets and parameters by their full names.
    values: HashMap<String, String>,
    /// The item with the copy of the parameters.
    copy: Option<Value>,
    /// Every operation that was called, in order.
    operations: Vec<String>,
    denies_all: bool,
}

impl AwsStub {
    /// Serves the stub; returns its URL.
    pub(crate) fn start(&self) -> String {
        let stub = self.clone();
        serve(move |request| {
            let target = request.header("x-amz-target").unwrap();
            let (_, operation) = target.split_once('.').unwrap();
            let input = serde_json::from_str(&request.body).unwrap();
            let (status, output) = stub.respond(operation, &input);
            let response = StubResponse::new(status, output.to_string());
            Some(response.header("content-type", "application/x-amz-json-1.1"))
        })
    }

    pub(crate) fn values(&self) -> HashMap<String, String> {
        self.state.lock().unwrap().values.clone()
    }

    /// The value of a setting in the copy of the parameters.
    pub(crate) fn copied(&self, setting: &str) -> Option<String> {
        let state = self.state.lock().unwrap();
        state.copy.as_ref()?["settings"]["M"][setting]["S"].as_str().map(str::to_owned)
    }

    pub(crate) fn put(&self, name: &str, value: &str) {
        self.state.lock().unwrap().values.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn operations(&self) -> Vec<String> {
        self.state.lock().unwrap().operations.clone()
    }

    /// Denies every request from now on.
    pub(crate) fn deny_all(&self) {
        self.state.lock().unwrap().denies_all = true;
    }

    fn respond(&self, operation: &str, input: &Value) -> (u16, Value) {
        let error = |kind: &str| (400, json!({"__type": kind}));
        let text = |name: &str| input[name].as_str().unwrap().to_owned();
        let mut state = self.state.lock().unwrap();
        state.operations.push(operation.to_owned());
        if state.denies_all {
            return error("AccessDeniedException");
        }
        match operation {
            "GetSecretValue" => match state.values.get(&text("SecretId")) {
                Some(value) => (200, json!({"SecretString": value})),
                None => error("ResourceNotFoundException"),
            },
            "CreateSecret" if state.values.contains_key(&text("Name")) => {
                error("ResourceExistsException")
            }
            "CreateSecret" => {
                state.values.insert(text("Name"), text("SecretString"));
                (200, json!({"Name": text("Name")}))
            }
            "PutSecretValue" => match state.values.get_mut(&text("SecretId")) {
                Some(value) => {
                    *value = text("SecretString");
                    (200, json!({"Name": text("SecretId")}))
                }
                None => error("ResourceNotFoundException"),
            },
            "GetParameters" => {
                let names =
                    input["Names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                let found: Vec<Value> = names
                    .filter_map(|name| {
                        Some(json!({"Name": name, "Value": state.values.get(name)?}))
                    })
                    .collect();
                (200, json!({"Parameters": found}))
            }
            "PutParameter" => {
                assert_eq!((&input["Overwrite"], &input["Type"]), (&json!(true), &json!("String")));
                state.values.insert(text("Name"), text("Value"));
                (200, json!({"Version": 1}))
            }
            "GetItem" => (200, state.copy.as_ref().map_or(json!({}), |item| json!({"Item": item}))),
            "PutItem" => {
                state.copy = Some(input["Item"].clone());
                (200, json!({}))
            }
            other => panic!("unexpected operation {other}"),
        }
    }
}
