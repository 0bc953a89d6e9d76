//! Invocations of functions: their start, their steps and their end.

use crate::{
    check::Violation, faults::Policy, io::InvocationId, queues::QueuedMessage, workload::Operation,
    world::World,
};
use rialto_kernel::{Clock, Timestamp};
use rialto_lambda::sqs::{Failure, Outcome};
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
    /// The response body, or `None` if the client has to repeat its request.
    Placed(Option<String>),
    /// A response that says nothing about the invariants.
    Answered,
}

pub(crate) struct Invocation {
    pub(crate) function: &'static str,
    pub(crate) subject: String,
    pub(crate) future: Pin<Box<dyn Future<Output = Ending> + Send>>,
    pub(crate) message: Option<QueuedMessage>,
    pub(crate) placement: Option<usize>,
    pub(crate) started: Timestamp,
    /// The provider has confirmed a charge, and the invocation hasn't recorded it.
    pub(crate) confirmed: bool,
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
            Policy::Random(rng, faults) => rng.i64(-faults.clock_skew..=faults.clock_skew),
            Policy::InOrder(_) => 0,
        };
        Arc::new(SkewedClock { now: Arc::clone(&self.now), skew })
    }

    pub(crate) fn start(&mut self, id: InvocationId, invocation: Invocation) {
        self.invocations.insert(id, invocation);
        self.poll(id);
    }

    /// Starts a request that no message is about.
    pub(crate) fn request(
        &mut self,
        id: InvocationId,
        function: &'static str,
        subject: String,
        placement: Option<usize>,
        future: impl Future<Output = Ending> + Send + 'static,
    ) {
        self.note(|| format!("#{id} {function} {subject}"));
        let future = Box::pin(future);
        let invocation = Invocation {
            function,
            subject,
            future,
            message: None,
            placement,
            started: self.now(),
            confirmed: false,
        };
        self.start(id, invocation);
    }

    pub(crate) fn poll(&mut self, id: InvocationId) {
        let Some(invocation) = self.invocations.get_mut(&id) else { return };
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            let polled = invocation.future.as_mut().poll(&mut Context::from_waker(&waker));
            match polled {
                Poll::Ready(ending) => {
                    self.board.remove(id);
                    if let Some(invocation) = self.invocations.remove(&id) {
                        self.end(id, invocation, ending);
                    }
                    return;
                }
                Poll::Pending if flag.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending => return,
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
            Ending::Placed(response) => {
                let Some(number) = invocation.placement else { return };
                self.note(|| format!("#{id} {function}: answered {}", response.is_some()));
                match response {
                    None => self.retry_placement(number),
                    Some(response) => {
                        let placement = &mut self.workload.placements[number];
                        match &placement.response {
                            Some(first) if *first != response => {
                                self.complaints.push(Violation::new(
                                    "same-answer",
                                    format!(
                                        "{}: a repeated request had another answer",
                                        placement.order
                                    ),
                                ))
                            }
                            _ => placement.response = Some(response),
                        }
                    }
                }
            }
            Ending::Answered => self.note(|| format!("#{id} {function}: answered")),
        }
    }

    /// Drops an invocation. Its message becomes visible again after the visibility time.
    pub(crate) fn crash(&mut self, id: InvocationId) {
        self.board.remove(id);
        if let Some(invocation) = self.invocations.remove(&id)
            && let Some(placement) = invocation.placement
        {
            self.retry_placement(placement);
        }
    }

    /// Ends the requests that took too long.
    pub(crate) fn time_out(&mut self) {
        let now = self.now();
        let late = |invocation: &Invocation| {
            invocation.message.is_none() && now.since(invocation.started) > REQUEST_TIMEOUT
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

    pub(crate) fn retry_placement(&mut self, number: usize) {
        let placement = &mut self.workload.placements[number];
        if placement.attempts > 0 {
            placement.attempts -= 1;
            self.workload.operations.push(Operation::Place(number));
        }
    }
}
