use crate::domain::{credential::Credential, session::Session};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

pub trait SessionStarter {
    /// Writes a new session and announces it; [`Write::Conflict`] if the credential isn't any more what it was logged in with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn start(
        &self,
        session: &Session,
        credential: &Credential,
        events: &[Event],
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait SessionReader {
    /// The account's session with this id as it is now, in one read. Another account's is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn session(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;
}

pub trait SessionWriter {
    /// Writes a session over the one of the version before; [`Write::Conflict`] if that isn't there any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was written.
    fn save(&self, session: &Session) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

pub trait SessionEnder {
    /// Ends the account's session with this id: it is no more. [`Write::Conflict`] if there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it isn't known whether it was ended.
    fn end(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Ends every session of the account but `except`, as they are now; tells how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when some may go on: do it again.
    fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

pub trait SessionLister {
    /// Up to `limit` of the account's sessions, newest first, and where the list goes on if it may.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store can't answer.
    fn sessions(
        &self,
        account: AccountId,
        limit: u32,
        position: Option<&str>,
    ) -> impl Future<Output = Result<(Vec<Session>, Option<String>), StoreError>> + Send;
}
