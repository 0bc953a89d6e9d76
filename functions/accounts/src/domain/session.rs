use super::refresh_token::{RefreshKey, RefreshToken};
use rialto_kernel::{AccountId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a session goes on without being refreshed.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// One login on one device. It is also the family of its refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub session_id: SessionId,
    pub account_id: AccountId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// When it was ended before its time: by logging out, or because a refresh token was used twice.
    pub ended_at: Option<Timestamp>,
    /// The number of the refresh token that is good now, from 1.
    pub refresh_n: u64,
    /// The hash of that token.
    pub refresh_hash: String,
    /// Rises with every change.
    pub version: u64,
}

impl Session {
    /// A session and its first refresh token.
    #[must_use]
    pub fn start(
        session_id: SessionId,
        account_id: AccountId,
        key: &RefreshKey,
        now: Timestamp,
    ) -> (Self, RefreshToken) {
        let token = RefreshToken::issue(key, account_id, session_id, 1);
        let session = Self {
            session_id,
            account_id,
            created_at: now,
            expires_at: now.plus(LIFETIME),
            ended_at: None,
            refresh_n: 1,
            refresh_hash: token.hash(),
            version: 1,
        };
        (session, token)
    }

    /// Whether it goes on at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::UserId;

    #[test]
    fn a_session_goes_on_until_it_is_ended_or_its_time_is_over() {
        let now = Timestamp::from_millis(1_000);
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let (session, token) = Session::start(SessionId::derive(&[b"1"]), account, &RefreshKey([1; 32]), now);
        assert_eq!(session.refresh_hash, token.hash());
        assert!(session.is_active(now));
        assert!(session.is_active(Timestamp::from_millis(session.expires_at.millis() - 1)));
        assert!(!session.is_active(session.expires_at));
        assert!(!Session { ended_at: Some(now), ..session }.is_active(now));
    }

    #[test]
    fn a_session_holds_no_token() {
        let account = AccountId::User(UserId::derive(&[b"u"]));
        let now = Timestamp::from_millis(1_000);
        let (session, token) = Session::start(SessionId::derive(&[b"1"]), account, &RefreshKey([1; 32]), now);
        let (_, mac) = token.as_str().rsplit_once('.').unwrap();
        assert!(!serde_json::to_string(&session).unwrap().contains(mac));
    }
}
