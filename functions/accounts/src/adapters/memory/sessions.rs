use super::MemoryAccounts;
use crate::{
    domain::{credential::Credential, session::Session},
    ports::{SessionEnder, SessionLister, SessionReader, SessionStarter, SessionWriter},
};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

impl SessionStarter for MemoryAccounts {
    async fn start(
        &self,
        session: &Session,
        credential: &Credential,
        events: &[Event],
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let key = (session.account_id, session.session_id);
        let version =
            state.credentials.get(&credential.email.key()).map(|credential| credential.version);
        if version != Some(credential.version) || state.sessions.contains_key(&key) {
            return Ok(Write::Conflict(()));
        }
        state.sessions.insert(key, session.clone());
        state.published_events.extend_from_slice(events);
        Ok(Write::Done)
    }
}

impl SessionReader for MemoryAccounts {
    async fn session(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        Ok(self.state().sessions.get(&(account, session)).cloned())
    }
}

impl SessionWriter for MemoryAccounts {
    async fn save(&self, session: &Session) -> Result<Write, StoreError> {
        match self.state().sessions.get_mut(&(session.account_id, session.session_id)) {
            Some(stored) if stored.version + 1 == session.version => {
                *stored = session.clone();
                Ok(Write::Done)
            }
            Some(_) | None => Ok(Write::Conflict(())),
        }
    }
}

impl SessionEnder for MemoryAccounts {
    async fn end(&self, account: AccountId, session: SessionId) -> Result<Write, StoreError> {
        let ended = self.state().sessions.remove(&(account, session));
        Ok(if ended.is_some() { Write::Done } else { Write::Conflict(()) })
    }

    async fn end_oldest(&self, account: AccountId, keep: u32) -> Result<usize, StoreError> {
        let mut state = self.state();
        let own = state.sessions.keys().rev().filter(|(owner, _)| *owner == account);
        let oldest: Vec<_> = own.skip(keep as usize).copied().collect();
        for key in &oldest {
            state.sessions.remove(key);
        }
        Ok(oldest.len())
    }

    async fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
    ) -> Result<usize, StoreError> {
        let mut state = self.state();
        let before = state.sessions.len();
        state.sessions.retain(|(owner, session), _| *owner != account || Some(*session) == except);
        Ok(before - state.sessions.len())
    }
}

impl SessionLister for MemoryAccounts {
    async fn sessions(
        &self,
        account: AccountId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<Session>, Option<String>), StoreError> {
        let state = self.state();
        let own = state.sessions.values().rev().filter(|session| session.account_id == account);
        let after_position = own.filter(|session| {
            position.is_none_or(|at| session.session_id.to_string().as_str() < at)
        });
        let mut sessions: Vec<Session> = after_position.take(limit as usize + 1).cloned().collect();
        let more = sessions.len() > limit as usize;
        sessions.truncate(limit as usize);
        let next = sessions.last().filter(|_| more).map(|session| session.session_id.to_string());
        Ok((sessions, next))
    }
}
