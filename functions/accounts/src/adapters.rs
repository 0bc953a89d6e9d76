//! Implementations of the ports on AWS services and on other Rialto services, and in memory. The
//! same contract tests run against both.

pub mod dynamodb;
pub mod mail;
pub mod memory;
pub mod orders;
pub mod passwords;
pub mod secrets;

use rialto_dynamo::DueIndex;

/// The number of days of which one call lists the accounts.
const LISTED_DAYS: u32 = 31;

/// Closed accounts that still hold personal data, by the time at which erasing them is tried next.
const ERASURE_INDEX: DueIndex = DueIndex { index: "by_erasure", prefix: "CLOSED", shards: 4 };
