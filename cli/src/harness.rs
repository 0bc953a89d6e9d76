//! The harness: scenarios that are driven over HTTPS and asserted on by the events on the bus.

mod chaos;
mod forms;
mod junit;
mod lines;
mod log;
mod run;
mod scenario;
mod shop;
mod step;
mod table;
mod words;

pub(crate) use chaos::run_under_faults;
pub(crate) use junit::junit;
pub(crate) use run::{BrokenStep, Deployment, ScenarioRun, unplaced};
pub(crate) use scenario::{Scenario, Tag, schema};
pub(crate) use shop::Shop;
pub(crate) use table::ResultTable;

use crate::{
    failure::Failure,
    output::progress,
    subscription::{Subscription, remove_abandoned},
};
use futures_util::{FutureExt, StreamExt, stream};
use log::EventLog;
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::{Clock, EventId, SystemClock};
use serde_json::json;
use std::{
    cell::Cell,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Receivers of the subscription's queue.
const RECEIVERS: usize = 3;
/// How long a receiver waits for events.
const WAIT_SECONDS: i32 = 2;
/// A receiver's pause after an error.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a new subscription may take to deliver. EventBridge says minutes at worst.
const READY_WITHIN: Duration = Duration::from_secs(90);
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// What earlier runs left behind is removed when it wasn't refreshed for this long.
const ABANDONED_AFTER_SECONDS: i64 = 24 * 60 * 60;
const REFRESH_EVERY: Duration = Duration::from_secs(60 * 60);
/// How often the table is drawn and an interruption is noticed.
const TICK: Duration = Duration::from_millis(100);

/// A scenario's result.
#[derive(Debug, Clone)]
pub(crate) struct ScenarioResult {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) took: Duration,
    pub(crate) result: Result<(), BrokenStep>,
    /// Counts for the report.
    pub(crate) properties: Vec<(&'static str, usize)>,
}

/// Set by Ctrl-C and SIGTERM. A second one ends the process at once.
#[derive(Debug, Clone)]
pub(crate) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// # Errors
    /// [`Failure`] if signals can't be handled.
    pub(crate) fn listen() -> Result<Self, Failure> {
        use signal_hook::{
            consts::{SIGINT, SIGTERM},
            flag,
        };
        let flagged = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&flagged))
                .and_then(|_| flag::register(signal, Arc::clone(&flagged)))
                .map_err(|error| {
                    Failure::new(format!("Signals can't be handled: {error}."), "Try again.")
                })?;
        }
        Ok(Self(flagged))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns once it is set.
    pub(crate) async fn wait(&self) {
        while !self.is_set() {
            tokio::time::sleep(TICK).await;
        }
    }
}

/// An id for a run, different from every other.
pub(crate) fn new_run_id() -> String {
    let id = EventId::generate(SystemClock.now()).to_string();
    id.trim_start_matches("evt_").to_owned()
}

/// A subscription and the tasks that empty its queue into a log.
pub(crate) struct Listener {
    pub(crate) log: Arc<EventLog>,
    pub(crate) subscription: Subscription,
    receivers: Vec<tokio::task::JoinHandle<()>>,
}

impl Listener {
    /// Subscribes to the bus, and returns once the subscription delivers.
    ///
    /// # Errors
    /// [`Failure`] if it can't be created or doesn't deliver; it is removed then.
    pub(crate) async fn open(
        aws: &SdkConfig,
        stage: &Stage,
        bus: &str,
        run: &str,
        interruption: &Interruption,
    ) -> Result<Self, Failure> {
        let broken = |error: &dyn std::error::Error| {
            Failure::new(
                format!("{error}."),
                "Check --bus, --stage and the credentials; docs/harness.md lists the permissions.",
            )
        };
        let prefix = format!("rialto-{stage}-harness-");
        let now = SystemClock.now();
        let before = now.millis() / 1_000 - ABANDONED_AFTER_SECONDS;
        for name in remove_abandoned(aws, bus, &prefix, before).await.map_err(|e| broken(&e))? {
            progress(format!("removed {name}, which an earlier run left behind"));
        }
        let tags = [
            ("rialto:stage", stage.to_string()),
            ("rialto:harness-run", run.to_owned()),
            ("rialto:created-at", now.to_string()),
        ];
        let name = format!("{prefix}{run}");
        let subscription = Subscription::open(aws, bus, &name, &tags, None).await;
        let subscription = subscription.map_err(|error| broken(&error))?;
        let log = Arc::new(EventLog::default());
        let receive = |_| tokio::spawn(receive(subscription.clone(), Arc::clone(&log)));
        let mut receivers: Vec<_> = (0..RECEIVERS).map(receive).collect();
        receivers.push(tokio::spawn(refresh(subscription.clone())));
        let listener = Self { log, subscription, receivers };
        tokio::select! {
            ready = listener.wait_until_ready(run) => match ready {
                Ok(()) => Ok(listener),
                Err(failure) => {
                    listener.close().await;
                    Err(failure)
                }
            },
            () = interruption.wait() => {
                listener.close().await;
                Err(interrupted())
            }
        }
    }

    /// Publishes a probe until one is received.
    async fn wait_until_ready(&self, run: &str) -> Result<(), Failure> {
        let started = Instant::now();
        let mut published: Option<Instant> = None;
        while !self.log.has_probe(run) {
            if started.elapsed() > READY_WITHIN {
                return Err(Failure::new(
                    format!(
                        "The subscription delivers nothing after {} s.",
                        READY_WITHIN.as_secs()
                    ),
                    "Check that --bus is the stage's bus, and that the credentials may set a queue's policy.",
                ));
            }
            if published.is_none_or(|at| at.elapsed() >= PROBE_EVERY) {
                let put = self.subscription.publish_probe(&json!({ "run": run })).await;
                put.map_err(|error| {
                    Failure::new(format!("{error}."), "Check --bus and the credentials.")
                })?;
                published = Some(Instant::now());
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    /// Removes the subscription. A failure is only reported: the next day's run tries again.
    pub(crate) async fn close(self) {
        for receiver in self.receivers {
            receiver.abort();
        }
        let unreadable = self.log.unreadable();
        if let Some(first) = unreadable.first() {
            progress(format!("{} messages on the bus weren't events: {first}", unreadable.len()));
        }
        if let Err(error) = self.subscription.close().await {
            progress(format!("{error}; a run after a day removes it"));
        }
    }
}

/// Keeps later runs from removing the subscription of a long one.
async fn refresh(subscription: Subscription) {
    loop {
        tokio::time::sleep(REFRESH_EVERY).await;
        if let Err(error) = subscription.refresh().await {
            progress(format!("{error}; trying again"));
        }
    }
}

async fn receive(subscription: Subscription, log: Arc<EventLog>) {
    loop {
        match subscription.take(WAIT_SECONDS).await {
            Ok(received) => received.into_iter().for_each(|received| log.add(received)),
            Err(error) => {
                progress(format!("{error}; trying again"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

pub(crate) fn interrupted() -> Failure {
    Failure::new("Interrupted.", "What the run created was removed.").not_run()
}

/// Runs scenarios, a few at once, and shows their progress.
///
/// # Errors
/// [`Failure`] if it was interrupted or can't print.
pub(crate) async fn run_scenarios(
    deployment: &Deployment,
    scenarios: &[Scenario],
    parallel: usize,
    table: &mut ResultTable,
    interruption: &Interruption,
) -> Result<Vec<ScenarioResult>, Failure> {
    let progress: Vec<Cell<usize>> = scenarios.iter().map(|_| Cell::new(0)).collect();
    let started: Vec<Cell<Option<Instant>>> = scenarios.iter().map(|_| Cell::new(None)).collect();
    let one = async |at: usize| {
        let begun = Instant::now();
        started[at].set(Some(begun));
        let scenario = &scenarios[at];
        let run = AssertUnwindSafe(ScenarioRun::run(deployment, scenario, &progress[at]));
        let result = run.catch_unwind().await.unwrap_or_else(|panic| {
            Err(BrokenStep {
                line: 0,
                step: "the harness itself".to_owned(),
                what: format!("it panicked: {}", panic_text(panic.as_ref())),
                timelines: Vec::new(),
            })
        });
        let result = ScenarioResult {
            name: scenario.name.clone(),
            file: scenario.file.clone(),
            took: begun.elapsed(),
            result,
            properties: Vec::new(),
        };
        (at, result)
    };
    let mut running =
        std::pin::pin!(stream::iter(0..scenarios.len()).map(one).buffer_unordered(parallel));
    let mut results: Vec<Option<ScenarioResult>> = vec![None; scenarios.len()];
    table.begin(scenarios)?;
    loop {
        tokio::select! {
            next = running.next() => match next {
                Some((at, result)) => {
                    table.finish(at, &result)?;
                    results[at] = Some(result);
                }
                None => break,
            },
            () = tokio::time::sleep(TICK) => {
                for (at, begun) in started.iter().enumerate() {
                    if let (Some(begun), None) = (begun.get(), &results[at]) {
                        table.progress(at, progress[at].get(), begun.elapsed());
                    }
                }
                table.draw()?;
                if interruption.is_set() {
                    return Err(interrupted());
                }
            }
        }
    }
    Ok(results.into_iter().flatten().collect())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
