//! The active rules, and the recorded calls.

use crate::{
    call::Call,
    dice::SeededRng,
    rule::{Rule, RuleStats},
};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// The oldest calls are dropped beyond this number.
const MAX_RECORDED_CALLS: usize = 200_000;

#[derive(Debug, Default)]
pub(crate) struct State {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Arc<ActiveRule>>,
    calls: VecDeque<Call>,
    passed: u64,
    /// The provider's own ids, with the ids in the requests that created them.
    made_of: HashMap<String, BTreeSet<String>>,
}

/// A rule with its statistics.
#[derive(Debug)]
pub(crate) struct ActiveRule {
    pub(crate) rule: Rule,
    pub(crate) dice: Mutex<SeededRng>,
    pub(crate) fired: watch::Sender<RuleStats>,
    pub(crate) released: watch::Sender<bool>,
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule, replacing the one with the same id.
    pub(crate) fn add(&self, rule: Rule) {
        self.remove(Some(&rule.id));
        let standing = ActiveRule {
            dice: Mutex::new(SeededRng::seeded(rule.seed)),
            fired: watch::Sender::new(RuleStats::default()),
            released: watch::Sender::new(false),
            rule,
        };
        self.inner().rules.push(Arc::new(standing));
    }

    /// Removes a rule, or all rules, and releases the calls that they hold.
    pub(crate) fn remove(&self, id: Option<&str>) {
        let mut inner = self.inner();
        inner.rules.retain(|standing| {
            let goes = id.is_none_or(|id| standing.rule.id == id);
            if goes {
                standing.released.send_replace(true);
            }
            !goes
        });
    }

    pub(crate) fn rule(&self, id: &str) -> Option<Arc<ActiveRule>> {
        self.inner().rules.iter().find(|standing| standing.rule.id == id).cloned()
    }

    /// Records a call, and returns the rule that fires for it.
    pub(crate) fn add_rule(&self, call: &mut Call) -> Option<Arc<ActiveRule>> {
        let mut inner = self.inner();
        let known: Vec<_> =
            call.ids.iter().filter_map(|id| inner.made_of.get(id)).flatten().cloned().collect();
        call.ids.extend(known);
        inner.passed += 1;
        call.number = inner.passed;
        let firing = inner.rules.iter().find(|standing| standing.should_fire(call)).cloned();
        call.rule = firing.as_ref().map(|standing| standing.rule.id.clone());
        inner.calls.push_back(call.clone());
        if inner.calls.len() > MAX_RECORDED_CALLS {
            inner.calls.pop_front();
        }
        firing
    }

    /// Records the status of a call's response.
    pub(crate) fn answered(&self, number: u64, status: u16) {
        let mut inner = self.inner();
        let first = inner.calls.front().map_or(0, |call| call.number);
        let at = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let Some(call) = inner.calls.get_mut(at) {
            call.status = Some(status);
        }
    }

    /// Records that a request with the ids `of` created the `new` ids.
    pub(crate) fn made(&self, new: impl Iterator<Item = String>, of: &BTreeSet<String>) {
        let mut inner = self.inner();
        for id in new {
            let known = inner.made_of.entry(id).or_default();
            known.extend(of.iter().cloned());
        }
    }

    /// The calls after a number, either all or those that contain an id.
    pub(crate) fn calls(&self, after: u64, about: Option<&str>) -> Vec<Call> {
        let inner = self.inner();
        let wanted = inner.calls.iter().filter(|call| call.number > after);
        wanted.filter(|call| about.is_none_or(|id| call.ids.contains(id))).cloned().collect()
    }
}

impl ActiveRule {
    /// Counts a call that matches, and decides whether the rule fires for it.
    fn should_fire(&self, call: &Call) -> bool {
        if !self.rule.matches(call) {
            return false;
        }
        let mut fires = false;
        self.fired.send_modify(|state| {
            state.met += 1;
            fires = state.met > self.rule.skip
                && self.rule.times.is_none_or(|times| state.fired < times);
            fires = fires && self.dice().percent(self.rule.probability);
            if fires {
                state.fired += 1;
            }
        });
        fires
    }

    pub(crate) fn dice(&self) -> MutexGuard<'_, SeededRng> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
