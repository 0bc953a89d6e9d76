//! The active rules, and the recorded calls.

use crate::{
    call::Call,
    rng::SeededRng,
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
    recorded: u64,
    /// The provider's own ids, with the ids in the requests that created them.
    created_by: HashMap<String, BTreeSet<String>>,
}

/// A rule with its statistics.
#[derive(Debug)]
pub(crate) struct ActiveRule {
    pub(crate) rule: Rule,
    pub(crate) rng: Mutex<SeededRng>,
    pub(crate) stats: watch::Sender<RuleStats>,
    pub(crate) released: watch::Sender<bool>,
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule, replacing the one with the same id.
    pub(crate) fn add(&self, rule: Rule) {
        self.remove(Some(&rule.id));
        let active = ActiveRule {
            rng: Mutex::new(SeededRng::seeded(rule.seed)),
            stats: watch::Sender::new(RuleStats::default()),
            released: watch::Sender::new(false),
            rule,
        };
        self.inner().rules.push(Arc::new(active));
    }

    /// Removes a rule, or all rules, and releases the calls that they hold.
    pub(crate) fn remove(&self, id: Option<&str>) {
        let mut inner = self.inner();
        inner.rules.retain(|active| {
            let removed = id.is_none_or(|id| active.rule.id == id);
            if removed {
                active.released.send_replace(true);
            }
            !removed
        });
    }

    pub(crate) fn rule(&self, id: &str) -> Option<Arc<ActiveRule>> {
        self.inner().rules.iter().find(|active| active.rule.id == id).cloned()
    }

    /// Records a call, and returns the rule that fires for it.
    pub(crate) fn add_rule(&self, call: &mut Call) -> Option<Arc<ActiveRule>> {
        let mut inner = self.inner();
        let known: Vec<_> =
            call.ids.iter().filter_map(|id| inner.created_by.get(id)).flatten().cloned().collect();
        call.ids.extend(known);
        inner.recorded += 1;
        call.number = inner.recorded;
        let firing = inner.rules.iter().find(|active| active.should_fire(call)).cloned();
        call.rule = firing.as_ref().map(|active| active.rule.id.clone());
        inner.calls.push_back(call.clone());
        if inner.calls.len() > MAX_RECORDED_CALLS {
            inner.calls.pop_front();
        }
        firing
    }

    /// Records the status of a call's response.
    pub(crate) fn record_status(&self, number: u64, status: u16) {
        let mut inner = self.inner();
        let first = inner.calls.front().map_or(0, |call| call.number);
        let at = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let Some(call) = inner.calls.get_mut(at) {
            call.status = Some(status);
        }
    }

    /// Records that a request with the ids `of` created the `new` ids.
    pub(crate) fn record_created(&self, new: impl Iterator<Item = String>, of: &BTreeSet<String>) {
        let mut inner = self.inner();
        for id in new {
            let known = inner.created_by.entry(id).or_default();
            known.extend(of.iter().cloned());
        }
    }

    /// The calls after a number, either all or those that contain an id.
    pub(crate) fn calls(&self, after: u64, about: Option<&str>) -> Vec<Call> {
        let inner = self.inner();
        let calls = inner.calls.iter().filter(|call| call.number > after);
        calls.filter(|call| about.is_none_or(|id| call.ids.contains(id))).cloned().collect()
    }
}

impl ActiveRule {
    /// Counts a call that matches, and decides whether the rule fires for it.
    fn should_fire(&self, call: &Call) -> bool {
        if !self.rule.matches(call) {
            return false;
        }
        let mut fires = false;
        self.stats.send_modify(|stats| {
            stats.matched += 1;
            fires = stats.matched > self.rule.skip
                && self.rule.times.is_none_or(|times| stats.fired < times);
            fires = fires && self.rng().percent(self.rule.probability);
            if fires {
                stats.fired += 1;
            }
        });
        fires
    }

    pub(crate) fn rng(&self) -> MutexGuard<'_, SeededRng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
