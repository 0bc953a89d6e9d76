//! The deployment under test, and the accounts of its demo shop.

use rialto_aws::Stage;
use serde::Deserialize;
use std::sync::OnceLock;

/// The file that `scripts/up` writes.
#[derive(Debug, Deserialize)]
pub struct Local {
    /// Without a trailing slash.
    pub api_url: String,
    pub aws_endpoint: String,
    pub event_bus: String,
    pub emulator: Emulator,
    pub auth_mode: AuthMode,
    pub accounts: Accounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Emulator {
    MiniStack,
    LocalStack,
}

/// Where sessions are checked: by the gateway's authorizer, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    Gateway,
    Token,
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

/// Whether the gateway calls the authorizer. A test that requires it returns if not; its output
/// then has a `skipped:` line.
pub fn gateway_authorizes() -> bool {
    report_skipped(
        Local::read().auth_mode == AuthMode::Gateway,
        "the gateway runs no authorizer here",
    )
}

/// True on LocalStack, after printing a `skipped:` line with the reason. Tests of features that
/// LocalStack lacks then return.
pub fn skip_on_localstack(reason: &str) -> bool {
    !report_skipped(Local::read().emulator != Emulator::LocalStack, reason)
}

fn report_skipped(runs: bool, reason: &str) -> bool {
    if !runs {
        eprintln!("skipped: {reason}");
    }
    runs
}

/// Environment variable with the path of the file.
const FILE_VARIABLE: &str = "RIALTO_LOCAL";

/// # Panics
/// If the variable isn't set.
pub fn file_path() -> String {
    std::env::var(FILE_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{FILE_VARIABLE} is not set: run scripts/test, which deploys to an emulator of its own"
        )
    })
}

impl Local {
    /// # Panics
    /// If the file can't be read, so that no test passes without a deployment.
    pub fn read() -> &'static Self {
        static LOCAL: OnceLock<Local> = OnceLock::new();
        LOCAL.get_or_init(|| {
            let path = file_path();
            let text =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
        })
    }

    /// The deployment's stage, taken from the event bus's name.
    pub fn stage(&self) -> Stage {
        let name = self.event_bus.strip_prefix("rialto-").expect("the bus is rialto-<stage>");
        Stage::parse(name).expect("a stage")
    }
}
