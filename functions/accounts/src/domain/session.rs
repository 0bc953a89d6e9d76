//! Login sessions and the rotation of their refresh tokens.

use super::refresh_token::{RefreshKey, RefreshKeys, RefreshToken};
use rialto_contracts::{Event, EventContext, accounts::UserLoggedIn};
use rialto_kernel::{AccountId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The lifetime of a session since its last refresh.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The number of sessions that an account can have. Another one ends the oldest.
pub const MAX_SESSIONS: u32 = 100;

/// The time after a refresh for which the previous token still returns the current one, for clients
/// that lost the response.
pub const GRACE_PERIOD: Duration = Duration::from_secs(30);

/// One login on one device, and the family of its refresh tokens. A session that is ended early, by
/// logging out or because a refresh token was reused, is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub session_id: SessionId,
    pub account_id: AccountId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The generation of the current refresh token, from 1.
    #[serde(rename = "refresh_n")]
    pub generation: u64,
    /// The hash of the current refresh token.
    pub refresh_hash: String,
    /// The time at which the current refresh token was issued.
    pub refreshed_at: Timestamp,
    /// Incremented by every change.
    pub version: u64,
}

/// The outcome of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The next token; the session must be saved.
    Rotated(Session, RefreshToken),
    /// The current token again, for its predecessor within the grace period.
    GraceReplay(RefreshToken),
    /// The token was used before: it may have been stolen, and the session must be ended.
    ReuseDetected,
    /// No token of this session.
    Unknown,
    /// The session has expired.
    Expired,
}

impl Session {
    /// A new session and its first refresh token.
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
            expires_at: now.plus(SESSION_LIFETIME),
            generation: 1,
            refresh_hash: token.hash(),
            refreshed_at: now,
            version: 1,
        };
        (session, token)
    }

    /// The event that a new session emits.
    #[must_use]
    pub fn logged_in_event(&self, context: &EventContext) -> Event {
        let event = UserLoggedIn { account_id: self.account_id, at: self.created_at };
        Event::new(&event, self.version, 0, self.created_at, context)
    }

    /// The session, expiring at this age at the latest.
    #[must_use]
    pub fn limited_to(self, max_age: Duration) -> Self {
        Self { expires_at: self.expires_at.min(self.created_at.plus(max_age)), ..self }
    }

    /// Whether the session hasn't expired at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Decides on a refresh token of this session that was issued with one of our keys.
    #[must_use]
    pub fn refresh(
        &self,
        presented: &RefreshToken,
        generation: u64,
        keys: &RefreshKeys,
        now: Timestamp,
    ) -> RefreshOutcome {
        let (account, id) = (self.account_id, self.session_id);
        if !self.is_active(now) {
            RefreshOutcome::Expired
        } else if generation == self.generation && presented.hash() == self.refresh_hash {
            let token = RefreshToken::issue(&keys.current, account, id, generation + 1);
            let next = Self {
                expires_at: now.plus(SESSION_LIFETIME),
                generation: generation + 1,
                refresh_hash: token.hash(),
                refreshed_at: now,
                version: self.version + 1,
                ..self.clone()
            };
            RefreshOutcome::Rotated(next, token)
        } else if generation + 1 == self.generation && now < self.refreshed_at.plus(GRACE_PERIOD) {
            // Another key than the current one may have issued it.
            let token = keys.find(account, id, self.generation, &self.refresh_hash, now);
            token.map_or(RefreshOutcome::Unknown, RefreshOutcome::GraceReplay)
        } else if generation < self.generation {
            RefreshOutcome::ReuseDetected
        } else {
            RefreshOutcome::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refresh_token::AcceptedRefreshKey;
    use rialto_kernel::UserId;

    const KEY: RefreshKey = RefreshKey([1; 32]);

    fn keys() -> RefreshKeys {
        KEY.into()
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000)
    }

    fn started() -> (Session, RefreshToken) {
        let account = AccountId::User(UserId::derive(&[b"u"]));
        Session::start(SessionId::derive(&[b"1"]), account, &KEY, now())
    }

    fn next(session: &Session, token: &RefreshToken, now: Timestamp) -> (Session, RefreshToken) {
        match session.refresh(token, session.generation, &keys(), now) {
            RefreshOutcome::Rotated(session, token) => (session, token),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_is_active_until_it_expires() {
        let (session, token) = started();
        assert_eq!(session.refresh_hash, token.hash());
        assert!(session.is_active(now()));
        assert!(session.is_active(Timestamp::from_millis(session.expires_at.millis() - 1)));
        assert!(!session.is_active(session.expires_at));
        assert_eq!(
            session.refresh(&token, 1, &keys(), session.expires_at),
            RefreshOutcome::Expired
        );
    }

    #[test]
    fn a_stored_session_has_no_token() {
        let (session, token) = started();
        let (_, mac) = token.as_str().rsplit_once('.').unwrap();
        assert!(!serde_json::to_string(&session).unwrap().contains(mac));
    }

    #[test]
    fn a_refresh_rotates_the_token_and_extends_the_session() {
        let (session, first) = started();
        let later = now().plus(Duration::from_secs(60));
        let (session, second) = next(&session, &first, later);
        assert_eq!((session.generation, session.version), (2, 2));
        assert_eq!(session.expires_at, later.plus(SESSION_LIFETIME));
        let (session, third) = next(&session, &second, later);
        assert_eq!(session.refresh_hash, third.hash());
        assert_ne!(second.hash(), third.hash());
    }

    #[test]
    fn the_previous_token_is_replayed_in_the_grace_period() {
        let (session, first) = started();
        let (session, second) = next(&session, &first, now());
        let just = Timestamp::from_millis(now().plus(GRACE_PERIOD).millis() - 1);
        assert_eq!(session.refresh(&first, 1, &keys(), just), RefreshOutcome::GraceReplay(second));
        assert_eq!(
            session.refresh(&first, 1, &keys(), now().plus(GRACE_PERIOD)),
            RefreshOutcome::ReuseDetected
        );
    }

    #[test]
    fn a_replay_keeps_its_token_after_the_key_was_rotated() {
        let (session, first) = started();
        let (session, second) = next(&session, &first, now());
        let rotated = RefreshKeys {
            current: RefreshKey([2; 32]),
            accepted: vec![AcceptedRefreshKey { key: KEY, until: now().plus(GRACE_PERIOD) }],
        };
        let replayed = session.refresh(&first, 1, &rotated, now());
        assert_eq!(replayed, RefreshOutcome::GraceReplay(second.clone()));
        let RefreshOutcome::Rotated(_, third) = session.refresh(&second, 2, &rotated, now()) else {
            panic!("rotated")
        };
        let (account, id) = (session.account_id, session.session_id);
        assert_eq!(third, RefreshToken::issue(&rotated.current, account, id, 3));
        let revoked = RefreshKeys::from(RefreshKey([2; 32]));
        assert_eq!(session.refresh(&first, 1, &revoked, now()), RefreshOutcome::Unknown);
    }

    #[test]
    fn a_session_ends_at_its_maximum_age() {
        let (session, token) = started();
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(session.clone().limited_to(90 * day), session);
        let limited = session.limited_to(day);
        assert_eq!(limited.expires_at, now().plus(day));
        let just = Timestamp::from_millis(limited.expires_at.millis() - 1);
        let (refreshed, _) = next(&limited, &token, just);
        assert_eq!(refreshed.limited_to(day).expires_at, now().plus(day));
        let late = limited.refresh(&token, 1, &keys(), limited.expires_at);
        assert_eq!(late, RefreshOutcome::Expired);
    }

    #[test]
    fn a_token_two_generations_old_is_reported_as_reuse() {
        let (session, first) = started();
        let (session, second) = next(&session, &first, now());
        let (session, _) = next(&session, &second, now());
        assert_eq!(session.refresh(&first, 1, &keys(), now()), RefreshOutcome::ReuseDetected);
    }

    #[test]
    fn a_token_that_was_never_issued_is_unknown() {
        let (session, first) = started();
        assert_eq!(session.refresh(&first, 2, &keys(), now()), RefreshOutcome::Unknown);
        let other =
            RefreshToken::issue(&RefreshKey([2; 32]), session.account_id, session.session_id, 1);
        assert_eq!(session.refresh(&other, 1, &keys(), now()), RefreshOutcome::Unknown);
    }

    #[test]
    fn a_login_event_has_account_and_time_only() {
        let (session, _) = started();
        let event = session.logged_in_event(&EventContext::default());
        assert_eq!(event.kind, "UserLoggedIn");
        assert_eq!(
            event.data,
            serde_json::json!({ "account_id": session.account_id, "at": now() })
        );
    }
}
