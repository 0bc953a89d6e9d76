//! The steps of a scenario.

use std::time::Duration;

/// A product that exists before the first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) product: String,
    pub(crate) stock: u32,
    /// In minor units.
    pub(crate) price: u32,
}

/// A step of a scenario. It is about the orders placed by the last step that placed some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Place(Placing),
    Cancel(Cancelling),
    /// Each order's event is published again, so many times.
    Publish {
        event: &'static str,
        times: u32,
    },
    Expect {
        event: &'static str,
        within: Duration,
        times: Option<u32>,
    },
    Never {
        event: &'static str,
    },
    /// The later event was caused by the earlier one, directly or through others.
    After {
        later: &'static str,
        earlier: &'static str,
    },
    /// Every order ends in one of these states.
    Ends {
        states: Vec<String>,
        reason: Option<String>,
    },
    /// Exactly so many orders end so.
    Count {
        orders: u32,
        state: String,
        reason: Option<String>,
    },
    /// Every order that no [`Count`](Self::Count) since the placing has counted.
    Others {
        state: String,
        reason: Option<String>,
    },
    Payment {
        state: String,
    },
    /// Something is done to a line of every order.
    Line(LineStep),
    /// The line of every order reaches this state.
    LineState {
        line: u32,
        state: String,
    },
    Money(Money),
    Stock {
        product: String,
        available: u32,
        reserved: u32,
        sold: Option<u32>,
    },
    Product {
        product: String,
        status: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placing {
    pub(crate) lines: Vec<(u32, String)>,
    pub(crate) method: String,
    /// How many buyers place an order of their own, at once.
    pub(crate) buyers: u32,
    /// How many times each request is sent, at once, under one Idempotency-Key.
    pub(crate) times: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cancelling {
    pub(crate) supervisor: bool,
    /// The event that is waited for first.
    pub(crate) after: Option<&'static str>,
    pub(crate) answer: Answer,
}

/// The answer that a cancellation must get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    Refused(String),
    Either,
}

/// What is done to a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineStep {
    pub(crate) action: LineAction,
    pub(crate) line: u32,
    /// A part of the line, if it isn't about the whole one.
    pub(crate) pieces: Option<u32>,
    /// The code that it must be refused with.
    pub(crate) refused: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineAction {
    Accept,
    Reject,
    Split,
    Cancel,
    ConfirmCancel,
    Ship,
    Deliver,
    Receive,
    Return,
    ConfirmReturn { restock: bool },
    DeclineReturn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Money {
    /// Captured and not refunded.
    Paid,
    /// Nothing was captured, or all of it was refunded.
    NotPaid,
    /// Nothing was ever captured.
    NotCaptured,
    /// Captured, and refunded whole.
    Refunded,
    /// Captured, and so much refunded.
    RefundedInPart(u32),
}

/// How long is waited for what has no time of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Step {
    /// The products that the step names.
    pub(crate) fn products(&self) -> Vec<&str> {
        match self {
            Self::Place(placing) => placing.lines.iter().map(|(_, product)| &product[..]).collect(),
            Self::Stock { product, .. } | Self::Product { product, .. } => vec![product],
            _ => Vec::new(),
        }
    }

    /// Whether it is about orders placed before.
    pub(crate) const fn needs_an_order(&self) -> bool {
        !matches!(self, Self::Place(_) | Self::Stock { .. } | Self::Product { .. })
    }
}
