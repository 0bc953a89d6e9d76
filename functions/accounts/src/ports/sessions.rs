use crate::domain::{credential::Credential, session::Session};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

pub trait SessionStarter {
    /// Writes a new session and publishes its events; [`Write::Conflict`] if the credential has
    /// changed since it was verified.
    fn start(
        &self,
        session: &Session,
        credential: &Credential,
        events: &[Event],
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait SessionReader {
    /// The account's session with this id, in one strongly consistent read. `None` for another
    /// account's session.
    fn session(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;
}

pub trait SessionWriter {
    /// Replaces the previous version of a session; [`Write::Conflict`] if that isn't stored any
    /// more.
    fn save(&self, session: &Session) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait SessionEnder {
    /// Deletes the account's session with this id; [`Write::Conflict`] if there is none.
    fn end(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Deletes the account's sessions but the `keep` newest, and returns their number. Strongly
    /// consistent; after an error, some may still be active.
    fn end_oldest(
        &self,
        account: AccountId,
        keep: u32,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Deletes every session of the account but `except`, and returns their number. Strongly
    /// consistent; after an error, some may still be active.
    fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

pub trait SessionLister {
    /// Up to `limit` of the account's sessions, newest first, and the position of the next page if
    /// there may be one.
    fn sessions(
        &self,
        account: AccountId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<(Vec<Session>, Option<String>), StoreError>> + Send;
}
