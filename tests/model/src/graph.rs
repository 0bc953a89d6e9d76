//! The whole graph of a model with small bounds: what an exploration by single states can't tell.

use crate::{
    model::{Action, SagaModel},
    state::State,
    walks::transition,
};
use std::collections::{BTreeMap, HashMap};

/// All states of a model.
pub struct Graph {
    states: Vec<State>,
    /// How each state was reached first: from which other, by which action.
    reached: Vec<Option<(usize, Action)>>,
    /// The transitions by their names: of each, the first state that has it, and the action.
    transitions: BTreeMap<String, (usize, Action)>,
}

impl Graph {
    #[must_use]
    pub fn of(model: &SagaModel) -> Self {
        let mut known = HashMap::from([(model.first(), 0_usize)]);
        let (mut states, mut reached) = (vec![model.first()], vec![None]);
        let mut transitions = BTreeMap::new();
        let mut at = 0;
        while let Some(state) = states.get(at).cloned() {
            for action in model.possible(&state) {
                let next = model.apply(&state, action);
                transitions.entry(transition(&state, action, &next)).or_insert((at, action));
                known.entry(next).or_insert_with_key(|next| {
                    states.push(next.clone());
                    reached.push(Some((at, action)));
                    states.len() - 1
                });
            }
            at += 1;
        }
        Self { states, reached, transitions }
    }

    /// The shortest way to each kind of transition, through it, by its name.
    #[must_use]
    pub fn ways(&self) -> Vec<(&str, Vec<Action>)> {
        let way = |&(mut state, last): &(usize, Action)| {
            let mut actions = vec![last];
            while let Some((earlier, action)) = self.reached[state] {
                actions.push(action);
                state = earlier;
            }
            actions.reverse();
            actions
        };
        self.transitions.iter().map(|(name, last)| (name.as_str(), way(last))).collect()
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
