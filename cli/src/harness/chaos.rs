//! Faults on an emulator while orders are placed: function processes are killed, events are
//! published twice, and messages are held back.

use super::{
    Interruption, ScenarioResult,
    log::EventLog,
    run::{Deployment, SETTLING, check_orders_exist, unplaced},
    shop::{Buyer, Role, eventually, in_words, order_body},
};
use crate::{
    aws::{sdk_failure, store_failure},
    dead_letters::{DeadLetters, Selection},
    failure::Failure,
    output::{print, progress},
    password,
    reconcile::{Snapshot, Subject, findings},
    redrive,
    subscription::Subscription,
};
use aws_sdk_sqs::{Client, types::QueueAttributeName};
use futures_util::{StreamExt, TryStreamExt, stream};
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::Timestamp;
use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// How many faults of each kind there were.
#[derive(Debug, Default)]
pub(crate) struct FaultCounts {
    pub(crate) killed: Cell<usize>,
    pub(crate) doubled: Cell<usize>,
    pub(crate) held: Cell<usize>,
}

impl FaultCounts {
    /// Checks that there were faults of every kind, and at least half of the intended share of the
    /// events that were received.
    fn check(&self, received: usize) -> Result<(), String> {
        let Self { killed, doubled, held } = self;
        let too_few = |count: usize, percent| count == 0 || count * 200 < received * percent;
        let few = |what: &str, count| {
            Err(format!("{what}: {count} of {received} events; place more orders"))
        };
        match (killed.get(), doubled.get(), held.get()) {
            (0, ..) => Err("no process was killed: place more orders".to_owned()),
            (_, doubled, _) if too_few(doubled, DOUBLED_PERCENT) => {
                few("too few were doubled", doubled)
            }
            (.., held) if too_few(held, HELD_PERCENT) => few("too few were held back", held),
            _ => Ok(()),
        }
    }

    /// The counts by name, for the report.
    fn properties(&self, received: usize) -> Vec<(&'static str, usize)> {
        let Self { killed, doubled, held } = self;
        vec![
            ("processes killed", killed.get()),
            ("events received", received),
            ("events doubled", doubled.get()),
            ("messages held back", held.get()),
        ]
    }
}

/// Faults that last as long as their future is polled.
pub(crate) struct Faults<'a> {
    aws: &'a SdkConfig,
    stage: &'a Stage,
    /// The emulator's address, as its functions know it.
    endpoint: &'a str,
    log: Arc<EventLog>,
    subscription: &'a Subscription,
    pub(crate) counts: FaultCounts,
}

const KILL_EVERY: Duration = Duration::from_millis(700);
const DOUBLE_EVERY: Duration = Duration::from_millis(200);
const DOUBLED_PERCENT: usize = 10;
const HELD_PERCENT: usize = 5;
/// For how long at most a message is held back, in seconds.
const HELD_SECONDS: u8 = 15;
/// Orders under way at once.
const ORDERS_AT_A_TIME: usize = 12;
/// How long everything may take to settle after the last fault, beside the time for each order.
const SETTLED_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How long an order may take to be placed.
const PLACED_WITHIN: Duration = Duration::from_secs(120);
/// How long no event must come: longer than a message is held back.
const SILENT_FOR: Duration = Duration::from_secs(HELD_SECONDS as u64 + 5);
const PIECES: u32 = 1_000_000;
const SCARCE: u32 = 5;

/// The payment methods of the orders, in turn.
const METHODS: [&str; 10] = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_visa",
    "pm_sim_lost",
    "pm_sim_async",
    "pm_sim_flaky",
    "pm_card_chargeDeclinedInsufficientFunds",
    "pm_sim_slow",
];

impl<'a> Faults<'a> {
    pub(crate) fn new(deployment: &'a Deployment, endpoint: &'a str) -> Self {
        Self {
            aws: &deployment.aws,
            stage: &deployment.stage,
            endpoint,
            log: Arc::clone(&deployment.log),
            subscription: &deployment.subscription,
            counts: FaultCounts::default(),
        }
    }

    /// Causes faults for ever.
    ///
    /// # Errors
    /// [`Failure`] if the queues can't be listed or processes can't be found.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        tokio::try_join!(self.kill(), self.double(), self.hold_back()).map(drop)
    }

    /// Kills one function process after the other.
    async fn kill(&self) -> Result<(), Failure> {
        loop {
            tokio::time::sleep(KILL_EVERY).await;
            let processes = function_processes(self.stage, self.endpoint)?;
            let Some(at) = random(processes.len())? else { continue };
            let mut kill = Command::new("kill");
            kill.args(["-KILL", &processes[at].to_string()]).stderr(Stdio::null());
            // The process may have ended meanwhile.
            if kill.status().is_ok_and(|status| status.success()) {
                self.counts.killed.set(self.counts.killed.get() + 1);
            }
        }
    }

    /// Publishes some of the received events once more.
    async fn double(&self) -> Result<(), Failure> {
        let mut chosen = Vec::new();
        loop {
            tokio::time::sleep(DOUBLE_EVERY).await;
            for event in self.log.take_new() {
                if random(100)?.is_some_and(|at| at < DOUBLED_PERCENT) {
                    chosen.push(event);
                }
            }
            // Publishing fails while the emulator is busy; those events are tried again.
            let mut failed = Vec::new();
            for event in chosen {
                match self.subscription.publish_again(&event).await {
                    Ok(()) => self.counts.doubled.set(self.counts.doubled.get() + 1),
                    Err(_) => failed.push(event),
                }
            }
            chosen = failed;
        }
    }

    /// Receives some of the consumers' messages, and leaves them in flight for a while.
    async fn hold_back(&self) -> Result<(), Failure> {
        let client = Client::new(self.aws);
        let queues = consumers_queues(&client, self.stage).await?;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.counts.held.get() * 100 >= self.log.received() * HELD_PERCENT {
                continue;
            }
            let Some(at) = random(queues.len())? else { return Ok(()) };
            let seconds = 1 + random(usize::from(HELD_SECONDS))?.unwrap_or_default();
            let receive = client.receive_message().queue_url(&queues[at]).max_number_of_messages(1);
            let receive = receive.visibility_timeout(i32::try_from(seconds).unwrap_or(1));
            let Ok(received) = receive.send().await else { continue };
            let held = received.messages().len();
            self.counts.held.set(self.counts.held.get() + held);
        }
    }
}

/// The processes that run a function of this stage on this emulator (Linux only).
fn function_processes(stage: &Stage, endpoint: &str) -> Result<Vec<u32>, Failure> {
    let processes = fs::read_dir("/proc").map_err(|error| {
        Failure::new(
            format!("/proc can't be read, so no process can be killed: {error}."),
            "Run the harness with --chaos on Linux, beside the emulator.",
        )
    })?;
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_function = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        is_function_of(stage, endpoint, &environment)
    };
    Ok(pids.filter(is_function).collect())
}

/// Whether a process with this environment runs a function of this stage on this emulator.
fn is_function_of(stage: &Stage, endpoint: &str, environment: &[u8]) -> bool {
    let variable = |name: &str| {
        let variables = environment.split(|byte| *byte == 0);
        let mut pairs = variables.filter_map(|pair| str::from_utf8(pair).ok()?.split_once('='));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
    };
    let prefix = format!("rialto-{stage}-");
    variable("AWS_LAMBDA_FUNCTION_NAME").is_some_and(|name| name.starts_with(&prefix))
        && variable("AWS_ENDPOINT_URL") == Some(endpoint)
}

/// A random number below a limit; `None` below 0.
fn random(below: usize) -> Result<Option<usize>, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(format!("There is no source of randomness: {error}."), "Try again.")
    })?;
    let number = usize::try_from(u64::from_ne_bytes(bytes) >> 1).unwrap_or_default();
    Ok(number.checked_rem(below))
}

/// The products and orders of a load.
#[derive(Debug, Default)]
pub(crate) struct Load {
    products: Vec<String>,
    orders: Vec<String>,
}

impl Load {
    /// Creates two products, one of them scarce.
    ///
    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn prepare(deployment: &Deployment) -> Result<Self, String> {
        let mut products = Vec::new();
        for stock in [PIECES, SCARCE] {
            products
                .push(deployment.shop.product("Harness load", 700, stock, PLACED_WITHIN).await?);
        }
        Ok(Self { products, orders: Vec::new() })
    }

    /// Places so many orders, cancels some of them at once, and waits until all have ended.
    ///
    /// # Errors
    /// An order that couldn't be placed or didn't end in time, in words.
    pub(crate) async fn place(
        &mut self,
        deployment: &Deployment,
        count: usize,
    ) -> Result<(), String> {
        let place = async |number: usize| {
            let shop = &deployment.shop;
            let scarce = number % 20 == 7;
            let product = &self.products[usize::from(scarce)];
            let body = order_body(&[(1, product.clone())], METHODS[number % METHODS.len()]);
            let [buyer] = shop.buyers(1).await?[..] else { return Err("no buyer".to_owned()) };
            let key = password::generate().map_err(|failure| failure.to_string())?;
            // Whatever fails while functions are killed is tried again under the same key.
            let order = eventually(PLACED_WITHIN, async || {
                let session = shop.session(Role::Buyer(buyer)).await.map_err(in_words)?;
                shop.place(&session, &body, &key).await.map_err(in_words)
            })
            .await?;
            if number % 10 == 3 {
                cancel_perhaps(deployment, buyer, &order.order_id).await;
            }
            Ok(order.order_id)
        };
        let placed: Vec<String> = stream::iter(0..count)
            .map(place)
            .buffer_unordered(ORDERS_AT_A_TIME)
            .try_collect()
            .await?;
        self.orders.extend(placed);
        // Only then is most of the saga under faults.
        eventually(settled_within(count), async || {
            let is_open = |order: &&String| {
                let events = deployment.log.of(order);
                SETTLING.iter().all(|kind| events.count(kind) == 0)
            };
            match self.orders.iter().filter(is_open).count() {
                0 => Ok(()),
                open => Err(format!("{open} orders haven't ended")),
            }
        })
        .await
    }

    /// Redrives dead letters until none is left, the consumers' queues are empty, no event has come
    /// for longer than a message is held back, and the invariants hold for every order. Errors of
    /// the emulator are retried.
    ///
    /// # Errors
    /// What is still wrong when the time is over, in words.
    pub(crate) async fn settle(&self, deployment: &Deployment) -> Result<String, String> {
        let within = settled_within(self.orders.len());
        let started = Instant::now();
        let mut open = BTreeSet::new();
        loop {
            let what = match self.check_settled(deployment, &mut open).await {
                Ok(counts) => return Ok(counts),
                Err(what) => what,
            };
            if started.elapsed() > within {
                return Err(format!("after {within:?} {what}"));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Reads the `open` orders, those with a discrepancy, and once they have none all orders.
    async fn check_settled(
        &self,
        deployment: &Deployment,
        open: &mut BTreeSet<String>,
    ) -> Result<String, String> {
        let Deployment { aws, stage, log, .. } = deployment;
        let in_words = |failure: Failure| failure.to_string();
        let dead = DeadLetters::open(aws, stage);
        let letters = dead.counts().await.map_err(in_words)?;
        if !letters.is_empty() {
            redrive::run(&dead, stage, &Selection::default(), true).await.map_err(in_words)?;
            return Err(format!("{} queues have dead letters", letters.len()));
        }
        let client = Client::new(aws);
        for queue in consumers_queues(&client, stage).await.map_err(in_words)? {
            let messages = messages_in(&client, &queue).await.map_err(in_words)?;
            if messages > 0 {
                return Err(format!("{queue} has {messages} messages"));
            }
        }
        let last = log.last_received();
        if last.is_some_and(|last| last.elapsed() < SILENT_FOR) {
            return Err("events keep arriving".to_owned());
        }
        let read = async |products: &[String], orders: &[String]| {
            let snapshot = Snapshot::load_for(aws, stage, products, orders).await;
            snapshot.map_err(|error| store_failure("Reading the tables", &error).to_string())
        };
        if !open.is_empty() {
            let orders: Vec<String> = open.iter().cloned().collect();
            check_invariants(&read(&[], &orders).await?, open)?;
        }
        let snapshot = read(&self.products, &self.orders).await?;
        check_orders_exist(&snapshot, &self.orders)?;
        check_invariants(&snapshot, open)?;
        if log.last_received() != last {
            return Err("events arrived during the check".to_owned());
        }
        Ok(snapshot.counts())
    }
}

/// How long so many orders may take to settle.
fn settled_within(orders: usize) -> Duration {
    let each = Duration::from_millis(200);
    SETTLED_WITHIN + each * u32::try_from(orders).unwrap_or(u32::MAX)
}

/// Checks the invariants, and notes the orders that break one.
fn check_invariants(snapshot: &Snapshot, open: &mut BTreeSet<String>) -> Result<(), String> {
    // Without a time nothing is overdue: whatever is in progress hasn't settled.
    let found = findings(snapshot, Timestamp::from_millis(0));
    let orders = found.iter().filter_map(|finding| match &finding.about {
        Subject::Order(order) => Some(order.to_string()),
        _ => None,
    });
    *open = orders.collect();
    if found.is_empty() {
        return Ok(());
    }
    let first: Vec<_> = found.iter().take(10).map(ToString::to_string).collect();
    Err(format!("{} discrepancies are left: {}", found.len(), first.join("; ")))
}

/// The URLs of the queues that the stage's consumers read, without their dead-letter queues.
async fn consumers_queues(client: &Client, stage: &Stage) -> Result<Vec<String>, Failure> {
    let prefix = format!("rialto-{stage}-");
    let list = client.list_queues().queue_name_prefix(&prefix).max_results(1_000);
    let urls: Result<Vec<String>, _> = list.into_paginator().items().send().collect().await;
    let urls = urls.map_err(|error| sdk_failure("Listing the queues", &error))?;
    let is_consumers = |url: &String| url.contains("-on-") && !url.ends_with("-dead-letters");
    Ok(urls.into_iter().filter(is_consumers).collect())
}

/// How many messages the queue has, those in flight included.
async fn messages_in(client: &Client, queue: &str) -> Result<u64, Failure> {
    let request = client
        .get_queue_attributes()
        .queue_url(queue)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
    let response = request.send().await;
    let response = response.map_err(|error| sdk_failure(&format!("Reading {queue}"), &error))?;
    let numbers = response.attributes.unwrap_or_default();
    Ok(numbers.values().filter_map(|number| number.parse::<u64>().ok()).sum())
}

/// Cancels an order. Being too late, or no answer, is fine: the invariants are checked either way.
async fn cancel_perhaps(deployment: &Deployment, buyer: Buyer, order: &str) {
    deployment.shop.cancel(Role::Buyer(buyer), order).await.ok();
}

/// Runs scenarios and places a load under faults, and checks afterwards that everything settles.
/// The load is one more result.
///
/// # Errors
/// [`Failure`] if no function can be killed, or it was interrupted.
pub(crate) async fn run_under_faults(
    deployment: &Deployment,
    endpoint: &str,
    orders: usize,
    scenarios: impl Future<Output = Result<Vec<ScenarioResult>, Failure>>,
    interruption: &Interruption,
) -> Result<Vec<ScenarioResult>, Failure> {
    if function_processes(&deployment.stage, endpoint)?.is_empty() {
        return Err(Failure::new(
            format!("No process runs a function of this stage with the endpoint {endpoint}."),
            "Run the harness beside an emulator that runs functions as processes, without a proxy.",
        )
        .not_run());
    }
    let started = Instant::now();
    let faults = Faults::new(deployment, endpoint);
    let mut load = Load::prepare(deployment)
        .await
        .map_err(|what| Failure::new(what, "GET /health shows failing dependencies.").not_run())?;
    let work = async { tokio::join!(load.place(deployment, orders), scenarios) };
    let (placed, results) = tokio::select! {
        done = work => done,
        faulty = faults.run() => {
            faulty.map_err(Failure::not_run)?;
            return Err(super::interrupted());
        }
        () = interruption.wait() => return Err(super::interrupted()),
    };
    let mut results = results?;
    let received = deployment.log.received();
    let properties = faults.counts.properties(received);
    let words = properties.iter().map(|(what, count)| format!("{count} {what}"));
    progress(format!("{}; settling", words.collect::<Vec<_>>().join(", ")));
    let settled = match placed {
        Ok(()) => tokio::select! {
            settled = load.settle(deployment) => settled,
            () = interruption.wait() => return Err(super::interrupted()),
        },
        Err(what) => Err(what),
    };
    let settled = settled.and_then(|settled| faults.counts.check(received).map(|()| settled));
    if let Ok(counts) = &settled {
        progress(format!("every invariant holds, and no dead letter is left: {counts}"));
    }
    let load = ScenarioResult {
        name: format!("{orders} orders under faults"),
        file: "--chaos".to_owned(),
        took: started.elapsed(),
        result: settled.map(drop).map_err(|what| unplaced("settling after the faults", what)),
        properties,
    };
    let sign = if load.result.is_ok() { "passed" } else { "FAILED" };
    print(format!("{sign}  {}  {:.1} s", load.name, load.took.as_secs_f64()))?;
    results.push(load);
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::paid;

    #[test]
    fn only_functions_of_the_stage_and_its_emulator_are_killed() {
        let stage = Stage::parse("local").unwrap();
        let endpoint = "http://127.0.0.1:4566";
        let is = |environment: &str| {
            is_function_of(&stage, endpoint, environment.replace('|', "\0").as_bytes())
        };
        assert!(is(
            "A=1|AWS_LAMBDA_FUNCTION_NAME=rialto-local-orders-sweep|AWS_ENDPOINT_URL=http://127.0.0.1:4566"
        ));
        assert!(!is(
            "AWS_LAMBDA_FUNCTION_NAME=rialto-local-orders-sweep|AWS_ENDPOINT_URL=http://127.0.0.1:4567"
        ));
        assert!(!is(
            "AWS_LAMBDA_FUNCTION_NAME=rialto-dev-orders-sweep|AWS_ENDPOINT_URL=http://127.0.0.1:4566"
        ));
        assert!(!is("AWS_ENDPOINT_URL=http://127.0.0.1:4566"));
        assert!(!is(""));
    }

    #[test]
    fn a_run_with_too_few_faults_of_a_kind_fails() {
        let counts = FaultCounts::default();
        assert!(counts.check(0).unwrap_err().contains("killed"));
        counts.killed.set(1);
        assert!(counts.check(0).unwrap_err().contains("doubled"));
        counts.doubled.set(50);
        assert!(counts.check(1_001).unwrap_err().contains("doubled"));
        assert!(counts.check(1_000).unwrap_err().contains("held back"));
        counts.held.set(25);
        assert_eq!(counts.check(1_000), Ok(()));
    }

    #[test]
    fn orders_that_break_an_invariant_are_read_again() {
        let mut open = BTreeSet::new();
        let mut snapshot = paid();
        assert_eq!(check_invariants(&snapshot, &mut open), Ok(()));
        assert!(open.is_empty());
        let order = snapshot.orders[0].order_id.to_string();
        snapshot.payments.clear();
        assert!(check_invariants(&snapshot, &mut open).unwrap_err().contains("discrepancies"));
        assert_eq!(open, BTreeSet::from([order]));
        assert_eq!(check_invariants(&paid(), &mut open), Ok(()));
        assert!(open.is_empty());
    }

    #[test]
    fn more_orders_may_take_longer_to_settle() {
        assert_eq!(settled_within(0), SETTLED_WITHIN);
        assert!(settled_within(10_000) >= SETTLED_WITHIN * 3);
        assert!(SILENT_FOR > Duration::from_secs(u64::from(HELD_SECONDS)));
    }

    #[test]
    fn random_numbers_are_below_their_limit() {
        assert_eq!(random(0).unwrap(), None);
        for _ in 0..100 {
            assert!(random(3).unwrap().unwrap() < 3);
        }
    }
}
