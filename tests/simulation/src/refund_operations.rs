//! Refunds for goodwill, further tries of failed refunds, and disputes.

use crate::{
    invocations::{Ending, Origin},
    io::{InvocationId, Moment::Before, ready},
    races::Race,
    workload::{Operation, RefundOperation, amount},
    world::World,
};
use rialto_contracts::orders::OrderLineState;
use rialto_kernel::{OrderId, RefundId, Text};
use rialto_orders::domain::order::Order;
use rialto_payments::{
    application::{
        receive_dispute::receive_dispute,
        receive_webhook::WebhookOutcome,
        refund_order::{RefundOrder, RefundOrderError, refund_order},
        retry_refund::retry_refund,
    },
    domain::{
        dispute::{Dispute, DisputeId, DisputeReport, DisputeStanding},
        payment::GoodwillError,
        refund::RefundState,
    },
    ports::PaymentReader as _,
};
use std::time::Duration;

/// The disputes of an order at most.
const MAX_DISPUTES: usize = 3;

impl World {
    /// Begins a goodwill refund, or puts it off until something is captured.
    pub(crate) fn grant_refund(&mut self, operation: RefundOperation) {
        let number = operation.placement;
        let order = self.workload.placements[number].order;
        let left = self.payment(order).map_or(0, |payment| payment.refundable().minor_units());
        let later = left == 0 || (operation.amount.is_none() && self.choose(2) == 1);
        if later && let Some(waits) = operation.waits.checked_sub(1) {
            self.advance(Duration::from_millis(500));
            let later = RefundOperation { waits, ..operation };
            self.workload.operations.push(Operation::GrantRefund(later));
            return;
        }
        let largest = usize::try_from(left).unwrap_or(0) + 2;
        let amount = operation.amount.unwrap_or_else(|| amount(1 + self.choose(largest) as i64));
        let id = self.next_id();
        let now = self.clock().now();
        let (store, provider) = (self.payments_for(id), self.provider_for(id));
        let units = amount.minor_units();
        self.note(|| format!("#{id} payments-refund-order: order {number} by {units}"));
        let resolved = RefundOperation { amount: Some(amount), ..operation };
        let (subject, origin) =
            (order.to_string(), Origin::Request(Operation::GrantRefund(resolved)));
        self.start(id, "payments-refund-order", subject, origin, async move {
            let key = operation.key.to_string();
            let reason = Text::parse("late").expect("a text");
            let request = RefundOrder { order_id: order, idempotency_key: &key, amount, reason };
            match refund_order(&store, &provider, &request, None, now).await {
                Ok(granted) => {
                    Ending::Granted { refund: granted.refund.refund_id, replayed: granted.replayed }
                }
                Err(RefundOrderError::Store(_)) => Ending::Unanswered,
                Err(RefundOrderError::Refused(error)) => Ending::NotGranted(error),
                Err(RefundOrderError::NotFound) => Ending::Answered,
            }
        });
    }

    /// Has an order's failed refunds tried again.
    pub(crate) fn retry_failed_refunds(&mut self, order: OrderId) {
        let refunds = self.payment(order).map_or_else(Vec::new, |payment| payment.refunds);
        let failed = refunds.into_iter().filter(|refund| refund.state == RefundState::Failed);
        for refund in failed.map(|refund| refund.refund_id) {
            self.perform(Operation::RetryRefund { order, refund });
        }
    }

    /// Has all failed refunds tried again.
    pub(crate) fn retry_all_failed_refunds(&mut self) {
        self.refunds_retried = true;
        for number in 0..self.workload.placements.len() {
            self.retry_failed_refunds(self.workload.placements[number].order);
        }
    }

    pub(crate) fn retry_refund(&mut self, order: OrderId, refund: RefundId) {
        let id = self.next_id();
        let now = self.clock().now();
        let store = self.payments_for(id);
        let name = self.name(&order.to_string());
        self.note(|| format!("#{id} rialto refunds retry: a refund of {name}"));
        let origin = Origin::Request(Operation::RetryRefund { order, refund });
        self.start(id, "rialto-refunds-retry", order.to_string(), origin, async move {
            match retry_refund(&store, order, refund, now).await {
                Ok(_) => Ending::Answered,
                Err(_) => Ending::Unanswered,
            }
        });
    }

    pub(crate) fn dispute_webhook(&mut self, order: OrderId, dispute: DisputeId) {
        let id = self.next_id();
        let clock = self.clock();
        let (store, provider) = (self.payments_for(id), self.provider_for(id));
        let name = self.name(&order.to_string());
        self.note(|| format!("#{id} payments-receive-webhook: dispute of {name}"));
        let operation = Operation::DisputeWebhook { order, dispute: dispute.clone() };
        let (subject, origin) = (order.to_string(), Origin::Request(operation));
        self.start(id, "payments-receive-webhook", subject, origin, async move {
            match receive_dispute(&store, &provider, &dispute, None, &*clock).await {
                Ok(outcome) => {
                    Ending::WebhookAnswered { recorded: outcome == WebhookOutcome::Recorded }
                }
                Err(_) => Ending::Unanswered,
            }
        });
    }

    /// The disputes of an order at the provider.
    pub(crate) fn disputes(&self, order: OrderId) -> Vec<DisputeReport> {
        let intents = self.provider.intents(order);
        let mut disputes = self.provider.disputes();
        disputes.retain(|dispute| intents.contains(&dispute.intent_id));
        disputes
    }

    /// The order that the bank looks at next: often one that is being refunded, or of which a line
    /// is to be returned, as those are rare.
    pub(crate) fn order_to_dispute(&mut self, any: OrderId) -> OrderId {
        let creates_refund = |id: &InvocationId| {
            let points = self.board.points_of(*id);
            points.iter().any(|at| at.name == "provider.create_refund" && at.moment == Before)
        };
        let mut refunding = self.invocations.iter().filter(|(id, _)| creates_refund(id));
        let refunding = refunding.find_map(|(_, of)| OrderId::parse(&of.subject).ok());
        let returns = |order: &Order| {
            order.lines.iter().any(|line| line.state == OrderLineState::ReturnRequested)
        };
        let returning = self.orders.orders().into_iter().find(returns);
        let returning = returning.map(|order| order.order_id);
        let candidates: Vec<_> = [Some(any), refunding, returning].into_iter().flatten().collect();
        candidates[self.choose(candidates.len())]
    }

    /// The bank inquires about an order's charge, disputes it, or decides.
    pub(crate) fn dispute(&mut self, order: OrderId) {
        use DisputeStanding::{Open, Warning};
        let disputes = self.disputes(order);
        let undecided = disputes.iter().find(|dispute| matches!(dispute.state, Open | Warning));
        match undecided {
            Some(dispute) if dispute.state == Open => self.decide_dispute(order, dispute),
            Some(dispute) => {
                self.provider.set_dispute(&dispute.dispute_id, Open, dispute.amount);
                self.send_dispute_webhook(order, &dispute.dispute_id, "disputes after an inquiry");
                self.record_dispute(order);
            }
            None if disputes.len() < MAX_DISPUTES => self.open_dispute(order),
            None => {}
        }
    }

    fn open_dispute(&mut self, order: OrderId) {
        let Some(charged) = self.provider.charges(order).first().copied() else { return };
        let all = self.choose(2) == 0;
        let most = usize::try_from(charged.minor_units()).unwrap_or(1);
        let disputed = if all { charged } else { amount(1 + self.choose(most) as i64) };
        let (opened, what) = match self.choose(5) {
            0 => (self.provider.warn(order, disputed), "inquires about"),
            _ => (self.provider.open_dispute(order, disputed), "disputes"),
        };
        let Some(dispute) = opened else { return };
        let what = format!("{what} {} of", disputed.minor_units());
        self.send_dispute_webhook(order, &dispute, &what);
        self.record_dispute(order);
    }

    fn decide_dispute(&mut self, order: OrderId, dispute: &DisputeReport) {
        let won = self.choose(2) == 0;
        self.provider.close_dispute(&dispute.dispute_id, won);
        let what = if won { "gives the money back of" } else { "keeps the money of" };
        self.send_dispute_webhook(order, &dispute.dispute_id, what);
    }

    /// The bank decides most of the disputes that are open, and leaves the others.
    pub(crate) fn decide_disputes(&mut self) {
        for number in 0..self.workload.placements.len() {
            let order = self.workload.placements[number].order;
            for dispute in self.disputes(order) {
                if dispute.state == DisputeStanding::Open && self.choose(4) < 3 {
                    self.decide_dispute(order, &dispute);
                }
            }
        }
    }

    fn send_dispute_webhook(&mut self, order: OrderId, dispute: &DisputeId, what: &str) {
        let name = self.name(&order.to_string());
        self.note(|| format!("the bank {what} {name}"));
        let dispute = dispute.clone();
        self.webhooks.push(Operation::DisputeWebhook { order, dispute });
    }

    /// Records what an invocation knows of disputes after a call to payments' store.
    pub(crate) fn record_disputes_read(&mut self, id: InvocationId, call: &str) {
        let Some(invocation) = self.invocations.get_mut(&id) else { return };
        let Ok(order) = OrderId::parse(&invocation.subject) else { return };
        if !matches!(call, "payments.payment" | "payments.save") {
            return;
        }
        let Ok(Some(payment)) = ready(self.payments.payment(order)) else { return };
        invocation.reads_open_dispute = payment.has_open_dispute();
        invocation.has_read_payment = call == "payments.payment";
        let waits = !payment.waiting().is_zero();
        invocation.resumes_refund = invocation.reads_waiting_refund && !waits;
        invocation.reads_waiting_refund |= waits;
        let is_inquiry = |dispute: &Dispute| dispute.state == DisputeStanding::Warning;
        if waits && payment.disputes.iter().all(is_inquiry) {
            self.races.reach(Race::RefundRefusedInDispute);
        }
    }

    /// Records the returns that a new dispute meets.
    fn record_dispute(&mut self, order: OrderId) {
        let orders = self.orders.orders();
        let lines = orders.iter().filter(|stored| stored.order_id == order);
        let states: Vec<_> = lines.flat_map(|order| &order.lines).map(|line| line.state).collect();
        for (state, race) in [
            (OrderLineState::ReturnRequested, Race::DisputeDuringReturn),
            (OrderLineState::Returned, Race::DisputeAfterReturn),
        ] {
            if states.contains(&state) {
                self.races.reach(race);
            }
        }
    }

    /// Records why a goodwill refund wasn't granted.
    pub(crate) fn record_refusal(&mut self, error: GoodwillError) {
        match error {
            GoodwillError::Disputed(_) => self.races.reach(Race::GoodwillDuringDispute),
            GoodwillError::MoreThanLeft { .. } => self.races.reach(Race::GoodwillAboveLeft),
            GoodwillError::NotCaptured(_) | GoodwillError::TooMany | GoodwillError::KeyReused => {}
        }
    }
}
