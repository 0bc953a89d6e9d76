//! How often something may be tried, by whom.

use super::{contact::Email, redacted_debug};
use rialto_kernel::Timestamp;
use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// How long attempts are counted before counting begins anew.
pub const RATE_LIMIT_WINDOW: Duration = Duration::from_secs(15 * 60);

/// What is tried. Each is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitedAction {
    /// A password, when logging in or changing it. What was right doesn't count.
    VerifyPassword,
    /// Having a code mailed.
    RequestResetCode,
    /// A mailed code. What was right doesn't count.
    VerifyResetCode,
}

/// Whose attempts are counted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateLimitSubject {
    /// An email in lower case, whether it belongs to an account or not.
    Email(String),
    /// Where requests come from; of IPv6, the network of one household.
    IpAddress(IpAddr),
}

/// One count: of one kind of attempt, by one subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateLimitKey {
    pub action: LimitedAction,
    pub subject: RateLimitSubject,
}

redacted_debug!(RateLimitSubject);

/// Whether something may be tried once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitDecision {
    Allowed,
    /// Not before the window ends.
    Denied {
        until: Timestamp,
    },
}

impl RateLimitKey {
    #[must_use]
    pub fn email(action: LimitedAction, email: &Email) -> Self {
        Self { action, subject: RateLimitSubject::Email(email.key()) }
    }

    #[must_use]
    pub fn ip_address(action: LimitedAction, address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V6(v6) => {
                v6.to_ipv4_mapped().map_or_else(|| IpAddr::V6(network(v6)), IpAddr::V4)
            }
            v4 => v4,
        };
        Self { action, subject: RateLimitSubject::IpAddress(address) }
    }

    /// How many are admitted in one window. Many people may share an address.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        match (self.action, &self.subject) {
            (
                LimitedAction::VerifyPassword | LimitedAction::VerifyResetCode,
                RateLimitSubject::Email(_),
            ) => 10,
            (LimitedAction::RequestResetCode, RateLimitSubject::Email(_)) => 5,
            (_, RateLimitSubject::IpAddress(_)) => 100,
        }
    }
}

/// The /64 that an address lies in.
fn network(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> RateLimitKey {
        RateLimitKey::ip_address(LimitedAction::VerifyPassword, text.parse().unwrap())
    }

    #[test]
    fn a_household_counts_as_one_address() {
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }

    #[test]
    fn an_email_is_counted_whatever_its_case_and_an_address_may_try_more() {
        let email =
            |text| RateLimitKey::email(LimitedAction::VerifyPassword, &Email::parse(text).unwrap());
        assert_eq!(email("Ann@example.com"), email("ann@Example.com"));
        assert!(email("ann@example.com").limit() < address("192.0.2.1").limit());
        let printed = format!("{:?} {:?}", email("ann@example.com"), address("192.0.2.1"));
        assert!(!printed.contains("ann") && !printed.contains("192"), "{printed}");
    }
}
