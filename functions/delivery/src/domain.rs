//! Types and rules, without AWS, HTTP, environment and clock.

pub mod delivery;
pub mod draft;
pub mod line_change;
pub mod line_deliveries;
pub mod parcel;
