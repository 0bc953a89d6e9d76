//! What orders' events say about a line, as far as deliveries depend on it.

use rialto_contracts::orders::{LineSnapshot, LineSplit, OrderLineState};
use rialto_kernel::{DeliveryId, EventId};
use serde::{Deserialize, Serialize};

/// A change of a line, with the event that is about it and the line after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineChange {
    pub event_id: EventId,
    pub line: LineSnapshot,
    pub kind: LineChangeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineChangeKind {
    Accepted,
    Rejected,
    CancelRequested,
    Cancelled,
    /// Only the line's splits matter: it was split, or its cancellation was refused.
    Split,
}

impl LineChange {
    /// A change of a line. Splits of completed lines are left out: they are about returns, and
    /// change no delivery.
    #[must_use]
    pub fn new(event_id: EventId, mut line: LineSnapshot, kind: LineChangeKind) -> Self {
        line.splits.retain(|split| !is_completed(split));
        Self { event_id, line, kind }
    }

    /// The ids of the deliveries that it can concern: of the line as it was placed, and its parts.
    #[must_use]
    pub fn delivery_ids(&self) -> Vec<DeliveryId> {
        let parts = self.line.splits.iter().map(|split| split.line_no);
        let lines = std::iter::once(self.line.root).chain(parts);
        lines.map(|line_no| super::delivery::delivery_id(self.line.order_id, line_no)).collect()
    }
}

const fn is_completed(split: &LineSplit) -> bool {
    matches!(
        split.state,
        OrderLineState::Completed | OrderLineState::ReturnRequested | OrderLineState::Returned
    )
}
