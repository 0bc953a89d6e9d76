//! What is done to which calls.

use crate::call::Call;
use serde::{Deserialize, Serialize};

/// One rule. Every condition that is given has to hold; of several rules the first that fires decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: String,
    /// Without the stage's prefix.
    #[serde(default)]
    pub function: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub operation: Option<String>,
    /// An id that the request names, such as an order's.
    #[serde(default)]
    pub about: Option<String>,
    /// So many calls that would match pass first.
    #[serde(default)]
    pub skip: u32,
    /// How often it fires at most; always if not given.
    #[serde(default)]
    pub times: Option<u32>,
    /// In percent.
    #[serde(default = "always")]
    pub probability: u8,
    #[serde(default)]
    pub seed: u64,
    pub fault: Fault,
}

const fn always() -> u8 {
    100
}

/// What happens to a call. `done` says whether the call is carried out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// It takes so much longer.
    Delay { from_ms: u64, to_ms: u64 },
    /// It is answered 500, and nothing was done.
    Error,
    /// It is refused as too much.
    Throttle,
    /// A transaction is under way on the item. Only writes to DynamoDB meet that.
    Conflict,
    /// The connection breaks; if `done`, only the answer is lost.
    Break { done: bool },
    /// The process that calls is killed (`kill -9`). Only functions' processes are.
    Kill { done: bool },
    /// It waits until the rule is released, or this long.
    Hold { done: bool, limit_ms: u64 },
}

/// What a rule has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuleStats {
    /// Calls that met its conditions, skipped ones too.
    pub met: u32,
    pub fired: u32,
}

impl Rule {
    /// A rule that does this to every call.
    #[must_use]
    pub fn new(id: impl Into<String>, fault: Fault) -> Self {
        Self {
            id: id.into(),
            function: None,
            service: None,
            operation: None,
            about: None,
            skip: 0,
            times: None,
            probability: always(),
            seed: 0,
            fault,
        }
    }

    #[must_use]
    pub fn by(self, function: &str) -> Self {
        Self { function: Some(function.to_owned()), ..self }
    }

    #[must_use]
    pub fn to(self, service: &str) -> Self {
        Self { service: Some(service.to_owned()), ..self }
    }

    #[must_use]
    pub fn operation(self, operation: &str) -> Self {
        Self { operation: Some(operation.to_owned()), ..self }
    }

    #[must_use]
    pub fn about(self, id: &str) -> Self {
        Self { about: Some(id.to_owned()), ..self }
    }

    /// Only what comes after so many calls, and only once.
    #[must_use]
    pub fn nth(self, skip: u32) -> Self {
        Self { skip, times: Some(1), ..self }
    }

    #[must_use]
    pub fn probability(self, chance: u8, seed: u64) -> Self {
        Self { probability: chance, seed, ..self }
    }

    pub(crate) fn matches(&self, call: &Call) -> bool {
        let is = |wanted: &Option<String>, given: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == given)
        };
        is(&self.function, call.function.as_deref().unwrap_or_default())
            && is(&self.service, &call.service)
            && is(&self.operation, &call.operation)
            && self.about.as_ref().is_none_or(|id| call.ids.contains(id))
            && self.fault.applies_to(call)
    }
}

const WRITES: &[&str] = &["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"];

impl Fault {
    fn applies_to(self, call: &Call) -> bool {
        match self {
            Self::Conflict => {
                call.service == "dynamodb" && WRITES.contains(&call.operation.as_str())
            }
            Self::Kill { .. } => call.function.is_some() && call.pid.is_some(),
            _ => true,
        }
    }
}
