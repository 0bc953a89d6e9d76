//! Faults, and what decides the steps of a run.

use fastrand::Rng;
use std::collections::BTreeMap;

/// Chances of faults, in a thousand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Of a crash at a point.
    pub crash: u32,
    /// Of a failure before a call, and of a lost response after it.
    pub failure: u32,
    pub lost_response: u32,
    /// Of a second copy of a message.
    pub duplicate: u32,
    /// Of a message that comes up to two minutes later.
    pub delay: u32,
    /// Of a relay that publishes and crashes before it records that.
    pub republication: u32,
    /// Of a step that takes up to ten minutes, in which messages become visible and orders expire.
    pub time_jump: u32,
    /// How far the clocks of two invocations are apart at most, in milliseconds.
    pub clock_skew: i64,
}

impl Faults {
    /// A random selection: some runs have many kinds of faults, some have one.
    pub fn random(rng: &mut Rng) -> Self {
        let mut chance = |most: u32| if rng.bool() { rng.u32(0..=most) } else { 0 };
        Self {
            crash: chance(40),
            failure: chance(60),
            lost_response: chance(60),
            duplicate: chance(200),
            delay: chance(200),
            republication: chance(100),
            time_jump: chance(10),
            clock_skew: i64::from(chance(3_000)),
        }
    }
}

/// A fault at a given point of a run that has no other faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointFault {
    Crash,
    Fail,
}

/// What decides the steps.
#[derive(Debug)]
pub enum Policy {
    Random(Box<Rng>, Faults),
    /// Everything in order of its age, with faults at the points with these numbers.
    InOrder(BTreeMap<u32, PointFault>),
}
