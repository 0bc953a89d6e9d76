//! The emulator is stopped in the middle of sagas, keeps its state, and is started again.

use crate::scene::{self, QUEUES};
use futures_util::{StreamExt, future::join_all, stream};
use rialto_e2e::{
    faults::Faults,
    invariants::SagaTables,
    operator::Cli,
    retries::with_short_visibility_timeouts,
    shop::{DECLINES, DemoAccount, NewProduct, OrderDraft, PAYS, Shop},
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
    rare: bool,
    quantity: i64,
    method: &'static str,
    /// Whether the buyer cancels the order just before the emulator stops. The order must end as
    /// the response said.
    cancelled: bool,
    end: End,
}

type End = (&'static str, Option<&'static str>);

const CONFIRMED: End = ("CONFIRMED", None);
const BY_BUYER: End = ("CANCELLED", Some("BUYER"));
const PAYS_LATER: &str = "pm_sim_async";

const fn way(quantity: i64, method: &'static str, end: End) -> RestartMode {
    RestartMode { rare: false, quantity, method, cancelled: false, end }
}

/// Orders are placed in these modes in turn.
const WAYS: &[RestartMode] = &[
    way(1, PAYS, CONFIRMED),
    way(1, DECLINES, ("CANCELLED", Some("PAYMENT_FAILED"))),
    RestartMode { rare: true, ..way(2, PAYS, ("CANCELLED", Some("OUT_OF_STOCK"))) },
    way(2, PAYS, CONFIRMED),
    way(1, PAYS_LATER, CONFIRMED),
    RestartMode { cancelled: true, ..way(1, PAYS, BY_BUYER) },
];

/// Functions that are slowed down, so that there are orders at every step when the emulator stops.
const SLOW: &[&str] = &[
    "inventory-on-orders",
    "payments-on-inventory",
    "payments-on-orders",
    "payments-receive-webhook",
    "orders-on-payments",
];

struct Fixture<'a> {
    shop: &'a Shop,
    faults: &'a Faults,
    buyer: &'a DemoAccount,
    product: &'a str,
    rare: &'a str,
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_complete_after_the_emulator_restarts() {
    let faults = Faults::exclusive().await;
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Keeps", 700, 1_000)).await;
    let rare = shop.product(&seller, &NewProduct::new("Hardly there", 700, 1)).await;
    let stand =
        Fixture { shop: &shop, faults: &faults, buyer: &buyer, product: &product, rare: &rare };
    for _ in 0..scene::rounds() {
        let orders =
            with_short_visibility_timeouts(&shop.aws, QUEUES, stand.stopped_and_started()).await;
        let books = SagaTables::wait_until_consistent(&shop.aws, &[&product, &rare], &orders).await;
        scene::provider_agrees(&shop, &books, &orders).await;
        let rialto = Cli::new(env!("CARGO_BIN_EXE_operator"), &shop);
        let named: Vec<String> = orders.iter().map(|order| format!(" --order {order}")).collect();
        let words = format!("reconcile --product {product} --product {rare}{}", named.concat());
        rialto.run(&words).await.with_status(0).output_containing(&["Everything agrees."]);
    }
}

impl Fixture<'_> {
    /// Places orders, restarts the emulator, checks how each order ended, and returns their ids.
    async fn stopped_and_started(&self) -> Vec<String> {
        let baskets: Vec<OrderDraft> =
            WAYS.iter().cycle().take(ORDERS).map(|way| self.basket(way)).collect();
        self.slow_down(&baskets).await;
        let placed = baskets.iter().map(|basket| scene::place(self.shop, self.buyer, basket));
        let orders: Vec<String> = stream::iter(placed).buffered(CONCURRENCY).collect().await;
        let ways = WAYS.iter().cycle();
        let mut ends: Vec<_> =
            orders.iter().zip(ways).map(|(order, way)| (order.as_str(), way, way.end)).collect();

        let books = SagaTables::load_for(&self.shop.aws, &[], &orders).await;
        let pending =
            books.orders.iter().filter(|order| order.state == OrderState::Pending).count();
        eprintln!(
            "{pending} of {ORDERS} orders are PENDING, {} payments begun",
            books.payments.len()
        );
        assert!(pending >= ORDERS / 4, "only {pending} were in mid-saga");
        self.cancel_some(&mut ends).await;
        emulator("stop").await;
        emulator("start").await;
        self.faults.clear().await;

        let rests = join_all(orders.iter().map(|order| scene::at_rest(self.shop, order))).await;
        for ((order, _, (state, reason)), rest) in ends.iter().zip(rests) {
            assert_eq!(rest, (json!(state), json!(reason)), "{order}");
        }
        orders
    }

    fn basket(&self, way: &RestartMode) -> OrderDraft {
        let product = if way.rare { self.rare } else { self.product };
        OrderDraft::of(&[(product, way.quantity)]).paid_by(way.method)
    }

    /// Delays every call, and holds the confirmation of the orders that are to be cancelled.
    async fn slow_down(&self, baskets: &[OrderDraft]) {
        let cancelled = baskets.iter().zip(WAYS.iter().cycle()).filter(|(_, way)| way.cancelled);
        for (basket, _) in cancelled {
            let order = scene::id_of(self.buyer, basket);
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
    async fn cancel_some(&self, ends: &mut [(&str, &'static RestartMode, End)]) {
        let mut cancelled: Vec<_> = ends.iter_mut().filter(|(_, way, _)| way.cancelled).collect();
        self.faults.until_fired(cancelled[0].0).await;
        let answers =
            cancelled.iter().map(|(order, ..)| scene::cancel(self.shop, self.buyer, order));
        let answers = join_all(answers).await;
        let in_time = answers.iter().filter(|answer| answer.status == 200).count();
        eprintln!("{in_time} of {} are cancelled in time", answers.len());
        assert!(in_time > 0, "every cancellation came too late");
        for ((order, _, end), answer) in cancelled.iter_mut().zip(answers) {
            if answer.status != 200 {
                assert_eq!(
                    answer.problem(409, "illegal_transition")["state"],
                    "CONFIRMED",
                    "{order}"
                );
                *end = CONFIRMED;
            }
            self.faults.remove(order).await;
        }
    }
}

/// Stops or starts the emulator with the project's script, which reads the port and folder from the
/// environment.
async fn emulator(script: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../localstack").join(script);
    let run = tokio::task::spawn_blocking(move || Command::new(path).status());
    let status = run.await.unwrap().expect("the script runs");
    assert!(status.success(), "localstack/{script}: {status}");
}
