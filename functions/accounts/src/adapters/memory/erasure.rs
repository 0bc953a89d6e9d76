use super::MemoryAccounts;
use crate::{
    adapters::ERASURE_INDEX,
    domain::{account::Account, credential::Credential},
    ports::{AccountCloser, ErasureQueue},
};
use rialto_contracts::Event;
use rialto_kernel::{AccountId, DueEntry, DueQueue, StoreError, Timestamp, Write};

impl AccountCloser for MemoryAccounts {
    async fn close(
        &self,
        account: &Account,
        credential: &Credential,
        events: &[Event],
        erasure_check_at: Timestamp,
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let email = credential.email.key();
        let version = state.credentials.get(&email).map(|credential| credential.version);
        if version != Some(credential.version) || !state.save_account(account) {
            return Ok(Write::Conflict(()));
        }
        state.credentials.remove(&email);
        state.due.set(account.account_id, Some(erasure_check_at));
        state.published_events.extend_from_slice(events);
        Ok(Write::Done)
    }

    async fn remove_profile(&self, account: AccountId) -> Result<(), StoreError> {
        if let AccountId::User(user) = account {
            self.state().profiles.remove(&user);
        }
        Ok(())
    }
}

impl DueQueue for MemoryAccounts {
    type Id = AccountId;
    const SHARDS: u8 = ERASURE_INDEX.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<AccountId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<AccountId>>, StoreError> {
        Ok(self.state().due.due(&ERASURE_INDEX, shard, now, after, limit))
    }

    async fn postpone(
        &self,
        entry: &DueEntry<AccountId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        Ok(self.state().due.postpone(entry, until))
    }
}

impl ErasureQueue for MemoryAccounts {
    async fn erase(&self, account: &Account) -> Result<Write, StoreError> {
        self.remove_profile(account.account_id).await?;
        let mut state = self.state();
        state.address_books.remove(&account.account_id);
        if !state.save_account(account) {
            return Ok(Write::Conflict(()));
        }
        if let Some(stored) = state.accounts.get_mut(&account.account_id) {
            stored.last_login_at = None;
        }
        state.due.set(account.account_id, None);
        Ok(Write::Done)
    }
}
