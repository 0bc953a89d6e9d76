//! Returns of delivered lines.

use super::{
    line::{MAX_RETURN_REQUESTS, ReturnOutcome, ReturnReason, ReturnRequest},
    line_transitions::{LineError, PiecesRequest},
    order::{Order, OrderUpdate},
};
use rialto_contracts::{
    EventContext,
    orders::{
        OrderLineReturnDeclined, OrderLineReturnRequested, OrderLineReturned, OrderLineState,
    },
};
use rialto_kernel::{Amount, PlantedBug, Timestamp};

impl Order {
    /// The buyer requests to return a COMPLETED line, or some pieces of it, within the return
    /// window of its delivery.
    ///
    /// # Errors
    /// [`LineError`] in any other state, too late, with too many pieces or beyond a limit.
    pub fn request_return(
        &self,
        line_no: u32,
        reason: ReturnReason,
        pieces: Option<PiecesRequest>,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (update, at) = self.change_line(line_no, &[OrderLineState::Completed])?;
        let line = &self.lines[at];
        let window_ends =
            line.delivered_at.map(|delivered_at| delivered_at.plus(self.line_terms.return_window));
        // Without a known delivery the window would never end.
        if window_ends.is_none_or(|window_ends| window_ends < now) {
            return Err(LineError::ReturnWindowOver);
        }
        let count = line.return_request.as_ref().map_or(0, |request| request.count);
        if count >= MAX_RETURN_REQUESTS {
            return Err(LineError::TooManyReturns);
        }
        let (mut update, part) = update.select_pieces(at, pieces)?;
        update.order.lines[part].return_request = Some(ReturnRequest {
            requested_at: now,
            count: count + 1,
            reason: Some(reason),
            decline_reason: None,
            outcome: None,
        });
        let update = update.with_state(part, OrderLineState::ReturnRequested);
        Ok(update.emit_line(part, OrderLineReturnRequested::new, now, cause))
    }

    /// The seller confirms a return. Without a `refund` the line's whole share is refunded.
    ///
    /// # Errors
    /// [`LineError`] in any other state, or for a refund above the share.
    pub fn confirm_return(
        &self,
        line_no: u32,
        restock: bool,
        refund: Option<Amount>,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (update, at) = self.change_line(line_no, &[OrderLineState::ReturnRequested])?;
        let share = self.lines[at].share;
        let refund = refund.unwrap_or(share);
        if refund > share && !PlantedBug::ReturnRefundedAboveShare.is_planted() {
            return Err(LineError::RefundAboveShare { share });
        }
        let update = update.return_line(at, ReturnOutcome { restock, refund }, now, cause);
        Ok(update.end_without_open_lines(now, cause))
    }

    /// The seller declines a return: the line is COMPLETED again.
    ///
    /// # Errors
    /// [`LineError`] in any other state.
    pub fn decline_return(
        &self,
        line_no: u32,
        reason: ReturnReason,
        now: Timestamp,
        cause: &EventContext,
    ) -> Result<OrderUpdate, LineError> {
        let (mut update, at) = self.change_line(line_no, &[OrderLineState::ReturnRequested])?;
        if let Some(request) = &mut update.order.lines[at].return_request {
            // The size of an order is limited: only one of the reasons is stored.
            request.reason = None;
            request.decline_reason = Some(reason);
        }
        let update = update.with_state(at, OrderLineState::Completed);
        let update = update.emit_line(at, OrderLineReturnDeclined::new, now, cause);
        Ok(update.end_without_open_lines(now, cause))
    }
}

impl OrderUpdate {
    pub(super) fn return_line(
        mut self,
        at: usize,
        outcome: ReturnOutcome,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        if let Some(request) = &mut self.order.lines[at].return_request {
            request.outcome = Some(outcome);
        }
        let ReturnOutcome { restock, refund } = outcome;
        let event = |line| OrderLineReturned::new(line, restock, refund);
        self.with_state(at, OrderLineState::Returned).emit_line(at, event, now, cause)
    }
}
