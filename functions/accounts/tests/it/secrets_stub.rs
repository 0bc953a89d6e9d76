//! Secrets Manager and the parameter store, as far as the keys need them: a stand-in that speaks their protocol, since no
//! engine of either runs beside the tests.

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a stand-in was sent and holds.
#[derive(Clone, Default)]
pub(crate) struct Stub {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Secrets and parameters by their full names.
    values: HashMap<String, String>,
    /// Every operation, in order.
    operations: Vec<String>,
    broken: bool,
}

impl Stub {
    /// Listens as long as the tests run; returns where.
    pub(crate) fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stub = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stub, stream) = (stub.clone(), stream.unwrap());
                thread::spawn(move || stub.serve(&stream));
            }
        });
        format!("http://{address}")
    }

    pub(crate) fn values(&self) -> HashMap<String, String> {
        self.state.lock().unwrap().values.clone()
    }

    pub(crate) fn put(&self, name: &str, value: &str) {
        self.state.lock().unwrap().values.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn operations(&self) -> Vec<String> {
        self.state.lock().unwrap().operations.clone()
    }

    /// From now on every request is refused as not allowed.
    pub(crate) fn break_down(&self) {
        self.state.lock().unwrap().broken = true;
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut operation, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                let Some((name, value)) = line.trim().split_once(": ") else {
                    if line.trim().is_empty() {
                        break;
                    }
                    continue;
                };
                match name.to_ascii_lowercase().as_str() {
                    "x-amz-target" => operation = value.split('.').next_back().unwrap().to_owned(),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (status, answer) = self.answer(&operation, &serde_json::from_slice(&body).unwrap());
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} -\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            (&mut &*stream).write_all((head + &answer).as_bytes()).unwrap();
        }
    }

    fn answer(&self, operation: &str, input: &Value) -> (u16, Value) {
        let refused = |kind: &str| (400, json!({"__type": kind}));
        let text = |name: &str| input[name].as_str().unwrap().to_owned();
        let mut state = self.state.lock().unwrap();
        state.operations.push(operation.to_owned());
        if state.broken {
            return refused("AccessDeniedException");
        }
        match operation {
            "GetSecretValue" => match state.values.get(&text("SecretId")) {
                Some(value) => (200, json!({"SecretString": value})),
                None => refused("ResourceNotFoundException"),
            },
            "CreateSecret" if state.values.contains_key(&text("Name")) => {
                refused("ResourceExistsException")
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
                None => refused("ResourceNotFoundException"),
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
            other => panic!("{other} isn't asked for"),
        }
    }
}
