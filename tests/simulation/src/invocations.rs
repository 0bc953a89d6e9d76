//! Invocations of functions: their start, their steps and their end.

use crate::{
    check::Violation,
    faults::{Fault, Policy},
    io::InvocationId,
    queues::{QueuedMessage, VISIBILITY},
    races::Race,
    workload::{Operation, PaymentOperation},
    world::World,
};
use rialto_kernel::{Clock, RefundId, Timestamp};
use rialto_lambda::sqs::{Failure, Outcome};
use rialto_orders::domain::order::OrderState;
use rialto_payments::domain::payment::GoodwillError;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// Lambda ends the invocations of routes after this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Those of consumers end here. A consumer has 30 seconds at most in `template.yaml`, but the workload
/// also has consumers that are slower than the visibility time of their messages.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(4 * VISIBILITY.as_secs());

/// The clock of an invocation.
#[derive(Debug)]
struct SkewedClock {
    now: Arc<AtomicI64>,
    skew: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed) + self.skew)
    }
}

/// How an invocation ends.
pub(crate) enum Ending {
    Message(Result<Outcome, Failure>),
    /// The placement's answer, and whether it is a repeated one.
    Placed {
        response: String,
        replayed: bool,
    },
    /// A placement's key was used for another request.
    KeyReused,
    /// A placement was refused, as a product can't be ordered.
    NotOrderable,
    /// The adjustment's answer, and whether it is a repeated one.
    Adjusted {
        response: String,
        replayed: bool,
    },
    Cancelled,
    LineChanged,
    /// The answer to a further attempt to pay, and whether it is a repeated one.
    PaidAgain {
        replayed: bool,
    },
    /// The answer to a goodwill refund: whether it is a repeated one, and the refund.
    Granted {
        refund: RefundId,
        replayed: bool,
    },
    /// A goodwill refund was refused.
    NotGranted(GoodwillError),
    /// A webhook's answer: whether it recorded something.
    WebhookAnswered {
        recorded: bool,
    },
    /// A response after which the client gives up, or that no client waits for.
    Answered,
    /// The client has to repeat its request.
    Unanswered,
}

/// Why a function is invoked.
pub(crate) enum Origin {
    Message(Box<QueuedMessage>),
    Request(Operation),
    Schedule,
}

pub(crate) struct Invocation {
    pub(crate) function: &'static str,
    pub(crate) subject: String,
    pub(crate) future: Pin<Box<dyn Future<Output = Ending> + Send>>,
    pub(crate) message: Option<QueuedMessage>,
    /// What its client asked for.
    pub(crate) operation: Option<Operation>,
    pub(crate) started: Timestamp,
    /// The provider has confirmed a charge, and the invocation hasn't recorded it.
    pub(crate) charge_unrecorded: bool,
    /// The same of a refund.
    pub(crate) refund_unrecorded: bool,
    /// The provider's response to a confirmation was lost.
    pub(crate) charge_response_lost: bool,
    /// The payment has an open dispute, as it was when it was last read or written.
    pub(crate) reads_open_dispute: bool,
    /// Its last call to payments' store has read the payment.
    pub(crate) has_read_payment: bool,
    /// The payment had a refund that waits for a dispute, at some time.
    pub(crate) reads_waiting_refund: bool,
    /// It has none any more.
    pub(crate) resumes_refund: bool,
}

/// A waker that remembers that it was called.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl World {
    pub(crate) fn next_id(&mut self) -> InvocationId {
        self.next_invocation += 1;
        self.next_invocation
    }

    /// The clock of a new invocation.
    pub(crate) fn clock(&mut self) -> Arc<dyn Clock> {
        let skew = match &mut self.policy {
            Policy::Random(rng, faults) => {
                let most = i64::from(faults.chance(Fault::ClockSkew));
                rng.i64(-most..=most)
            }
            Policy::InOrder(_) => 0,
        };
        if skew != 0 {
            self.races.inject(Fault::ClockSkew);
        }
        Arc::new(SkewedClock { now: Arc::clone(&self.now), skew })
    }

    /// Starts an invocation.
    pub(crate) fn start(
        &mut self,
        id: InvocationId,
        function: &'static str,
        subject: String,
        origin: Origin,
        future: impl Future<Output = Ending> + Send + 'static,
    ) {
        let (message, operation) = match origin {
            Origin::Message(message) => (Some(*message), None),
            Origin::Request(operation) => (None, Some(operation)),
            Origin::Schedule => (None, None),
        };
        let invocation = Invocation {
            function,
            subject,
            future: Box::pin(future),
            message,
            operation,
            started: self.now(),
            charge_unrecorded: false,
            refund_unrecorded: false,
            charge_response_lost: false,
            reads_open_dispute: false,
            has_read_payment: false,
            reads_waiting_refund: false,
            resumes_refund: false,
        };
        self.invocations.insert(id, invocation);
        self.poll(id);
    }

    pub(crate) fn poll(&mut self, id: InvocationId) {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            let Some(invocation) = self.invocations.get_mut(&id) else { return };
            let polled = invocation.future.as_mut().poll(&mut Context::from_waker(&waker));
            self.record_observations();
            match polled {
                Poll::Ready(ending) => {
                    self.board.remove(id);
                    if let Some(invocation) = self.invocations.remove(&id) {
                        self.end(id, invocation, ending);
                    }
                    return;
                }
                Poll::Pending if flag.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending => {
                    self.check_charge(id);
                    return;
                }
            }
        }
    }

    pub(crate) fn end(&mut self, id: InvocationId, invocation: Invocation, ending: Ending) {
        let function = invocation.function;
        match ending {
            Ending::Message(result) => {
                let Some(message) = invocation.message else { return };
                match result {
                    Ok(outcome) => {
                        self.note(|| format!("#{id} {function}: {outcome:?}"));
                        self.record_outcome(&message, outcome);
                        self.queues.delete(message.id);
                    }
                    Err(error) => {
                        self.note(|| format!("#{id} {function} failed: {error}"));
                        let pause = Duration::from_secs(1 + self.choose(30) as u64);
                        self.queues.retry(message.id, self.now().plus(pause));
                    }
                }
            }
            ending => {
                let Some(operation) = invocation.operation else { return };
                self.answer(id, function, &operation, ending);
            }
        }
    }

    /// Ends a request.
    fn answer(
        &mut self,
        id: InvocationId,
        function: &'static str,
        operation: &Operation,
        ending: Ending,
    ) {
        match (ending, operation) {
            (Ending::Placed { response, replayed }, Operation::Place(number)) => {
                self.note(|| format!("#{id} {function}: order {number}, repeated {replayed}"));
                self.record_placement(*number, false, response, replayed);
            }
            (Ending::Placed { response, replayed }, Operation::PlaceOther(number)) => {
                self.note(|| format!("#{id} {function}: order {number}, repeated {replayed}"));
                self.record_placement(*number, true, response, replayed);
            }
            (Ending::KeyReused, Operation::Place(number) | Operation::PlaceOther(number)) => {
                self.note(|| format!("#{id} {function}: the key of order {number} is used"));
                self.races.reach(Race::ReusedKey);
                if matches!(operation, Operation::Place(_)) {
                    self.workload.placements[*number].refused = true;
                }
            }
            // The product may not be known yet.
            (Ending::NotOrderable, _) => {
                self.note(|| format!("#{id} {function}: not orderable"));
                self.races.reach(Race::UnorderableProduct);
                self.repeat(operation.clone());
            }
            (
                Ending::Adjusted { response, replayed },
                Operation::AdjustStock { product, key, .. },
            ) => {
                self.note(|| format!("#{id} {function}: adjusted, repeated {replayed}"));
                if replayed {
                    self.races.reach(Race::RepeatedAdjustment);
                }
                let key = (*product, key.clone());
                let first = self.adjusted.entry(key).or_insert_with(|| response.clone());
                let same = *first == response;
                self.expect("same-answer", same, || {
                    format!("product {product}: a repeated adjustment had another answer")
                });
            }
            (Ending::Cancelled, Operation::Cancel { placement, .. }) => {
                self.note(|| format!("#{id} {function}: order {placement} is cancelled"));
                let order = self.workload.placements[*placement].order;
                let orders = self.orders.orders();
                let stored = orders.iter().find(|stored| stored.order_id == order);
                let cancelled = stored.is_some_and(|order| order.state == OrderState::Cancelled);
                self.expect("cancelled-answer", cancelled, || {
                    format!("order {placement}: answered as cancelled, and isn't")
                });
            }
            (
                Ending::PaidAgain { replayed },
                Operation::PayAgain(PaymentOperation { placement, .. }),
            ) => {
                self.note(|| format!("#{id} {function}: paid again, repeated {replayed}"));
                let order = self.workload.placements[*placement].order;
                let attempts = self.payment(order).map_or(0, |payment| payment.attempt());
                self.expect("paid-again-answer", attempts > 1, || {
                    format!("order {placement}: answered as paid again, and isn't")
                });
                if replayed {
                    self.races.reach(Race::RepeatedAttempt);
                }
            }
            (Ending::Granted { refund, replayed }, Operation::GrantRefund(operation)) => {
                self.note(|| format!("#{id} {function}: granted, repeated {replayed}"));
                let order = self.workload.placements[operation.placement].order;
                let payment = self.payment(order);
                let stored = payment.is_some_and(|payment| payment.refund(refund).is_some());
                self.expect("goodwill-answer", stored, || {
                    format!("order {}: a refund was granted, and isn't", operation.placement)
                });
                if replayed {
                    self.races.reach(Race::RepeatedGoodwill);
                }
            }
            (Ending::NotGranted(error), _) => {
                self.note(|| format!("#{id} {function}: not granted: {error}"));
                self.record_refusal(error);
            }
            (Ending::WebhookAnswered { recorded }, Operation::Webhook { order, refund, .. }) => {
                self.note(|| format!("#{id} {function}: answered, recorded {recorded}"));
                if recorded && refund.is_some() {
                    self.record_refund_webhook(&order.to_string());
                }
            }
            (Ending::Unanswered, _) => {
                self.note(|| format!("#{id} {function}: answered by an error"));
                self.repeat(operation.clone());
            }
            _ => self.note(|| format!("#{id} {function}: answered")),
        }
    }

    /// Records the answer to a placement, whose Idempotency-Key stands for one body and one answer.
    fn record_placement(&mut self, number: usize, other: bool, response: String, replayed: bool) {
        if replayed {
            self.races.reach(Race::RepeatedPlacement);
        }
        let answer = (other, response);
        let first = self.workload.placements[number].response.get_or_insert_with(|| answer.clone());
        let same = *first == answer;
        self.expect("same-answer", same, || {
            format!("order {number}: a repeated request, or another body, had another answer")
        });
    }

    /// Records a violation unless `holds`.
    pub(crate) fn expect(
        &mut self,
        check: &'static str,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            self.complaints.push(Violation::new(check, what()));
        }
    }

    /// Drops an invocation. Its message becomes visible again after the visibility time, and its
    /// client may repeat its request.
    pub(crate) fn crash(&mut self, id: InvocationId) {
        self.board.remove(id);
        if let Some(Invocation { operation: Some(operation), .. }) = self.invocations.remove(&id) {
            self.repeat(operation);
        }
    }

    /// Ends the invocations that took too long.
    pub(crate) fn time_out(&mut self) {
        let now = self.now();
        let late = |invocation: &Invocation| {
            let is_request = invocation.message.is_none();
            let limit = if is_request { REQUEST_TIMEOUT } else { CONSUMER_TIMEOUT };
            now.since(invocation.started) > limit
        };
        let late: Vec<InvocationId> = self
            .invocations
            .iter()
            .filter_map(|(id, invocation)| late(invocation).then_some(*id))
            .collect();
        for id in late {
            self.note(|| format!("#{id} times out"));
            self.crash(id);
        }
    }

    /// The client of a request without an answer repeats it, or gives up. The provider repeats
    /// its webhooks until they are answered.
    pub(crate) fn repeat(&mut self, operation: Operation) {
        match operation {
            Operation::Webhook { .. } | Operation::DisputeWebhook { .. } => {
                self.webhooks.push(operation);
            }
            Operation::Place(number) => {
                let placement = &mut self.workload.placements[number];
                if placement.attempts > 0 {
                    placement.attempts -= 1;
                    self.workload.operations.push(operation);
                }
            }
            Operation::AdjustStock { .. }
            | Operation::Cancel { .. }
            | Operation::Line(_)
            | Operation::Deliver(_)
            | Operation::PayAgain(_)
            | Operation::GrantRefund(_)
            | Operation::RetryRefund { .. }
                if self.choose(4) < 3 =>
            {
                self.workload.operations.push(operation);
            }
            _ => {}
        }
    }
}
