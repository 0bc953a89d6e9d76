//! Random walks through the model, which the services' handlers repeat.

use crate::{
    graph::Graph,
    model::{Action, Answer, Bounds, SagaModel},
    replay::Replay,
    state::{Invocation, State},
};
use fastrand::Rng;
use std::{collections::BTreeSet, fmt::Write as _};

/// A walk's longest.
const STEPS: usize = 80;

/// Actions and how the services depart from them.
#[derive(Debug)]
pub struct Departure {
    /// Where the actions come from, such as `walk 17`.
    pub source: String,
    /// The actions up to the one after which they differ.
    pub actions: Vec<String>,
    pub disagreement: String,
}

impl Departure {
    /// The actions, one a line, and the difference.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = format!("{}\n", self.source);
        for (number, action) in self.actions.iter().enumerate() {
            // Writing to a string can't fail.
            writeln!(report, "{:>4}. {action}", number + 1).unwrap_or(());
        }
        report + &self.disagreement
    }
}

/// The walk of a seed: the actions from the first state on.
#[must_use]
pub fn walk(model: &SagaModel, seed: u64) -> Vec<Action> {
    let mut rng = Rng::with_seed(seed);
    let (mut state, mut actions) = (model.first(), Vec::new());
    while actions.len() < STEPS {
        let progress = model.progress(&state);
        // Mostly what leads on; else anything, as a fault or a repetition.
        let mut among =
            if progress.is_empty() || rng.u8(..3) == 0 { model.possible(&state) } else { progress };
        // Else the deadline would pass at once in most walks.
        if among.len() > 1 && rng.u8(..8) != 0 {
            among.retain(|action| *action != Action::PassDeadline);
        }
        let Some(action) = rng.choice(&among).copied() else { break };
        actions.push(action);
        state = model.apply(&state, action);
        if state.is_quiet() && rng.u8(..8) == 0 {
            break;
        }
    }
    actions
}

/// Repeats actions by the services' handlers, compares everything after each, and checks
/// reconcile's invariants whenever everything is at rest.
///
/// # Errors
/// The number of the action after which they differ or an invariant is broken, and how.
pub fn repeat(model: &SagaModel, actions: &[Action]) -> Result<(), (usize, String)> {
    let mut state = model.first();
    let mut replay = Replay::new(&model.bounds, actions).map_err(|error| (0, error))?;
    replay.compare(&state).map_err(|error| (0, error))?;
    for (number, action) in actions.iter().enumerate() {
        state = model.apply(&state, *action);
        let performed = replay.perform(*action, &state);
        let mut checked = performed.and_then(|()| replay.compare(&state));
        if state.is_quiet() {
            checked = checked.and_then(|()| replay.reconcile(&state));
        }
        checked.map_err(|error| (number + 1, error))?;
    }
    Ok(())
}

/// Repeats actions as [`repeat`] does. `source` names where they come from.
fn check(model: &SagaModel, actions: &[Action], source: String) -> Result<(), Departure> {
    repeat(model, actions).map_err(|(end, disagreement)| {
        let actions = actions[..end].iter().map(ToString::to_string).collect();
        Departure { source, actions, disagreement }
    })
}

/// Repeats the walk of a seed; returns its kinds of transitions.
///
/// # Errors
/// [`Departure`] if the services do something else than the model.
pub fn check_walk(model: &SagaModel, seed: u64) -> Result<BTreeSet<String>, Departure> {
    let actions = walk(model, seed);
    check(model, &actions, format!("walk {seed}"))?;
    Ok(transitions(model, &actions))
}

/// Repeats the shortest way to each kind of transition of a model with small bounds that isn't
/// among those `taken`; returns how many these were.
///
/// # Errors
/// [`Departure`] if the services do something else than the model.
pub fn check_ways(model: &SagaModel, taken: &BTreeSet<String>) -> Result<usize, Departure> {
    let graph = Graph::of(model);
    let mut ways = graph.ways();
    ways.retain(|(name, _)| !taken.contains(*name));
    for (name, actions) in &ways {
        check(model, actions, format!("the shortest way to: {name}"))?;
    }
    Ok(ways.len())
}

/// The bounds in which walks go: everything at once.
pub const WALKED: Bounds = Bounds { orders: 2, invocations: 3, ..Bounds::QUICK[0] };

fn transitions(model: &SagaModel, actions: &[Action]) -> BTreeSet<String> {
    let (mut state, mut names) = (model.first(), BTreeSet::new());
    for action in actions {
        let next = model.apply(&state, *action);
        names.insert(transition(&state, *action, &next));
        state = next;
    }
    names
}

/// Names a transition without its order: what happened, by which answer, and what the invocation
/// does next.
#[must_use]
pub fn transition(state: &State, action: Action, next: &State) -> String {
    let changed = if state == next { ", changes nothing" } else { "" };
    match action {
        Action::Deliver { delivery, .. } => format!("{delivery:?}{changed}"),
        Action::Invoke { order, trigger } => {
            format!("{trigger:?} begins, {}{changed}", goes_on(state, order, None, next))
        }
        Action::Step { order, invocation, answer } => {
            let Invocation { trigger, next: call } = invocation;
            let then = goes_on(state, order, Some(invocation), next);
            match answer {
                Answer::Determined => format!("{trigger:?}: {call:?}, {then}"),
                answer => format!("{trigger:?}: {call:?}, {answer:?}, {then}"),
            }
        }
        Action::Crash { invocation: Invocation { trigger, next }, .. } => {
            format!("{trigger:?} crashes before {next:?}")
        }
        Action::Cancel { .. } => "Cancel".to_owned(),
        Action::TimeOut { .. } => "TimeOut".to_owned(),
        Action::PassDeadline | Action::ForgetKeys => format!("{action:?}"),
        Action::EndCharge { succeeds, .. } => format!("EndCharge {succeeds}"),
    }
}

/// What the invocation that made a call does next.
fn goes_on(state: &State, order: usize, before: Option<Invocation>, next: &State) -> String {
    let mut others: Vec<_> = state.sagas[order].invocations.iter().collect();
    if let Some(at) = others.iter().position(|other| Some(*other) == before) {
        others.remove(at);
    }
    for invocation in next.sagas[order].invocations.iter() {
        match others.iter().position(|other| *other == invocation) {
            Some(at) => drop(others.remove(at)),
            None => return format!("then {:?}", invocation.next),
        }
    }
    "ends".to_owned()
}
