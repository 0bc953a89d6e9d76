//! Points at which an invocation waits for the scheduler: before and after each call of a port.

use std::{
    collections::BTreeMap,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The result of a future that is ready at once, as those of ports in memory are.
///
/// # Panics
/// If it isn't.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future is pending"),
    }
}

/// Identifies an invocation of a function.
pub type InvocationId = u32;

/// Identifies a wait at a point.
pub type Ticket = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
}

/// A point in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Such as `orders.save`.
    pub name: &'static str,
    pub kind: Kind,
    pub moment: Moment,
}

/// How an invocation continues at a point. It can also be dropped there, which is a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Proceed,
    /// Before the call: it fails without an effect. After it: its response is lost.
    Fail,
    /// Before the call: it is throttled, or meets contention, and has no effect. After it: its
    /// response is lost, and the provider asks not to repeat the request.
    Refuse,
}

/// Why a call has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFailure {
    /// It was never made.
    NotSent,
    /// It was throttled, or met contention: nothing was done.
    Refused,
    /// It was done, and its response lost.
    ResponseLost,
    /// It was done; the response says neither that nor how it ended, and not to repeat it.
    Unrepeatable,
}

impl CallFailure {
    const fn of(moment: Moment, decision: Decision) -> Option<Self> {
        match (moment, decision) {
            (_, Decision::Proceed) => None,
            (Moment::Before, Decision::Fail) => Some(Self::NotSent),
            (Moment::Before, Decision::Refuse) => Some(Self::Refused),
            (Moment::After, Decision::Fail) => Some(Self::ResponseLost),
            (Moment::After, Decision::Refuse) => Some(Self::Unrepeatable),
        }
    }
}

/// What a call returned, as far as it shows that a race was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observation {
    /// The condition of a write failed.
    Conflict,
    /// An index was read in a state that differs from the present one.
    StaleIndex,
    /// The provider has a refund that is to be created.
    RefundFound,
}

#[derive(Debug)]
struct Wait {
    invocation: InvocationId,
    point: Point,
    decision: Option<Decision>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Waits {
    waits: BTreeMap<Ticket, Wait>,
    next: Ticket,
    observations: Vec<(InvocationId, Observation)>,
}

/// All waits of a run. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Board {
    waits: Arc<Mutex<Waits>>,
}

impl Board {
    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The points of an invocation.
    #[must_use]
    pub fn io(&self, invocation: InvocationId) -> Io {
        Io { board: self.clone(), invocation }
    }

    /// The undecided waits, oldest first.
    #[must_use]
    pub fn undecided(&self) -> Vec<Ticket> {
        let waits = self.waits();
        let undecided = waits.waits.iter().filter(|(_, wait)| wait.decision.is_none());
        undecided.map(|(ticket, _)| *ticket).collect()
    }

    /// The invocation that waits, and where.
    #[must_use]
    pub fn wait(&self, ticket: Ticket) -> Option<(InvocationId, Point)> {
        self.waits().waits.get(&ticket).map(|wait| (wait.invocation, wait.point))
    }

    /// The points at which an invocation waits.
    #[must_use]
    pub fn points_of(&self, invocation: InvocationId) -> Vec<Point> {
        let waits = self.waits();
        let of = waits.waits.values().filter(|wait| wait.invocation == invocation);
        of.map(|wait| wait.point).collect()
    }

    /// Decides a wait; the invocation has to be polled afterwards.
    pub fn decide(&self, ticket: Ticket, decision: Decision) {
        if let Some(wait) = self.waits().waits.get_mut(&ticket) {
            wait.decision = Some(decision);
            wait.waker.wake_by_ref();
        }
    }

    /// What was observed since the last call.
    pub(crate) fn take_observations(&self) -> Vec<(InvocationId, Observation)> {
        std::mem::take(&mut self.waits().observations)
    }

    /// Removes the waits of an invocation that ended or crashed.
    pub fn remove(&self, invocation: InvocationId) {
        self.waits().waits.retain(|_, wait| wait.invocation != invocation);
    }
}

/// The points of one invocation.
#[derive(Debug, Clone)]
pub struct Io {
    board: Board,
    invocation: InvocationId,
}

impl Io {
    /// Performs `operation`, which is ready at once, between two points. `error` is the error of a
    /// call that has no result.
    pub(crate) async fn call<T, E>(
        &self,
        name: &'static str,
        kind: Kind,
        operation: impl Future<Output = Result<T, E>>,
        error: impl Fn(CallFailure) -> E,
    ) -> Result<T, E> {
        let reached = async |moment| {
            let decision = self.reach(Point { name, kind, moment }).await;
            CallFailure::of(moment, decision)
        };
        if let Some(failure) = reached(Moment::Before).await {
            return Err(error(failure));
        }
        let result = operation.await;
        match reached(Moment::After).await {
            None => result,
            Some(failure) => Err(error(failure)),
        }
    }

    pub(crate) fn observe(&self, observation: Observation) {
        self.board.waits().observations.push((self.invocation, observation));
    }

    const fn reach(&self, point: Point) -> Reach<'_> {
        Reach { io: self, point, ticket: None }
    }
}

/// Waits at a point for a decision.
struct Reach<'a> {
    io: &'a Io,
    point: Point,
    ticket: Option<Ticket>,
}

impl Future for Reach<'_> {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Decision> {
        let mut waits = self.io.board.waits();
        let ticket = self.ticket.unwrap_or(waits.next);
        if self.ticket.is_none() {
            waits.next += 1;
            let (invocation, point) = (self.io.invocation, self.point);
            let wait = Wait { invocation, point, decision: None, waker: context.waker().clone() };
            waits.waits.insert(ticket, wait);
        }
        let decision = match waits.waits.get_mut(&ticket) {
            Some(wait) => {
                wait.waker.clone_from(context.waker());
                wait.decision
            }
            None => None,
        };
        if decision.is_some() {
            waits.waits.remove(&ticket);
        }
        drop(waits);
        self.ticket = Some(ticket);
        decision.map_or(Poll::Pending, Poll::Ready)
    }
}
