//! `rialto-simulate`: runs seeds of the simulation.

use clap::Parser;
use rialto_simulation::{
    check::{Violation, lines},
    faults::Fault,
    planted::{Discovery, MAX_SEEDS, discover_all},
    queues::Rules,
    races::Races,
    run::{Limits, fail_points, on_all_cores, point_workloads, run_seed, shrink},
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
    /// With --seed: numbers of operations of its workload to leave out, from 0.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    skip: Vec<usize>,
    /// With --seed: kinds of faults to leave out, such as Crash.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    without: Vec<Fault>,
    /// Crashes, fails and is refused at every point of short workloads, singly and in pairs.
    #[arg(long)]
    crash_points: bool,
    /// Plants each of the bugs that are made for it, and runs seeds until a check finds it.
    #[arg(long)]
    planted: bool,
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
        let limits = Limits {
            skipped: arguments.skip.into_iter().collect(),
            without: arguments.without.into_iter().collect(),
        };
        let report = run_seed(seed, &limits, &rules, true);
        println!("{}", report.trace.join("\n"));
        println!("{}", lines(&report.violations));
        return if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let started = Instant::now();
    if arguments.crash_points {
        return fail_all_points(&rules);
    }
    if arguments.planted {
        return find_planted_bugs(&rules);
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
        let (limits, report) = shrink(*seed, &rules);
        println!("\nthe shortest run found for seed {seed}:");
        println!("{}\n{}", report.trace.join("\n"), lines(&report.violations));
        println!("again: {}", limits.command(*seed));
    }
    let passed = total.failed.is_empty() && (unreached.is_empty() || arguments.seeds < 1_000);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fails every point of the workloads, and prints a table.
#[expect(clippy::print_stdout, reason = "a command")]
fn fail_all_points(rules: &Arc<Rules>) -> ExitCode {
    println!("{:<20}{:>8}{:>10}{:>8}{:>9}", "workload", "points", "runs", "failed", "seconds");
    let row = |name: &str, points: u32, runs: usize, failed: usize, since: Instant| {
        let seconds = since.elapsed().as_secs_f64();
        println!("{name:<20}{points:>8}{runs:>10}{failed:>8}{seconds:>9.1}");
    };
    let started = Instant::now();
    let (mut points, mut runs, mut failed) = (0, 0, 0);
    for (name, workload) in point_workloads() {
        let began = Instant::now();
        let report = fail_points(&workload, true, rules);
        row(name, report.points, report.runs, report.failed.len(), began);
        for (faults, violations) in report.failed.iter().take(5) {
            println!("  {faults:?}: {}", lines(violations));
        }
        points += report.points;
        runs += report.runs;
        failed += report.failed.len();
    }
    row("all", points, runs, failed, started);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints which checks find each planted bug, and after how many seeds.
#[expect(clippy::print_stdout, reason = "a command")]
fn find_planted_bugs(rules: &Arc<Rules>) -> ExitCode {
    let started = Instant::now();
    let found = discover_all(MAX_SEEDS, rules);
    println!("{:<30}{:>6}  checks", "planted bug", "seeds");
    for (bug, discovery) in &found {
        let name = format!("{bug:?}");
        match discovery {
            Some(Discovery { seed, checks }) => {
                let checks = checks.iter().copied().collect::<Vec<_>>().join(", ");
                println!("{name:<30}{:>6}  {checks}", seed + 1);
            }
            None => println!("{name:<30}{:>6}  NOT FOUND: {}", "", bug.description()),
        }
    }
    let missed = found.iter().filter(|(_, discovery)| discovery.is_none()).count();
    println!(
        "{} planted bugs, {missed} not found in {MAX_SEEDS} seeds, {:.1} s",
        found.len(),
        started.elapsed().as_secs_f64()
    );
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
    let mut sum = Total::default();
    for total in on_all_cores(work) {
        sum.races.add(&total.races);
        sum.orders += total.orders;
        sum.steps += total.steps;
        sum.failed.extend(total.failed);
    }
    sum.failed.sort();
    sum
}
