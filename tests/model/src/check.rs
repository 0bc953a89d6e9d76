//! The exploration of all states, and its report.

use crate::model::SagaModel;
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::{
    fmt,
    time::{Duration, Instant},
};

/// What an exploration found.
#[derive(Debug)]
pub struct Exploration {
    /// Transitions, and the first state.
    pub transitions: usize,
    pub states: usize,
    /// The longest of the ways by which states were reached first.
    pub depth: usize,
    pub time: Duration,
    pub properties: Vec<Found>,
}

/// What was found of a property.
#[derive(Debug)]
pub struct Found {
    pub name: &'static str,
    /// `always`: no state may break it. Else: a state must have it.
    pub always: bool,
    /// A way to a state that breaks it, or that has it: the shortest, if one thread explores.
    pub path: Option<Vec<String>>,
}

impl Found {
    /// Whether an invariant is broken, or a state that must be reachable isn't.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        self.always == self.path.is_some()
    }
}

impl Exploration {
    /// The properties that don't hold.
    #[must_use]
    pub fn failures(&self) -> Vec<&Found> {
        self.properties.iter().filter(|found| found.is_failure()).collect()
    }
}

/// Explores all states on this many threads; ends early if an invariant is broken.
#[must_use]
pub fn explore(model: &SagaModel, threads: usize) -> Exploration {
    let started = Instant::now();
    let checker = model.clone().checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let mut discoveries = checker.discoveries();
    let properties = model.properties().into_iter().map(|property| {
        let path = discoveries.remove(property.name);
        Found {
            name: property.name,
            always: property.expectation == Expectation::Always,
            path: path
                .map(|path| path.into_actions().iter().map(|action| action.to_string()).collect()),
        }
    });
    Exploration {
        properties: properties.collect(),
        transitions: checker.state_count(),
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        time: started.elapsed(),
    }
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transitions, states, depth, time, properties } = self;
        for found in properties {
            let kind = if found.always { "always   " } else { "sometimes" };
            let result = match (&found.path, found.always) {
                (None, true) => "holds".to_owned(),
                (Some(path), true) => format!("BROKEN after {} steps", path.len()),
                (None, false) => "NEVER REACHED".to_owned(),
                (Some(path), false) => format!("reached after {} steps", path.len()),
            };
            writeln!(f, "  {kind} {}: {result}", found.name)?;
            if found.always {
                for (number, action) in found.path.iter().flatten().enumerate() {
                    writeln!(f, "    {:>3}. {action}", number + 1)?;
                }
            }
        }
        write!(
            f,
            "{states} states, {transitions} transitions, depth {depth}, {:.1} s",
            time.as_secs_f64()
        )
    }
}
