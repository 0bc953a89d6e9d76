//! What delivery's events change in a line.

use super::order::OrderUpdate;
use rialto_contracts::{EventContext, orders::OrderLineState};
use rialto_kernel::{PlantedBug, Timestamp};

/// What delivery has published about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStep {
    Held,
    NotHeld,
    Started,
    Completed { delivered_at: Timestamp },
    ReceiptConfirmed { delivered_at: Timestamp },
}

impl OrderUpdate {
    /// Applies a step to a line; in a state that it doesn't fit, nothing changes.
    ///
    /// A cancel request is refused because the delivery has started, and then there is no later
    /// request that a late DeliveryHeld could be counted for.
    pub(super) fn apply_delivery(
        mut self,
        line_no: u32,
        step: DeliveryStep,
        now: Timestamp,
        cause: &EventContext,
    ) -> Self {
        let Some(at) = self.order.lines.iter().position(|line| line.line_no == line_no) else {
            return self;
        };
        let line = &mut self.order.lines[at];
        if step == DeliveryStep::Held {
            if let Some(request) = line.cancel_request.as_mut().filter(|_| !line.delivery_started) {
                request.held_at.get_or_insert(now);
            }
            return self;
        }
        if !matches!(
            line.state,
            OrderLineState::Ordered | OrderLineState::Accepted | OrderLineState::Canceling
        ) {
            return self;
        }
        line.delivery_started = true;
        match step {
            DeliveryStep::Held | DeliveryStep::Started => self,
            DeliveryStep::NotHeld => match line.cancel_request {
                Some(request) if !PlantedBug::NotHeldIgnored.is_planted() => {
                    self.refuse_cancel(at, request.previous_state, now, cause)
                }
                _ => self,
            },
            DeliveryStep::Completed { delivered_at } => {
                line.delivered_at.get_or_insert(delivered_at);
                self
            }
            DeliveryStep::ReceiptConfirmed { delivered_at } => {
                line.delivered_at.get_or_insert(delivered_at);
                let update = if line.cancel_request.is_some() {
                    self.refuse_cancel(at, OrderLineState::Completed, now, cause)
                } else {
                    self.with_state(at, OrderLineState::Completed)
                };
                update.end_without_open_lines(now, cause)
            }
        }
    }
}
