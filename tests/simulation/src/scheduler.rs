//! The choice of the next step, and the end of a run.

use crate::{
    check::Violation,
    faults::{Faults, PointFault, Policy},
    io::{Decision, Moment, Point, Ticket},
    races::Race,
    world::{SOURCES, Source, World},
};
use rialto_orders::domain::order::OrderState;
use rialto_payments::domain::intent::IntentState;
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

    /// Performs one step.
    pub(crate) fn step(&mut self) {
        self.steps += 1;
        let pause = Duration::from_millis(self.choose(40) as u64);
        self.advance(pause);
        if self.happens(|faults| faults.time_jump) {
            let jump = Duration::from_secs(1 + self.choose(1_200) as u64);
            self.note(|| format!("{jump:?} pass"));
            self.advance(jump);
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
            Step::Background => self.background(),
        }
    }

    /// Ends all faults and runs until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        if let Policy::Random(_, faults) = &mut self.policy {
            *faults = Faults::default();
        }
        self.note(|| "no more faults".to_owned());
        self.drain();
        for round in 0..200 {
            if self.steps > MAX_STEPS {
                self.complaints.push(Violation::new("run-settles", "too many steps".to_owned()));
                return;
            }
            let repeated = self.repeat_unanswered();
            let redriven = self.queues.redrive(self.now());
            if redriven > 0 {
                self.races.reach(Race::DeadLetter);
                self.note(|| format!("{redriven} dead letters redriven"));
            }
            self.end_charges();
            // Beyond the deadline of the last order in a few rounds.
            self.advance(Duration::from_secs(if round < 2 { 60 } else { 300 }));
            self.sweep_orders();
            self.sweep_payments();
            self.drain();
            let pending = |world: &Self| {
                world.orders.orders().iter().any(|order| order.state == OrderState::Pending)
                    || world.payments.payments().iter().any(|payment| payment.deadline().is_some())
            };
            if round > 0 && !repeated && redriven == 0 && !pending(self) && !self.is_busy() {
                return;
            }
        }
    }

    /// Steps until nothing is under way.
    pub(crate) fn drain(&mut self) {
        let background = std::mem::replace(&mut self.policy, Policy::InOrder(BTreeMap::new()));
        while self.is_busy() && self.steps <= MAX_STEPS {
            let dead = self.queues.dead_letters().len();
            if self.invocations.is_empty()
                && !SOURCES.iter().any(|source| self.has_unpublished(*source))
                && self.queues.next_visible().is_none()
                && dead > 0
            {
                break;
            }
            self.step();
        }
        self.policy = background;
    }

    /// Clients repeat requests that they have no answer to.
    pub(crate) fn repeat_unanswered(&mut self) -> bool {
        let mut repeated = false;
        for number in 0..self.workload.placements.len() {
            let placement = &self.workload.placements[number];
            let stored = self.orders.orders().iter().any(|order| order.order_id == placement.order);
            if placement.response.is_none()
                && stored
                && placement.attempts > 0
                && !self.unregistered.contains(&placement.buyer)
            {
                repeated = true;
                self.place(number);
            }
        }
        repeated
    }

    /// The provider ends the charges that are still processing.
    pub(crate) fn end_charges(&mut self) {
        for number in 0..self.workload.placements.len() {
            let order = self.workload.placements[number].order;
            self.provider.end_processing(order, &IntentState::Succeeded);
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
            None => {
                if moment == Moment::Before {
                    self.note(|| format!("#{id} {function}: {name}"));
                }
                self.board.decide(ticket, Decision::Proceed);
                self.poll(id);
            }
        }
    }

    pub(crate) fn fault_at(&mut self, point: Point) -> Option<PointFault> {
        let number = self.points - 1;
        if let Policy::InOrder(faults) = &self.policy {
            return faults.get(&number).copied();
        }
        if self.happens(|faults| faults.crash) {
            return Some(PointFault::Crash);
        }
        let fails = match point.moment {
            Moment::Before => self.happens(|faults| faults.failure),
            Moment::After => self.happens(|faults| faults.lost_response),
        };
        fails.then_some(PointFault::Fail)
    }
}
