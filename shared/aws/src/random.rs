//! Randomness that spreads requests and names them; not for secrets.

use rialto_kernel::digest::hex;
use std::time::Duration;

/// A duration from zero to `limit`, uniformly distributed to the millisecond. Without the system's
/// randomness half of `limit`.
#[must_use]
pub fn random_below(limit: Duration) -> Duration {
    let mut random = [0; 4];
    if getrandom::fill(&mut random).is_err() {
        return limit / 2;
    }
    let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    limit.mul_f64(share)
}

/// 32 hexadecimal digits. All zeros without the system's randomness.
pub(crate) fn random_hex() -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok();
    hex(&random)
}
