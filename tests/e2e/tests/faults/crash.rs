//! Every function in the order saga is killed, or loses its connection, at each of its calls.

use crate::support::{self, FaultFixture, QUEUES};
use futures_util::{StreamExt, future::join_all, stream};
use rialto_e2e::{
    invariants::SagaTables,
    retries::with_short_visibility_timeouts,
    shop::{DECLINES, OrderDraft, PAYS},
};
use rialto_faults::rule::{Fault, Rule};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// Orders in progress at once.
const CONCURRENCY: usize = 12;
/// Attempts per case. An order whose calls differ from those of the fault-free runs may not trigger
/// the rule.
const MAX_ATTEMPTS: usize = 5;
/// Fault-free runs per mode, to count its calls.
const FAULT_FREE_RUNS: usize = 4;
/// How long an event may take to reach a consumer that only reads, which leaves no trace in the
/// tables. Generous, because a loaded machine takes seconds.
const CONSUMED_WITHIN: Duration = Duration::from_secs(30);
/// An order is finished when no function has made a call for it for this long.
const QUIET: Duration = Duration::from_secs(2);

const PAYS_LATER: &str = "pm_sim_async";

/// A kind of order, and how it may end.
#[derive(Debug, Clone, Copy)]
struct CrashMode {
    name: &'static str,
    method: &'static str,
    /// Whether the order is for the scarce product.
    scarce: bool,
    /// Whether the order is cancelled after its payment, before orders consumes the payment's
    /// event.
    cancelled: bool,
    /// The allowed final states and reasons.
    endings: &'static [(&'static str, Option<&'static str>)],
}

const MODES: &[CrashMode] = &[
    CrashMode {
        name: "paid",
        method: PAYS,
        scarce: false,
        cancelled: false,
        endings: &[("CONFIRMED", None)],
    },
    // The provider reports the charge by webhook. If the receiver is killed, the simulator's stream
    // delivers the webhook again.
    CrashMode {
        name: "paid later",
        method: PAYS_LATER,
        scarce: false,
        cancelled: false,
        endings: &[("CONFIRMED", None)],
    },
    CrashMode {
        name: "declined",
        method: DECLINES,
        scarce: false,
        cancelled: false,
        endings: &[("CANCELLED", Some("PAYMENT_FAILED"))],
    },
    CrashMode {
        name: "out of stock",
        method: PAYS,
        scarce: true,
        cancelled: false,
        endings: &[("CANCELLED", Some("OUT_OF_STOCK"))],
    },
    // Killing the process whose call is held lets the confirmation overtake the cancellation.
    CrashMode {
        name: "cancelled when paid",
        method: PAYS,
        scarce: false,
        cancelled: true,
        endings: &[("CANCELLED", Some("BUYER")), ("CONFIRMED", None)],
    },
];

const KILLED: &[(&str, Fault)] =
    &[("killed before", Fault::Kill { done: false }), ("killed after", Fault::Kill { done: true })];

/// With `RIALTO_LONG` only.
const BROKEN: &[(&str, Fault)] = &[
    ("connection broken before", Fault::Break { done: false }),
    ("connection broken after", Fault::Break { done: true }),
    ("an error", Fault::Error),
];

/// One call of one function in one mode, and the fault to inject there.
#[derive(Debug, Clone)]
struct Case {
    mode: CrashMode,
    function: String,
    call: u32,
    what: &'static str,
    fault: Fault,
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_survive_a_crash_of_any_function_at_any_call() {
    let fixture = FaultFixture::with_stock(10_000).await;
    let FaultFixture { shop, product, scarce, .. } = &fixture;
    let orders = with_short_visibility_timeouts(&shop.aws, QUEUES, async {
        let mut cases = Vec::new();
        for mode in MODES {
            cases.extend(fixture.cases(*mode).await);
        }
        eprintln!("{} cases", cases.len());
        // Successive cases are of different functions, so that no message fails again and again.
        cases.sort_by_key(|case| (case.call, case.what, case.function.clone()));
        let ended =
            stream::iter(cases).map(|case| fixture.run_case(case)).buffer_unordered(CONCURRENCY);
        ended.collect::<Vec<_>>().await
    })
    .await;
    let orders: Vec<String> = orders.into_iter().flatten().collect();
    let tables = SagaTables::wait_until_consistent(&shop.aws, &[product, scarce], &orders).await;
    support::assert_provider_agrees(shop, &tables, &orders).await;
}

impl FaultFixture {
    /// All cases of a mode, from the calls of fault-free runs.
    async fn cases(&self, mode: CrashMode) -> Vec<Case> {
        let runs = join_all((0..FAULT_FREE_RUNS).map(|_| self.count_calls(mode))).await;
        // Functions that change an order at the same time retry, and so make more calls. Take the
        // minimum.
        let least = |mut least: BTreeMap<String, u32>, run: BTreeMap<String, u32>| {
            least.retain(|function, _| run.contains_key(function));
            for (function, calls) in &mut least {
                *calls = run[function].min(*calls);
            }
            least
        };
        let calls = runs.into_iter().reduce(least).unwrap_or_default();
        eprintln!("{}: {calls:?}", mode.name);
        let faults =
            if support::rounds() > 1 { [KILLED, BROKEN].concat() } else { KILLED.to_vec() };
        let mut cases = Vec::new();
        for (function, calls) in &calls {
            for call in 0..*calls {
                for (what, fault) in &faults {
                    cases.push(Case {
                        mode,
                        function: function.clone(),
                        call,
                        what,
                        fault: *fault,
                    });
                }
            }
        }
        cases
    }

    /// The number of calls of each function in a fault-free run.
    async fn count_calls(&self, mode: CrashMode) -> BTreeMap<String, u32> {
        let (order, _) = self.run(mode, None).await;
        let mut calls = BTreeMap::new();
        for call in self.faults.all_calls(&order, QUIET).await {
            let function = call.function.unwrap_or_default();
            // Functions that only read aren't part of the saga.
            if !function.is_empty() && !function.contains("-get-") {
                *calls.entry(function).or_default() += 1;
            }
        }
        calls
    }

    /// Places orders until the rule of the case has fired, and returns their ids.
    async fn run_case(&self, case: Case) -> Vec<String> {
        let mut orders = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            let rule = Rule::new("", case.fault).by(&case.function).nth(case.call);
            let (order, hit) = self.run(case.mode, Some((&case, rule))).await;
            orders.push(order);
            if hit {
                return orders;
            }
        }
        panic!("{case:?}: the rule never fired, in {orders:?}");
    }

    /// Places an order, checks how it ended, and returns its id and whether the rule fired.
    async fn run(&self, mode: CrashMode, case: Option<(&Case, Rule)>) -> (String, bool) {
        let draft = OrderDraft::of(&[(if mode.scarce { &self.scarce } else { &self.product }, 2)])
            .paid_by(mode.method);
        let order = support::id_of(&self.buyer, &draft);
        let (hit, hold) = (format!("{order}-hit"), format!("{order}-hold"));
        if let Some((_, rule)) = &case {
            self.faults.add(&Rule { id: hit.clone(), ..rule.clone().about(&order) }).await;
        }
        if mode.cancelled {
            let held = Rule::new(&hold, Fault::Hold { done: false, limit_ms: 3_000 });
            self.faults.add(&held.by("orders-on-payments").about(&order)).await;
        }
        assert_eq!(support::place(&self.shop, &self.buyer, &draft).await, order);
        if mode.cancelled {
            self.faults.until_fired(&hold).await;
            support::cancel(&self.shop, &self.buyer, &order).await;
            self.faults.remove(&hold).await;
        }
        let fired = if case.is_some() {
            support::final_state(&self.shop, &order).await;
            let fired = self.faults.fired_within(&hit, CONSUMED_WITHIN).await.fired > 0;
            self.faults.remove(&hit).await;
            fired
        } else {
            false
        };
        let (state, reason) = support::final_state(&self.shop, &order).await;
        let ended =
            |(a, b): &(&str, Option<&str>)| (json!(a), json!(b)) == (state.clone(), reason.clone());
        assert!(
            mode.endings.iter().any(ended),
            "{order} ended {state} {reason}: {case:?} {mode:?}"
        );
        (order, fired)
    }
}
