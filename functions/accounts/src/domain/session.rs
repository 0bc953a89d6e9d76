use super::refresh_token::{RefreshKey, RefreshToken};
use rialto_contracts::{Event, EventContext, accounts::UserLoggedIn};
use rialto_kernel::{AccountId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a session goes on without being refreshed.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long after a refresh the token before leads to the same new one: a client whose answer was lost asks again.
pub const GRACE_PERIOD: Duration = Duration::from_secs(30);

/// One login on one device. It is also the family of its refresh tokens. One that was ended before its time, by logging out
/// or because a refresh token was used twice, is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub session_id: SessionId,
    pub account_id: AccountId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The number of the refresh token that is good now, from 1.
    #[serde(rename = "refresh_n")]
    pub generation: u64,
    /// The hash of that token.
    pub refresh_hash: String,
    /// Since when that token is the good one.
    pub refreshed_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

/// What a refresh token leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The next token; the session has to be stored.
    Rotated(Session, RefreshToken),
    /// The token that was given out already, for the one before it.
    GraceReplay(RefreshToken),
    /// It was used long ago: somebody has a copy, and the session must end.
    ReuseDetected,
    /// No session's token.
    Unknown,
    /// Its session's time is over.
    Expired,
}

impl Session {
    /// A session, its first refresh token and what is announced.
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

    /// What is announced of a session that begins.
    #[must_use]
    pub fn logged_in_event(&self, cause: &EventContext) -> Event {
        let announced = UserLoggedIn { account_id: self.account_id, at: self.created_at };
        Event::new(&announced, self.version, 0, self.created_at, cause)
    }

    /// Whether it goes on at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// What a genuine token of this session leads to.
    #[must_use]
    pub fn refresh(
        &self,
        shown: &RefreshToken,
        n: u64,
        key: &RefreshKey,
        now: Timestamp,
    ) -> RefreshOutcome {
        let issue = |n| RefreshToken::issue(key, self.account_id, self.session_id, n);
        if !self.is_active(now) {
            RefreshOutcome::Expired
        } else if n == self.generation && shown.hash() == self.refresh_hash {
            let token = issue(n + 1);
            let next = Self {
                expires_at: now.plus(SESSION_LIFETIME),
                generation: n + 1,
                refresh_hash: token.hash(),
                refreshed_at: now,
                version: self.version + 1,
                ..self.clone()
            };
            RefreshOutcome::Rotated(next, token)
        } else if n + 1 == self.generation && now < self.refreshed_at.plus(GRACE_PERIOD) {
            RefreshOutcome::GraceReplay(issue(self.generation))
        } else if n < self.generation {
            RefreshOutcome::ReuseDetected
        } else {
            RefreshOutcome::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::UserId;

    const KEY: RefreshKey = RefreshKey([1; 32]);

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000)
    }

    fn started() -> (Session, RefreshToken) {
        let account = AccountId::User(UserId::derive(&[b"u"]));
        Session::start(SessionId::derive(&[b"1"]), account, &KEY, now())
    }

    fn next(session: &Session, token: &RefreshToken, now: Timestamp) -> (Session, RefreshToken) {
        match session.refresh(token, session.generation, &KEY, now) {
            RefreshOutcome::Rotated(session, token) => (session, token),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_goes_on_until_its_time_is_over() {
        let (session, token) = started();
        assert_eq!(session.refresh_hash, token.hash());
        assert!(session.is_active(now()));
        assert!(session.is_active(Timestamp::from_millis(session.expires_at.millis() - 1)));
        assert!(!session.is_active(session.expires_at));
        assert_eq!(session.refresh(&token, 1, &KEY, session.expires_at), RefreshOutcome::Expired);
    }

    #[test]
    fn a_session_holds_no_token() {
        let (session, token) = started();
        let (_, mac) = token.as_str().rsplit_once('.').unwrap();
        assert!(!serde_json::to_string(&session).unwrap().contains(mac));
    }

    #[test]
    fn each_refresh_leads_to_the_next_token_and_prolongs_the_session() {
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
    fn the_token_before_leads_to_the_same_one_again_for_half_a_minute() {
        let (session, first) = started();
        let (session, second) = next(&session, &first, now());
        let just = Timestamp::from_millis(now().plus(GRACE_PERIOD).millis() - 1);
        assert_eq!(session.refresh(&first, 1, &KEY, just), RefreshOutcome::GraceReplay(second));
        assert_eq!(
            session.refresh(&first, 1, &KEY, now().plus(GRACE_PERIOD)),
            RefreshOutcome::ReuseDetected
        );
    }

    #[test]
    fn a_token_from_before_that_is_used_twice_at_once() {
        let (session, first) = started();
        let (session, second) = next(&session, &first, now());
        let (session, _) = next(&session, &second, now());
        assert_eq!(session.refresh(&first, 1, &KEY, now()), RefreshOutcome::ReuseDetected);
    }

    #[test]
    fn a_token_that_was_never_given_out_is_unknown() {
        let (session, first) = started();
        assert_eq!(session.refresh(&first, 2, &KEY, now()), RefreshOutcome::Unknown);
        let other =
            RefreshToken::issue(&RefreshKey([2; 32]), session.account_id, session.session_id, 1);
        assert_eq!(session.refresh(&other, 1, &KEY, now()), RefreshOutcome::Unknown);
    }

    #[test]
    fn a_login_is_announced_by_nothing_but_account_and_time() {
        let (session, _) = started();
        let event = session.logged_in_event(&EventContext::default());
        assert_eq!(event.kind, "UserLoggedIn");
        assert_eq!(
            event.data,
            serde_json::json!({ "account_id": session.account_id, "at": now() })
        );
    }
}
