//! The whole graph of a model with small bounds: what an exploration by single states can't tell.

use crate::{model::SagaModel, state::State, walks::transition};
use std::collections::{BTreeSet, HashMap};

/// All states of a model.
pub struct Graph {
    states: Vec<State>,
    /// The names of all transitions.
    pub transitions: BTreeSet<String>,
}

impl Graph {
    #[must_use]
    pub fn of(model: &SagaModel) -> Self {
        let mut known = HashMap::new();
        let mut states = vec![model.first()];
        known.insert(model.first(), 0_usize);
        let mut transitions = BTreeSet::new();
        let mut at = 0;
        while let Some(state) = states.get(at).cloned() {
            for action in model.possible(&state) {
                let next = model.apply(&state, action);
                transitions.insert(transition(&state, action, &next));
                if !known.contains_key(&next) {
                    known.insert(next.clone(), states.len());
                    states.push(next);
                }
            }
            at += 1;
        }
        Self { states, transitions }
    }

    /// A state that the system by itself can leave and come back to, so that it might never come to
    /// rest.
    #[must_use]
    pub fn endless(&self, model: &SagaModel) -> Option<&State> {
        let position: HashMap<_, _> =
            self.states.iter().enumerate().map(|(at, state)| (state, at)).collect();
        let followers: Vec<Vec<usize>> = self
            .states
            .iter()
            .map(|state| {
                let actions = model.progress(state).into_iter();
                actions.map(|action| position[&model.apply(state, action)]).collect()
            })
            .collect();
        // Removes what nothing leads to any more, again and again: a cycle stays.
        let mut leading = vec![0_usize; self.states.len()];
        for follower in followers.iter().flatten() {
            leading[*follower] += 1;
        }
        let mut free: Vec<usize> =
            (0..leading.len()).filter(|state| leading[*state] == 0).collect();
        while let Some(state) = free.pop() {
            for follower in &followers[state] {
                leading[*follower] -= 1;
                if leading[*follower] == 0 {
                    free.push(*follower);
                }
            }
        }
        let stays = leading.iter().position(|count| *count > 0)?;
        self.states.get(stays)
    }
}
