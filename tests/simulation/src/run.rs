//! Runs by seed, and what they found.

use crate::{
    check::{Violation, violations},
    faults::{Faults, PointFault, Policy},
    queues::Rules,
    races::Races,
    workload::{Operation, Workload},
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
    pub violations: Vec<Violation>,
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

/// A run of a workload in which everything happens in order, with faults at these points.
#[must_use]
pub fn run_with_faults(
    workload: &Workload,
    faults: &[(u32, PointFault)],
    rules: &Arc<Rules>,
) -> Report {
    let policy = Policy::InOrder(faults.iter().copied().collect());
    run_world(World::new(policy, workload.clone(), Arc::clone(rules), true))
}

/// The workloads whose every point fails: an order that is paid, one that is declined, one that is
/// short of stock, and one that is cancelled.
#[must_use]
pub fn point_workloads() -> Vec<(&'static str, Workload)> {
    let mut cancelled = Workload::single("pm_sim_async", 2, 5);
    cancelled.operations.push(Operation::Cancel { placement: 0, by_supervisor: false });
    vec![
        ("paid", Workload::single("pm_card_visa", 2, 5)),
        ("declined", Workload::single("pm_card_chargeDeclined", 2, 5)),
        ("out of stock", Workload::single("pm_card_visa", 2, 1)),
        ("cancelled", cancelled),
    ]
}

/// Faults by the number of their point.
pub type PointFaults = Vec<(u32, PointFault)>;

/// The result of failing points one at a time or in pairs.
#[derive(Debug, Default)]
pub struct PointReport {
    /// The points of the run without a fault.
    pub points: u32,
    pub runs: usize,
    /// The faults of each failing run, and its violations.
    pub failed: Vec<(PointFaults, Vec<Violation>)>,
}

/// Crashes and fails at every point of a workload; with `pairs`, also at every two points.
#[must_use]
pub fn fail_points(workload: &Workload, pairs: bool, rules: &Arc<Rules>) -> PointReport {
    let undisturbed = run_with_faults(workload, &[], rules);
    let mut report = PointReport { points: undisturbed.points, ..PointReport::default() };
    let mut run = |faults: &[(u32, PointFault)]| {
        let run = run_with_faults(workload, faults, rules);
        report.runs += 1;
        if !run.violations.is_empty() {
            report.failed.push((faults.to_vec(), run.violations));
        }
        run.points
    };
    run(&[]);
    for first in 0..undisturbed.points {
        for fault in [PointFault::Crash, PointFault::Fail] {
            let points = run(&[(first, fault)]);
            if !pairs {
                continue;
            }
            // The first fault adds the points of what is repeated after it.
            for second in first + 1..points {
                for other in [PointFault::Crash, PointFault::Fail] {
                    run(&[(first, fault), (second, other)]);
                }
            }
        }
    }
    report
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
    use crate::check::lines;

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
            assert_eq!(lines(&report.violations), "", "scripts/simulate --seed {seed}");
            races.add(&report.races);
        }
        assert_eq!(races.unreached(), []);
    }

    #[test]
    fn a_fault_at_any_point_breaks_no_invariant() {
        let rules = Arc::new(Rules::load());
        for (name, workload) in point_workloads() {
            let report = fail_points(&workload, false, &rules);
            assert!(report.points > 20, "{name}: {report:?}");
            assert_eq!(report.failed, [], "{name}");
        }
    }
}
