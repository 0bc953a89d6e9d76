//! The choice of the next step, and the end of a run.

use crate::{
    check::Violation,
    faults::{Fault, PointFault, Policy},
    io::{Decision, Moment, Point, Ticket},
    races::Race,
    world::{SOURCES, Source, World},
};
use rialto_orders::domain::order::{Order, OrderState};
use rialto_payments::domain::{intent::IntentState, payment::Payment, refund::RefundOutcome};
use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

/// Invocations at once.
const CONCURRENCY: usize = 12;

/// Steps after which a run that doesn't settle is a violation.
const MAX_STEPS: usize = 200_000;

/// A step that could be next.
enum Step {
    Decide(Ticket),
    Receive(usize),
    Relay(Source),
    Begin,
    Webhook,
    Background,
}

impl World {
    /// Runs the workload with faults, then without any until everything has settled.
    pub fn run(&mut self) {
        while self.next_operation < self.workload.operations.len() || self.is_busy() {
            if self.steps > MAX_STEPS {
                self.complaints.push(Violation::new("run-ends", "too many steps".to_owned()));
                return;
            }
            // With faults in every delivery some messages would never be done.
            if self.next_operation == self.workload.operations.len() && self.steps > 4_000 {
                break;
            }
            self.step();
        }
        self.settle();
    }

    /// A time to pass: up to twenty minutes, or until about the next deadline of an order.
    fn choose_jump(&mut self) -> Duration {
        let now = self.now();
        let orders = self.orders.orders();
        let pending = orders.iter().any(|order| order.state == OrderState::Pending);
        // The deadlines of lines are days away: what is PENDING would expire meanwhile.
        let due = |order: &Order| {
            let counts = !pending || order.state == OrderState::Pending;
            order.deadline().filter(|deadline| counts && *deadline > now)
        };
        let next = orders.iter().filter_map(due).min();
        match next {
            Some(deadline) if self.choose(2) == 0 => {
                let past = Duration::from_millis(self.choose(4_000) as u64);
                deadline.plus(past).since(now).saturating_sub(Duration::from_secs(2))
            }
            _ => Duration::from_secs(1 + self.choose(1_200) as u64),
        }
    }

    /// Performs one step.
    pub(crate) fn step(&mut self) {
        self.steps += 1;
        let pause = Duration::from_millis(self.choose(40) as u64);
        self.advance(pause);
        if self.happens(Fault::TimeJump) {
            let jump = self.choose_jump();
            self.note(|| format!("{} s pass", jump.as_secs()));
            self.advance(jump);
        }
        if self.happens(Fault::IndexLag) {
            self.note(|| "the indexes stop".to_owned());
            self.orders_index.stop_at(self.orders.snapshot());
            self.payments_index.stop_at(self.payments.snapshot());
            self.delivery_index.stop_at(self.delivery.snapshot());
        }
        if self.happens(Fault::Outage) {
            self.stop_everything();
        }
        self.time_out();
        let mut steps: Vec<Step> = self.board.undecided().into_iter().map(Step::Decide).collect();
        for source in SOURCES {
            if self.has_unpublished(source) {
                steps.push(Step::Relay(source));
            }
        }
        if self.invocations.len() < CONCURRENCY {
            steps.extend(self.queues.visible(self.now()).into_iter().map(Step::Receive));
            if self.next_operation < self.workload.operations.len()
                && (steps.is_empty() || self.choose(4) == 0)
            {
                steps.push(Step::Begin);
            }
            if !self.webhooks.is_empty() {
                steps.push(Step::Webhook);
            }
            if matches!(self.policy, Policy::Random(..)) {
                steps.push(Step::Background);
            }
        }
        if steps.is_empty() {
            if let Some(next) = self.queues.next_visible() {
                self.now.fetch_max(next.millis(), Ordering::Relaxed);
            }
            return;
        }
        let chosen = self.choose(steps.len());
        match steps.swap_remove(chosen) {
            Step::Decide(ticket) => self.decide(ticket),
            Step::Receive(at) => self.receive(at),
            Step::Relay(source) => self.relay(source),
            Step::Begin => self.begin(),
            Step::Webhook => {
                let at = self.choose(self.webhooks.len());
                let webhook = self.webhooks.swap_remove(at);
                self.perform(webhook);
            }
            Step::Background => self.background(),
        }
    }

    /// Ends all invocations, as if every process stopped.
    pub(crate) fn stop_everything(&mut self) {
        let pending = |order: &Order| order.state == OrderState::Pending;
        if !self.invocations.is_empty() && self.orders.orders().iter().any(pending) {
            self.races.reach(Race::OutageWithPendingOrder);
        }
        self.note(|| "everything stops".to_owned());
        let running: Vec<_> = self.invocations.keys().copied().collect();
        for id in running {
            self.crash(id);
        }
    }

    /// Ends all faults and runs until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        for fault in Fault::ALL {
            self.end_fault(fault);
        }
        self.note(|| "no more faults".to_owned());
        self.orders_index.catch_up();
        self.payments_index.catch_up();
        self.delivery_index.catch_up();
        self.provider.accept_refunds();
        self.provider.stop_holding_refunds();
        self.decide_disputes();
        self.drain();
        let retries = self.choose(2) == 1;
        for round in 0..200 {
            if self.steps > MAX_STEPS {
                let what = "the run doesn't settle".to_owned();
                self.complaints.push(Violation::new("settled", what));
                return;
            }
            let repeated = self.repeat_unanswered();
            let redriven = self.queues.redrive(self.now());
            if redriven > 0 {
                self.races.reach(Race::DeadLetter);
                self.note(|| format!("{redriven} dead letters redriven"));
            }
            self.end_charges();
            self.end_refunds(&RefundOutcome::Issued);
            if round == 0 && retries {
                self.retry_all_failed_refunds();
                self.drain();
            }
            // Beyond the deadline of the last order in a few rounds.
            self.advance(Duration::from_secs(if round < 2 { 60 } else { 300 }));
            self.sweep_orders();
            self.sweep_payments();
            self.drain();
            let pending = |world: &Self| {
                world.orders.orders().iter().any(|order| order.state == OrderState::Pending)
                    || world.payments.payments().iter().any(is_unsettled)
            };
            if round > 0 && !repeated && redriven == 0 && !pending(self) && !self.is_busy() {
                break;
            }
        }
        if self.choose(2) == 1 {
            self.pass_line_deadlines();
        }
        self.record_payments();
        self.record_refunds();
        self.record_lines();
    }

    /// Lets the deadlines of lines pass, one after the other, until none is left.
    fn pass_line_deadlines(&mut self) {
        for _ in 0..2_000 {
            let (orders, deliveries) = (self.orders.orders(), self.delivery.deliveries());
            let due = deliveries.iter().filter_map(|delivery| delivery.due_at);
            let due = orders.iter().filter_map(Order::deadline).chain(due);
            let Some(next) = due.min() else { return };
            self.now.fetch_max(next.millis(), Ordering::Relaxed);
            // Also beyond the pause after which a sweep visits an order again.
            self.advance(Duration::from_secs(60));
            self.sweep_orders();
            self.sweep_delivery();
            self.drain();
            self.end_refunds(&RefundOutcome::Issued);
            self.sweep_payments();
            self.drain();
        }
        let what = "deadlines of lines pass, and nothing happens".to_owned();
        self.complaints.push(Violation::new("settled", what));
    }

    /// Steps until nothing is under way, everything in order.
    pub(crate) fn drain(&mut self) {
        let random = match &self.policy {
            Policy::Random(..) => {
                let in_order = Policy::InOrder(BTreeMap::new());
                Some(std::mem::replace(&mut self.policy, in_order))
            }
            Policy::InOrder(_) => None,
        };
        while self.is_busy() && self.steps <= MAX_STEPS {
            let dead = self.queues.dead_letters().len();
            if self.invocations.is_empty()
                && self.webhooks.is_empty()
                && !SOURCES.iter().any(|source| self.has_unpublished(*source))
                && self.queues.next_visible().is_none()
                && dead > 0
            {
                break;
            }
            self.step();
        }
        if let Some(random) = random {
            self.policy = random;
        }
    }

    /// Clients repeat requests that they have no answer to.
    pub(crate) fn repeat_unanswered(&mut self) -> bool {
        let mut repeated = false;
        for number in 0..self.workload.placements.len() {
            let placement = &self.workload.placements[number];
            let stored = self.orders.orders().iter().any(|order| order.order_id == placement.order);
            if placement.response.is_none()
                && stored
                && !placement.refused
                && placement.attempts > 0
                && !self.unregistered.contains(&placement.buyer)
            {
                repeated = true;
                self.place(number, false);
            }
        }
        repeated
    }

    /// The provider ends the charges that are still processing. Some of its webhooks never come, so
    /// that the sweep has to find what they are about.
    pub(crate) fn end_charges(&mut self) {
        for number in 0..self.workload.placements.len() {
            let order = self.workload.placements[number].order;
            if self.choose(4) == 3 {
                self.provider.end_processing(order, &IntentState::Succeeded);
            } else {
                self.end_charge(order, &IntentState::Succeeded);
            }
        }
    }

    pub(crate) fn decide(&mut self, ticket: Ticket) {
        let Some((id, point)) = self.board.wait(ticket) else { return };
        self.points += 1;
        let fault = self.fault_at(point);
        self.record_races(id, point, fault);
        let function = self.invocations.get(&id).map_or("", |invocation| invocation.function);
        let Point { name, moment, .. } = point;
        match fault {
            Some(PointFault::Crash) => {
                self.note(|| format!("#{id} {function} crashes {moment:?} {name}"));
                self.crash(id);
            }
            Some(PointFault::Fail) => {
                self.note(|| match moment {
                    Moment::Before => format!("#{id} {function}: {name} fails"),
                    Moment::After => format!("#{id} {function}: {name} is done, its response lost"),
                });
                self.board.decide(ticket, Decision::Fail);
                self.poll(id);
            }
            Some(PointFault::Refuse) => {
                self.note(|| match moment {
                    Moment::Before => format!("#{id} {function}: {name} is refused for now"),
                    Moment::After => {
                        format!("#{id} {function}: {name} is done, answered by an error")
                    }
                });
                self.board.decide(ticket, Decision::Refuse);
                self.poll(id);
            }
            None => {
                if moment == Moment::Before {
                    self.note(|| format!("#{id} {function}: {name}"));
                    self.check_refund(id, name);
                }
                self.board.decide(ticket, Decision::Proceed);
                self.poll(id);
                if moment == Moment::Before {
                    self.record_disputes_read(id, name);
                    self.send_webhook_of(id, name);
                }
            }
        }
    }

    pub(crate) fn fault_at(&mut self, point: Point) -> Option<PointFault> {
        let number = self.points - 1;
        if let Policy::InOrder(faults) = &self.policy {
            return faults.get(&number).copied();
        }
        // Refunds are rare.
        let chances = if point.name == "provider.create_refund" { 4 } else { 1 };
        (0..chances).find_map(|_| self.random_fault(point.moment))
    }

    fn random_fault(&mut self, moment: Moment) -> Option<PointFault> {
        if self.happens(Fault::Crash) {
            return Some(PointFault::Crash);
        }
        if self.happens(Fault::Refusal) {
            return Some(PointFault::Refuse);
        }
        let fails = self.happens(match moment {
            Moment::Before => Fault::Failure,
            Moment::After => Fault::LostResponse,
        });
        fails.then_some(PointFault::Fail)
    }
}

/// Whether something of a payment is left to do, other than by the bank.
fn is_unsettled(payment: &Payment) -> bool {
    let waits = payment.has_open_dispute() && payment.unfinished_refund().is_none();
    payment.deadline().is_some() && !waits
}
