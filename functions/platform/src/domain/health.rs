//! What Rialto can't do without, and how it does.

use std::{fmt, time::Duration};

/// Something that Rialto depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// A service's table.
    Table(&'static str),
    EventBus,
    ParameterStore,
}

/// Every one of them.
pub const DEPENDENCIES: [Dependency; 7] = [
    Dependency::Table("accounts"),
    Dependency::Table("catalog"),
    Dependency::Table("inventory"),
    Dependency::Table("orders"),
    Dependency::Table("payments"),
    Dependency::EventBus,
    Dependency::ParameterStore,
];

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(service) => write!(f, "{service} table"),
            Self::EventBus => f.write_str("event bus"),
            Self::ParameterStore => f.write_str("parameter store"),
        }
    }
}

/// How one dependency answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub dependency: Dependency,
    pub latency: Duration,
    /// Why it didn't, for the log.
    pub trouble: Option<String>,
}

/// How all of them answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub checks: Vec<Check>,
}

impl Health {
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.trouble.is_none())
    }
}
