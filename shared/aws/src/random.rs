//! Random names of requests; not for secrets.

use rialto_kernel::digest::hex;

/// 32 hexadecimal digits. All zeros without the system's randomness.
pub(crate) fn random_hex() -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok();
    hex(&random)
}
