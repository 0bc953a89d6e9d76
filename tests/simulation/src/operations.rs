//! The start of the workload's operations, of webhooks and of sweeps.

use crate::{
    invocations::{Ending, Invocation},
    races::Race,
    stores::{NoAddresses, Simulated},
    workload::{Operation, placement_terms},
    world::World,
};
use rialto_contracts::EventContext;
use rialto_inventory::{
    application::adjust_stock::{AdjustStock, adjust_stock},
    domain::{adjustment::Adjustment, stock::Stock},
};
use rialto_kernel::{OrderId, Text};
use rialto_lambda::sweep::SweepRun;
use rialto_orders::{
    application::{
        cancel_order::cancel_order,
        get_order::Requester,
        place_order::{PlaceOrder, PlaceOrderError, place_order},
    },
    domain::order::{Order, OrderState},
};
use rialto_payments::{
    application::receive_webhook::{ChargeNotification, receive_webhook},
    domain::intent::{DeclineCode, IntentState},
};
use std::time::Duration;

/// How long a sweep may take.
const SWEEP_TIME: Duration = Duration::from_secs(50);

impl World {
    /// Begins the next operation of the workload.
    pub(crate) fn begin(&mut self) {
        let operation = self.workload.operations[self.next_operation].clone();
        self.next_operation += 1;
        let now = self.now();
        match operation {
            Operation::RegisterProduct(product) => {
                self.upstream.push(self.workload.registered(product, now));
            }
            Operation::ChangeProduct(product) => {
                let price = 1 + self.choose(3_000) as i64;
                let event = self.workload.changed(product, price, now);
                self.upstream.push(event);
            }
            Operation::UnregisterBuyer(buyer) => {
                if self.unregistered.insert(self.workload.buyers[buyer]) {
                    self.upstream.push(self.workload.unregistered(buyer, now));
                }
            }
            Operation::AdjustStock { product, quantity, key } => {
                self.adjust_stock(product, quantity, key);
            }
            Operation::Place(number) => self.place(number),
            Operation::Cancel { placement, by_supervisor } => self.cancel(placement, by_supervisor),
        }
    }

    pub(crate) fn place(&mut self, number: usize) {
        let placement = self.workload.placements[number].clone();
        // The authorizer rejects unregistered accounts.
        if self.unregistered.contains(&placement.buyer) {
            return;
        }
        let busy = |invocation: &Invocation| invocation.placement == Some(number);
        if self.invocations.values().any(busy) {
            self.races.reach(Race::ConcurrentPlacements);
        }
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        let subject = placement.order.to_string();
        self.request(id, "orders-place-order", subject, Some(number), async move {
            let command = PlaceOrder {
                user_id: placement.buyer,
                idempotency_key: &placement.key,
                request: placement.request,
                client: None,
            };
            let render = |order: &Order| {
                format!("{} {} {}", order.order_id, order.total.minor_units(), order.created_at)
            };
            let terms = placement_terms();
            let cause = EventContext::default();
            let placed =
                place_order(&store, &NoAddresses, &command, &terms, render, now, &cause).await;
            match placed {
                Ok(placed) => Ending::Placed(Some(placed.response_body)),
                // The product isn't known yet, or the call failed: the client tries again.
                Err(PlaceOrderError::NotOrderable(_) | PlaceOrderError::Store(_)) => {
                    Ending::Placed(None)
                }
                // Nothing was stored, and the client gives up.
                Err(_) => Ending::Answered,
            }
        });
    }

    pub(crate) fn cancel(&mut self, number: usize, by_supervisor: bool) {
        let placement = self.workload.placements[number].clone();
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        let requester =
            if by_supervisor { Requester::Supervisor } else { Requester::Buyer(placement.buyer) };
        let order = placement.order;
        self.request(id, "orders-cancel-order", order.to_string(), None, async move {
            match cancel_order(&store, order, requester, now, &EventContext::default()).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    pub(crate) fn adjust_stock(&mut self, product: usize, quantity: i64, key: String) {
        let product = self.workload.products[product].id;
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.inventory.clone(), io: self.board.io(id) };
        let subject = format!("{product} by {quantity}");
        self.request(id, "inventory-adjust-stock", subject, None, async move {
            let reason = Text::parse("count").expect("a text");
            let adjustment = Adjustment { quantity, reason };
            let request = AdjustStock { product, idempotency_key: &key, adjustment };
            let render = |_: &Stock| String::new();
            let cause = EventContext::default();
            match adjust_stock(&store, &request, |_| true, render, now, &cause).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    /// Something that happens by itself: a webhook, the end of a charge, or a sweep.
    pub(crate) fn background(&mut self) {
        let placements = self.workload.placements.len();
        match self.choose(40) {
            0..=7 => {
                let number = self.choose(placements);
                let order = self.workload.placements[number].order;
                self.webhook(order);
            }
            8..=9 => {
                let number = self.choose(placements);
                let order = self.workload.placements[number].order;
                let state = if self.choose(3) == 0 {
                    IntentState::Failed { reason: DeclineCode::new("generic_decline") }
                } else {
                    IntentState::Succeeded
                };
                self.provider.end_processing(order, &state);
            }
            10 => self.sweep_orders(),
            11 => self.sweep_payments(),
            _ => {}
        }
    }

    pub(crate) fn webhook(&mut self, order: OrderId) {
        let Some(intent) = self.provider.intents(order).pop() else { return };
        let subject = order.to_string();
        let charging = |invocation: &Invocation| {
            invocation.function == "payments-on-inventory" && invocation.subject == subject
        };
        if self.invocations.values().any(charging) {
            self.races.reach(Race::WebhookDuringCharge);
        }
        let id = self.next_id();
        let now = self.clock().now();
        let store = Simulated { inner: self.payments.clone(), io: self.board.io(id) };
        let provider = Simulated { inner: self.provider.clone(), io: self.board.io(id) };
        let notification = ChargeNotification { order_id: order, intent, refund: None };
        self.request(id, "payments-receive-webhook", subject, None, async move {
            match receive_webhook(&store, &provider, &notification, None, now).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    pub(crate) fn sweep_orders(&mut self) {
        self.record_sweep("orders");
        let id = self.next_id();
        let clock = self.clock();
        let now = clock.now();
        let expired = self.orders.orders();
        let charging = |order: &&Order| {
            let subject = order.order_id.to_string();
            order.state == OrderState::Pending
                && order.expires_at <= now
                && self.invocations.values().any(|invocation| {
                    invocation.function == "payments-on-inventory" && invocation.subject == subject
                })
        };
        if expired.iter().any(|order| charging(&order)) {
            self.races.reach(Race::TimeoutDuringCharge);
        }
        let store = Simulated { inner: self.orders.clone(), io: self.board.io(id) };
        self.request(id, "orders-sweep", String::new(), None, async move {
            use rialto_orders::application::sweep::sweep;
            let run = SweepRun::new(now, now.plus(SWEEP_TIME), clock);
            match sweep(&store, &run, &EventContext::default()).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    pub(crate) fn sweep_payments(&mut self) {
        self.record_sweep("payments");
        let id = self.next_id();
        let clock = self.clock();
        let now = clock.now();
        let run = SweepRun::new(now, now.plus(SWEEP_TIME), clock);
        let store = Simulated { inner: self.payments.clone(), io: self.board.io(id) };
        let provider = Simulated { inner: self.provider.clone(), io: self.board.io(id) };
        self.request(id, "payments-sweep", String::new(), None, async move {
            use rialto_payments::application::sweep::sweep;
            match sweep(&store, &provider, &run).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    pub(crate) fn record_sweep(&mut self, service: &str) {
        let busy = |invocation: &Invocation| invocation.function.starts_with(service);
        if self.invocations.values().any(busy) {
            self.races.reach(Race::SweepDuringHandler);
        }
    }
}
