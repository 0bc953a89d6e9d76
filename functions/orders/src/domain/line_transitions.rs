//! The transitions of lines from the confirmation of their order on, except for returns.

use super::{
    keyed_request::RequestRecord,
    line::{CancelRequest, MAX_LINES_OF_SELLERS, MAX_LINES_WITH_PARTS, MAX_PARTS, OrderLine},
    order::{Order, OrderState, OrderUpdate},
};
use rialto_contracts::{
    EventContext, Payload,
    orders::{
        CancelReason, LineSnapshot, OrderLineAccepted, OrderLineCancelRefused,
        OrderLineCancelRequested, OrderLineCancelled, OrderLineRejected, OrderLineSplit,
        OrderLineState,
    },
};
use rialto_kernel::{Amount, PlantedBug, Quantity, Timestamp};

#[cfg(test)]
mod tests;

/// A line can't be changed as requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("line not found")]
    NotFound,
    /// The order isn't CONFIRMED yet, or no line of it can be cancelled.
    #[error("not allowed in the order's state")]
    OrderState(OrderState),
    #[error("not allowed in the line's state")]
    LineState(OrderLineState),
    #[error("the delivery isn't held yet")]
    CancelPending,
    #[error("the return window is over")]
    ReturnWindowOver,
    #[error("the order can't have another line")]
    TooManyLines,
    #[error("the line has been split too often")]
    TooManyParts,
    #[error("the line's return was requested too often")]
    TooManyReturns,
    #[error("must be at most {max}")]
    TooManyPieces { max: u32 },
    #[error("must be at most {share}, the line's share")]
    RefundAboveShare { share: Amount },
}

/// A request for some pieces of a line, under an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PiecesRequest {
    pub quantity: Quantity,
    pub record: RequestRecord,
}

impl Order {
    /// The seller accepts an ORDERED line.
    ///
    /// # Errors
    /// [`LineError`] in any other state.
    pub fn accept_line(
        &self,
        line_no: u32,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (update, at) = self.change_line(line_no, &[OrderLineState::Ordered])?;
        let update = update.with_state(at, OrderLineState::Accepted);
        Ok(update.emit_line(at, OrderLineAccepted::new, now, cause))
    }

    /// The seller rejects an ORDERED line.
    ///
    /// # Errors
    /// [`LineError`] in any other state.
    pub fn reject_line(
        &self,
        line_no: u32,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (update, at) = self.change_line(line_no, &[OrderLineState::Ordered])?;
        Ok(update.reject(at, now, cause).end_without_open_lines(now, cause))
    }

    /// The seller splits pieces off an ORDERED or ACCEPTED line whose delivery hasn't started.
    ///
    /// # Errors
    /// [`LineError`] in any other state, without a remaining piece or beyond a limit.
    pub fn split_line(
        &self,
        line_no: u32,
        pieces: PiecesRequest,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (update, at) = self.change_undelivered_line(line_no)?;
        let max = update.order.lines[at].quantity.get() - 1;
        if pieces.quantity.get() > max {
            return Err(LineError::TooManyPieces { max });
        }
        if update.order.lines.len() >= MAX_LINES_OF_SELLERS {
            return Err(LineError::TooManyLines);
        }
        let (update, part) = update.select_pieces(at, Some(pieces))?;
        Ok(update.emit_line(part, OrderLineSplit::new, now, cause))
    }

    /// The buyer requests to cancel an ORDERED or ACCEPTED line, or some pieces of it, whose
    /// delivery hasn't started.
    ///
    /// # Errors
    /// [`LineError`] in any other state, with too many pieces or beyond a limit.
    pub fn request_cancel(
        &self,
        line_no: u32,
        pieces: Option<PiecesRequest>,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (update, at) = self.change_undelivered_line(line_no)?;
        let (update, part) = update.select_pieces(at, pieces)?;
        Ok(update.request_cancel(part, now, cause))
    }

    /// The buyer requests to cancel every line of a CONFIRMED order that can still be.
    ///
    /// # Errors
    /// [`LineError::OrderState`] if there is none.
    pub fn request_cancel_of_lines(
        &self,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let cancellable = |line: &OrderLine| self.change_undelivered_line(line.line_no).is_ok();
        let lines: Vec<usize> =
            (0..self.lines.len()).filter(|at| cancellable(&self.lines[*at])).collect();
        if lines.is_empty() {
            return Err(LineError::OrderState(self.state));
        }
        let request = |update: OrderUpdate, at| update.request_cancel(at, now, cause);
        Ok(lines.into_iter().fold(self.next_version(), request))
    }

    /// The seller confirms the cancellation of a CANCELING line, once delivery holds its pieces.
    ///
    /// # Errors
    /// [`LineError`] in any other state, or before delivery holds them.
    pub fn confirm_cancel(
        &self,
        line_no: u32,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (update, at) = self.change_line(line_no, &[OrderLineState::Canceling])?;
        let request = update.order.lines[at].cancel_request;
        if request.and_then(|request| request.held_at).is_none()
            && !PlantedBug::CancelConfirmedUnheld.is_planted()
        {
            return Err(LineError::CancelPending);
        }
        Ok(update.cancel_line(at, now, cause).end_without_open_lines(now, cause))
    }

    /// The next version, for a change of a line in one of these states.
    pub(super) fn change_line(
        &self,
        line_no: u32,
        states: &[OrderLineState],
    ) -> Result<(OrderUpdate, usize), LineError> {
        let at = self.lines.iter().position(|line| line.line_no == line_no);
        let at = at.ok_or(LineError::NotFound)?;
        if self.state == OrderState::Pending {
            return Err(LineError::OrderState(self.state));
        }
        let state = self.lines[at].state;
        if !states.contains(&state) {
            return Err(LineError::LineState(state));
        }
        Ok((self.next_version(), at))
    }

    fn change_undelivered_line(&self, line_no: u32) -> Result<(OrderUpdate, usize), LineError> {
        let states = [OrderLineState::Ordered, OrderLineState::Accepted];
        let (update, at) = self.change_line(line_no, &states)?;
        let line = &self.lines[at];
        if line.delivery_started {
            return Err(LineError::LineState(line.state));
        }
        Ok((update, at))
    }

    fn line_snapshot(&self, at: usize) -> LineSnapshot {
        let line = &self.lines[at];
        let root = line.root();
        LineSnapshot {
            order_id: self.order_id,
            line_no: line.line_no,
            root,
            user_id: self.user_id,
            seller_id: line.seller_id,
            product_id: line.product_id,
            quantity: line.quantity,
            share: line.share,
            state: line.state,
            // Parts are numbered in the order of their splits.
            splits: self.parts_of(root).filter_map(OrderLine::split).collect(),
        }
    }

    fn parts_of(&self, root: u32) -> impl Iterator<Item = &OrderLine> {
        self.lines.iter().filter(move |line| line.part.is_some_and(|part| part.root == root))
    }
}

impl OrderUpdate {
    pub(super) fn with_state(mut self, at: usize, state: OrderLineState) -> Self {
        self.order.lines[at].state = state;
        self
    }

    /// Adds an event about a line, as it is now.
    pub(super) fn emit_line<P: Payload>(
        self,
        at: usize,
        event: impl FnOnce(LineSnapshot) -> P,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        let event = event(self.order.line_snapshot(at));
        self.emit(&event, now, cause)
    }

    /// Selects the line with the requested pieces: all of this one, or a part that it splits off.
    pub(super) fn select_pieces(
        mut self,
        at: usize,
        pieces: Option<PiecesRequest>,
    ) -> Result<(Self, usize), LineError> {
        let Some(PiecesRequest { quantity, record }) = pieces else {
            return Ok((self, at));
        };
        let line = &mut self.order.lines[at];
        if quantity > line.quantity {
            return Err(LineError::TooManyPieces { max: line.quantity.get() });
        }
        if quantity == line.quantity {
            line.requests.push(record);
            return Ok((self, at));
        }
        let root = line.root();
        if self.order.lines.len() >= MAX_LINES_WITH_PARTS {
            return Err(LineError::TooManyLines);
        }
        if self.order.parts_of(root).count() >= MAX_PARTS {
            return Err(LineError::TooManyParts);
        }
        let line_no = self.order.lines.iter().map(|line| line.line_no).max().unwrap_or(0) + 1;
        let line = &mut self.order.lines[at];
        let max = line.quantity.get();
        let part = line.split_off(line_no, quantity).ok_or(LineError::TooManyPieces { max })?;
        self.order.lines.push(OrderLine { requests: vec![record], ..part });
        let part = self.order.lines.len() - 1;
        Ok((self, part))
    }

    fn request_cancel(mut self, at: usize, now: Timestamp, cause: &EventContext) -> Self {
        let line = &mut self.order.lines[at];
        line.cancel_request = Some(CancelRequest {
            previous_state: line.state,
            published_at: now,
            repeats: 0,
            held_at: None,
        });
        let update = self.with_state(at, OrderLineState::Canceling);
        update.emit_line(at, OrderLineCancelRequested::new, now, cause)
    }

    /// Publishes a cancel request again that delivery hasn't responded to. The timeline has it once.
    pub(super) fn repeat_cancel_request(
        mut self,
        at: usize,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        if let Some(request) = &mut self.order.lines[at].cancel_request {
            request.published_at = now;
            request.repeats += 1;
        }
        let event = OrderLineCancelRequested::new(self.order.line_snapshot(at));
        self.emit_again(&event, now, cause)
    }

    /// Ends a cancel request: the line isn't cancelled.
    pub(super) fn refuse_cancel(
        mut self,
        at: usize,
        state: OrderLineState,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        self.order.lines[at].cancel_request = None;
        let update = self.with_state(at, state);
        update.emit_line(at, OrderLineCancelRefused::new, now, cause)
    }

    pub(super) fn reject(self, at: usize, now: Timestamp, cause: &EventContext) -> Self {
        let update = self.with_state(at, OrderLineState::Rejected);
        update.emit_line(at, OrderLineRejected::new, now, cause)
    }

    pub(super) fn cancel_line(mut self, at: usize, now: Timestamp, cause: &EventContext) -> Self {
        self.order.lines[at].cancel_request = None;
        let update = self.with_state(at, OrderLineState::Cancelled);
        update.emit_line(at, OrderLineCancelled::new, now, cause)
    }

    /// Ends a CONFIRMED order once no line is open: COMPLETED if any was delivered, else CANCELLED.
    pub(super) fn end_without_open_lines(self, now: Timestamp, cause: &EventContext) -> Self {
        let order = &self.order;
        let left = PlantedBug::OrderLeftWithoutLines.is_planted();
        if left || order.lines.iter().any(OrderLine::is_open) {
            return self;
        }
        if order.state != OrderState::Confirmed {
            return self.erase_if_closed();
        }
        if order.lines.iter().any(OrderLine::was_delivered) {
            return self.complete(now, cause);
        }
        // The events of this write are about the line that ended last.
        let rejected =
            self.events.last().is_some_and(|event| event.kind == OrderLineRejected::TYPE);
        let reason = if rejected { CancelReason::Seller } else { CancelReason::Buyer };
        self.close_cancelled(reason, now, cause)
    }
}
