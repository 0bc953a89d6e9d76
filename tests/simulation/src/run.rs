//! Runs by seed, and what they found.

use crate::{
    check::violations,
    faults::{Faults, Policy},
    queues::Rules,
    races::Races,
    workload::Workload,
    world::World,
};
use fastrand::Rng;
use std::sync::Arc;

/// Orders of a run at most.
pub const MAX_ORDERS: usize = 12;

/// How a run differs from the one that its seed gives, to find a shorter one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub max_orders: usize,
    pub operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_orders: MAX_ORDERS, operations: usize::MAX }
    }
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub violations: Vec<String>,
    pub races: Races,
    pub trace: Vec<String>,
    pub steps: usize,
    pub points: u32,
    pub orders: usize,
}

/// Runs a seed.
#[must_use]
pub fn run_seed(seed: u64, limits: &Limits, rules: &Arc<Rules>, record: bool) -> Report {
    let mut rng = Rng::with_seed(seed);
    let mut workload = Workload::random(&mut rng, limits.max_orders);
    workload.operations.truncate(limits.operations);
    let faults = Faults::random(&mut rng);
    run_world(World::new(
        Policy::Random(Box::new(rng), faults),
        workload,
        Arc::clone(rules),
        record,
    ))
}

/// Runs a world to its end and checks it.
#[must_use]
pub fn run_world(mut world: World) -> Report {
    world.run();
    Report {
        violations: violations(&world),
        races: world.races.clone(),
        steps: world.steps,
        points: world.points,
        orders: world.orders.orders().len(),
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// The shortest failing run that was found by limiting the workload of a failing seed.
#[must_use]
pub fn shrink(seed: u64, rules: &Arc<Rules>) -> (Limits, Report) {
    let mut limits = Limits::default();
    let mut best = run_seed(seed, &limits, rules, true);
    let mut shorter = |candidate: Limits, best: &mut Report| {
        let report = run_seed(seed, &candidate, rules, true);
        if !report.violations.is_empty() && report.trace.len() < best.trace.len() {
            *best = report;
            limits = candidate;
        }
    };
    for max_orders in 1..=MAX_ORDERS {
        for operations in 1..=2 * MAX_ORDERS {
            shorter(Limits { max_orders, operations }, &mut best);
        }
    }
    (limits, best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{faults::PointFault, workload::Workload};
    use std::collections::BTreeMap;

    /// Seeds of the quick tests; `scripts/simulate` runs more.
    const SEEDS: u64 = 1_000;

    #[test]
    fn a_seed_gives_the_same_run() {
        let rules = Arc::new(Rules::load());
        for seed in 0..5 {
            let [first, second] =
                [(); 2].map(|()| run_seed(seed, &Limits::default(), &rules, true));
            assert_eq!(first, second);
        }
    }

    #[test]
    fn faults_break_no_invariant_and_races_are_reached() {
        let rules = Arc::new(Rules::load());
        let mut races = Races::default();
        for seed in 0..SEEDS {
            let report = run_seed(seed, &Limits::default(), &rules, false);
            assert_eq!(report.violations, Vec::<String>::new(), "scripts/simulate --seed {seed}");
            races.add(&report.races);
        }
        assert_eq!(races.unreached(), []);
    }

    /// A run of one order in which the points with these numbers fail.
    fn run_with(workload: &Workload, faults: &[(u32, PointFault)], rules: &Arc<Rules>) -> Report {
        let policy = Policy::InOrder(faults.iter().copied().collect::<BTreeMap<_, _>>());
        run_world(World::new(policy, workload.clone(), Arc::clone(rules), true))
    }

    #[test]
    fn a_fault_at_any_point_breaks_no_invariant() {
        let rules = Arc::new(Rules::load());
        let workloads = [
            Workload::single("pm_card_visa", 2, 5),
            Workload::single("pm_card_chargeDeclined", 2, 5),
            Workload::single("pm_card_visa", 2, 1),
        ];
        for workload in workloads {
            let undisturbed = run_with(&workload, &[], &rules);
            assert_eq!((undisturbed.violations.len(), undisturbed.orders), (0, 1));
            assert!(undisturbed.points > 20, "{}", undisturbed.points);
            for point in 0..undisturbed.points {
                for fault in [PointFault::Crash, PointFault::Fail] {
                    let report = run_with(&workload, &[(point, fault)], &rules);
                    let steps = report.trace.join("\n");
                    assert_eq!(
                        report.violations,
                        Vec::<String>::new(),
                        "{fault:?} {point}\n{steps}"
                    );
                }
            }
        }
    }
}
