//! The deadlines of an order and its lines, and what happens when one has passed.

use super::{
    line::{MAX_CANCEL_REPEATS, OrderLine, ReturnOutcome},
    order::{Order, OrderState, OrderUpdate},
};
use rialto_contracts::{
    EventContext,
    orders::{CancelReason, OrderLineState},
};
use rialto_kernel::Timestamp;

/// The lines that one write of the sweep changes, because their events are in the order's item. The
/// next sweep continues with the others.
pub const MAX_EXPIRED_LINES: usize = 10;

impl Order {
    /// The earliest deadline of the order and its lines.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.state == OrderState::Pending {
            return Some(self.expires_at);
        }
        self.lines.iter().filter_map(|line| self.line_deadline(line)).min()
    }

    fn line_deadline(&self, line: &OrderLine) -> Option<Timestamp> {
        let terms = &self.line_terms;
        match line.state {
            OrderLineState::Ordered => Some(self.confirmed_at()?.plus(terms.accept_deadline)),
            OrderLineState::Canceling => {
                let request = line.cancel_request?;
                match request.held_at {
                    Some(held_at) => Some(held_at.plus(terms.cancel_deadline)),
                    None if request.repeats < MAX_CANCEL_REPEATS => {
                        Some(request.published_at.plus(terms.hold_retry))
                    }
                    None => None,
                }
            }
            OrderLineState::ReturnRequested => {
                Some(line.return_request.as_ref()?.requested_at.plus(terms.return_deadline))
            }
            OrderLineState::Accepted
            | OrderLineState::Cancelled
            | OrderLineState::Rejected
            | OrderLineState::Completed
            | OrderLineState::Returned
            | OrderLineState::Other => None,
        }
    }

    /// Does what nobody has done by the deadlines that have passed: cancels a PENDING order
    /// (TIMEOUT), rejects lines, confirms held cancel requests, publishes the others again, and
    /// grants returns, of up to [`MAX_EXPIRED_LINES`] lines. `None` if no deadline has passed.
    #[must_use]
    pub fn expire(&self, now: Timestamp, cause: &EventContext) -> Option<OrderUpdate> {
        if self.deadline()? > now {
            return None;
        }
        if self.state == OrderState::Pending {
            return self.cancel(CancelReason::Timeout, now, cause).ok();
        }
        let is_due = |line: &OrderLine| self.line_deadline(line).is_some_and(|at| at <= now);
        let due = (0..self.lines.len()).filter(|at| is_due(&self.lines[*at]));
        let due = due.take(MAX_EXPIRED_LINES);
        let expire = |update: OrderUpdate, at| update.expire_line(at, now, cause);
        Some(due.fold(self.next_version(), expire).end_without_open_lines(now, cause))
    }
}

impl OrderUpdate {
    fn expire_line(self, at: usize, now: Timestamp, cause: &EventContext) -> Self {
        let line = &self.order.lines[at];
        match line.state {
            OrderLineState::Ordered => self.reject(at, now, cause),
            OrderLineState::Canceling => {
                if line.cancel_request.is_some_and(|request| request.held_at.is_some()) {
                    self.cancel_line(at, now, cause)
                } else {
                    self.repeat_cancel_request(at, now, cause)
                }
            }
            OrderLineState::ReturnRequested => {
                let outcome = ReturnOutcome { restock: false, refund: line.share };
                self.return_line(at, outcome, now, cause)
            }
            _ => self,
        }
    }
}
