//! Whether an order's timeline is complete.

use super::{
    super::{
        Subject,
        expected_events::{expected, recorded},
    },
    Check, while_pending,
};
use rialto_contracts::{
    Payload,
    delivery::{DeliveryHeld, DeliveryNotHeld},
    orders::{CancelReason, OrderLineCancelRequested},
};
use rialto_orders::domain::{order::Order, timeline::TimelineEntry};
use serde::Deserialize;
use std::collections::BTreeSet;

impl Check<'_> {
    /// The timeline has every event of every service once, with its causes.
    pub(super) fn timeline(&mut self, order: &Order) {
        let about = Subject::Order(order.order_id);
        let standing = while_pending(Some(order.state));
        let ids: BTreeSet<_> = order.timeline.iter().map(|entry| entry.id).collect();
        self.expect(
            "timeline-duplicates",
            about.clone(),
            ids.len() == order.timeline.len(),
            || "an event is in the timeline twice".to_owned(),
        );
        let archived = order.archived.ids.iter().all(|id| ids.contains(id));
        self.expect("timeline-parts", about.clone(), archived, || {
            "a part of the timeline is missing".to_owned()
        });
        for entry in &order.timeline {
            let caused = entry.causationid.is_none_or(|cause| ids.contains(&cause))
                || responds_to_cancel_request(order, entry);
            let has_cause = entry.causationid.is_some();
            self.expect_as(
                "timeline-causes",
                standing,
                about.clone(),
                caused && needs_cause(entry).is_none_or(|needed| needed == has_cause),
                || {
                    format!(
                        "{} was caused by {:?}, which isn't in the timeline",
                        entry.kind, entry.causationid
                    )
                },
            );
        }
        let recorded = recorded(order);
        let id = &order.order_id;
        let held = self.reservations.get(id).copied();
        let payment = self.payments.get(id).copied();
        let expected = expected(order, held, payment, &self.deliveries_of(order));
        self.expect_as("timeline-complete", standing, about, recorded == expected, || {
            format!("{:?}: the timeline has {recorded:?}, expected {expected:?}", order.state)
        });
    }
}

/// Whether an event is delivery's response to a cancel request that the timeline has. The request
/// is recorded once, and a response may be to one of the events that repeated it.
fn responds_to_cancel_request(order: &Order, entry: &TimelineEntry) -> bool {
    let is_request = |other: &TimelineEntry| {
        other.kind == OrderLineCancelRequested::TYPE
            && other.data["line_no"] == entry.data["line_no"]
    };
    [DeliveryHeld::TYPE, DeliveryNotHeld::TYPE].contains(&entry.kind.as_str())
        && order.timeline.iter().any(is_request)
}

/// Whether an event needs a causing event. `None` if it can be without, because a person or a sweep
/// caused it.
fn needs_cause(entry: &TimelineEntry) -> Option<bool> {
    match entry.kind.as_str() {
        "OrderPlaced" => Some(false),
        "OrderCancelled" => match CancelReason::deserialize(&entry.data["reason"]) {
            // The end of a charge whose time is over cancels as the sweep does.
            Ok(CancelReason::Timeout) => None,
            Ok(CancelReason::Buyer | CancelReason::Seller) => Some(false),
            _ => Some(true),
        },
        // By the last delivery, or by a seller's response about the last open line.
        "OrderCompleted" => None,
        "OrderLineCancelRefused" => Some(true),
        // A part of a line under way takes over its events.
        "DeliveryStarted" | "DeliveryCompleted" | "ReceiptConfirmed" => None,
        kind => Some(!kind.starts_with("OrderLine")),
    }
}
