use super::reconcile::lasting;
use crate::{
    aws::store_failure,
    context::Context,
    dead_letters::DeadLetters,
    duration,
    failure::Failure,
    harness::{
        Deployment, Interruption, Listener, ResultTable, Scenario, ScenarioResult, ScenarioRun,
        Shop, Tag, junit, new_run_id, run_scenarios, run_under_faults, schema, unplaced,
    },
    output::{print, progress, table},
    reconcile::Snapshot,
    saga::stuck,
};
use clap::{Args, value_parser};
use rialto_kernel::{Clock, SystemClock};
use std::{
    cell::Cell,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::MissedTickBehavior;

/// Run scenarios against a deployment, and check its events, states, stock and money
///
/// Places orders as the demo shop's buyers, receives the events of the bus in a queue of its own,
/// and checks what each scenario expects and the invariants of every order. Runs the quick
/// scenarios unless others are selected. Needs the accounts created by rialto seed. Exit status 0
/// if all passed, 1 if one failed, 2 if it couldn't run. docs/harness.md describes the scenarios.
#[derive(Debug, Args)]
pub(crate) struct Harness {
    /// The base URL of the API; by default that of the stage
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The name of the event bus; by default that of the stage
    #[arg(long, value_name = "NAME")]
    bus: Option<String>,
    /// Run only this scenario, by its name or its file's; can be repeated
    #[arg(long, value_name = "SCENARIO", conflicts_with = "all")]
    only: Vec<String>,
    /// Run the large scenarios too
    #[arg(long)]
    all: bool,
    /// A folder with further scenarios
    #[arg(long, value_name = "FOLDER")]
    scenarios: Option<PathBuf>,
    /// Write the results to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How often to run the scenarios
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    repeat: u32,
    /// How many scenarios run at once
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = value_parser!(u8).range(1..=16))]
    parallel: u8,
    /// What every time that something may take is multiplied by, for a slow or loaded deployment
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = value_parser!(u32).range(1..=100))]
    patience: u32,
    /// List the scenarios and run none
    #[arg(long)]
    list: bool,
    /// Print the JSON Schema of scenario files and run none
    #[arg(long, exclusive = true)]
    schema: bool,
    /// Change nothing, and check the invariants of everything on the stage
    #[arg(long, conflicts_with_all = ["only", "all", "scenarios", "junit", "list"])]
    observe: bool,
    /// On an emulator: kill functions, double events and hold messages back meanwhile (Linux only)
    ///
    /// The scenarios run, and --orders further orders are placed, under these faults. Then dead
    /// letters are redriven until everything has settled, and the invariants must hold.
    #[arg(long, conflicts_with_all = ["repeat", "list", "observe", "every"])]
    chaos: bool,
    /// How many orders --chaos places beside the scenarios
    #[arg(long, value_name = "COUNT", default_value_t = 200, requires = "chaos", value_parser = value_parser!(u32).range(1..))]
    orders: u32,
    /// Keep placing an order at this interval, such as 5m, until interrupted
    #[arg(long, value_name = "AGE", value_parser = duration::parse, conflicts_with_all = ["only", "all", "scenarios", "junit", "list", "observe"])]
    every: Option<Duration>,
}

/// The default of `--parallel`.
const PARALLEL: u32 = 4;
/// How long no event of an order must arrive for it to be quiet.
const QUIET: Duration = Duration::from_secs(2);
/// A message of a killed function comes back after its visibility timeout, a minute or three.
const CHAOS_PATIENCE: u32 = 10;
/// An order that waits for longer than this is a finding of an observation.
const OBSERVED_AGE: Duration = Duration::from_secs(5 * 60);

impl Harness {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.schema {
            return print(format!("{:#}", schema()));
        }
        if self.observe {
            return observe(context).await;
        }
        if let Some(interval) = self.every {
            return self.keep_placing(context, interval).await;
        }
        let scenarios = self.select().map_err(Failure::not_run)?;
        if self.list {
            return list(&scenarios);
        }
        let results = self.run_all(context, &scenarios).await.map_err(unfinished)?;
        let failed: Vec<_> = results.iter().filter(|result| result.result.is_err()).collect();
        if let Some(file) = &self.junit {
            fs::write(file, junit(&results)).map_err(|error| {
                Failure::new(
                    format!("{} can't be written: {error}.", file.display()),
                    "Name another file with --junit.",
                )
                .not_run()
            })?;
        }
        let shown = self.report_all(context, &failed, results.len());
        match failed.len() {
            0 => shown,
            count => Err(Failure::new(
                format!("{count} of {} scenarios failed.", results.len()),
                "The orders above show where; rialto reconcile and rialto saga stuck tell more.",
            )),
        }
    }

    /// The selected scenarios.
    fn select(&self) -> Result<Vec<Scenario>, Failure> {
        let mut scenarios = Scenario::shipped()?;
        if let Some(folder) = &self.scenarios {
            scenarios.extend(Scenario::of_folder(folder)?);
        }
        if self.only.is_empty() {
            let own = |scenario: &Scenario| scenario.tags.is_empty();
            scenarios.retain(|scenario| {
                self.all || self.list || own(scenario) || scenario.is(Tag::Quick)
            });
            return Ok(scenarios);
        }
        for name in &self.only {
            if !scenarios.iter().any(|scenario| scenario.is_named(name)) {
                return Err(Failure::new(
                    format!("There is no scenario {name:?}."),
                    "rialto harness --list shows their names; --scenarios adds a folder.",
                ));
            }
        }
        scenarios.retain(|scenario| self.only.iter().any(|name| scenario.is_named(name)));
        Ok(scenarios)
    }

    async fn run_all(
        &self,
        context: &Context,
        scenarios: &[Scenario],
    ) -> Result<Vec<ScenarioResult>, Failure> {
        let interruption = Interruption::listen().map_err(Failure::not_run)?;
        let emulator = match (self.chaos, context.emulator()) {
            (false, _) => None,
            (true, Some(endpoint)) => Some(endpoint),
            (true, None) => {
                return Err(Failure::new(
                    format!("The stage {} isn't on an emulator.", context.stage),
                    "Run the harness without --chaos; scripts/up starts an emulator.",
                )
                .not_run());
            }
        };
        let (deployment, listener) = self.open(context, &interruption).await?;
        let rounds = self.rounds(&deployment, scenarios, &interruption);
        let results = match &emulator {
            None => rounds.await,
            Some(endpoint) => {
                let orders = usize::try_from(self.orders).unwrap_or(usize::MAX);
                run_under_faults(&deployment, endpoint, orders, rounds, &interruption).await
            }
        };
        let started = Instant::now();
        let closed = close(&deployment, listener).await;
        let mut results = results?;
        if let Err(what) = closed {
            results.push(ScenarioResult {
                name: "cleaning up".to_owned(),
                file: "harness".to_owned(),
                took: started.elapsed(),
                result: Err(unplaced("removing what the run created", what)),
                properties: Vec::new(),
            });
        }
        Ok(results)
    }

    /// Logs in and subscribes to the bus.
    async fn open(
        &self,
        context: &Context,
        interruption: &Interruption,
    ) -> Result<(Deployment, Listener), Failure> {
        let run = new_run_id();
        let aws = context.aws().await.map_err(Failure::not_run)?;
        let api = context.api_at(self.url.as_deref()).map_err(Failure::not_run)?;
        let api = if self.chaos { api.persistent() } else { api };
        let shop = Shop::open(api, &context.local.content.accounts, &run);
        let shop = shop.await.map_err(Failure::not_run)?;
        let bus = self.bus.clone().or_else(|| context.local.content.event_bus.clone());
        let bus = bus.unwrap_or_else(|| context.stage.event_bus());
        let listener = Listener::open(&aws, &context.stage, &bus, &run, interruption);
        let listener = listener.await.map_err(Failure::not_run)?;
        let log = Arc::clone(&listener.log);
        let (stage, subscription) = (context.stage.clone(), listener.subscription.clone());
        let patience = if self.chaos { self.patience.max(CHAOS_PATIENCE) } else { self.patience };
        let deployment = Deployment { shop, aws, stage, log, subscription, quiet: QUIET, patience };
        Ok((deployment, listener))
    }

    /// Places an order at this interval until it is interrupted, and fills its stock up again.
    async fn keep_placing(&self, context: &Context, interval: Duration) -> Result<(), Failure> {
        let interruption = Interruption::listen().map_err(Failure::not_run)?;
        let scenario = Scenario::canary().map_err(Failure::not_run)?;
        let (deployment, listener) = self.open(context, &interruption).await?;
        let mut canary = Canary::default();
        let stopped = tokio::select! {
            stopped = canary.run(&deployment, &scenario, interval) => stopped,
            // A round that hasn't ended tells nothing.
            () = interruption.wait() => Ok(()),
        };
        let closed = close(&deployment, listener).await;
        stopped.map_err(unfinished)?;
        print(format!("{} passed, {} failed", canary.passed, canary.failed))?;
        match canary.failed {
            0 => closed.map_err(|what| {
                Failure::new(
                    format!("Cleaning up failed: {what}"),
                    "Unregister the products named Harness, and run the harness again.",
                )
            }),
            count => Err(Failure::new(
                format!("{count} canary orders failed."),
                "The lines above show when; rialto order timeline shows an order.",
            )),
        }
    }

    async fn rounds(
        &self,
        deployment: &Deployment,
        scenarios: &[Scenario],
        interruption: &Interruption,
    ) -> Result<Vec<ScenarioResult>, Failure> {
        let mut results = Vec::new();
        let mut shown = ResultTable::new();
        for round in 1..=self.repeat {
            if self.repeat > 1 {
                print(format!("round {round} of {}", self.repeat))?;
            }
            let parallel = usize::from(self.parallel);
            let round =
                run_scenarios(deployment, scenarios, parallel, &mut shown, interruption).await?;
            results.extend(round);
        }
        Ok(results)
    }

    /// Prints the failures, and how many there are.
    fn report_all(
        &self,
        context: &Context,
        failed: &[&ScenarioResult],
        all: usize,
    ) -> Result<(), Failure> {
        for result in failed {
            self.report(context, result)?;
        }
        print(format!("{} passed, {} failed", all - failed.len(), failed.len()))
    }

    /// Prints a failure with the orders that show it, and the command that repeats it.
    fn report(&self, context: &Context, result: &ScenarioResult) -> Result<(), Failure> {
        let Err(broken) = &result.result else { return Ok(()) };
        print(format!("\n{}", result.name))?;
        for line in broken.lines(&result.file) {
            print(format!("  {line}"))?;
        }
        print(format!("  to repeat it: {}\n", self.command(context, &result.name)))
    }

    /// The command that runs one scenario as this one did.
    fn command(&self, context: &Context, name: &str) -> String {
        let mut words = vec!["rialto harness".to_owned()];
        if context.stage.as_str() != "local" {
            words.push(format!("--stage {}", context.stage));
        }
        words.push(format!("--file {}", quoted(&context.local.path.to_string_lossy())));
        let options = [("--api-url", &context.api_url), ("--url", &self.url), ("--bus", &self.bus)];
        for (option, value) in options {
            words.extend(value.as_ref().map(|value| format!("{option} {}", quoted(value))));
        }
        let folder = self.scenarios.as_ref();
        words.extend(
            folder.map(|folder| format!("--scenarios {}", quoted(&folder.to_string_lossy()))),
        );
        let numbers =
            [("--patience", self.patience, 1), ("--parallel", u32::from(self.parallel), PARALLEL)];
        for (option, value, default) in numbers {
            words.extend((value != default).then(|| format!("{option} {value}")));
        }
        if self.chaos {
            words.push(format!("--chaos --orders {}", self.orders));
        }
        // The load of --chaos isn't a scenario.
        if self.select().is_ok_and(|all| all.iter().any(|scenario| scenario.name == name)) {
            words.push(format!("--only {}", quoted(name)));
        }
        words.join(" ")
    }
}

/// Makes a closed output a failure of the run, whose results nobody knows.
fn unfinished(failure: Failure) -> Failure {
    match failure {
        Failure::OutputClosed => Failure::new(
            "The output was closed before the run ended.",
            "Keep it open until the end; --junit writes the results to a file.",
        )
        .not_run(),
        other => other,
    }
}

/// A word of a command, quoted for sh unless it needs no quotes.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The rounds of a canary.
#[derive(Default)]
struct Canary {
    passed: u32,
    failed: u32,
}

impl Canary {
    /// Runs the scenario's steps at this interval, for ever. A failed round is reported.
    async fn run(
        &mut self,
        deployment: &Deployment,
        scenario: &Scenario,
        interval: Duration,
    ) -> Result<(), Failure> {
        let mut run: Option<ScenarioRun<'_>> = None;
        let mut due = tokio::time::interval(interval.max(Duration::from_secs(1)));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let started = Instant::now();
            let round = match run.take() {
                Some(run) => Ok(run),
                None => self.prepare(deployment, scenario).await,
            };
            let ended = match round {
                Ok(mut round) => {
                    let ended = round.run_steps(&scenario.steps, &Cell::new(0)).await;
                    let restarted = match ended {
                        Ok(()) => round.restart().await,
                        Err(broken) => Err(broken.lines(&scenario.file).join("\n  ")),
                    };
                    match &restarted {
                        Ok(()) => run = Some(round),
                        // What stays on sale is removed at the end.
                        Err(_) => drop(round.close().await),
                    }
                    restarted
                }
                Err(what) => Err(what),
            };
            let now = SystemClock.now();
            let took = started.elapsed().as_secs_f64();
            match ended {
                Ok(()) => {
                    self.passed += 1;
                    print(format!("{now}  passed  {took:.1} s"))?;
                }
                Err(what) => {
                    self.failed += 1;
                    print(format!("{now}  FAILED  {took:.1} s  {what}"))?;
                }
            }
        }
    }

    /// A run with its product. Another one follows a failure, so that no order of it is in the way.
    async fn prepare<'a>(
        &self,
        deployment: &'a Deployment,
        scenario: &Scenario,
    ) -> Result<ScenarioRun<'a>, String> {
        let mut run = ScenarioRun::new(deployment);
        let prepared = run.prepare(&scenario.given).await;
        prepared.map_err(|broken| broken.lines(&scenario.file).join("\n  "))?;
        Ok(run)
    }
}

/// Removes what the run created.
///
/// # Errors
/// What stayed, in words.
async fn close(deployment: &Deployment, listener: Listener) -> Result<(), String> {
    let cleaned = deployment.shop.clean_up().await;
    if let Err(what) = &cleaned {
        progress(format!("cleaning up failed: {what}"));
    }
    listener.close().await;
    cleaned
}

/// Checks the invariants of everything on the stage, and changes nothing.
async fn observe(context: &Context) -> Result<(), Failure> {
    let stage = &context.stage;
    let aws = context.aws().await.map_err(Failure::not_run)?;
    let snapshot = Snapshot::load_all(&aws, stage).await;
    let snapshot =
        snapshot.map_err(|error| store_failure("Reading the tables", &error).not_run())?;
    progress(format!("Checked {}.", snapshot.counts()));
    let now = SystemClock.now();
    let overdue = stuck(&snapshot, now, OBSERVED_AGE);
    let letters = DeadLetters::open(&aws, stage).counts().await.map_err(Failure::not_run)?;
    let (_, broken, under_way) = lasting(&aws, stage, snapshot).await.map_err(Failure::not_run)?;
    progress(format!("{} in progress.", under_way.len()));
    let broken = broken.iter().map(ToString::to_string);
    let overdue = overdue.iter().map(|stuck| {
        let age = duration::short(now.since(stuck.since));
        format!("{} is {} for {age}, waiting for {}", stuck.order, stuck.state, stuck.wait)
    });
    let letters = letters.iter().map(|(source, count)| format!("{source}: {count} dead letters"));
    let found: Vec<String> = broken.chain(overdue).chain(letters).collect();
    found.iter().try_for_each(print)?;
    match found.len() {
        0 => print("Every invariant holds."),
        count => Err(Failure::new(
            format!("{count} findings."),
            "See rialto reconcile, rialto saga stuck and rialto dlq list.",
        )),
    }
}

fn list(scenarios: &[Scenario]) -> Result<(), Failure> {
    let row = |scenario: &Scenario| {
        let tag = match scenario.tags.first() {
            Some(Tag::Quick) => "quick",
            Some(Tag::Large) => "large",
            None => "",
        };
        [tag.to_owned(), scenario.name.clone(), scenario.file.clone()]
    };
    let rows: Vec<_> = scenarios.iter().map(row).collect();
    table(&rows).iter().try_for_each(print)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_output_fails_an_unfinished_run() {
        let closed = unfinished(Failure::OutputClosed);
        assert!(!matches!(closed, Failure::OutputClosed), "{closed}");
        let other = unfinished(Failure::new("Something.", "Try again."));
        assert!(other.to_string().contains("Something."), "{other}");
    }

    #[test]
    fn words_of_the_command_are_quoted_for_sh() {
        assert_eq!(quoted("https://api.example.com/v1"), "https://api.example.com/v1");
        assert_eq!(quoted("an order's $HOME"), r"'an order'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
