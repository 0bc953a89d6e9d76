//! Faults, and what decides the steps of a run.

use fastrand::Rng;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// A kind of fault. Its name, as in `--without`, is that of the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An invocation ends at a point.
    Crash,
    /// A call isn't made.
    Failure,
    /// A call is made, and its response lost.
    LostResponse,
    /// A call is throttled or meets contention; or, once it is done, is answered by an error that
    /// forbids to repeat it.
    Refusal,
    /// The queue has a second copy of a message.
    Duplicate,
    /// A message comes up to two minutes later, so that others overtake it.
    Delay,
    /// A message is received by something that ends before it handles it.
    Drop,
    /// A message becomes visible again while it is being handled.
    SlowConsumer,
    /// A relay publishes some of its events and ends, and publishes them again.
    Republication,
    /// Up to twenty minutes pass, in which messages become visible and orders expire.
    TimeJump,
    /// The clocks of invocations are apart by up to this many milliseconds from the time.
    ClockSkew,
    /// Indexes stay in their present state for a while.
    IndexLag,
    /// All invocations end at once.
    Outage,
    /// The provider begins or ends holding or refusing refunds, or takes one back.
    RefundTrouble,
    /// The provider drops its idempotency keys.
    ForgottenKeys,
    /// A charge that has failed or was cancelled succeeds after all.
    LateSuccess,
    /// The buyer's bank inquires about a charge, disputes it, or decides a dispute.
    Dispute,
}

impl Fault {
    pub const ALL: [Self; 17] = [
        Self::Crash,
        Self::Failure,
        Self::LostResponse,
        Self::Refusal,
        Self::Duplicate,
        Self::Delay,
        Self::Drop,
        Self::SlowConsumer,
        Self::Republication,
        Self::TimeJump,
        Self::ClockSkew,
        Self::IndexLag,
        Self::Outage,
        Self::RefundTrouble,
        Self::ForgottenKeys,
        Self::LateSuccess,
        Self::Dispute,
    ];

    /// The largest chance in a thousand, at what the fault is about: a point, a message, a step.
    const fn largest_chance(self) -> u32 {
        match self {
            Self::Crash => 40,
            Self::Failure | Self::LostResponse | Self::Refusal => 60,
            Self::Duplicate | Self::Delay => 200,
            Self::Drop | Self::SlowConsumer | Self::Republication => 100,
            Self::TimeJump => 10,
            Self::ClockSkew => 3_000,
            Self::IndexLag => 50,
            Self::Outage => 3,
            Self::RefundTrouble => 300,
            Self::ForgottenKeys => 100,
            Self::LateSuccess => 500,
            Self::Dispute => 400,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|fault| fault.to_string() == name);
        found.ok_or_else(|| format!("must be one of {:?}", Self::ALL))
    }
}

/// The chances of faults, in a thousand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults([u32; Fault::ALL.len()]);

impl Faults {
    /// A random selection: some runs have many kinds of faults, some have one.
    pub fn random(rng: &mut Rng) -> Self {
        Self(Fault::ALL.map(|fault| {
            let chance = rng.u32(1..=fault.largest_chance());
            if rng.bool() { chance } else { 0 }
        }))
    }

    #[must_use]
    pub const fn chance(&self, fault: Fault) -> u32 {
        self.0[fault as usize]
    }

    pub const fn remove(&mut self, fault: Fault) {
        self.0[fault as usize] = 0;
    }
}

/// A fault at a given point of a run that has no other faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointFault {
    Crash,
    Fail,
    /// See [`Fault::Refusal`].
    Refuse,
}

impl PointFault {
    pub const ALL: [Self; 3] = [Self::Crash, Self::Fail, Self::Refuse];
}

/// What decides the steps.
#[derive(Debug)]
pub enum Policy {
    Random(Box<Rng>, Faults),
    /// Everything in order of its age, with faults at the points with these numbers.
    InOrder(BTreeMap<u32, PointFault>),
}
