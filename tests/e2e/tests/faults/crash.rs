//! Every function on the way of an order killed, or cut off, at each of its calls.

use crate::scene::{self, QUEUES};
use futures_util::{StreamExt, future::join_all, stream};
use rialto_e2e::{
    faults::Faults,
    invariants::SagaTables,
    retries::with_short_visibility_timeouts,
    shop::{DECLINES, DemoAccount, NewProduct, OrderDraft, PAYS, Shop},
};
use rialto_faults::rule::{Fault, Rule};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// How many orders are under way at once.
const CONCURRENCY: usize = 12;
/// How often an order is tried whose calls came otherwise than in the good run, so that nothing was hit.
const MAX_ATTEMPTS: usize = 3;
/// How many orders go a way undisturbed, to know its calls.
const GOOD_RUNS: usize = 4;
/// How long an event may take to reach whoever only looks and changes nothing: the books don't show that they heard it.
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// How long nothing is called for an order that everybody has heard of.
const QUIET: Duration = Duration::from_secs(2);

const PAYS_LATER: &str = "pm_sim_async";

/// A way that an order can go.
#[derive(Debug, Clone, Copy)]
struct CrashMode {
    name: &'static str,
    method: &'static str,
    /// Of what there isn't enough of.
    rare: bool,
    /// It is cancelled once it is paid, before orders hears of that.
    cancelled: bool,
    /// Its state and reason at last, any of these.
    ends: &'static [(&'static str, Option<&'static str>)],
}

const WAYS: &[CrashMode] = &[
    CrashMode {
        name: "paid",
        method: PAYS,
        rare: false,
        cancelled: false,
        ends: &[("CONFIRMED", None)],
    },
    // The provider tells of it in its own time. What is killed while it is told is told again by the simulator's stream.
    CrashMode {
        name: "paid later",
        method: PAYS_LATER,
        rare: false,
        cancelled: false,
        ends: &[("CONFIRMED", None)],
    },
    CrashMode {
        name: "declined",
        method: DECLINES,
        rare: false,
        cancelled: false,
        ends: &[("CANCELLED", Some("PAYMENT_FAILED"))],
    },
    CrashMode {
        name: "out of stock",
        method: PAYS,
        rare: true,
        cancelled: false,
        ends: &[("CANCELLED", Some("OUT_OF_STOCK"))],
    },
    // Whoever kills what holds the confirmation back lets it overtake the cancellation.
    CrashMode {
        name: "cancelled when paid",
        method: PAYS,
        rare: false,
        cancelled: true,
        ends: &[("CANCELLED", Some("BUYER")), ("CONFIRMED", None)],
    },
];

const KILLED: &[(&str, Fault)] =
    &[("killed before", Fault::Kill { done: false }), ("killed after", Fault::Kill { done: true })];

/// In the long form only.
const CUT_OFF: &[(&str, Fault)] = &[
    ("cut off before", Fault::Break { done: false }),
    ("cut off after", Fault::Break { done: true }),
    ("an error", Fault::Error),
];

/// One call of one function on one way, and what happens to it.
#[derive(Debug, Clone)]
struct Case {
    way: CrashMode,
    function: String,
    call: u32,
    what: &'static str,
    fault: Fault,
}

struct Fixture<'a> {
    shop: &'a Shop,
    faults: &'a Faults,
    buyer: &'a DemoAccount,
    product: &'a str,
    rare: &'a str,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_killed_or_cut_off_at_each_of_its_calls_charges_and_reserves_once() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Hard to kill", 700, 10_000)).await;
    let rare = shop.product(&seller, &NewProduct::new("Hardly there", 700, 1)).await;
    let stand =
        Fixture { shop: &shop, faults: &faults, buyer: &buyer, product: &product, rare: &rare };
    let orders = with_short_visibility_timeouts(&shop.aws, QUEUES, async {
        let mut cases = Vec::new();
        for way in WAYS {
            cases.extend(stand.cases(*way).await);
        }
        eprintln!("{} cases", cases.len());
        // Neighbours in time are of different functions, so that no message is hit again and again.
        cases.sort_by_key(|case| (case.call, case.what, case.function.clone()));
        let ended = stream::iter(cases).map(|case| stand.hit(case)).buffer_unordered(CONCURRENCY);
        ended.collect::<Vec<_>>().await
    })
    .await;
    let orders: Vec<String> = orders.into_iter().flatten().collect();
    let books = SagaTables::wait_until_consistent(&shop.aws, &[&product, &rare], &orders).await;
    scene::provider_agrees(&shop, &books, &orders).await;
}

impl Fixture<'_> {
    /// Every case of a way, by the calls of runs in which nothing breaks.
    async fn cases(&self, way: CrashMode) -> Vec<Case> {
        let runs = join_all((0..GOOD_RUNS).map(|_| self.calls(way))).await;
        // Two who change an order at the same moment call once more than others.
        let least = |mut least: BTreeMap<String, u32>, run: BTreeMap<String, u32>| {
            least.retain(|function, _| run.contains_key(function));
            for (function, calls) in &mut least {
                *calls = run[function].min(*calls);
            }
            least
        };
        let calls = runs.into_iter().reduce(least).unwrap_or_default();
        eprintln!("{}: {calls:?}", way.name);
        let faults = if scene::rounds() > 1 { [KILLED, CUT_OFF].concat() } else { KILLED.to_vec() };
        let mut cases = Vec::new();
        for (function, calls) in &calls {
            for call in 0..*calls {
                for (what, fault) in &faults {
                    cases.push(Case { way, function: function.clone(), call, what, fault: *fault });
                }
            }
        }
        cases
    }

    /// How often each function calls when nothing breaks.
    async fn calls(&self, way: CrashMode) -> BTreeMap<String, u32> {
        let (order, _) = self.go(way, None).await;
        let mut calls = BTreeMap::new();
        for call in self.faults.calls_in_all(&order, QUIET).await {
            let function = call.function.unwrap_or_default();
            // Nobody waits for who only reads.
            if !function.is_empty() && !function.contains("-get-") {
                *calls.entry(function).or_default() += 1;
            }
        }
        calls
    }

    /// The orders that it took to have the call hit.
    async fn hit(&self, case: Case) -> Vec<String> {
        let mut orders = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            let rule = Rule::new("", case.fault).by(&case.function).nth(case.call);
            let (order, hit) = self.go(case.way, Some((&case, rule))).await;
            orders.push(order);
            if hit {
                return orders;
            }
        }
        panic!("{case:?}: never met, in {orders:?}");
    }

    /// Has an order go its way, and checks where it ended; its id, and whether the rule was met.
    async fn go(&self, way: CrashMode, case: Option<(&Case, Rule)>) -> (String, bool) {
        let basket = OrderDraft::of(&[(if way.rare { self.rare } else { self.product }, 2)])
            .paid_by(way.method);
        let order = scene::id_of(self.buyer, &basket);
        let (hit, hold) = (format!("{order}-hit"), format!("{order}-hold"));
        if let Some((_, rule)) = &case {
            self.faults.add(&Rule { id: hit.clone(), ..rule.clone().about(&order) }).await;
        }
        if way.cancelled {
            let held = Rule::new(&hold, Fault::Hold { done: false, limit_ms: 4_000 });
            self.faults.add(&held.by("orders-on-payments").about(&order)).await;
        }
        assert_eq!(scene::place(self.shop, self.buyer, &basket).await, order);
        if way.cancelled {
            self.faults.until_fired(&hold).await;
            scene::cancel(self.shop, self.buyer, &order).await;
            self.faults.remove(&hold).await;
        }
        let met = if case.is_some() {
            scene::at_rest(self.shop, &order).await;
            let met = self.faults.fired_within(&hit, HEARD_WITHIN).await.fired > 0;
            self.faults.remove(&hit).await;
            met
        } else {
            false
        };
        let (state, reason) = scene::at_rest(self.shop, &order).await;
        let ended =
            |(a, b): &(&str, Option<&str>)| (json!(a), json!(b)) == (state.clone(), reason.clone());
        assert!(way.ends.iter().any(ended), "{order} ended {state} {reason}: {case:?} {way:?}");
        (order, met)
    }
}
