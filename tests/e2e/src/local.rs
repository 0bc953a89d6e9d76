//! Where the deployment under test is, and its demo shop's accounts.

use rialto_aws::Stage;
use serde::Deserialize;
use std::sync::OnceLock;

/// The file that `scripts/up` writes.
#[derive(Debug, Deserialize)]
pub struct Local {
    /// Without a slash at its end.
    pub api_url: String,
    pub aws_endpoint: String,
    pub event_bus: String,
    pub accounts: Accounts,
}

#[derive(Debug, Deserialize)]
pub struct Accounts {
    pub supervisor: Login,
    pub sellers: Vec<Login>,
}

#[derive(Debug, Deserialize)]
pub struct Login {
    pub email: String,
    pub password: String,
    pub seller_id: Option<String>,
}

/// The variable that names the file.
const FILE: &str = "RIALTO_LOCAL";

/// # Panics
/// Unless it is named.
pub fn file() -> String {
    std::env::var(FILE).unwrap_or_else(|_| {
        panic!("{FILE} is not set: run scripts/test, which deploys to an emulator of its own")
    })
}

impl Local {
    /// # Panics
    /// Without the file: there is nothing to test then, and nothing may pass.
    pub fn read() -> &'static Self {
        static LOCAL: OnceLock<Local> = OnceLock::new();
        LOCAL.get_or_init(|| {
            let path = file();
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
        })
    }

    /// The deployment's stage, as its bus is named after it.
    pub fn stage(&self) -> Stage {
        let name = self.event_bus.strip_prefix("rialto-").expect("the bus is rialto-<stage>");
        Stage::parse(name).expect("a stage")
    }
}
