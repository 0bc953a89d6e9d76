//! The start of the workload's operations, of webhooks and of sweeps.

use crate::{
    faults::Fault,
    invocations::{Ending, Invocation, Origin},
    io::{InvocationId, ready},
    races::Race,
    stores::NoAddresses,
    workload::{Operation, amount, placement_terms},
    world::World,
};
use rialto_contracts::{EventContext, catalog::ProductStatus};
use rialto_inventory::{
    application::adjust_stock::{AdjustStock, AdjustStockError, adjust_stock},
    domain::{adjustment::Adjustment, stock::Stock},
};
use rialto_kernel::{OrderId, RefundId, Text, Timestamp};
use rialto_lambda::sweep::SweepRun;
use rialto_orders::{
    application::{
        cancel_order::{CancelOrderError, cancel_order},
        get_order::Requester,
        place_order::{PlaceOrder, PlaceOrderError, place_order},
    },
    domain::order::{Order, OrderState},
};
use rialto_payments::{
    application::receive_webhook::{ChargeNotification, WebhookOutcome, receive_webhook},
    domain::{
        intent::{DeclineCode, IntentId, IntentState},
        payment::Payment,
        refund::{Refund, RefundOutcome, RefundState},
    },
    ports::Provider as _,
};
use std::time::Duration;

/// How long a sweep may take.
pub(crate) const SWEEP_TIME: Duration = Duration::from_secs(50);

impl World {
    /// Begins the next operation of the workload.
    pub(crate) fn begin(&mut self) {
        let operation = self.workload.operations[self.next_operation].clone();
        self.next_operation += 1;
        self.perform(operation);
    }

    /// Begins an operation.
    pub(crate) fn perform(&mut self, operation: Operation) {
        let now = self.now();
        match operation {
            Operation::RegisterProduct(product) => {
                self.note(|| format!("product {product} is registered"));
                self.upstream.push(self.workload.registered(product, now));
            }
            Operation::ChangeProduct(product) => {
                let price = amount(1 + self.choose(3_000) as i64);
                let status = self.workload.products[product].status;
                self.note(|| format!("product {product} costs {}", price.minor_units()));
                let event = self.workload.changed(product, price, status, now);
                self.upstream.push(event);
            }
            Operation::WithdrawProduct(product) => {
                let price = self.workload.products[product].price;
                let status = match self.workload.products[product].status {
                    ProductStatus::Sell => ProductStatus::SoldOut,
                    _ => ProductStatus::Sell,
                };
                self.note(|| format!("product {product} is {status:?}"));
                let event = self.workload.changed(product, price, status, now);
                self.upstream.push(event);
            }
            Operation::Line(operation) => self.change_line(operation),
            Operation::Deliver(operation) => self.report_delivery(operation),
            Operation::PayAgain(operation) => self.pay_again(operation),
            Operation::GrantRefund(operation) => self.grant_refund(operation),
            Operation::RetryRefund { order, refund } => self.retry_refund(order, refund),
            Operation::UnregisterBuyer(buyer) => self.unregister(buyer),
            Operation::AdjustStock { product, quantity, key } => {
                self.adjust_stock(product, quantity, key);
            }
            Operation::Place(number) => self.place(number, false),
            Operation::PlaceOther(number) => self.place(number, true),
            Operation::Cancel { placement, by_supervisor } => self.cancel(placement, by_supervisor),
            Operation::Webhook { order, intent, refund } => self.webhook(order, intent, refund),
            Operation::DisputeWebhook { order, dispute } => self.dispute_webhook(order, dispute),
        }
    }

    fn unregister(&mut self, buyer: usize) {
        if !self.unregistered.insert(self.workload.buyers[buyer]) {
            return;
        }
        self.note(|| format!("buyer {buyer} is unregistered"));
        if self.is_busy_with("orders-place-order") {
            self.races.reach(Race::UnregisteredDuringPlacement);
        }
        let event = self.workload.unregistered(buyer, self.now());
        self.upstream.push(event);
    }

    /// Requests the placement `number`, or another body under its key.
    pub(crate) fn place(&mut self, number: usize, other: bool) {
        let placement = self.workload.placements[number].clone();
        // The authorizer rejects unregistered accounts.
        if self.unregistered.contains(&placement.buyer) {
            return;
        }
        let same = |operation: &Operation| matches!(operation, Operation::Place(at) | Operation::PlaceOther(at) if *at == number);
        if self.invocations.values().any(|at| at.operation.as_ref().is_some_and(same)) {
            self.races.reach(Race::ConcurrentPlacements);
        }
        let id = self.next_id();
        let now = self.clock().now();
        let store = self.orders_for(id);
        self.note(|| format!("#{id} orders-place-order: order {number}, another body {other}"));
        let operation =
            if other { Operation::PlaceOther(number) } else { Operation::Place(number) };
        let request = if other { placement.other_request() } else { placement.request };
        let (subject, origin) = (placement.order.to_string(), Origin::Request(operation));
        self.start(id, "orders-place-order", subject, origin, async move {
            let command = PlaceOrder {
                user_id: placement.buyer,
                by_supervisor: false,
                idempotency_key: &placement.key,
                request,
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
                Ok(placed) => {
                    Ending::Placed { response: placed.response_body, replayed: placed.replayed }
                }
                Err(PlaceOrderError::NotOrderable(_)) => Ending::NotOrderable,
                Err(PlaceOrderError::KeyReused) => Ending::KeyReused,
                Err(PlaceOrderError::Store(_)) => Ending::Unanswered,
                // Nothing was stored, and the client gives up.
                Err(_) => Ending::Answered,
            }
        });
    }

    pub(crate) fn cancel(&mut self, number: usize, by_supervisor: bool) {
        let placement = &self.workload.placements[number];
        let (order, buyer) = (placement.order, placement.buyer);
        let id = self.next_id();
        let now = self.clock().now();
        let store = self.orders_for(id);
        let requester = if by_supervisor { Requester::Supervisor } else { Requester::Buyer(buyer) };
        self.note(|| format!("#{id} orders-cancel-order: order {number}"));
        let origin = Origin::Request(Operation::Cancel { placement: number, by_supervisor });
        self.start(id, "orders-cancel-order", order.to_string(), origin, async move {
            match cancel_order(&store, order, requester, now, &EventContext::default()).await {
                Ok(order) if order.state == OrderState::Cancelled => Ending::Cancelled,
                Err(CancelOrderError::Store(_)) => Ending::Unanswered,
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    pub(crate) fn adjust_stock(&mut self, number: usize, quantity: i64, key: String) {
        let product = self.workload.products[number].id;
        let id = self.next_id();
        let now = self.clock().now();
        let store = self.inventory_for(id);
        self.note(|| format!("#{id} inventory-adjust-stock: product {number} by {quantity}"));
        let operation = Operation::AdjustStock { product: number, quantity, key: key.clone() };
        let (subject, origin) = (product.to_string(), Origin::Request(operation));
        self.start(id, "inventory-adjust-stock", subject, origin, async move {
            let reason = Text::parse("count").expect("a text");
            let adjustment = Adjustment { quantity, reason };
            let request = AdjustStock { product, idempotency_key: &key, adjustment };
            let render = |stock: &Stock| format!("version {}", stock.version);
            let cause = EventContext::default();
            match adjust_stock(&store, &request, |_| true, render, now, &cause).await {
                Ok(done) => {
                    Ending::Adjusted { response: done.response_body, replayed: done.replayed }
                }
                Err(AdjustStockError::Store(_)) => Ending::Unanswered,
                Err(_) => Ending::Answered,
            }
        });
    }

    /// Something that happens by itself: a webhook, the end of a charge, a sweep, or something at
    /// the provider.
    pub(crate) fn background(&mut self) {
        let number = self.choose(self.workload.placements.len());
        let order = self.workload.placements[number].order;
        match self.choose(40) {
            0..=6 => self.send_any_webhook(order),
            7..=9 => {
                let state = if self.choose(3) == 0 {
                    IntentState::Failed { reason: DeclineCode::new("generic_decline") }
                } else {
                    IntentState::Succeeded
                };
                self.end_charge(order, &state);
                self.act_as_buyer(order, state == IntentState::Succeeded);
            }
            10 => self.sweep_orders(),
            11 => self.sweep_payments(),
            17 | 18 => self.sweep_delivery(),
            19 => self.succeed_late(order),
            12..=14 if self.happens(Fault::RefundTrouble) => self.trouble_refunds(),
            15 if !self.invocations.values().any(is_of_payments)
                && self.happens(Fault::ForgottenKeys) =>
            {
                self.note(|| "the provider drops its idempotency keys".to_owned());
                self.provider.drop_idempotency_keys();
            }
            20..=23 if self.happens(Fault::Dispute) => {
                let order = self.order_to_dispute(order);
                self.dispute(order);
            }
            24 => self.retry_failed_refunds(order),
            _ => {}
        }
    }

    /// A webhook about any of an order's charges and refunds.
    fn send_any_webhook(&mut self, order: OrderId) {
        let intents = self.provider.intents(order);
        if intents.is_empty() {
            return;
        }
        let intent = intents[self.choose(intents.len())].clone();
        let refunds: Vec<RefundId> = self.payment(order).map_or_else(Vec::new, |payment| {
            payment.refunds.iter().map(|refund| refund.refund_id).collect()
        });
        let about = self.choose(refunds.len() + 1);
        let refund = refunds.get(about).copied();
        self.perform(Operation::Webhook { order, intent, refund });
    }

    /// The webhook that the provider sends after a request of an invocation.
    pub(crate) fn send_webhook_of(&mut self, id: InvocationId, request: &str) {
        let sweeps = self.invocations.get(&id).is_some_and(|of| of.function == "payments-sweep");
        if sweeps && request == "provider.create_refund" {
            // It works on several orders.
            self.send_refund_webhooks(may_be_created);
        }
        let payment = self.invocations.get(&id).and_then(|invocation| {
            let mut payments = self.payments.payments().into_iter();
            payments.find(|payment| payment.order_id.to_string() == invocation.subject)
        });
        let Some((payment, intent)) =
            payment.and_then(|payment| payment.intent_id.clone().map(|intent| (payment, intent)))
        else {
            return;
        };
        let order = payment.order_id;
        match request {
            "provider.confirm_intent" => {
                self.webhooks.push(Operation::Webhook { order, intent, refund: None });
                let disputes = self.disputes(order).into_iter().map(|of| of.dispute_id);
                let webhook = |dispute| Operation::DisputeWebhook { order, dispute };
                self.webhooks.extend(disputes.map(webhook));
            }
            "provider.create_refund" => {
                self.send_refund_webhooks(|of| may_be_created(of) && payment.refunds.contains(of));
            }
            _ => {}
        }
    }

    pub(crate) fn payment(&self, order: OrderId) -> Option<Payment> {
        self.payments.payments().into_iter().find(|payment| payment.order_id == order)
    }

    /// The provider ends an order's processing charges, and sends webhooks.
    pub(crate) fn end_charge(&mut self, order: OrderId, state: &IntentState) {
        for intent in self.provider.intents(order) {
            let retrieved = ready(self.provider.retrieve_intent(&intent));
            if retrieved == Ok(IntentState::Processing) {
                self.note(|| format!("{} ends as {state:?}", intent.as_str()));
                self.webhooks.push(Operation::Webhook { order, intent, refund: None });
            }
        }
        self.provider.end_processing(order, state);
    }

    /// The buyer accepts or declines an order's charges that require it, and the provider sends
    /// webhooks. At the end of a run the others stay abandoned.
    fn act_as_buyer(&mut self, order: OrderId, accepts: bool) {
        if self.provider.act(order, accepts) == 0 {
            return;
        }
        self.note(|| format!("the buyer authenticates a charge: {accepts}"));
        for intent in self.provider.intents(order) {
            self.webhooks.push(Operation::Webhook { order, intent, refund: None });
        }
    }

    /// The provider ends all pending refunds, and sends webhooks.
    pub(crate) fn end_refunds(&mut self, outcome: &RefundOutcome) {
        self.provider.end_refunds(outcome);
        self.send_refund_webhooks(Refund::is_open);
    }

    fn send_refund_webhooks(&mut self, of: impl Fn(&Refund) -> bool) {
        for payment in self.payments.payments() {
            let order = payment.order_id;
            for refund in payment.refunds.iter().filter(|refund| of(refund)) {
                let Some(intent) = payment.refunded_intent(refund).cloned() else { continue };
                let refund = Some(refund.refund_id);
                self.webhooks.push(Operation::Webhook { order, intent, refund });
            }
        }
    }

    /// The provider changes its mind about refunds.
    fn trouble_refunds(&mut self) {
        let trouble = self.choose(8);
        let what = match trouble {
            0 | 1 => "holds refunds",
            2 => "refuses refunds, for lack of balance",
            3 => "refuses refunds, for a dispute",
            4 => "has refunds succeed",
            5 => "has pending refunds succeed",
            6 => "has pending refunds fail",
            _ => "takes all refunds back",
        };
        self.note(|| format!("the provider {what}"));
        match trouble {
            0 | 1 => self.provider.hold_refunds(),
            2 => self.provider.refuse_refunds("balance_insufficient"),
            3 => self.provider.refuse_refunds("expired_or_canceled_card"),
            4 => {
                self.provider.accept_refunds();
                self.provider.stop_holding_refunds();
            }
            5 => self.end_refunds(&RefundOutcome::Issued),
            6 => {
                let reason = DeclineCode::new("expired_or_canceled_card");
                self.end_refunds(&RefundOutcome::Failed { reason });
            }
            _ => {
                self.provider.take_refunds_back();
                self.send_refund_webhooks(|_| true);
            }
        }
    }

    fn webhook(&mut self, order: OrderId, intent: IntentId, refund: Option<RefundId>) {
        let payment = self.payment(order);
        let latest = payment.as_ref().map(Payment::attempt);
        let attempt = payment.and_then(|payment| payment.attempt_of(&intent));
        if attempt.is_some() && attempt < latest {
            self.races.reach(Race::WebhookOfEarlierAttempt);
        }
        self.record_webhook(order, attempt.is_some());
        let id = self.next_id();
        let clock = self.clock();
        let (store, provider) = (self.payments_for(id), self.provider_for(id));
        let name = self.name(&order.to_string());
        let about = if refund.is_some() { "refund" } else { "charge" };
        self.note(|| format!("#{id} payments-receive-webhook: {about} of {name}"));
        let operation = Operation::Webhook { order, intent: intent.clone(), refund };
        let (subject, origin) = (order.to_string(), Origin::Request(operation));
        let notification = ChargeNotification { order_id: order, intent, refund };
        self.start(id, "payments-receive-webhook", subject, origin, async move {
            match receive_webhook(&store, &provider, &notification, None, &*clock).await {
                Ok(outcome) => {
                    Ending::WebhookAnswered { recorded: outcome == WebhookOutcome::Recorded }
                }
                Err(_) => Ending::Unanswered,
            }
        });
    }

    pub(crate) fn sweep_orders(&mut self) {
        self.record_sweep("orders");
        let id = self.next_id();
        let clock = self.clock();
        let (time, now) = (self.now(), clock.now());
        self.record_deadlines(time, now);
        let store = self.orders_for(id);
        self.note(|| format!("#{id} orders-sweep"));
        self.start(id, "orders-sweep", String::new(), Origin::Schedule, async move {
            use rialto_orders::application::sweep::sweep;
            let run = SweepRun::new(now, now.plus(SWEEP_TIME), clock);
            match sweep(&store, &run, &EventContext::default()).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }

    /// Records the deadlines that a sweep at `time` meets, whose clock shows `now`.
    fn record_deadlines(&mut self, time: Timestamp, now: Timestamp) {
        let (mut charging, mut skewed) = (false, false);
        let pending = |order: &Order| order.state == OrderState::Pending;
        for order in self.orders.orders().into_iter().filter(pending) {
            let subject = order.order_id.to_string();
            let charges = |invocation: &Invocation| {
                invocation.function == "payments-on-inventory" && invocation.subject == subject
            };
            charging |= order.expires_at <= now && self.invocations.values().any(charges);
            skewed |= (order.expires_at <= now) != (order.expires_at <= time);
        }
        if charging {
            self.races.reach(Race::TimeoutDuringCharge);
        }
        if skewed {
            self.races.reach(Race::SkewAtDeadline);
        }
    }

    pub(crate) fn sweep_payments(&mut self) {
        self.record_sweep("payments");
        let id = self.next_id();
        let clock = self.clock();
        let now = clock.now();
        let run = SweepRun::new(now, now.plus(SWEEP_TIME), clock);
        let (store, provider) = (self.payments_for(id), self.provider_for(id));
        self.note(|| format!("#{id} payments-sweep"));
        self.start(id, "payments-sweep", String::new(), Origin::Schedule, async move {
            use rialto_payments::application::sweep::sweep;
            match sweep(&store, &provider, &run).await {
                Ok(_) | Err(_) => Ending::Answered,
            }
        });
    }
}

/// Whether the provider may just have created a try of a refund, also of one that has been recorded
/// as failed meanwhile.
const fn may_be_created(refund: &Refund) -> bool {
    !matches!(refund.state, RefundState::Issued | RefundState::Settled)
}

fn is_of_payments(invocation: &Invocation) -> bool {
    invocation.function.starts_with("payments")
}
