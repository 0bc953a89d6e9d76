//! `rialto-simulate`: runs seeds of the simulation.

use clap::Parser;
use rialto_simulation::{
    check::{Violation, lines},
    queues::Rules,
    races::Races,
    run::{Limits, fail_points, point_workloads, run_seed, shrink},
};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Simulates the order saga under faults and checks its invariants.
#[derive(Debug, Parser)]
struct Arguments {
    /// The number of seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Runs one seed and prints its steps.
    #[arg(long)]
    seed: Option<u64>,
    /// Crashes and fails at every point of four short workloads instead, singly and in pairs.
    #[arg(long)]
    crash_points: bool,
}

/// What several runs found.
#[derive(Default)]
struct Total {
    races: Races,
    orders: usize,
    steps: usize,
    failed: Vec<(u64, Vec<Violation>)>,
}

#[expect(clippy::print_stdout, reason = "a command")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let rules = Arc::new(Rules::load());
    if let Some(seed) = arguments.seed {
        let report = run_seed(seed, &Limits::default(), &rules, true);
        println!("{}", report.trace.join("\n"));
        println!("{}", lines(&report.violations));
        return if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let started = Instant::now();
    if arguments.crash_points {
        let mut failed = 0;
        for (name, workload) in point_workloads() {
            let report = fail_points(&workload, true, &rules);
            println!(
                "{name}: {} points, {} runs, {} failed, {:.1} s",
                report.points,
                report.runs,
                report.failed.len(),
                started.elapsed().as_secs_f64()
            );
            for (faults, violations) in report.failed.iter().take(5) {
                println!("  {faults:?}: {}", lines(violations));
            }
            failed += report.failed.len();
        }
        return if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let total = run_seeds(arguments.first, arguments.seeds, &rules);
    println!("{}", total.races);
    println!(
        "{} seeds, {} orders, {} steps, {:.1} s",
        arguments.seeds,
        total.orders,
        total.steps,
        started.elapsed().as_secs_f64()
    );
    let unreached = total.races.unreached();
    if !unreached.is_empty() {
        println!("never reached: {unreached:?}");
    }
    for (seed, violations) in total.failed.iter().take(10) {
        println!("seed {seed}: {}", lines(violations));
    }
    println!("{} seeds failed", total.failed.len());
    if let Some((seed, _)) = total.failed.first() {
        let (_, report) = shrink(*seed, &rules);
        println!("the shortest trace found for seed {seed}:");
        println!("{}\n{}", report.trace.join("\n"), lines(&report.violations));
    }
    if total.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs seeds on all cores.
fn run_seeds(first: u64, count: u64, rules: &Arc<Rules>) -> Total {
    let next = AtomicU64::new(first);
    let work = || {
        let mut total = Total::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return total;
            }
            let report = run_seed(seed, &Limits::default(), rules, false);
            total.races.add(&report.races);
            total.orders += report.orders;
            total.steps += report.steps;
            if !report.violations.is_empty() {
                total.failed.push((seed, report.violations));
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let totals: Vec<Total> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut sum = Total::default();
    for total in totals {
        sum.races.add(&total.races);
        sum.orders += total.orders;
        sum.steps += total.steps;
        sum.failed.extend(total.failed);
    }
    sum.failed.sort();
    sum
}
