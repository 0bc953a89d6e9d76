//! Runs by seed, and what they found.

use crate::{
    check::{Violation, violations},
    faults::{Fault, Faults, PointFault, Policy},
    queues::Rules,
    races::Races,
    workload::{
        LineAction, LineOperation, LineRequest, Operation, PaymentOperation, RefundOperation,
        Workload, amount,
    },
    world::World,
};
use fastrand::Rng;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Orders of a run at most.
pub const MAX_ORDERS: usize = 12;

/// How a run differs from the one that its seed gives, to find a shorter one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Operations of the workload that are left out, by their number from 0.
    pub skipped: BTreeSet<usize>,
    /// Kinds of faults that don't happen.
    pub without: BTreeSet<Fault>,
}

impl Limits {
    /// The command that runs a seed with these limits.
    #[must_use]
    pub fn command(&self, seed: u64) -> String {
        let mut command = format!("scripts/simulate --seed {seed}");
        let skipped: Vec<_> = self.skipped.iter().map(usize::to_string).collect();
        let without: Vec<_> = self.without.iter().map(Fault::to_string).collect();
        for (option, values) in [("--skip", skipped), ("--without", without)] {
            if !values.is_empty() {
                command.push_str(&format!(" {option} {}", values.join(",")));
            }
        }
        command
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
    // Generators of their own, so that a shorter workload leaves the rest as it is.
    let mut workload = Workload::random(&mut rng.fork(), MAX_ORDERS);
    let mut faults = Faults::random(&mut rng.fork());
    let mut number = 0;
    workload.operations.retain(|_| {
        number += 1;
        !limits.skipped.contains(&(number - 1))
    });
    for fault in &limits.without {
        faults.remove(*fault);
    }
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

/// The workloads whose every point fails, by what they are about.
#[must_use]
pub fn point_workloads() -> Vec<(&'static str, Workload)> {
    let with = |method, operations: &[Operation]| {
        let mut workload = Workload::single(method, 2, 5);
        workload.operations.extend_from_slice(operations);
        workload
    };
    let cancel = Operation::Cancel { placement: 0, by_supervisor: false };
    let adjust = |quantity| {
        let key = "adjustment".to_owned();
        Operation::AdjustStock { product: 0, quantity, key }
    };
    let line = |line_no, action| {
        let pieces = (action == LineAction::Split).then_some(1);
        let request = LineRequest { line_no, action, pieces };
        Operation::Line(LineOperation::new(0, line_no, Some(request)))
    };
    let paid_again = |method| {
        let again = Operation::PayAgain(PaymentOperation::new(0, 0, method));
        Workload {
            retry_window: Duration::from_secs(600),
            ..with("pm_card_chargeDeclined", &[again])
        }
    };
    let goodwill = Operation::GrantRefund(RefundOperation::new(0, 0, Some(amount(100))));
    vec![
        ("paid", with("pm_card_visa", &[])),
        ("declined", with("pm_card_chargeDeclined", &[])),
        ("needs the buyer", with("pm_sim_3ds", &[])),
        ("answer lost", with("pm_sim_lost", &[])),
        ("out of stock", Workload::single("pm_card_visa", 2, 1)),
        // Its charge succeeds after the cancellation, and is refunded.
        ("cancelled", with("pm_sim_async", &[cancel])),
        ("adjusted", with("pm_card_visa", &[adjust(3), adjust(3)])),
        (
            "a part rejected",
            with("pm_card_visa", &[line(1, LineAction::Split), line(2, LineAction::Reject)]),
        ),
        ("paid again", paid_again("pm_card_visa")),
        ("failed again", paid_again("pm_card_chargeDeclined")),
        ("goodwill", with("pm_card_visa", &[goodwill.clone(), goodwill])),
        ("disputed", with("pm_sim_dispute", &[line(1, LineAction::Reject)])),
        ("buyer unregistered", with("pm_card_chargeDeclined", &[Operation::UnregisterBuyer(0)])),
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

/// Crashes, fails and is refused at every point of a workload, on all cores; with `pairs`, also at
/// every two points.
///
/// # Panics
/// If a run panics.
#[must_use]
pub fn fail_points(workload: &Workload, pairs: bool, rules: &Arc<Rules>) -> PointReport {
    let undisturbed = run_with_faults(workload, &[], rules);
    let count = undisturbed.points;
    let next = AtomicU32::new(0);
    let work = || {
        let mut report = PointReport::default();
        loop {
            let first = next.fetch_add(1, Ordering::Relaxed);
            if first >= count {
                return report;
            }
            for fault in PointFault::ALL {
                let points = report.run(workload, &[(first, fault)], rules);
                // The first fault adds the points of what is repeated after it.
                let seconds = if pairs { first + 1..points } else { 0..0 };
                for second in seconds {
                    for other in PointFault::ALL {
                        report.run(workload, &[(first, fault), (second, other)], rules);
                    }
                }
            }
        }
    };
    let mut sum = PointReport { points: count, ..PointReport::default() };
    sum.run(workload, &[], rules);
    for report in on_all_cores(work) {
        sum.runs += report.runs;
        sum.failed.extend(report.failed);
    }
    sum
}

impl PointReport {
    /// Runs a workload, and returns the number of its points.
    fn run(
        &mut self,
        workload: &Workload,
        faults: &[(u32, PointFault)],
        rules: &Arc<Rules>,
    ) -> u32 {
        let run = run_with_faults(workload, faults, rules);
        self.runs += 1;
        if !run.violations.is_empty() {
            self.failed.push((faults.to_vec(), run.violations));
        }
        run.points
    }
}

/// The results of `work`, once on each core.
///
/// # Panics
/// If `work` panics.
#[must_use]
pub fn on_all_cores<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Runs of seeds to find a short one at most.
const MAX_SHRINKING_RUNS: usize = 2_000;

/// The shortest failing run that was found by leaving out operations and faults of a failing seed.
#[must_use]
pub fn shrink(seed: u64, rules: &Arc<Rules>) -> (Limits, Report) {
    let mut limits = Limits::default();
    let mut best = run_seed(seed, &limits, rules, true);
    let operations =
        Workload::random(&mut Rng::with_seed(seed).fork(), MAX_ORDERS).operations.len();
    let mut runs = 0;
    loop {
        let length = best.trace.len();
        let without = Fault::ALL.map(|fault| (BTreeSet::new(), BTreeSet::from([fault])));
        let halves = [1, 2, 4, 8, 16].into_iter().flat_map(|parts| {
            let size = operations.div_ceil(parts * 2).max(1);
            (0..operations).step_by(size).map(move |from| from..(from + size).min(operations))
        });
        let skipped = halves.map(|range| (range.collect(), BTreeSet::new()));
        for (skip, faults) in without.into_iter().chain(skipped) {
            let candidate =
                Limits { skipped: &limits.skipped | &skip, without: &limits.without | &faults };
            if candidate == limits || runs >= MAX_SHRINKING_RUNS {
                continue;
            }
            runs += 1;
            let report = run_seed(seed, &candidate, rules, true);
            if !report.violations.is_empty() && report.trace.len() < best.trace.len() {
                best = report;
                limits = candidate;
            }
        }
        if best.trace.len() == length {
            return (limits, best);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::lines;
    use std::sync::atomic::AtomicU64;

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
        let next = AtomicU64::new(0);
        let run_all = || {
            let mut races = Races::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= SEEDS {
                    return races;
                }
                let report = run_seed(seed, &Limits::default(), &rules, false);
                assert_eq!(lines(&report.violations), "", "scripts/simulate --seed {seed}");
                races.add(&report.races);
            }
        };
        let mut races = Races::default();
        for part in on_all_cores(run_all) {
            races.add(&part);
        }
        assert_eq!(races.unreached(), Vec::<String>::new());
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
