//! `rialto-model`: explores the model of the order saga, shows it in stateright's Explorer, and
//! repeats its random walks by the services' handlers.

use clap::{Parser, ValueEnum};
use rialto_model::{
    check::explore,
    mistakes::{Finding, find},
    model::{Bounds, Mistake, SagaModel},
    walks::{WALKED, check_walk, check_ways},
};
use stateright::Model;
use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    time::Instant,
};

/// Explores every state of the order saga's model within bounds, and checks its properties.
#[derive(Debug, Parser)]
struct Arguments {
    /// Explores the small bounds of the tests only.
    #[arg(long)]
    quick: bool,
    /// Serves stateright's Explorer of the model, on this machine only.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:3000")]
    explore: Option<SocketAddr>,
    /// Repeats this many random walks by the services' handlers instead.
    #[arg(long)]
    walks: Option<u64>,
    /// The first walk.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Makes a transition of the model wrong, to see what finds it.
    #[arg(long)]
    mistake: Option<Mistake>,
    /// Makes each of these mistakes, and prints what finds it.
    #[arg(long)]
    mistakes: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.mistakes {
        return if find_mistakes() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let succeeded = match (arguments.explore, arguments.walks) {
        (Some(address), _) => serve(address, arguments.mistake),
        (None, Some(count)) => check_walks(&arguments, count),
        (None, None) => check(&arguments),
    };
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[expect(clippy::print_stdout, reason = "a command")]
fn check(arguments: &Arguments) -> bool {
    let all = if arguments.quick { Bounds::QUICK } else { Bounds::FULL };
    let mut holds = true;
    for bounds in all {
        let model = SagaModel { bounds, mistake: arguments.mistake };
        let exploration = explore(&model, threads());
        println!("{bounds}:\n{exploration}");
        holds &= exploration.failures().is_empty();
    }
    holds
}

#[expect(clippy::print_stdout, reason = "a command")]
fn check_walks(arguments: &Arguments, count: u64) -> bool {
    let started = Instant::now();
    let model = SagaModel { bounds: WALKED, mistake: arguments.mistake };
    let mut taken = BTreeSet::new();
    for seed in arguments.first..arguments.first + count {
        match check_walk(&model, seed) {
            Ok(transitions) => taken.extend(transitions),
            Err(departure) => {
                println!("{}", departure.report());
                return false;
            }
        }
    }
    // Walks miss what is rare, so that these transitions are repeated too.
    let mut missed = 0;
    for bounds in Bounds::QUICK {
        match check_ways(&SagaModel { bounds, ..model.clone() }, &taken) {
            Ok(ways) => missed += ways,
            Err(departure) => {
                println!("{}", departure.report());
                return false;
            }
        }
    }
    let (seconds, taken) = (started.elapsed().as_secs_f64(), taken.len());
    println!(
        "{count} walks agree: {taken} kinds of transitions, {missed} more by their shortest way"
    );
    println!("{seconds:.1} s");
    true
}

#[expect(clippy::print_stdout, reason = "a command")]
fn find_mistakes() -> bool {
    let mut all = true;
    for mistake in Mistake::value_variants() {
        let Finding { property, walk, .. } = find(*mistake, 1_000);
        let walk = walk.map_or("none".to_owned(), |walk| walk.to_string());
        println!("{mistake:?}: walk {walk}; property: {}", property.unwrap_or("none"));
        all &= property.is_some() || walk != "none";
    }
    all
}

/// Serves until it is ended. The Explorer has no authentication, so that it only listens on the
/// loopback interface.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]
fn serve(address: SocketAddr, mistake: Option<Mistake>) -> bool {
    if !address.ip().is_loopback() {
        eprintln!("{address} isn't an address of the loopback interface");
        return false;
    }
    // The Explorer panics if it can't listen.
    if let Err(error) = TcpListener::bind(address) {
        eprintln!("can't listen on {address}: {error}");
        return false;
    }
    println!("http://{address} (Ctrl+C ends it)");
    let model = SagaModel { bounds: Bounds::FULL[0], mistake };
    model.checker().threads(threads()).serve(address);
    true
}
