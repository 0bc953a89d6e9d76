//! The emulator is stopped in the middle of sagas, keeps its state, and is started again.

use crate::support::{self, FaultFixture, QUEUES};
use futures_util::{StreamExt, future::join_all, stream};
use rialto_e2e::{
    invariants::SagaTables,
    operator::Cli,
    retries::with_short_visibility_timeouts,
    shop::{DECLINES, OrderDraft, PAYS},
};
use rialto_faults::rule::{Fault, Rule};
use rialto_orders::domain::order::OrderState;
use serde_json::json;
use std::{path::Path, process::Command};

const ORDERS: usize = 48;
const CONCURRENCY: usize = 16;

/// A kind of order, and how it must end.
struct RestartMode {
    /// Whether the order is for the scarce product.
    scarce: bool,
    quantity: i64,
    method: &'static str,
    /// Whether the buyer cancels the order just before the emulator stops. The order must end as
    /// the response said.
    cancelled: bool,
    end: Ending,
}

type Ending = (&'static str, Option<&'static str>);

const CONFIRMED: Ending = ("CONFIRMED", None);
const CANCELLED_BY_BUYER: Ending = ("CANCELLED", Some("BUYER"));
const PAYS_LATER: &str = "pm_sim_async";

const fn mode(quantity: i64, method: &'static str, end: Ending) -> RestartMode {
    RestartMode { scarce: false, quantity, method, cancelled: false, end }
}

/// Orders are placed in these modes in turn.
const MODES: &[RestartMode] = &[
    mode(1, PAYS, CONFIRMED),
    mode(1, DECLINES, ("CANCELLED", Some("PAYMENT_FAILED"))),
    RestartMode { scarce: true, ..mode(2, PAYS, ("CANCELLED", Some("OUT_OF_STOCK"))) },
    mode(2, PAYS, CONFIRMED),
    mode(1, PAYS_LATER, CONFIRMED),
    RestartMode { cancelled: true, ..mode(1, PAYS, CANCELLED_BY_BUYER) },
];

/// Functions that are slowed down, so that there are orders at every step when the emulator stops.
const SLOW: &[&str] = &[
    "inventory-on-orders",
    "payments-on-inventory",
    "payments-on-orders",
    "payments-receive-webhook",
    "orders-on-payments",
];

#[tokio::test(flavor = "multi_thread")]
async fn sagas_complete_after_the_emulator_restarts() {
    let fixture = FaultFixture::with_stock(1_000).await;
    let FaultFixture { shop, product, scarce, .. } = &fixture;
    for _ in 0..support::rounds() {
        let orders =
            with_short_visibility_timeouts(&shop.aws, QUEUES, fixture.restart_emulator()).await;
        let tables =
            SagaTables::wait_until_consistent(&shop.aws, &[product, scarce], &orders).await;
        support::assert_provider_agrees(shop, &tables, &orders).await;
        let rialto = Cli::new(env!("CARGO_BIN_EXE_operator"), shop);
        let named: Vec<String> = orders.iter().map(|order| format!(" --order {order}")).collect();
        let arguments =
            format!("reconcile --product {product} --product {scarce}{}", named.concat());
        rialto.run(&arguments).await.with_status(0).output_containing(&["Everything agrees."]);
    }
}

impl FaultFixture {
    /// Places orders, restarts the emulator, checks how each order ended, and returns their ids.
    async fn restart_emulator(&self) -> Vec<String> {
        let drafts: Vec<OrderDraft> =
            MODES.iter().cycle().take(ORDERS).map(|mode| self.draft(mode)).collect();
        self.slow_down(&drafts).await;
        let placed = drafts.iter().map(|draft| support::place(&self.shop, &self.buyer, draft));
        let orders: Vec<String> = stream::iter(placed).buffered(CONCURRENCY).collect().await;
        let modes = MODES.iter().cycle();
        let mut ends: Vec<_> = orders
            .iter()
            .zip(modes)
            .map(|(order, mode)| (order.as_str(), mode, mode.end))
            .collect();

        let tables = SagaTables::load_for(&self.shop.aws, &[], &orders).await;
        let pending =
            tables.orders.iter().filter(|order| order.state == OrderState::Pending).count();
        eprintln!(
            "{pending} of {ORDERS} orders are PENDING, {} payments begun",
            tables.payments.len()
        );
        assert!(pending >= ORDERS / 4, "only {pending} orders are PENDING");
        self.cancel_some(&mut ends).await;
        run_emulator_script("stop").await;
        run_emulator_script("start").await;
        self.faults.clear().await;

        let final_states =
            join_all(orders.iter().map(|order| support::final_state(&self.shop, order))).await;
        for ((order, _, (state, reason)), final_state) in ends.iter().zip(final_states) {
            assert_eq!(final_state, (json!(state), json!(reason)), "{order}");
        }
        orders
    }

    fn draft(&self, mode: &RestartMode) -> OrderDraft {
        let product = if mode.scarce { &self.scarce } else { &self.product };
        OrderDraft::of(&[(product, mode.quantity)]).paid_by(mode.method)
    }

    /// Delays every call, and holds the confirmation of the orders that are to be cancelled.
    async fn slow_down(&self, drafts: &[OrderDraft]) {
        let cancelled = drafts.iter().zip(MODES.iter().cycle()).filter(|(_, mode)| mode.cancelled);
        for (draft, _) in cancelled {
            let order = support::id_of(&self.buyer, draft);
            let hold = Rule::new(&order, Fault::Hold { done: false, limit_ms: 4_000 });
            self.faults.add(&hold.by("orders-on-payments").about(&order)).await;
        }
        // Added last: the first matching rule applies.
        for function in SLOW {
            let delay = Rule::new(*function, Fault::Delay { from_ms: 0, to_ms: 300 });
            self.faults.add(&delay.by(function)).await;
        }
    }

    /// Cancels the orders to be cancelled, once one of them is paid, so that refunds are in
    /// progress.
    async fn cancel_some(&self, ends: &mut [(&str, &'static RestartMode, Ending)]) {
        let mut cancelled: Vec<_> = ends.iter_mut().filter(|(_, mode, _)| mode.cancelled).collect();
        self.faults.until_fired(cancelled[0].0).await;
        let responses =
            cancelled.iter().map(|(order, ..)| support::cancel(&self.shop, &self.buyer, order));
        let responses = join_all(responses).await;
        let states = responses.into_iter().map(|response| response.data(200)["state"].clone());
        let states: Vec<_> = states.collect();
        let in_time = states.iter().filter(|state| *state == "CANCELLED").count();
        eprintln!("{in_time} of {} are cancelled in time", states.len());
        assert!(in_time > 0, "no order was cancelled in time");
        for ((order, _, end), state) in cancelled.iter_mut().zip(states) {
            if state != "CANCELLED" {
                assert_eq!(state, "CONFIRMED", "{order}");
                *end = CONFIRMED;
            }
            self.faults.remove(order).await;
        }
    }
}

/// Stops or starts the emulator with the project's script, which reads the port and folder from the
/// environment.
async fn run_emulator_script(script: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../localstack").join(script);
    let run = tokio::task::spawn_blocking(move || Command::new(path).status());
    let status = run.await.unwrap().expect("the script runs");
    assert!(status.success(), "localstack/{script}: {status}");
}
