//! Required dependencies and their health.

use std::{fmt, time::Duration};

/// A dependency without which Rialto doesn't work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// The table of a service or of the settings.
    Table(&'static str),
    EventBus,
}

/// All dependencies.
pub const DEPENDENCIES: [Dependency; 7] = [
    Dependency::Table("accounts"),
    Dependency::Table("catalog"),
    Dependency::Table("inventory"),
    Dependency::Table("orders"),
    Dependency::Table("payments"),
    Dependency::EventBus,
    Dependency::Table("settings"),
];

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => write!(f, "{name} table"),
            Self::EventBus => f.write_str("event bus"),
        }
    }
}

/// The result of checking a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub dependency: Dependency,
    pub latency: Duration,
    /// The reason of a failed check, for the log only.
    pub failure: Option<String>,
}

/// The results of all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub checks: Vec<Check>,
}

impl Health {
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.failure.is_none())
    }
}
