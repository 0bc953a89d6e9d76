use super::{
    DynamoAccounts, account_key,
    accounts::{LAST_LOGIN, changed_attributes},
    addresses_key, credential_key, profile_key,
};
use crate::{
    domain::{account::Account, credential::Credential},
    ports::{AccountCloser, ErasureQueue},
};
use futures_util::future::try_join_all;
use rialto_contracts::Event;
use rialto_dynamo::{AttributeValue, Item, OUTBOX, Precondition, Stretch, outbox};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write, digest};

/// The number of index partitions over which closed accounts are spread.
const SHARDS: u8 = 4;
const PARTITION: &str = "by_erasure_pk";
const SORT: &str = "by_erasure_sk";

fn shard_partition(shard: u8) -> String {
    format!("CLOSED#{shard}")
}

/// The attributes by which `by_erasure` lists a closed account from `at` on.
fn erasure_index_keys(account: AccountId, at: Timestamp) -> Item {
    let shard = digest::sha256(&[account.to_string().as_bytes()])[0] % SHARDS;
    [(PARTITION, shard_partition(shard)), (SORT, format!("{at}#{account}"))]
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text)))
        .into()
}

impl AccountCloser for DynamoAccounts {
    async fn close(
        &self,
        account: &Account,
        credential: &Credential,
        events: &[Event],
        due_at: Timestamp,
    ) -> Result<Write, StoreError> {
        let mut set = changed_attributes(account)?;
        set.extend(erasure_index_keys(account.account_id, due_at));
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

impl ErasureQueue for DynamoAccounts {
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<AccountId>, StoreError> {
        let per_shard = u32::try_from(limit).unwrap_or(u32::MAX);
        let shards = (0..SHARDS).map(|shard| async move {
            let stretch = Stretch {
                index: Some("by_erasure"),
                partition: (PARTITION, shard_partition(shard)),
                sort: SORT,
                after: None,
                descending: false,
            };
            self.table.stretch(&stretch, per_shard).await
        });
        let found = try_join_all(shards).await?.into_iter().flat_map(|(items, _)| items);
        let mut due: Vec<(Timestamp, AccountId)> = found
            .filter_map(|item| parse_erasure_key(&item))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        Ok(due.into_iter().map(|(_, id)| id).collect())
    }

    async fn reschedule(&self, account: &Account, until: Timestamp) -> Result<Write, StoreError> {
        let (id, expect) = (account.account_id, Precondition::Version(account.version));
        self.table.update(&account_key(id), erasure_index_keys(id, until), &[OUTBOX], expect).await
    }

    async fn erase(&self, account: &Account) -> Result<Write, StoreError> {
        let id = account.account_id;
        // The account itself comes last: it stays due until all its personal data is erased.
        self.remove_profile(id).await?;
        match self.table.delete(&addresses_key(id), None).await? {
            Write::Done | Write::Conflict(()) => {}
        }
        let remove = [LAST_LOGIN, PARTITION, SORT, OUTBOX];
        let expect = Precondition::Version(account.version - 1);
        self.table.update(&account_key(id), changed_attributes(account)?, &remove, expect).await
    }
}

fn parse_erasure_key(item: &Item) -> Option<(Timestamp, AccountId)> {
    let (at, id) = item.get(SORT)?.as_s().ok()?.split_once('#')?;
    Some((Timestamp::parse(at).ok()?, id.parse().ok()?))
}
