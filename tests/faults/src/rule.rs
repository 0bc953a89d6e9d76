//! Rules: which faults are injected into which calls.

use crate::call::Call;
use serde::{Deserialize, Serialize};

/// A fault and its conditions, all of which must hold. Of several rules the first that fires
/// applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: String,
    /// Name of the calling function without the stage's prefix.
    #[serde(default)]
    pub function: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub operation: Option<String>,
    /// An id that the request contains, such as an order's.
    #[serde(default)]
    pub about: Option<String>,
    /// Number of matching calls to let pass first.
    #[serde(default)]
    pub skip: u32,
    /// Maximum number of times to fire; unlimited if `None`.
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

/// A fault. `done` says whether the call is executed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Delays the call.
    Delay { from_ms: u64, to_ms: u64 },
    /// Responds with a 500 without executing the call.
    Error,
    /// Responds with the service's throttling error.
    Throttle,
    /// Responds with a transaction conflict. Applies to writes to DynamoDB only.
    Conflict,
    /// Breaks the connection; if `done`, only the response is lost.
    Break { done: bool },
    /// Kills the calling process (`kill -9`). Applies to functions only.
    Kill { done: bool },
    /// Holds the call until the rule is released, or for this long.
    Hold { done: bool, limit_ms: u64 },
}

/// How often a rule matched and fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuleStats {
    /// Calls that met the conditions, including skipped ones.
    pub matched: u32,
    pub fired: u32,
}

impl Rule {
    /// A rule that applies to all calls.
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

    /// Fires once, after skipping this many calls.
    #[must_use]
    pub fn nth(self, skip: u32) -> Self {
        Self { skip, times: Some(1), ..self }
    }

    #[must_use]
    pub fn probability(self, percent: u8, seed: u64) -> Self {
        Self { probability: percent, seed, ..self }
    }

    pub(crate) fn matches(&self, call: &Call) -> bool {
        let is = |expected: &Option<String>, actual: &str| {
            expected.as_deref().is_none_or(|expected| expected == actual)
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
