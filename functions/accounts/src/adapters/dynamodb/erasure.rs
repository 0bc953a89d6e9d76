use super::{
    DynamoAccounts, account_key,
    accounts::{LAST_LOGIN, changed_attributes},
    addresses_key, credential_key, profile_key,
};
use crate::{
    adapters::ERASURE_INDEX,
    domain::{account::Account, credential::Credential},
    ports::{AccountCloser, ErasureQueue},
};
use rialto_contracts::Event;
use rialto_dynamo::{OUTBOX, Precondition, outbox};
use rialto_kernel::{AccountId, DueEntry, DueQueue, StoreError, Timestamp, Write};

impl AccountCloser for DynamoAccounts {
    async fn close(
        &self,
        account: &Account,
        credential: &Credential,
        events: &[Event],
        erasure_check_at: Timestamp,
    ) -> Result<Write, StoreError> {
        let mut set = changed_attributes(account)?;
        set.extend(ERASURE_INDEX.attributes(account.account_id, erasure_check_at));
        let mut remove = Vec::new();
        if events.is_empty() {
            remove.push(OUTBOX);
        } else {
            set.insert(OUTBOX.to_owned(), outbox(events)?);
        }
        let (key, before) =
            (account_key(account.account_id), Precondition::Version(account.version - 1));
        let credential_at = Precondition::Version(credential.version);
        self.transact(vec![
            self.table.transact_update(&key, set, &remove, before)?,
            self.table.transact_delete(&credential_key(&credential.email), credential_at)?,
        ])
        .await
    }

    async fn remove_profile(&self, account: AccountId) -> Result<(), StoreError> {
        match self.table.delete(&profile_key(account), None).await? {
            Write::Done | Write::Conflict(()) => Ok(()),
        }
    }
}

impl DueQueue for DynamoAccounts {
    type Id = AccountId;
    const SHARDS: u8 = ERASURE_INDEX.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<AccountId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<AccountId>>, StoreError> {
        self.table.due(&ERASURE_INDEX, shard, now, after, limit).await
    }

    async fn postpone(
        &self,
        entry: &DueEntry<AccountId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        self.table.postpone(&ERASURE_INDEX, &account_key(entry.id), entry, until).await
    }
}

impl ErasureQueue for DynamoAccounts {
    async fn erase(&self, account: &Account) -> Result<Write, StoreError> {
        let id = account.account_id;
        // The account itself comes last: it stays due until all its personal data is erased.
        self.remove_profile(id).await?;
        match self.table.delete(&addresses_key(id), None).await? {
            Write::Done | Write::Conflict(()) => {}
        }
        let [partition, sort] = ERASURE_INDEX.attribute_names();
        let remove = [LAST_LOGIN, &partition, &sort, OUTBOX];
        let expect = Precondition::Version(account.version - 1);
        self.table.update(&account_key(id), changed_attributes(account)?, &remove, expect).await
    }
}
