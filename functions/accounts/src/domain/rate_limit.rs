//! Rate limits of attempts to log in, to reset a password and to register an account.

use super::{contact::Email, redacted_debug};
use rialto_kernel::{Timestamp, client_network};
use std::{net::IpAddr, time::Duration};

/// The length of a rate-limit window.
pub const RATE_LIMIT_WINDOW: Duration = Duration::from_secs(15 * 60);

/// An action whose rate is limited. Each has its own counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitedAction {
    /// Verifying a password, to log in or to change it. Successes don't count.
    VerifyPassword,
    /// Requesting a password reset code.
    RequestResetCode,
    /// Verifying a password reset code. Successes don't count.
    VerifyResetCode,
    /// Signing up.
    RegisterUser,
    /// Registering a seller.
    RegisterSeller,
}

/// The subject whose attempts are counted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateLimitSubject {
    /// A lower-case email, whether or not it belongs to an account.
    Email(String),
    /// The client's address; for IPv6, its /64 network, as one household has it.
    IpAddress(IpAddr),
}

/// The key of a counter: one action of one subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateLimitKey {
    pub action: LimitedAction,
    pub subject: RateLimitSubject,
}

redacted_debug!(RateLimitSubject);

/// Whether another attempt is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitDecision {
    Allowed,
    /// Denied until the window ends.
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
        Self { action, subject: RateLimitSubject::IpAddress(client_network(address)) }
    }

    /// The number of attempts allowed per window, unless a setting says it. Higher for an IP
    /// address, because many people may share one.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        match (self.action, &self.subject) {
            (
                LimitedAction::VerifyPassword | LimitedAction::VerifyResetCode,
                RateLimitSubject::Email(_),
            ) => 10,
            (_, RateLimitSubject::Email(_)) => 5,
            (_, RateLimitSubject::IpAddress(_)) => 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> RateLimitKey {
        RateLimitKey::ip_address(LimitedAction::VerifyPassword, text.parse().unwrap())
    }

    fn email(text: &str) -> RateLimitKey {
        RateLimitKey::email(LimitedAction::VerifyPassword, &Email::parse(text).unwrap())
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }

    #[test]
    fn emails_are_counted_without_case() {
        assert_eq!(email("Ann@example.com"), email("ann@Example.com"));
    }

    #[test]
    fn an_address_has_a_higher_limit_than_an_email() {
        assert!(email("ann@example.com").limit() < address("192.0.2.1").limit());
    }

    #[test]
    fn debug_output_has_neither_email_nor_address() {
        let printed = format!("{:?} {:?}", email("ann@example.com"), address("192.0.2.1"));
        assert!(!printed.contains("ann") && !printed.contains("192"), "{printed}");
    }
}
