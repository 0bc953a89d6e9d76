//! Running a scenario against a deployment.

use super::{
    log::EventLog,
    scenario::{Line, Scenario},
    shop::{Buyer, OrderView, Role, Shop, StockView, eventually, in_words, order_body},
    step::{Answer, Cancelling, Given, LineStep, Money, PATIENCE, Placing, Step},
};
use crate::{
    aws::store_failure,
    password,
    reconcile::{Snapshot, broken},
    subscription::Subscription,
    timeline::{TimelinePrinter, TimelineRow},
};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::{Payload, orders::OrderLineCancelRequested};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// What scenarios run against.
pub(crate) struct Deployment {
    pub(crate) shop: Shop,
    pub(crate) aws: SdkConfig,
    pub(crate) stage: Stage,
    pub(crate) log: std::sync::Arc<EventLog>,
    pub(crate) subscription: Subscription,
    /// How long no event of an order must arrive for it to be quiet.
    pub(crate) quiet: Duration,
    /// What every time that something may take is multiplied by.
    pub(crate) patience: u32,
}

/// A scenario that is being run.
pub(crate) struct ScenarioRun<'a> {
    deployment: &'a Deployment,
    products: BTreeMap<String, Product>,
    /// The orders of the last placing.
    orders: Vec<PlacedOrder>,
    /// All orders of the scenario.
    all: Vec<String>,
    /// Those that an `exactly` counted.
    counted: BTreeSet<String>,
    placing: Option<Placing>,
    /// When orders were last placed or cancelled.
    acted: Instant,
    /// The orders are settled, the invariants hold, and no event arrives any more.
    is_quiet: bool,
}

#[derive(Debug, Clone)]
struct Product {
    id: String,
    stock: u32,
}

#[derive(Debug, Clone)]
struct PlacedOrder {
    id: String,
    buyer: Buyer,
    total: u64,
}

/// A step that failed.
#[derive(Debug, Clone)]
pub(crate) struct BrokenStep {
    /// The line in the file; 0 for what belongs to no step.
    pub(crate) line: usize,
    pub(crate) step: String,
    pub(crate) what: String,
    /// The timelines of orders that show it.
    pub(crate) timelines: Vec<String>,
}

impl BrokenStep {
    /// The failure in lines: where, what, and the orders that show it.
    pub(crate) fn lines(&self, file: &str) -> Vec<String> {
        let step = match self.line {
            0 => format!("{file}: {}", self.step),
            line => format!("{file}:{line}: {}", self.step),
        };
        [vec![step, self.what.clone()], self.timelines.clone()].concat()
    }
}

/// How many requests about the orders of a crowd run at once.
const AT_A_TIME: usize = 16;
/// How many orders are placed at most until one is cancelled in time.
const ATTEMPTS: usize = 10;
/// The most timelines of a failure that are shown.
const SHOWN: usize = 3;
/// The states of a payment that something else follows without anything being done.
const PASSING_PAYMENT_STATES: [&str; 3] = ["PENDING", "PROCESSING", "REQUIRES_ACTION"];
/// The events that end an order's choreography, but for what follows from them.
pub(crate) const SETTLING: [&str; 3] = ["OrderConfirmed", "OrderCancelled", "OrderCompleted"];

impl<'a> ScenarioRun<'a> {
    /// Runs a scenario, and takes its products off sale afterwards.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) async fn run(
        deployment: &'a Deployment,
        scenario: &Scenario,
        progress: &Cell<usize>,
    ) -> Result<(), BrokenStep> {
        let mut run = Self::new(deployment);
        let result = run.run_all(scenario, progress).await;
        let closed = run.close().await;
        result?;
        closed
    }

    pub(crate) fn new(deployment: &'a Deployment) -> Self {
        Self {
            deployment,
            products: BTreeMap::new(),
            orders: Vec::new(),
            all: Vec::new(),
            counted: BTreeSet::new(),
            placing: None,
            acted: Instant::now(),
            is_quiet: false,
        }
    }

    async fn run_all(
        &mut self,
        scenario: &Scenario,
        progress: &Cell<usize>,
    ) -> Result<(), BrokenStep> {
        self.prepare(&scenario.given).await?;
        self.run_steps(&scenario.steps, progress).await
    }

    /// Creates the products.
    ///
    /// # Errors
    /// What failed.
    pub(crate) async fn prepare(&mut self, given: &[Given]) -> Result<(), BrokenStep> {
        let shop = &self.deployment.shop;
        let patience = self.patience();
        let make = async |given: &Given| {
            let title = format!("Harness {}", given.product);
            let id = shop.product(&title, given.price, given.stock, patience).await?;
            Ok::<_, String>((given.product.clone(), Product { id, stock: given.stock }))
        };
        let products = try_join_all(given.iter().map(make)).await;
        self.products = products
            .map_err(|what| unplaced("preparing the products", what))?
            .into_iter()
            .collect();
        Ok(())
    }

    /// Runs the steps, and then checks the invariants of all orders.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) async fn run_steps(
        &mut self,
        steps: &[Line<Step>],
        progress: &Cell<usize>,
    ) -> Result<(), BrokenStep> {
        for line in steps {
            if let Err(what) = self.step(&line.statement).await {
                return Err(BrokenStep {
                    line: line.number,
                    step: line.text.clone(),
                    what,
                    timelines: self.timelines().await,
                });
            }
            progress.set(progress.get() + 1);
        }
        // Once more at the end, whatever was found quiet before.
        self.is_quiet = false;
        match self.wait_until_quiet().await {
            Ok(()) => Ok(()),
            Err(what) => Err(BrokenStep {
                timelines: self.timelines().await,
                ..unplaced("the invariants of its orders", what)
            }),
        }
    }

    /// Takes the products off sale and removes the orders' events from the log.
    ///
    /// # Errors
    /// A product that stays on sale.
    pub(crate) async fn close(&mut self) -> Result<(), BrokenStep> {
        self.deployment.log.remove(&self.all);
        for product in self.products.values() {
            let ended = self.deployment.shop.withdraw(&product.id).await;
            ended.map_err(|what| unplaced("taking the products off sale", what))?;
        }
        Ok(())
    }

    /// Fills the stock up to what it was before the first step.
    ///
    /// # Errors
    /// A refusal of the API, in words.
    async fn fill_up(&self) -> Result<(), String> {
        for product in self.products.values() {
            let available = self.deployment.shop.stock(&product.id).await?.available;
            match product.stock.saturating_sub(available) {
                0 => {}
                sold => self.deployment.shop.add_stock(&product.id, sold).await?,
            }
        }
        Ok(())
    }

    /// Forgets the orders so far, and fills the stock up, so that the steps can run again.
    ///
    /// # Errors
    /// A refusal of the API, in words.
    pub(crate) async fn restart(&mut self) -> Result<(), String> {
        self.deployment.log.remove(&self.all);
        self.all.clear();
        self.orders.clear();
        self.fill_up().await
    }

    /// How long is waited for what has no time of its own.
    fn patience(&self) -> Duration {
        PATIENCE * self.deployment.patience
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Place(placing) => self.place(placing).await,
            Step::Cancel(cancelling) => self.cancel(cancelling).await,
            Step::Publish { event, times } => self.publish_again(event, *times).await,
            Step::Expect { event, within, times } => self.expect(event, *within, *times).await,
            Step::Never { event } => {
                self.wait_until_quiet().await?;
                self.each(|order| match self.deployment.log.of(&order.id).count(event) {
                    0 => Ok(()),
                    count => Err(format!("{} has {count} × {event}, expected none", order.id)),
                })
            }
            Step::After { later, earlier } => {
                eventually(self.patience(), async || {
                    self.each(|order| {
                        let checked = self.deployment.log.of(&order.id).check_after(later, earlier);
                        checked.map_err(|what| format!("{}: {what}", order.id))
                    })
                })
                .await
            }
            Step::Ends { states, reason } => self.check_ends(states, reason.as_deref()).await,
            Step::Count { orders, state, reason } => {
                self.count(*orders, state, reason.as_deref()).await
            }
            Step::Others { state, reason } => self.others(state, reason.as_deref()).await,
            Step::Payment { state } => {
                if !PASSING_PAYMENT_STATES.contains(&&state[..]) {
                    self.wait_until_quiet().await?;
                }
                self.each_later(async |order: &PlacedOrder| {
                    let payment = self.deployment.shop.payment(&order.id).await?;
                    match payment.map(|payment| payment.state) {
                        Some(found) if found == *state => Ok(()),
                        found => Err(format!(
                            "the payment of {} is {}, expected {state}",
                            order.id,
                            found.as_deref().unwrap_or("missing")
                        )),
                    }
                })
                .await
            }
            Step::Line(step) => self.act_on_lines(step).await,
            Step::LineState { line, state } => {
                self.each_later(async |order: &PlacedOrder| {
                    match self.deployment.shop.line_state(&order.id, *line).await? {
                        found if found == *state => Ok(()),
                        found => {
                            Err(format!("line {line} of {} is {found}, expected {state}", order.id))
                        }
                    }
                })
                .await
            }
            Step::Money(money) => self.money(*money).await,
            Step::Stock { product, available, reserved, sold } => {
                self.wait_until_quiet().await?;
                eventually(self.patience(), async || {
                    let stock = self.deployment.shop.stock(self.product(product)?).await?;
                    let expected = StockView {
                        available: *available,
                        reserved: *reserved,
                        sold: sold.unwrap_or(stock.sold),
                    };
                    if stock == expected {
                        return Ok(());
                    }
                    Err(format!("the stock of {product} is {stock}, expected {expected}"))
                })
                .await
            }
            Step::Product { product, status } => {
                eventually(self.patience(), async || {
                    let found = self.deployment.shop.status(self.product(product)?).await?;
                    if found == *status { Ok(()) } else { Err(format!("it is {found}")) }
                })
                .await
            }
        }
    }

    fn product(&self, name: &str) -> Result<&str, String> {
        let product = self.products.get(name).map(|product| &product.id[..]);
        product.ok_or_else(|| format!("there is no product {name}"))
    }

    async fn place(&mut self, placing: &Placing) -> Result<(), String> {
        let shop = &self.deployment.shop;
        let lines = placing
            .lines
            .iter()
            .map(|(quantity, product)| self.product(product).map(|id| (*quantity, id.to_owned())));
        let body = order_body(&lines.collect::<Result<Vec<_>, _>>()?, &placing.method);
        let buyers = shop.buyers(usize::try_from(placing.buyers).unwrap_or(usize::MAX)).await?;
        self.acted = Instant::now();
        let place = async |buyer: Buyer| {
            let session = shop.session(Role::Buyer(buyer)).await.map_err(in_words)?;
            let key = password::generate().map_err(|failure| failure.to_string())?;
            let same = (0..placing.times).map(|_| shop.place(&session, &body, &key));
            let same = try_join_all(same).await.map_err(in_words)?;
            let ids: BTreeSet<&str> = same.iter().map(|order| &order.order_id[..]).collect();
            match (ids.len(), same.first()) {
                (1, Some(order)) => Ok(PlacedOrder {
                    id: order.order_id.clone(),
                    buyer,
                    total: order.total.ok_or("a placed order has no total")?,
                }),
                _ => Err(format!("one key placed {} orders: {ids:?}", ids.len())),
            }
        };
        self.orders = try_join_all(buyers.into_iter().map(place)).await?;
        self.all.extend(self.orders.iter().map(|order| order.id.clone()));
        self.counted.clear();
        self.placing = Some(placing.clone());
        self.is_quiet = false;
        Ok(())
    }

    async fn cancel(&mut self, cancelling: &Cancelling) -> Result<(), String> {
        for _ in 1..ATTEMPTS {
            if self.cancel_once(cancelling).await? || cancelling.answer != Answer::Accepted {
                return Ok(());
            }
            // Too late: once more, with another order.
            self.wait_until_quiet().await?;
            self.fill_up().await?;
            if let Some(placing) = self.placing.clone() {
                self.place(&placing).await?;
            }
        }
        match self.cancel_once(cancelling).await? {
            true => Ok(()),
            false => Err(format!("{ATTEMPTS} orders in a row were confirmed first")),
        }
    }

    /// Cancels the orders, and returns whether all cancellations came in time.
    async fn cancel_once(&mut self, cancelling: &Cancelling) -> Result<bool, String> {
        if let Some(event) = cancelling.after {
            self.expect(event, PATIENCE, None).await?;
        }
        self.is_quiet = false;
        self.acted = Instant::now();
        let shop = &self.deployment.shop;
        let cancel = async |order: &PlacedOrder| {
            let by =
                if cancelling.supervisor { Role::Supervisor } else { Role::Buyer(order.buyer) };
            match (shop.cancel(by, &order.id).await, &cancelling.answer) {
                (Ok(now), Answer::Refused(code)) => Err(format!(
                    "cancelling {} succeeded and made it {}, expected {code}",
                    order.id, now.state
                )),
                // After the confirmation the lines' cancellation is only requested.
                (Ok(now), _) => Ok(now.state == "CANCELLED"),
                (Err(error), Answer::Refused(code)) if error.is(code) => Ok(false),
                (Err(error), Answer::Accepted | Answer::Either)
                    if error.is("illegal_transition") =>
                {
                    // The answer of a first attempt may have been lost.
                    let now = shop.order(&order.id).await?;
                    Ok(now.reason.as_deref() == Some("BUYER"))
                }
                (Err(error), _) => Err(in_words(error)),
            }
        };
        let cancelled = try_join_all(self.orders.iter().map(cancel)).await?;
        Ok(cancelled.into_iter().all(|in_time| in_time))
    }

    async fn act_on_lines(&mut self, step: &LineStep) -> Result<(), String> {
        self.is_quiet = false;
        self.acted = Instant::now();
        let (shop, patience) = (&self.deployment.shop, self.patience());
        let act = |order: &PlacedOrder| {
            let (id, buyer) = (order.id.clone(), Role::Buyer(order.buyer));
            async move { shop.act_on_line(step, &id, buyer, patience).await }
        };
        try_join_all(self.orders.iter().map(act)).await.map(drop)
    }

    async fn publish_again(&mut self, event: &str, times: u32) -> Result<(), String> {
        self.expect(event, PATIENCE, None).await?;
        self.is_quiet = false;
        let Deployment { log, subscription, .. } = self.deployment;
        for order in &self.orders {
            let events = log.of(&order.id);
            let known = events.deliveries();
            let again: Vec<_> = events.events().iter().filter(|one| one.kind == event).collect();
            for event in
                again.iter().cycle().take(again.len() * usize::try_from(times).unwrap_or(1))
            {
                let published = subscription.publish_again(event).await;
                published.map_err(|error| error.to_string())?;
            }
            // The bus delivers it to everybody else at about the time it does here.
            eventually(self.patience(), async || match log.of(&order.id).deliveries() > known {
                true => Ok(()),
                false => Err(format!("{event} of {} didn't come again", order.id)),
            })
            .await?;
        }
        Ok(())
    }

    async fn expect(
        &mut self,
        event: &str,
        within: Duration,
        times: Option<u32>,
    ) -> Result<(), String> {
        let log = &self.deployment.log;
        let within = within * self.deployment.patience;
        let left = within.saturating_sub(self.acted.elapsed());
        eventually(left, async || {
            self.each(|order| {
                let events = log.of(&order.id);
                match events.first(event) {
                    Some(received) => {
                        let took = received.saturating_duration_since(self.acted);
                        check_in_time(event, &order.id, took, within)
                    }
                    None => Err(format!(
                        "{event} of {} wasn't received; received: {}",
                        order.id,
                        events.summary()
                    )),
                }
            })
        })
        .await?;
        let Some(times) = times else { return Ok(()) };
        self.wait_until_quiet().await?;
        self.each(|order| {
            let events = self.deployment.log.of(&order.id);
            let count = events.count(event);
            if count == usize::try_from(times).unwrap_or(usize::MAX) {
                return Ok(());
            }
            Err(format!(
                "{event} of {} was received {count} times, expected {times}; received: {}",
                order.id,
                events.summary()
            ))
        })
    }

    async fn check_ends(&mut self, states: &[String], reason: Option<&str>) -> Result<(), String> {
        if states.iter().all(|state| state != "PENDING") {
            self.wait_until_quiet().await?;
        }
        let expected = standing(&states.join(" or "), reason);
        for order in self.views().await? {
            let fits = states.contains(&order.state)
                && reason.is_none_or(|reason| order.reason.as_deref() == Some(reason));
            if !fits {
                let found = standing(&order.state, order.reason.as_deref());
                return Err(format!("{} is {found}, expected {expected}", order.order_id));
            }
        }
        Ok(())
    }

    async fn count(&mut self, count: u32, state: &str, reason: Option<&str>) -> Result<(), String> {
        self.wait_until_quiet().await?;
        let views = self.views().await?;
        let fits = |order: &&OrderView| {
            order.state == state
                && reason.is_none_or(|reason| order.reason.as_deref() == Some(reason))
        };
        let found: Vec<&OrderView> = views.iter().filter(fits).collect();
        if found.len() != usize::try_from(count).unwrap_or(usize::MAX) {
            let expected = standing(state, reason);
            return Err(format!(
                "{} orders are {expected}, expected {count}: {}",
                found.len(),
                tally(&views)
            ));
        }
        self.counted.extend(found.iter().map(|order| order.order_id.clone()));
        Ok(())
    }

    async fn others(&mut self, state: &str, reason: Option<&str>) -> Result<(), String> {
        self.wait_until_quiet().await?;
        let views = self.views().await?;
        let others = views.iter().filter(|order| !self.counted.contains(&order.order_id));
        let wrong = others
            .filter(|order| {
                order.state != state
                    || reason.is_some_and(|reason| order.reason.as_deref() != Some(reason))
            })
            .count();
        match wrong {
            0 => Ok(()),
            _ => Err(format!("{wrong} of the other orders aren't: {}", tally(&views))),
        }
    }

    async fn money(&mut self, money: Money) -> Result<(), String> {
        self.wait_until_quiet().await?;
        self.each_later(async |order: &PlacedOrder| {
            let payment = self.deployment.shop.payment(&order.id).await?;
            let found = payment.map_or((0, 0), |payment| (payment.captured, payment.refunded));
            let (captured, refunded) = found;
            let fits = match money {
                Money::Paid => found == (order.total, 0),
                Money::Refunded => found == (order.total, order.total),
                Money::NotCaptured => captured == 0,
                Money::NotPaid => captured == refunded,
                Money::RefundedInPart(amount) => found == (order.total, u64::from(amount)),
            };
            if fits {
                return Ok(());
            }
            Err(format!(
                "of {}, whose total is {}, {captured} are captured and {refunded} refunded",
                order.id, order.total
            ))
        })
        .await
    }

    /// Checks every order of the last placing.
    fn each(&self, check: impl Fn(&PlacedOrder) -> Result<(), String>) -> Result<(), String> {
        self.orders.iter().try_for_each(check)
    }

    /// Checks every order of the last placing until the check succeeds.
    async fn each_later(
        &self,
        check: impl AsyncFn(&PlacedOrder) -> Result<(), String>,
    ) -> Result<(), String> {
        let check = &check;
        let checks = self
            .orders
            .iter()
            .map(|order| eventually(self.patience(), async move || check(order).await));
        let checks: Vec<_> = checks.collect();
        stream::iter(checks).buffer_unordered(AT_A_TIME).try_collect().await
    }

    /// The orders of the last placing, as the API shows them.
    async fn views(&self) -> Result<Vec<OrderView>, String> {
        let shop = &self.deployment.shop;
        let views: Vec<_> = self.orders.iter().map(|order| shop.order(&order.id)).collect();
        stream::iter(views).buffered(AT_A_TIME).try_collect().await
    }

    /// Waits until the orders are quiet. Until something is done again they stay so.
    async fn wait_until_quiet(&mut self) -> Result<(), String> {
        if self.is_quiet {
            return Ok(());
        }
        let each = Duration::from_millis(100 * u64::try_from(self.all.len()).unwrap_or(0));
        eventually(self.patience() + each, async || self.check_quiet().await).await?;
        self.is_quiet = true;
        Ok(())
    }

    /// Checks that all orders have ended, no event has come for a while, the invariants hold, and
    /// the timelines have exactly the events that were received; all of it without an event that
    /// arrives meanwhile.
    async fn check_quiet(&self) -> Result<(), String> {
        let Deployment { log, aws, stage, quiet, .. } = self.deployment;
        let deliveries = || self.all.iter().map(|order| log.of(order).deliveries()).sum::<usize>();
        let before = deliveries();
        for order in &self.all {
            let events = log.of(order);
            if SETTLING.iter().all(|kind| events.count(kind) == 0) {
                return Err(format!("{order} hasn't ended; received: {}", events.summary()));
            }
            if !events.is_quiet_for(*quiet, Instant::now()) {
                return Err(format!("events of {order} keep arriving"));
            }
        }
        let products: Vec<String> =
            self.products.values().map(|product| product.id.clone()).collect();
        let snapshot = Snapshot::load_for(aws, stage, &products, &self.all).await;
        let snapshot =
            snapshot.map_err(|error| store_failure("Reading the tables", &error).to_string())?;
        check_orders_exist(&snapshot, &self.all)?;
        let broken = broken(&snapshot);
        if !broken.is_empty() {
            return Err(format!("these don't agree: {}", broken.join("; ")));
        }
        let complete: Vec<_> = self.all.iter().map(|order| self.check_timeline(order)).collect();
        stream::iter(complete).buffer_unordered(AT_A_TIME).try_collect::<()>().await?;
        match deliveries() == before {
            true => Ok(()),
            false => Err("events arrived during the check".to_owned()),
        }
    }

    /// Checks that the order's timeline has exactly the events that were received about it.
    async fn check_timeline(&self, order: &str) -> Result<(), String> {
        let recorded: Vec<TimelineRow> = self.deployment.shop.timeline(order).await?;
        let recorded: BTreeMap<&str, &str> =
            recorded.iter().map(|row| (row.id(), row.kind())).collect();
        let events = self.deployment.log.of(order);
        let about = |event: &&rialto_contracts::Event| event.data["order_id"] == order;
        let received: BTreeMap<String, &str> = events
            .events()
            .iter()
            .filter(about)
            .map(|event| (event.id.to_string(), &event.kind[..]))
            .collect();
        // A repeated cancel request is another event, of which the timeline has the first.
        let repeats = |kind: &str| {
            kind == OrderLineCancelRequested::TYPE && recorded.values().any(|of| *of == kind)
        };
        let unrecorded: Vec<_> = received
            .iter()
            .filter(|(id, kind)| !recorded.contains_key(&id[..]) && !repeats(kind))
            .map(|(_, kind)| *kind)
            .collect();
        let unpublished: Vec<_> = recorded
            .iter()
            .filter(|(id, _)| !received.contains_key(**id))
            .map(|(_, kind)| *kind)
            .collect();
        match (unrecorded.is_empty(), unpublished.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("the timeline of {order} lacks {}", unrecorded.join(", "))),
            (true, false) => Err(format!(
                "the timeline of {order} has events that weren't received: {}",
                unpublished.join(", ")
            )),
        }
    }

    /// The timelines of the first orders, for a failure's report.
    async fn timelines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for order in self.orders.iter().take(SHOWN) {
            let shop = &self.deployment.shop;
            let standing = match shop.order(&order.id).await {
                Ok(view) => standing(&view.state, view.reason.as_deref()),
                Err(error) => error,
            };
            lines.push(format!("{} is {standing}", order.id));
            match shop.timeline::<TimelineRow>(&order.id).await {
                Ok(rows) => {
                    lines.push(format!("  {}", TimelinePrinter::HEADING));
                    let rows = TimelinePrinter::default().print(&rows);
                    lines.extend(rows.into_iter().map(|row| format!("  {row}")));
                }
                Err(error) => lines.push(format!("  no timeline: {error}")),
            }
            let received = self.deployment.log.of(&order.id).summary();
            lines.push(format!("  received from the bus: {received}"));
        }
        if self.orders.len() > SHOWN {
            lines.push(format!("and {} more orders", self.orders.len() - SHOWN));
        }
        lines
    }
}

pub(crate) fn unplaced(step: &str, what: String) -> BrokenStep {
    BrokenStep { line: 0, step: step.to_owned(), what, timelines: Vec::new() }
}

fn check_in_time(event: &str, order: &str, took: Duration, within: Duration) -> Result<(), String> {
    if took <= within {
        return Ok(());
    }
    Err(format!("{event} of {order} was received after {took:.1?}, expected within {within:?}"))
}

/// Checks that orders knows every one of these orders: what isn't there can't disagree.
pub(crate) fn check_orders_exist(snapshot: &Snapshot, orders: &[String]) -> Result<(), String> {
    let known: BTreeSet<String> =
        snapshot.orders.iter().map(|order| order.order_id.to_string()).collect();
    match orders.iter().find(|order| !known.contains(*order)) {
        None => Ok(()),
        Some(lost) => Err(format!("orders has lost {lost}")),
    }
}

/// `CANCELLED (OUT_OF_STOCK)`.
fn standing(state: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| state.to_owned(), |reason| format!("{state} ({reason})"))
}

/// How many orders ended how.
fn tally(orders: &[OrderView]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for order in orders {
        *counts.entry(standing(&order.state, order.reason.as_deref())).or_default() += 1;
    }
    let counts = counts.iter().map(|(standing, count)| format!("{count} {standing}"));
    counts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::paid;

    #[test]
    fn lost_orders_are_found() {
        let snapshot = paid();
        let known = snapshot.orders[0].order_id.to_string();
        assert_eq!(check_orders_exist(&snapshot, std::slice::from_ref(&known)), Ok(()));
        let lost = check_orders_exist(&snapshot, &[known, "ord_lost".to_owned()]);
        assert_eq!(lost, Err("orders has lost ord_lost".to_owned()));
    }

    #[test]
    fn late_events_fail_however_long_was_waited() {
        let within = Duration::from_secs(2);
        assert_eq!(check_in_time("OrderConfirmed", "ord_1", within, within), Ok(()));
        let late = check_in_time("OrderConfirmed", "ord_1", Duration::from_secs(3), within);
        assert!(late.unwrap_err().contains("was received after 3.0s, expected within 2s"));
    }

    #[test]
    fn orders_are_tallied_by_how_they_ended() {
        let order = |state: &str, reason: Option<&str>| OrderView {
            order_id: String::new(),
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            total: None,
        };
        let orders =
            [order("CONFIRMED", None), order("CANCELLED", Some("BUYER")), order("CONFIRMED", None)];
        assert_eq!(tally(&orders), "1 CANCELLED (BUYER), 2 CONFIRMED");
    }
}
