//! Planted bugs: which check finds each, and after how many seeds.

use crate::{
    queues::Rules,
    run::{Limits, on_all_cores, run_seed},
};
use rialto_kernel::PlantedBug;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Seeds after which a bug counts as not found.
pub const MAX_SEEDS: u64 = 2_000;

/// How a planted bug was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The first seed with a violation. Seeds begin at 0.
    pub seed: u64,
    /// The names of the invariants that it violated.
    pub checks: BTreeSet<&'static str>,
}

/// Runs seeds with a planted bug until one violates an invariant; `None` if none of the first
/// `max_seeds` does.
#[must_use]
pub fn discover(bug: PlantedBug, max_seeds: u64, rules: &Arc<Rules>) -> Option<Discovery> {
    bug.plant(|| {
        (0..max_seeds).find_map(|seed| {
            let violations = run_seed(seed, &Limits::default(), rules, false).violations;
            let checks: BTreeSet<_> = violations.iter().map(|violation| violation.check).collect();
            (!checks.is_empty()).then_some(Discovery { seed, checks })
        })
    })
}

/// [`discover`]s every planted bug, on all cores.
#[must_use]
pub fn discover_all(max_seeds: u64, rules: &Arc<Rules>) -> Vec<(PlantedBug, Option<Discovery>)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some(bug) = PlantedBug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.push((*bug, discover(*bug, max_seeds, rules)));
        }
        found
    };
    let mut found = on_all_cores(work).concat();
    found.sort_by_key(|(bug, _)| *bug);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planted_bug_is_found() {
        let found = discover_all(MAX_SEEDS, &Arc::new(Rules::load()));
        assert_eq!(found.len(), PlantedBug::ALL.len());
        let missed: Vec<_> = found.iter().filter(|(_, found)| found.is_none()).collect();
        assert!(missed.is_empty(), "no seed below {MAX_SEEDS} shows {missed:?}");
    }
}
